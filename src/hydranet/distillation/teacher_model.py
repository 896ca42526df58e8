"""A trained network or an exported file as a teacher that predicts labels for images."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from hydranet.annotations import Annotation
from hydranet.checkpoint.checkpoint import load_model
from hydranet.core.features import Features, Pyramid
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.task import Cameras, Raw, Task, pick
from hydranet.deploy.camera_input import CAMERA
from hydranet.deploy.manifest import Manifest
from hydranet.deploy.session import open_session, runtimes_for
from hydranet.distillation.certainty import certainty, label_of
from hydranet.distillation.function_teacher import is_function
from hydranet.postprocess.steps import postprocess

FOCAL_SLACK = 0.01
"""Focal lengths that differ by less are one: letterboxing rounds sides to whole pixels."""


@dataclass(frozen=True, eq=False)
class TeacherOutput:
    """A teacher model's answers for images of these cameras, by task: raw (of a file: decoded), and the pyramids."""

    raw: dict[str, Raw]
    pyramids: dict[str, Pyramid]
    camera: Cameras

    def only(self, task: str, images: Tensor) -> "TeacherOutput":
        """The raw answers of one task, where there are some, for some of the images."""
        raw = {task: pick(self.raw[task], images)} if task in self.raw else {}
        return TeacherOutput(raw, {}, self.camera[images])


class TeacherModel(ABC):
    """A network that predicts labels for images; in eval mode, never learning."""

    tasks: tuple[str, ...]
    device: torch.device

    @abstractmethod
    def kind(self, task: str) -> type[Annotation]:
        """The kind of its answers."""

    @abstractmethod
    def classes(self, task: str) -> tuple[str, ...]:
        """Their class names."""

    @abstractmethod
    def task(self, task: str) -> Task | None:
        """The task, where its raw answers are available; None for a file."""

    @abstractmethod
    def features(self, task: str) -> Features:
        """Levels of the pyramid that a task reads. Raises SpecError where they are not available."""

    @abstractmethod
    def needs_camera(self, task: str) -> bool:
        """Whether its answers depend on the camera."""

    @abstractmethod
    def own_confidence(self, task: str) -> float:
        """The least confidence of answers that count where nobody asks for another: the score from which its boxes,
        lines or key points are shown; 0 = all."""

    @abstractmethod
    def forward(self, image: UInt8[Tensor, "b 3 h w"], camera: Cameras, tasks: Sequence[str]) -> TeacherOutput:
        """Its answers for these tasks alone, at the cost of these alone; `camera` as in `Batch.camera`."""

    @abstractmethod
    def to_label(self, task: str, raw: Raw, camera: Cameras, temperature: float, least: float) -> Annotation:
        """Raw answers as a stacked label, unknown where the model is less sure than `least`."""


class Network(TeacherModel):
    """A run folder or model file."""

    def __init__(self, path: str, device: torch.device | str) -> None:
        self.model, self.recipe = load_model(path)
        self.device = torch.device(device)
        self.model.to(self.device).requires_grad_(False)
        self.tasks = tuple(self.model.tasks)

    def kind(self, task: str) -> type[Annotation]:
        return self.model.tasks[task].kind

    def classes(self, task: str) -> tuple[str, ...]:
        return self.model.tasks[task].classes

    def task(self, task: str) -> Task | None:
        return self.model.tasks[task]

    def features(self, task: str) -> Features:
        return self.model.trunk.features[task]

    def needs_camera(self, task: str) -> bool:
        return self.model.tasks[task].needs_camera

    def own_confidence(self, task: str) -> float:
        return self.model.tasks[task].score_threshold

    def forward(self, image: UInt8[Tensor, "b 3 h w"], camera: Cameras, tasks: Sequence[str]) -> TeacherOutput:
        pyramids = self.model.trunk(image.float() / 255.0, list(tasks))
        return TeacherOutput(self.model.answer(pyramids), pyramids, camera)

    def to_label(self, task: str, raw: Raw, camera: Cameras, temperature: float, least: float) -> Annotation:
        own = self.model.tasks[task]
        target = own.with_camera(camera).to_label(raw, temperature, least)
        return label_of(target, own.kind, own.postprocess, least)


