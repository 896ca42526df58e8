"""Split decoders: one encoder for all tasks, a decoder for each group of them."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from hydranet.core.features import MakeDecoder, MakeEncoder, Pyramid, Reads
from hydranet.models.columns import TaskGroups


class SplitDecoders(TaskGroups):
    """All tasks pass one encoder; each group of tasks has a decoder of its own.

    groups: of tasks that have one decoder together; default: each task has its own.
    Raises SpecError for groups that do not hold each task once.
    """

    def __init__(
        self,
        reads: Mapping[str, Reads],
        encoder: MakeEncoder,
        decoder: MakeDecoder,
        groups: tuple[tuple[str, ...], ...] = (),
    ) -> None:
        super().__init__(reads, groups)
        self.encoder = encoder()
        self._add_decoders(decoder, self.encoder.features)

    def shared(self, image: Tensor) -> Pyramid:
        return self.encoder(image)

    def branch(self, features: Pyramid, tasks: Sequence[str]) -> dict[str, Pyramid]:
        return self._read(dict.fromkeys(self.name_of.values(), features), tasks)
