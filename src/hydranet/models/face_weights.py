"""The weights of dlib's face recognition network, as face-api.js carries them, for `models.encoders.face_resnet`."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hydranet.models.tfjs_weights import TfjsFile, download, read

FACES = "face_resnet"

STAGES = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
"""Channels and blocks of each level. All but the first level begin with a block of stride 2."""

NETWORK = TfjsFile(
    "@vladmandic/face-api/-/face-api-1.7.15.tgz",
    "package/model/face_recognition_model-weights_manifest.json",
    "package/model/face_recognition_model.bin",
    (
        "cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b",
        "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589",
    ),
    "CC0-1.0 (dlib-models), in a package under MIT",
)


def face_tensors() -> dict[str, Tensor]:
    """All tensors of the encoder, fetched. Raises OSError where they do not come, ValueError for other files."""
    return from_tfjs(read(download(NETWORK), NETWORK))


def from_tfjs(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of face-api.js under the names here, scale and shift of each layer folded into its convolution."""
    names = {"stem.conv": "conv32_down"}
    before = 0
    for level, (channels, count) in enumerate(STAGES):
        for block in range(count):
            down = "_down" if level and not block else f"_{block if level else block + 1}"
            theirs = f"conv{channels}{down}" + ("_out" if channels == before and level and not block else "")
            names |= {f"stages.{level}.{block}.conv{i}": f"{theirs}/conv{i}" for i in (1, 2)}
        before = channels
    folded = {}
    for own, theirs in names.items():
        filters, bias, scale, shift = (
            tensors[f"{theirs}/{part}"] for part in ("conv/filters", "conv/bias", "scale/weights", "scale/biases")
        )
        folded[f"{own}.weight"] = (filters * scale).permute(3, 2, 0, 1).contiguous()
        folded[f"{own}.bias"] = torch.addcmul(shift, bias, scale)
    return folded
