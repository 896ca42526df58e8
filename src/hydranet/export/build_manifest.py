"""The manifest of a graph: what its arrays mean, from the tasks, the recipe and one run on an example."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from hydranet.annotations import Annotation
from hydranet.config.recipe import Recipe
from hydranet.core.cascade import Cascade
from hydranet.core.spec import to_json
from hydranet.core.task import Task
from hydranet.deploy.camera_input import CameraInput
from hydranet.deploy.fitting import Fitting
from hydranet.deploy.manifest import Head, Input, Manifest, Output
from hydranet.evaluation.report import digest
from hydranet.export.graph import ExportGraph, example, present
from hydranet.transforms.warp_maps import PAD
from hydranet.visualization.class_colors import class_colors

PACKAGES = ("hydranet", "torch", "onnx", "onnxscript", "onnxruntime", "openvino")


def described(
    graph: ExportGraph,
    recipe: Recipe,
    name: str,
    protocol: Mapping[str, Any] | None = None,
    precision: str = "fp32",
    beside: Sequence[Cascade] = (),
) -> Manifest:
    """The manifest of a graph of this recipe's network.

    name: of the run.    protocol: of its report, source -> task -> how it was measured.
    beside: cascades whose crops another graph sees.
    """
    with torch.no_grad():
        answers = graph.answers(*example(graph.shape, graph.inputs))
    shape = graph.shape
    stride = max(level.stride for features in graph.model.trunk.features.values() for level in features)
    taken = Input(
        shape.size,
        shape.dynamic,
        shape.fit,
        shape.frame if shape.fit != "none" else None,
        shape.batch,
        stride,
        _sizes_of_images(recipe),
        fitting=Fitting(padding=PAD) if shape.fit == "none" else None,
    )
    return Manifest(
        name=name,
        input=taken,
        heads={
            task: _head(graph.model.tasks[task], annotation, task in graph.inside)
            for task, annotation in answers.items()
        },
        outputs={
            f"{task}.{name}": _output(graph, name, array, annotation)
            for task, annotation in answers.items()
            for name, array in present(annotation).items()
        },
        recipe=digest(to_json(recipe)),
        data=tuple(source.name for source in recipe.data),
        protocol=protocol or {},
        precision=precision,
        versions=versions(),
        camera=_camera(graph),
        cascades=(*_inside(graph, recipe), *beside),
    )


def _inside(graph: ExportGraph, recipe: Recipe) -> list[Cascade]:
    """The cascades whose crops this graph sees itself: it takes them at any size and number."""
    if not graph.shape.dynamic or graph.shape.batch is not None:
        return []
    return [one for one in recipe.cascades if {one.boxes, *one.heads} <= graph.model.tasks.keys()]


def _sizes_of_images(recipe: Recipe) -> tuple[tuple[int, int], ...]:
    """The sizes it was trained at, without those of crops: a whole image is never fitted into one of these."""
    crops = {one.size for one in recipe.cascades}
    return tuple(size for size in recipe.sizes if size not in crops) or recipe.sizes


def versions() -> dict[str, str]:
    """Versions of the packages that make files, as far as they are installed."""
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed


def _camera(graph: ExportGraph) -> CameraInput | None:
    if not graph.model.needs_camera:
        return None
    fx, fy, cx, cy = graph.get_buffer("fixed_camera")[0].tolist()
    fixed = None if graph.shape.focal_px is None else (fx, fy, cx, cy)
    return CameraInput(graph.model.needs_camera, fixed, graph.model.usual_focal)


def _head(task: Task, annotation: Annotation, inside: bool) -> Head:
    return Head(
        kind=type(annotation).__name__,
        fields=tuple(present(annotation)),
        metadata=_metadata(annotation),
        classes=task.classes,
        colors=tuple(class_colors(task.classes)),
        postprocess=task.postprocess_steps(),
        inside=inside,
        score_threshold=task.score_threshold,
    )


def _metadata(annotation: Annotation) -> dict[str, Any]:
    return {name: getattr(annotation, name) for name in annotation.metadata()}


def _output(graph: ExportGraph, field: str, array: torch.Tensor, annotation: Annotation) -> Output:
    """Axes that hold the input's height or width vary with a dynamic size; the first one with a dynamic batch."""
    moving = set(graph.shape.size) if graph.shape.dynamic else set()
    first = None if graph.shape.batch is None else array.shape[0]
    rest = tuple(None if side in moving else side for side in array.shape[1:])
    unit = annotation.unit_of(field, _metadata(annotation))
    return Output(str(array.dtype).removeprefix("torch."), (first, *rest), unit)
