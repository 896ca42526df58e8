"""An open network as a function of an image; needs numpy and OpenCV, not torch."""

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any, Self, overload

import numpy as np

from hydranet.annotations import Annotation
from hydranet.core.ledger import Ledger
from hydranet.core.spec import unknown
from hydranet.deploy.camera_input import CAMERA
from hydranet.deploy.cameras import CallersCameras, CameraLike, CamerasGiven
from hydranet.deploy.crops import ActiveCascade, crop_sessions, heads_of
from hydranet.deploy.fitting_hint import SeenShapes
from hydranet.deploy.graph_arrays import answer, checked, nearest_size, prepared, thresholds
from hydranet.deploy.manifest import IMAGE, Head, Manifest
from hydranet.deploy.options import HeadOptions, PredictorError, check_share, check_useful, chosen_heads
from hydranet.deploy.session import Session
from hydranet.deploy.stream import Stream
from hydranet.postprocess.distance import with_distances

Images = Sequence[np.ndarray]
Answers = dict[str, Annotation]
"""Each task's annotation in pixels of the image and meters; boxes have `distance_m` where a head gives meters."""


class SessionPredictor:
    """(uint8 h w 3 RGB image) -> {task: annotation} in the image's own pixels and in meters.

    session:   an open network; `hydranet.Predictor` opens one from a path.
    heads:     tasks to compute; where the session prunes, the others cost nothing.
    threshold: boxes and lines below this score are left out; default: each task's own. Also at call time.
    iou:       of two boxes of a class that overlap more than this, only the better one is kept; default: each task's
               own. Also at call time.
    options:   by head, options of what comes after its network: {"cars": {"max_detections": 4}}; they go before
               threshold and iou. Also at call time.
    size:      height and width the network sees, where it leaves the choice; default: of the sizes it was trained at,
               the one whose shape is nearest to the image's.
    camera:    of the images, in their pixels, or its focal length, for heads whose answers depend on it (depth in a
               canonical focal length). Also at call time. Default: the mean one of training, and a warning, once.
    Several threads may call one predictor at once. A process that forks opens its own: runtimes do not survive a fork.
    Raises PredictorError for what the network cannot do.
    """

    def __init__(
        self,
        session: Session,
        heads: Sequence[str] | None = None,
        *,
        threshold: float | None = None,
        iou: float | None = None,
        options: HeadOptions | None = None,
        size: Sequence[int] | None = None,
        camera: CameraLike | None = None,
    ) -> None:
        self.threshold, self.iou = check_share(threshold, "threshold"), check_share(iou, "iou")
        self.session, self.manifest = session, session.manifest
        self._known = heads_of(session)
        if not self.manifest.heads:
            raise PredictorError(
                f"got file {self.manifest.name!r} without heads, expected one at least; export it again"
            )
        if isinstance(heads, str):
            raise PredictorError(f"got heads={heads!r}, expected a list of names: [{heads!r}]")
        names = list(dict.fromkeys(heads)) if heads else list(self._known)
        for name in names:
            if name not in self._known:
                raise PredictorError(unknown(name, self._known, "head of this network"))
        self.every = dict.fromkeys(names, 1)
        self.options, self.size = dict(options or {}), _checked_size(size, self.manifest)
        asked = {name: self._known[name] for name in names}
        self._cascades = self._active(names)
        self._boxes_of = {name: one.cascade.boxes for one in self._cascades for name in one.heads}
        alone = [name for name in names if name not in self.manifest.heads and name not in self._boxes_of]
        if alone:
            raise PredictorError(
                f"got heads {', '.join(alone)}, which see crops in this file; ask for the head of the boxes, too"
            )
        self.heads = chosen_heads(asked, self.threshold, self.iou, self.options)
        self._cameras = CallersCameras(self.manifest)
        self._camera = self._cameras.allowed(camera)
        self._stream, self._process = Stream(), os.getpid()
        self._shapes = SeenShapes()

    @property
    def ages(self) -> dict[str, int]:
        """For each head how many images of this thread ago its last answer was computed; 0 = for the last image."""
        return self._stream.ages

    @property
    def ledger(self) -> Ledger:
        """Heads that were not computed for images of this thread: not asked for, or resting between two images."""
        return self._stream.ledger(self._known, self.every)

    def stream(self, every: Mapping[str, int] | None = None, camera: CameraLike | None = None) -> Self:
        """The same open network for the single images of one camera, one after another.

        every:  {head: 2} computes a head for every second image only; in between, its last answer is repeated (as a
                copy), and `ages` says how old it is. Each thread that calls has a stream of its own.
        camera: of this stream's images; default: that of this predictor.
        Raises PredictorError for a head that this predictor does not compute, or a rate below 1.
        """
        other = copy.copy(self)
        other.every, other._stream = self.every | dict(every or {}), Stream()
        for name in other.every:
            if name not in self._known:
                raise PredictorError(unknown(name, self._known, "head of this network"))
        if not all(map(_is_count, other.every.values())) or not set(other.every) <= set(self.every):
            heads = ", ".join(self.every)
            raise PredictorError(f"got every={every}, expected {{head: 1, 2, ...}} of the heads {heads}")
        other._camera = self._camera if camera is None else self._cameras.allowed(camera)
        return other

    def with_options(self, options: HeadOptions) -> Self:
        """The same open network, with options of what comes after the networks of single heads.

        options: by head, {"cars": {"max_detections": 4}}; those that are not named stay as they are.
        Raises PredictorError for a head or an option that is not there, or out of range.
        """
        other = copy.copy(self)
        other.options = self._merged(options)
        other.heads = self._chosen(None, None, options)
        other._stream = Stream()
        return other

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """Class names of each task; empty for tasks without classes. Numbers per box have those of the boxes."""
        own = {name: self._known[name].classes for name in self.every}
        return {name: classes or own.get(self._boxes_of.get(name, name), ()) for name, classes in own.items()}

    def check_useful(self, given: Mapping[str, object]) -> None:
        """Raises PredictorError for an option that changes none of the answers, such as a threshold for a map alone.

        given: by option, see `hydranet.deploy.options.check_useful`.
        """
        check_useful(self.heads, self.manifest.camera.heads if self.manifest.camera else (), given)

    def _active(self, names: Sequence[str]) -> list[ActiveCascade]:
        """The cascades whose boxes are asked for, with those of their heads that are, too."""
        active = []
        for cascade, crops in crop_sessions(self.session):
            own = [name for name in cascade.heads if name in names and name in crops.manifest.heads]
            if own and cascade.boxes in names:
                ask = SessionPredictor(crops, own, size=cascade.size)
                heads = {name: crops.manifest.heads[name] for name in own}
                active.append(ActiveCascade(cascade, self._known[cascade.boxes].classes, heads, ask))
        return active

    @overload
    def __call__(
        self,
        image: np.ndarray,
        threshold: float | None = None,
        iou: float | None = None,
        camera: CamerasGiven = None,
        options: HeadOptions | None = None,
    ) -> Answers: ...
    @overload
    def __call__(
        self,
        image: Images,
        threshold: float | None = None,
        iou: float | None = None,
        camera: CamerasGiven = None,
        options: HeadOptions | None = None,
    ) -> list[Answers]: ...
    def __call__(
        self,
        image: np.ndarray | Images,
        threshold: float | None = None,
        iou: float | None = None,
        camera: CamerasGiven = None,
        options: HeadOptions | None = None,
    ) -> Answers | list[Answers]:
        """The predictions for an image, or for each of several images (a sequence, or an array of four axes).

        threshold, iou: least score, and largest overlap of two boxes of one class, for this call.
        camera: of this image, or of these images, one for all or one for each.
        options: by head, as for the predictor; an option that is not among them is as it was there.
        Raises ValueError for what is no RGB image, DataError for an image of another size than the file takes,
        PredictorError for a threshold or option that is none, and in a fork of the process that opened it,
        CameraError for a camera that the network does not take, or needs and lacks.
        """
        if os.getpid() != self._process:
            raise PredictorError(
                f"got a predictor that process {self._process} opened, expected one of this process "
                f"({os.getpid()}): runtimes do not survive a fork; open the file again in each worker"
            )
        heads = self.heads if threshold is iou is options is None else self._chosen(threshold, iou, options)
        if isinstance(image, np.ndarray) and image.ndim != 4:
            (own,) = self._cameras.each(camera, self._camera, 1)
            return self._one(image, own, heads)
        if not isinstance(image, np.ndarray | Sequence):
            checked(image)
        if max(self.every.values()) > 1:
            raise PredictorError(f"got several images at once with every={self.every}; give them one by one")
        cameras = self._cameras.each(camera, self._camera, len(image))
        groups: dict[tuple[int, int], list[int]] = {}  # a batch has one size
        for index, one in enumerate(image):
            groups.setdefault(self._size(one), []).append(index)
        self._stream.images += len(image)
        answers: dict[int, Answers] = {}
        for indices in groups.values():
            step = self.manifest.input.batch or len(indices)
            for first in range(0, len(indices), step):
                chunk = indices[first : first + step]
                known = [cameras[i] for i in chunk]
                results = self._see([image[i] for i in chunk], known, heads)
                answers |= dict(zip(chunk, results, strict=True))
        return [with_distances(answers[index]) for index in range(len(image))]

    def _size(self, image: np.ndarray) -> tuple[int, int]:
        """Height and width at which the network sees an image; where it has a choice, in multiples of its stride."""
        given = self.manifest.input
        sizes = given.sizes if given.dynamic and given.sizes else (given.size,)
        if given.dynamic:  # networks of one size may be trained at others, which they pad inside
            sizes = tuple(
                (-(-h // given.stride) * given.stride, -(-w // given.stride) * given.stride) for h, w in sizes
            )
        return self.size or nearest_size(sizes, checked(image).shape[:2])

    def _chosen(self, threshold: float | None, iou: float | None, options: HeadOptions | None) -> dict[str, Head]:
        """The heads with what one call asks for, else what this predictor was asked for."""
        return chosen_heads(
            {name: self._known[name] for name in self.heads},
            self.threshold if threshold is None else threshold,
            self.iou if iou is None else iou,
            self._merged(options),
        )

    def _merged(self, options: HeadOptions | None) -> dict[str, Mapping[str, float]]:
        given = {name: {**self.options.get(name, {}), **one} for name, one in (options or {}).items()}
        return {**self.options, **given}

    def _one(self, image: np.ndarray, camera: CameraLike | None, heads: Mapping[str, Head]) -> Answers:
        """An image of a stream: heads that are not due repeat their last answer, unless the image's size changed."""
        stream = self._stream
        if checked(image).shape != stream.shape:
            stream.count, stream.last, stream.shape = 0, Answers(), image.shape
        due = [name for name, n in self.every.items() if stream.count % n == 0]
        due = [name for name in due if self._boxes_of.get(name, name) in due]  # crops need boxes of the same image
        if due:  # no runtime computes a network without outputs
            stream.last |= self._see([image], [camera], {name: heads[name] for name in due})[0]
        stream.advance(due, self.every)
        # callers may write into an answer, so answers that are repeated later are handed out as copies
        return with_distances(
            {name: stream.last[name] if n == 1 else copy.deepcopy(stream.last[name]) for name, n in self.every.items()}
        )

    def _see(
        self,
        images: list[np.ndarray],
        cameras: Sequence[CameraLike | None],
        heads: Mapping[str, Head],
    ) -> list[Answers]:
        whole = {name: head for name, head in heads.items() if name not in self._boxes_of}
        results = self._whole(images, cameras, whole)
        for one in self._cascades:
            asked = [name for name in one.heads if name in heads]
            if asked:
                detections: list[Any] = [answers[one.cascade.boxes] for answers in results]
                for answers, more in zip(results, one(images, detections, asked), strict=True):
                    answers |= more
        return [{name: answers[name] for name in heads} for answers in results]

    def _whole(
        self, images: list[np.ndarray], cameras: Sequence[CameraLike | None], heads: Mapping[str, Head]
    ) -> list[Answers]:
        """The heads that see whole images."""
        fitted, views = prepared(images, self.manifest, self._size(images[0]))
        for image, view in zip(images, views, strict=True):
            self._shapes.look(image.shape[:2], view.size, self.manifest.input)
        batch = self.manifest.input.batch or len(fitted)
        padded = fitted + fitted[-1:] * (batch - len(fitted))
        arrays = {IMAGE: np.stack(padded)}
        if CAMERA in self.manifest.inputs:
            filled = self._cameras.array(cameras, [image.shape[:2] for image in images], views, list(heads))
            arrays[CAMERA] = np.concatenate([filled, filled[-1:].repeat(batch - len(filled), 0)])
        if self.manifest.thresholds:
            asked = [head for head in heads.values() if head.inside]
            arrays |= thresholds(asked or self.manifest.heads.values())
        names = [name for task in heads for name in self.manifest.outputs_of(task)]
        outputs = self.session(arrays, names)
        apart = [{name: array[i] for name, array in outputs.items()} for i in range(len(images))]
        return [
            {task: answer(one, task, head, view, image.shape[:2]) for task, head in heads.items()}
            for one, image, view in zip(apart, images, views, strict=True)
        ]


def _checked_size(size: Sequence[int] | None, manifest: Manifest) -> tuple[int, int] | None:
    """Height and width; None = the network's own choice. Raises PredictorError for a size that it does not take."""
    given = manifest.input
    if size is None or tuple(size) == given.size:
        return size if size is None else given.size
    if not given.dynamic:
        raise PredictorError(f"got size {size}, expected {given.size}, which this file was made for")
    if len(size) != 2 or not all(_is_count(side) and side % given.stride == 0 for side in size):
        raise PredictorError(f"got size {size}, expected (height, width) in multiples of {given.stride}")
    return int(size[0]), int(size[1])


def _is_count(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 1
