"""What goes into a graph for images, and what its arrays say about them; needs numpy and OpenCV, not torch."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from hydranet.annotations import Annotation
from hydranet.core.sample import DataError
from hydranet.deploy.finite import broken_field
from hydranet.deploy.manifest import IOU, SCORE, Head, Manifest
from hydranet.deploy.options import PredictorError
from hydranet.postprocess.nms import above
from hydranet.postprocess.padding import unpadded
from hydranet.postprocess.steps import postprocess, step_named
from hydranet.transforms.warp import View, letterbox, stretch, unwarp
from hydranet.transforms.warp_maps import image_of


def thresholds(heads: Iterable[Head]) -> dict[str, np.ndarray]:
    """Thresholds for a graph that suppresses boxes itself: the smallest ones that its heads ask for.

    No smaller score than the steps of the heads know: as outside the graph, candidates below are none.
    """
    inside = [head for head in heads if head.inside]
    score = min(max(_floor(head), head.score_threshold) for head in inside)
    overlap = min(_nms(head)["iou_threshold"] for head in inside)
    return {SCORE: np.array([score], np.float32), IOU: np.array([overlap], np.float32)}


def _nms(head: Head) -> Mapping[str, float]:
    """The options of the suppression after (or at the end of) a head's network."""
    return step_named("nms").checked(head.postprocess["nms"], "nms")


def _floor(head: Head) -> float:
    """The least score that the steps after a head's network look at."""
    return float(_nms(head)["score_threshold"]) if "nms" in head.postprocess else 0.0


def nearest_size(sizes: Sequence[tuple[int, int]], size: Sequence[int]) -> tuple[int, int]:
    """The (height, width) whose aspect ratio is nearest to that of `size`; the first of several."""
    wanted = np.log(size[0] / size[1])
    return min(sizes, key=lambda one: abs(np.log(one[0] / one[1]) - wanted))


def checked(image: object) -> np.ndarray:
    """The image itself. Raises ValueError for what is no uint8 h w 3 array."""
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.shape[2:] == (3,) and image.size:
        return image
    given = f"{image.dtype} array of shape {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
    raise ValueError(f"got {given}, expected a uint8 array of shape (h, w, 3) in RGB order; convert the image")


def prepared(
    images: Sequence[np.ndarray], manifest: Manifest, size: tuple[int, int]
) -> tuple[list[np.ndarray], list[View]]:
    """Images as the graph takes them, and how each lies in what the network sees."""
    if manifest.input.fit == "none":
        views = [letterbox((checked(image).shape[0], image.shape[1]), size) for image in images]
        shrink = rule.shrink if (rule := manifest.input.fitting) else "area"  # what files did before they said it
        return [image_of(image, view, shrink) for image, view in zip(images, views, strict=True)], views
    frame = manifest.input.frame
    for image in images:
        if checked(image).shape[:2] != frame:
            raise DataError(
                f"got an image of {image.shape[0]}x{image.shape[1]}, expected {frame}, the size of the frames this "
                "file was made for; resize it, or export with --fit none"
            )
    make = stretch if manifest.input.fit == "stretch" else letterbox
    return list(images), [make((image.shape[0], image.shape[1]), size) for image in images]


def first_image(outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A graph's arrays without their batch axis, for the first image."""
    return {name: array[0] for name, array in outputs.items()}


def answer(outputs: Mapping[str, np.ndarray], task: str, head: Head, view: View, size: Sequence[int]) -> Annotation:
    """One image's annotation of a task, from its part of a graph's arrays, in pixels of the image (h, w = `size`).

    The steps after the graph come first, in pixels of what the network sees; they may change the kind. Then the way
    back to the image, then the head's `score_threshold`.    Raises PredictorError for an answer that is none (NaN).
    """
    prediction = head.annotation({name: outputs[f"{task}.{name}"] for name in head.fields})
    if broken := broken_field(prediction):
        raise PredictorError(
            f"head {task!r} gave {broken} that are no numbers (NaN or infinite), expected finite ones: the weights are "
            "broken or overflow in this precision; export another checkpoint, or use --precision fp32"
        )
    score = head.score_threshold
    if head.inside:
        prediction, score = unpadded(prediction), max(score, _floor(head))
    else:
        prediction = postprocess(prediction, head.postprocess, score)
    return above(unwarp(prediction, view, (size[0], size[1])), score)
