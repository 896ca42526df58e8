"""Warm start: a new network takes what fits from a trained one, and says what it took."""

import copy
import hashlib
import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hydranet.checkpoint import checkpoint
from hydranet.checkpoint.released.names import located
from hydranet.config.recipe import Recipe
from hydranet.core.features import Features
from hydranet.core.spec import flatten, to_json
from hydranet.core.task import Task
from hydranet.io.atomic import CheckpointError
from hydranet.models.hydranet import HydraNet

FILE = "start.json"
MORE = 1000
"""A head is built with this many more classes to see which tensors have one row per class: no width grows as much."""


@dataclass(frozen=True)
class LoadReport:
    """What a network took from a file; names are those of `state_dict`.

    loaded:   taken as they are.
    resized:  with rows moved by class name, and which.
    left_out: tensors of the file that were not taken, and why.
    new:      tensors of the network that stay as they were initialized.
    settings: of tasks that both have, as "key: in the file -> here": the same weights may mean something else.
    """

    path: str
    sha256: str
    loaded: tuple[str, ...] = ()
    resized: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    new: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The report as JSON, with every name."""
        return json.dumps(asdict(self), indent=2)

    def lines(self) -> list[str]:
        """The report to read: counts by part of the network, one line for each reason."""
        lines = [f"start: {self.path} (SHA-256 {self.sha256[:16]}...)", f"  loaded:   {_parts(self.loaded)}"]
        lines += [f"  resized:  {_parts(names)}: {how}" for how, names in _grouped(self.resized).items()]
        lines += [f"  left out: {_parts(names)}: {why}" for why, names in _grouped(self.left_out).items()]
        lines += [f"  new:      {_parts(self.new)}"] if self.new else []
        return lines + [f"  note: other settings than there: {line}" for line in self.settings]


def built(recipe: Recipe, more: Sequence[Task] = ()) -> HydraNet:
    """The fresh network of a recipe; without fetching ImageNet weights where `recipe.start` has the whole trunk.

    more: further tasks, as in `Recipe.build`.    Raises CheckpointError as `load_pretrained`.
    """
    bare = checkpoint.without_pretrained(recipe)
    if recipe.start is None or bare == recipe:
        return recipe.build(more)
    started = load_pretrained(model := bare.build(more), recipe)
    covered = started is not None and not any(name.startswith("trunk.") for name in started.new)
    return model if covered else recipe.build(more)


def load_pretrained(model: HydraNet, recipe: Recipe) -> LoadReport | None:
    """Fills a fresh network from `recipe.start`, if there is one.

    Tensors of equal name and shape are taken; where both recipes name the classes of a task and they differ, rows are
    moved by class name (`class_rows`). A structure that has a part of a hard-shared trunk several times takes each from
    there (`Trunk.hard_names`). Raises CheckpointError for what is no file of tensors or fits nowhere.
    """
    if recipe.start is None:
        return None
    tensors, before, file = tensors_of(Path(recipe.start))
    own = model.state_dict()
    copied = {f"trunk.{name}": f"trunk.{there}" for name, there in model.trunk.hard_names().items()}
    tensors = renamed(tensors, {there: own[name] for name, there in copied.items()} | own)
    old = {task.name: task for task in before.tasks} if before else {}
    loaded: list[str] = []
    new: list[str] = []
    resized: dict[str, str] = {}
    left_out: dict[str, str] = {}
    by_class = {name: class_rows(task, model.trunk.features[name]) for name, task in model.tasks.items() if name in old}
    for name, tensor in own.items():
        part, _, inner = name.removeprefix("heads.").partition(".")
        given = tensors.get(name, tensors.get(copied.get(name, name)))
        rows = by_class.get(part, {}).get(inner) if name.startswith("heads.") else None
        if given is None:
            new.append(name)
        elif rows is not None and old[part].classes != model.tasks[part].classes:
            how = _move(given, tensor, old[part], model.tasks[part], rows)
            (resized if " by name" in how else left_out)[name] = how
            new += [] if name in resized else [name]
        elif given.shape != tensor.shape:
            left_out[name] = f"is {tuple(given.shape)}, expected {tuple(tensor.shape)}"
            new.append(name)
        else:
            with torch.no_grad():
                tensor.copy_(given)
            loaded.append(name)
    used = own.keys() | set(copied.values())
    left_out |= {name: "not of this network" for name in tensors if name not in used}
    if not loaded and not resized:
        raise CheckpointError(
            f"nothing in {file} fits this network (there: {', '.join(list(tensors)[:3])}; here: "
            f"{', '.join(list(own)[:3])}); start from a run or a state_dict with names of this network, or without"
        )
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    settings = tuple(line for task in recipe.tasks if task.name in old for line in _settings(old[task.name], task))
    return LoadReport(str(file), digest, tuple(loaded), resized, left_out, tuple(new), settings)


def tensors_of(path: Path) -> tuple[dict[str, Tensor], Recipe | None, Path]:
    """The tensors of a run folder, a released name, a .safetensors file or a torch file, its recipe, and the file.

    Torch files are read with weights_only: they run no code. Raises CheckpointError.
    """
    path = located(path)
    file = path / checkpoint.MODEL if path.is_dir() else path
    if not file.is_file():
        raise CheckpointError(f"no start at {file}; give a run folder, a .safetensors file or a torch file of tensors")
    if file.suffix == ".safetensors":
        tensors, header = checkpoint.read(file)
        return tensors, Recipe.from_json(header["recipe"]) if "recipe" in header else None, file
    try:
        tree: Any = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(
            f"{file} is damaged or holds more than tensors ({reason:.120}); save a state_dict"
        ) from error
    while isinstance(tree, dict) and not any(isinstance(value, Tensor) for value in tree.values()):
        inner = next((tree[key] for key in ("state_dict", "model", "net", "weights") if key in tree), None)
        if inner is None:
            break
        tree = inner
    tensors = {str(k): v for k, v in tree.items() if isinstance(v, Tensor)} if isinstance(tree, dict) else {}
    if not tensors:
        raise CheckpointError(f"{file} holds no tensors by name; save a state_dict")
    return tensors, None, file


def renamed(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the network's names: without a wrapper's prefix ("module."), or below the part they belong to.

    Of all such renamings the one with the most fitting tensors; where several fit equally well, to change nothing wins.
    """
    heads = {name.partition(".")[0] for name in tensors}
    strip = f"{next(iter(heads))}." if len(heads) == 1 else ""
    parts = dict.fromkeys("".join(f"{p}." for p in name.split(".")[:i]) for name in own for i in (1, 2, 3))
    choices = [("", ""), (strip, ""), *((prefix, part) for part in parts for prefix in dict.fromkeys(("", strip)))]
    shapes = {name: tensor.shape for name, tensor in own.items()}

    def fitting(choice: tuple[str, str]) -> int:
        prefix, part = choice
        return sum(shapes.get(part + name.removeprefix(prefix)) == tensor.shape for name, tensor in tensors.items())

    prefix, part = max(choices, key=fitting)
    return {part + name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def class_rows(task: Task, features: Features) -> dict[str, bool]:
    """For each tensor of a task's head that grows with its classes: whether its rows are the classes.

    Determined by building the head for more classes; works for any head whose first axis has one row per class
    (segmentation, tags, YOLOv8). Where several boxes or a background share the axis (SSD, two-stage), the answer is no.
    """
    if not task.classes:
        return {}
    more = copy.copy(task)
    object.__setattr__(more, "classes", (*task.classes, *(f"{i}" for i in range(MORE))))
    with torch.device("meta"):
        few, many = (one.head(features).state_dict() for one in (task, more))
    rows = {}
    for name, tensor in few.items():
        grown = [b - a for a, b in zip(tensor.shape, many[name].shape, strict=True)]
        if any(growth >= MORE for growth in grown):
            rows[name] = grown[0] == MORE > max(grown[1:], default=0) and len(tensor) == len(task.classes)
    return rows


def _move(given: Tensor, into: Tensor, old: Task, new: Task, rows: bool) -> str:
    """Copies the rows of classes that both tasks have; says what it did, or why it could not."""
    both = [name for name in new.classes if name in old.classes]
    if not rows:
        return "other classes, and no row for each class to move"
    if not both or given.shape[1:] != into.shape[1:] or len(given) != len(old.classes):
        return "no class in common" if not both else f"is {tuple(given.shape)}, expected {tuple(into.shape)}"
    with torch.no_grad():
        for name in both:
            into[new.classes.index(name)].copy_(given[old.classes.index(name)])
    fresh = [name for name in new.classes if name not in both]
    return f"{len(both)} of {len(new.classes)} classes by name" + (f" (new: {', '.join(fresh)})" if fresh else "")


def _settings(old: Task, new: Task) -> list[str]:
    before, after = flatten(to_json(old)), flatten(to_json(new))
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key) and key != "classes"]
    return [f"{new.name}.{key}: {before.get(key)} -> {after.get(key)}" for key in keys]


def _grouped(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return names


def _parts(names: "list[str] | tuple[str, ...]") -> str:
    """Counts of tensors by part: "trunk.encoder 312, heads.depth 3"."""
    counts: dict[str, int] = {}
    for name in names:
        part = ".".join(name.split(".")[:2])
        counts[part] = counts.get(part, 0) + 1
    return ", ".join(f"{part} {count}" for part, count in counts.items()) or "nothing"
