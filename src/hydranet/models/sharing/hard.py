"""Hard parameter sharing: one encoder and one decoder for all tasks (Caruana, "Multitask learning", 1997)."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from hydranet.core.features import Features, MakeDecoder, MakeEncoder, Pyramid, Reads, Trunk


class HardSharing(Trunk):
    """Every task reads the same pyramid: the decoder's levels or, if it asks for them, the encoder's taps."""

    def __init__(self, reads: Mapping[str, Reads], encoder: MakeEncoder, decoder: MakeDecoder) -> None:
        super().__init__()
        self.reads = dict(reads)
        self.encoder = encoder()
        needs_decoder = "decoder" in self.reads.values()
        self.decoder = decoder(self.encoder.features) if needs_decoder else None
        self.features: dict[str, Features] = {
            task: self.encoder.features if self.decoder is None or read == "encoder" else self.decoder.features
            for task, read in self.reads.items()
        }

    def shared(self, image: Tensor) -> Pyramid:
        return self.encoder(image)

    def branch(self, features: Pyramid, tasks: Sequence[str]) -> dict[str, Pyramid]:
        asked = {self.reads[task] for task in tasks}
        levels = self.decoder(features) if self.decoder is not None and "decoder" in asked else features
        return {task: features if self.reads[task] == "encoder" else levels for task in tasks}
