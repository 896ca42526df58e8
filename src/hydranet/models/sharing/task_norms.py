"""One encoder and one decoder, whose levels each task sees through a BatchNorm of its own."""

from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor, nn

from hydranet.core.features import MakeDecoder, MakeEncoder, Pyramid, Reads, Trunk
from hydranet.core.spec import SpecError


class TaskNorms(Trunk):
    """Convolutions are shared, normalization is not: (x - mean_t) / std_t * scale_t + shift_t for task t.

    Statistics are then those of the images that label the task, instead of a mean of all data sets; scale and shift
    let a task choose among shared channels (per domain: Bilen and Vedaldi, arXiv 1701.07275).

    at: "levels" = what the decoder gives is normalized; it runs once, and the cost is next to nothing. "taps" = what
        it reads; its convolutions, still shared, then run once per task.
    Tasks that read the encoder's levels take them as they are. A run of hard sharing is a start for it (`start=`): its
    encoder and decoder have the same names.
    Raises SpecError for another place.
    """

    def __init__(
        self,
        reads: Mapping[str, Reads],
        encoder: MakeEncoder,
        decoder: MakeDecoder,
        at: Literal["levels", "taps"] = "levels",
    ) -> None:
        if at not in ("levels", "taps"):
            raise SpecError(f"got sharing.at={at!r}, expected 'levels' or 'taps'")
        super().__init__()
        self.reads, self.at = dict(reads), at
        self.encoder = encoder()
        taps = self.encoder.features
        named = [task for task, read in self.reads.items() if read == "decoder"]
        self.decoder = decoder(taps) if named else None
        levels = self.decoder.features if self.decoder is not None else ()
        normed = levels if at == "levels" else taps
        self.norms = nn.ModuleDict(
            {task: nn.ModuleList(nn.BatchNorm2d(level.channels) for level in normed) for task in named}
        )
        self.features = {task: levels if read == "decoder" else taps for task, read in self.reads.items()}

    def shared(self, image: Tensor) -> Pyramid:
        return self.encoder(image)

    def branch(self, features: Pyramid, tasks: Sequence[str]) -> dict[str, Pyramid]:
        named = [task for task in tasks if self.reads[task] == "decoder"]
        own = {}
        if self.decoder is not None and named and self.at == "levels":
            levels = self.decoder(features)
            own = {task: self._normed(task, levels) for task in named}
        elif self.decoder is not None:
            own = {task: self.decoder(self._normed(task, features)) for task in named}
        return {task: own.get(task, features) for task in tasks}

    def _normed(self, task: str, levels: Pyramid) -> Pyramid:
        norms = self.norms[task]
        assert isinstance(norms, nn.ModuleList)
        return [norm(level) for norm, level in zip(norms, levels, strict=True)]
