"""A face network of others as a teacher: 68 points, by face-api.js (MIT), whose weights come from npm.

    hydranet label examples/face_teachers.py:points FACES --out cache

For images that one face fills, such as UTKFace's.
"""

from functools import cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hydranet.annotations import Annotation, Keypoints
from hydranet.datasets.face_keypoints import MIRROR, POINTS
from hydranet.models.tfjs_weights import TfjsFile, download, read

SIDE, MEAN = 112, (122.782, 117.001, 104.298)

NETWORK = TfjsFile(
    "@vladmandic/face-api/-/face-api-1.7.15.tgz",
    "package/model/face_landmark_68_model-weights_manifest.json",
    "package/model/face_landmark_68_model.bin",
    (
        "ca4886639f86e99b39fed0c155f81b63317225773bd9616716e887b0153389c9",
        "4611ef65c87d836d03d684b30eec4d195d8b219fa1dd58fc58945831c6b9299b",
    ),
    "MIT",
)

MARGINS = (0.04, 0.08, 0.12)
"""Shares of the image that are cut from each side: it is asked about some crops, and what they say is averaged."""


@cache
def weights() -> dict[str, Tensor]:
    return read(download(NETWORK), NETWORK)


def separable(x: Tensor, name: str, stride: int = 1) -> Tensor:
    """3x3 within channels, then 1x1; with stride 2 the border is padded on the right and below, as in TensorFlow."""
    w = weights()
    x = F.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
    x = F.conv2d(x, w[f"{name}/depthwise_filter"].permute(2, 3, 0, 1), stride=stride, groups=x.shape[1])
    return F.conv2d(x, w[f"{name}/pointwise_filter"].permute(3, 2, 0, 1), w[f"{name}/bias"])


@torch.no_grad()
def shares(images: Tensor) -> Tensor:
    """Faces, b 3 112 112 in 0..255 -> their points as shares of the sides, b 68 2."""
    w = weights()
    x = (images - torch.tensor(MEAN)[:, None, None]) / 255
    for block in range(4):
        if block:
            first = separable(x, f"dense{block}/conv0", 2).relu()
        else:
            filters = w["dense0/conv0/filters"].permute(3, 2, 0, 1)
            first = F.conv2d(F.pad(x, (0, 1, 0, 1)), filters, w["dense0/conv0/bias"], 2).relu()
        x, total = first, first
        for layer in (1, 2, 3):
            total = total + separable(x, f"dense{block}/conv{layer}")
            x = total.relu()
    x = F.avg_pool2d(x, 7, 2).flatten(1)
    return (x @ w["fc/weights"] + w["fc/bias"]).reshape(-1, POINTS, 2)


def points(rgb: np.ndarray) -> dict[str, Annotation]:
    """The mean of what it says of a few crops and of their mirror images."""
    height, width = rgb.shape[:2]
    corners, crops = [], []
    for margin in MARGINS:
        y, x = round(margin * height), round(margin * width)
        crop = rgb[y : height - y, x : width - x]
        small = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        crops += [small, small[:, ::-1]]
        corners.append((x, y, crop.shape[1], crop.shape[0]))
    answer = shares(torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float()).numpy()
    answers = []
    for (x, y, w, h), one, mirrored in zip(corners, answer[::2], answer[1::2], strict=True):
        back = mirrored[list(MIRROR)] * (-1, 1) + (1, 0)
        answers.append((one + back) / 2 * (w, h) + (x, y))
    xy = np.mean(answers, 0, dtype=np.float32)[None]
    return {"keypoints": Keypoints(xy, np.full((1, POINTS), 2), mirror=MIRROR)}
