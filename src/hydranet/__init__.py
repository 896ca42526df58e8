"""One image encoder, many perception heads: train on partly labeled data sets, ship one network.

The names below are the public face. Importing hydranet imports nothing else: each name is loaded when it is first
used, and those that predict from exported files need no PyTorch.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hydranet.annotations import (
        Boxes,
        ClassMap,
        Keypoints,
        NormalMap,
        Polylines,
        Quantity,
        ScalarMap,
        Tag,
    )
    from hydranet.checkpoint.checkpoint import load_model as load
    from hydranet.config.optim import Optim
    from hydranet.config.recipe import Recipe
    from hydranet.config.source import Source
    from hydranet.core.dataset import Dataset
    from hydranet.core.sample import Camera, Sample
    from hydranet.core.spec import Part
    from hydranet.core.task import Task
    from hydranet.deploy.session import Runtime
    from hydranet.evaluation.evaluate import evaluate
    from hydranet.export.run import export_run as export
    from hydranet.inference.predictor import Predictor
    from hydranet.training.train import train

    __version__: str

__all__ = [
    "Boxes",
    "Camera",
    "ClassMap",
    "Dataset",
    "Keypoints",
    "NormalMap",
    "Optim",
    "Part",
    "Polylines",
    "Predictor",
    "Quantity",
    "Recipe",
    "Runtime",
    "Sample",
    "ScalarMap",
    "Source",
    "Tag",
    "Task",
    "__version__",
    "evaluate",
    "export",
    "load",
    "train",
]

_PLACES = {
    "Boxes": "annotations",
    "Camera": "core.sample",
    "ClassMap": "annotations",
    "Dataset": "core.dataset",
    "Keypoints": "annotations",
    "NormalMap": "annotations",
    "Optim": "config.optim",
    "Part": "core.spec",
    "Polylines": "annotations",
    "Predictor": "inference.predictor",
    "Quantity": "annotations",
    "Recipe": "config.recipe",
    "Runtime": "deploy.session",
    "Sample": "core.sample",
    "ScalarMap": "annotations",
    "Source": "config.source",
    "Tag": "annotations",
    "Task": "core.task",
    "evaluate": "evaluation.evaluate",
    "load": "checkpoint.checkpoint:load_model",
    "train": "training.train",
}
"""Module of each public name, and its name there where it is another one. `export` is the package of that name, which
can be called."""


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        return version("hydranet")
    if name == "export":
        return import_module("hydranet.export")
    if name not in _PLACES:
        raise AttributeError(f"module 'hydranet' has no attribute {name!r}")
    module, _, inside = _PLACES[name].partition(":")
    from hydranet.core.extras import needing

    with needing(f"hydranet.{name}"):
        return getattr(import_module(f"hydranet.{module}"), inside or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
