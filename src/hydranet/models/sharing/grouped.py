"""Grouped trunks: tasks of a group share everything, groups share nothing (Standley et al., arXiv 1905.07553)."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from hydranet.core.features import MakeDecoder, MakeEncoder, Pyramid, Reads
from hydranet.models.columns import TaskGroups


class Grouped(TaskGroups):
    """An encoder and a decoder per group of tasks: several networks in one file, each of which can be asked alone.

    groups: the tasks by group; default: each task is alone.
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
        made = {group[0]: encoder() for group in self.groups}
        self.encoder = nn.ModuleDict(made)
        self._add_decoders(decoder, next(iter(made.values())).features)

    def shared(self, image: Tensor) -> Pyramid:
        return [image]

    def branch(self, features: Pyramid, tasks: Sequence[str]) -> dict[str, Pyramid]:
        asked = dict.fromkeys(self.name_of[task] for task in tasks)
        return self._read({name: self.encoder[name](features[0]) for name in asked}, tasks)