class File(TeacherModel):
    """An exported file: its answers are decoded already, so they are decisions."""

    def __init__(self, path: str, device: torch.device | str) -> None:
        self.device = torch.device(device)
        self.session, self.path = open_session(path), path
        self.manifest: Manifest = self.session.manifest
        self.tasks = tuple(self.manifest.heads)
        if self.manifest.input.fit != "none" or self.manifest.thresholds:
            raise SpecError(
                f"{path} fits or suppresses inside its graph; a teacher sees the student's input as it is: export it "
                "with --fit none and NMS outside"
            )

    def kind(self, task: str) -> type[Annotation]:
        return self.manifest.heads[task].answer_kind

    def classes(self, task: str) -> tuple[str, ...]:
        return self.manifest.heads[task].classes

    def task(self, task: str) -> Task | None:
        return None

    def features(self, task: str) -> Features:
        raise SpecError(f"{self.path} is an exported file: its features are not to be had; give the run, or features=0")

    def needs_camera(self, task: str) -> bool:
        return self.takes_camera and self.manifest.camera is not None and task in self.manifest.camera.heads

    def own_confidence(self, task: str) -> float:
        return self.manifest.heads[task].score_threshold

    @property
    def takes_camera(self) -> bool:
        """Whether cameras are an input of the file."""
        return CAMERA in self.manifest.inputs

    def forward(self, image: UInt8[Tensor, "b 3 h w"], camera: Cameras, tasks: Sequence[str]) -> TeacherOutput:
        given, size = self.manifest.input, tuple(image.shape[-2:])
        if given.size is not None and given.size != size:
            raise SpecError(
                f"{self.path} takes images of {given.size[0]} x {given.size[1]}, the student sees {size[0]} x "
                f"{size[1]}; export it for this size or with a dynamic one"
            )
        names = [name for task in tasks for name in self.manifest.outputs_of(task)]
        images = image.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        step = given.batch or len(images)
        if len(images) % step:
            raise SpecError(f"{self.path} takes {step} images at once, got {len(images)}; export it with any batch")
        self._check_fixed(camera, tasks)
        arrays_in = {given.name: images, **({CAMERA: camera.float().cpu().numpy()} if self.takes_camera else {})}
        parts = [
            self.session({name: array[i : i + step] for name, array in arrays_in.items()}, names)
            for i in range(0, len(images), step)
        ]
        arrays = {name: torch.from_numpy(np.concatenate([part[name] for part in parts])) for name in names}
        heads = self.manifest.heads
        raw = {}
        for task in tasks:
            fields = {field: arrays[f"{task}.{field}"].to(image.device) for field in heads[task].fields}
            raw[task] = heads[task].annotation(fields)
        return TeacherOutput(raw, {}, camera)

    def _check_fixed(self, camera: Cameras, tasks: Sequence[str]) -> None:
        """Raises DataError for images of another camera than the file was made for, where its answers depend on it."""
        known = self.manifest.camera
        if known is None or known.fixed is None or not set(known.heads) & set(tasks):
            return
        made_for = math.sqrt(known.fixed[0] * known.fixed[1])
        for focal in (camera[:, 0] * camera[:, 1]).sqrt().tolist():
            if abs(focal / made_for - 1) > FOCAL_SLACK:  # NaN, where nobody knows the camera, is not greater
                raise DataError(
                    f"{self.path} was made for a focal length of {made_for:.4g} px alone, got an image with "
                    f"{focal:.4g} px as it sees it; export without --focal-px, or give the run"
                )

    def to_label(self, task: str, raw: Raw, camera: Cameras, temperature: float, least: float) -> Annotation:
        head = self.manifest.heads[task]
        steps = head.postprocess
        return label_of(raw, head.answer_kind, lambda one: postprocess(one, steps), least)


def check_probabilities(teacher_model: TeacherModel, task: str, least: float) -> None:
    """Raises SpecError where answers as sure as `least` are asked for, and the model tells decisions alone."""
    if least and certainty(teacher_model.kind(task)) == "probability" and teacher_model.task(task) is None:
        raise SpecError(
            f"got confidence {least} for {task!r} of a teacher that is an exported file, which tells decisions without "
            "their probabilities; give the run it was exported from, or leave the confidence out"
        )


def teacher_model(path: str, device: torch.device | str) -> TeacherModel:
    """The teacher model of a run or of an exported file. Raises CheckpointError, ManifestError or SpecError."""
    if is_function(path):
        raise SpecError(
            f"{path} is a function, which teaches through a cache alone: give `hydranet label {path} IMAGES --out "
            "CACHE`, then wrap the data set: Pseudo(dataset, cache='CACHE')"
        )
    return File(path, device) if runtimes_for(path) else Network(path, device)
