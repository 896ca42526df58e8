"""What a run leaves on disk: safetensors and JSON, written whole or not at all.

RUN/model.safetensors   the weights to use, with the recipe in its header
RUN/recipe.json         the same recipe, to read
RUN/recipe.py           a copy of the file that the recipe was written in, where it was one; nothing runs it by itself
RUN/state.safetensors   everything that `--resume` needs
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from hydranet.checkpoint.released.names import located
from hydranet.config.moved import modern_tensor
from hydranet.config.recipe import Recipe
from hydranet.core.checks.class_lookup import ForeignClass
from hydranet.core.checks.json_text import parse_json
from hydranet.core.errors import UserError
from hydranet.core.fixed_after_training import FixedAfterTraining
from hydranet.io.atomic import CheckpointError, write
from hydranet.models.hydranet import HydraNet

USUAL_FOCAL = "usual_focal"
"""Key in a model's header: `HydraNet.usual_focal`."""

MODEL, RECIPE, STATE, SOURCE = "model.safetensors", "recipe.json", "state.safetensors", "recipe.py"


class NotFinite(UserError, RuntimeError):
    """Weights that are no numbers any more; they are never saved."""


DIGEST = "sha256"
"""Name, in a file's header, of the digest of all that it holds."""

TEXTS = frozenset({"recipe", "run", USUAL_FOCAL})
"""Names of the texts in the headers of our files."""


def pack(tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> bytes:
    """Tensors and text as one safetensors file, with a digest of both in its header."""
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = {name: value for name, value in header.items() if name != DIGEST}
    return _in_order(save(stored, {**text, DIGEST: _content(stored, text)}))


def _in_order(data: bytes) -> bytes:
    """The same file with the texts of its header in one order; safetensors writes them in another order every time."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text + data[end:]


def _content(tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> str:
    """SHA-256 of every bit of some tensors, their names, types and shapes, and of texts."""
    made = hashlib.sha256(json.dumps(dict(header), sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        made.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        made.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return made.hexdigest()


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the text of a file.

    Raises CheckpointError where there is none, it is damaged, or its digest is another; files of earlier versions and
    of others have no digest and open without.
    """
    if not path.is_file():
        raise CheckpointError(f"no file {path}; give a run folder that holds {path.name}")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file ({error}); use another checkpoint") from error
    ours = "recipe" in header or "run" in header
    stated = header.pop(DIGEST, None)
    if (stated is not None and stated != _content(tensors, header)) or (ours and not header.keys() <= TEXTS):
        raise CheckpointError(
            f"{path} is damaged: what it holds is not what was written (its digest differs); restore it from a copy, "
            "use another checkpoint, or train again"
        )
    return {modern_tensor(name): tensor for name, tensor in tensors.items()}, header


def save_model(folder: Path, model: HydraNet, recipe: Recipe) -> None:
    """Writes the weights to use, the recipe, and what training saw of cameras (`HydraNet.usual_focal`)."""
    put_model(folder, model.state_dict(), recipe, model.usual_focal)


def put_model(folder: Path, tensors: Mapping[str, Tensor], recipe: Recipe, usual_focal: float | None) -> None:
    """Writes weights, the recipe and `HydraNet.usual_focal`, except for a file that is there and holds just that."""
    text = recipe.to_json()
    cameras = {} if usual_focal is None else {USUAL_FOCAL: repr(usual_focal)}
    for name, data in {RECIPE: text.encode(), MODEL: pack(tensors, {"recipe": text, **cameras})}.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != data:
            write(path, data)


def digest(path: Path | str) -> str:
    """SHA-256 of a model: of the model.safetensors of a run folder or of a released network, or of the file."""
    file = located(path)
    return hashlib.sha256((file / MODEL if file.is_dir() else file).read_bytes()).hexdigest()


def load_recipe(path: Path | str) -> Recipe:
    """The recipe of a run folder, of a released network, of a model file or of a JSON file."""
    path = located(path)
    if path.is_dir():
        path = path / MODEL if (path / MODEL).is_file() else path / RECIPE
    if path.suffix == ".json":
        if not path.is_file():
            raise CheckpointError(f"no recipe {path}; give a run folder or a recipe.json")
        try:
            return _parsed(path.read_text(), path)
        except UnicodeDecodeError as error:
            raise CheckpointError(f"{path} is damaged or no JSON file ({error}); use another one") from error
    header = read(path)[1]
    if "recipe" not in header:
        raise CheckpointError(f"{path} holds no recipe in its header; give model.safetensors or the folder of a run")
    return _parsed(header["recipe"], path)


def _parsed(text: str, path: Path) -> Recipe:
    """The recipe of a file; where it needs code that is not allowed, the error says where a copy of it lies."""
    try:
        return Recipe.from_json(text)
    except ForeignClass as error:
        copy = path.with_name(SOURCE)
        here = f"; a copy of the file it was written in is {copy}: --allow NAME={copy}" if copy.is_file() else ""
        raise ForeignClass(f"{path}: {error}{here}") from error


def load_model(path: Path | str, settings: Iterable[str] = ()) -> tuple[HydraNet, Recipe]:
    """The network of a run folder, a released name or a model file, in eval mode.

    Runs no code but ours: weights are plain tensors.
    settings: overrides of the recipe, such as other validation data or tasks.detection.nms_iou=0.5.
    Raises SpecError, and CheckpointError, also for settings that change the network or the meaning of its weights.
    """
    path = located(path)
    file = path / MODEL if path.is_dir() else path
    if not path.exists():
        raise CheckpointError(f"no run or model at {path}; give the folder that `hydranet train` wrote")
    trained = load_recipe(file)
    recipe = trained.changed(settings)
    check_meaning(trained, recipe)
    model = without_pretrained(recipe).build()
    tensors, header = read(file)
    check_finite(tensors, file)
    fill(model, tensors, str(file))
    model.usual_focal = _usual_focal(header.get(USUAL_FOCAL), file)
    return model.eval(), recipe


def _usual_focal(text: str | None, file: Path) -> float | None:
    try:
        value = None if text is None else float(text)
    except ValueError:
        value = math.nan
    if value is not None and not 0 < value < math.inf:
        raise CheckpointError(f"{file} is damaged: got {USUAL_FOCAL} {text!r} in its header, expected a number above 0")
    return value


def check_meaning(trained: Recipe, wanted: Recipe) -> None:
    """Raises CheckpointError for a task whose weights would mean something else than in training."""
    tasks = {task.name: task for task in wanted.tasks}
    for before in trained.tasks:
        after = tasks.get(before.name)
        if isinstance(before, FixedAfterTraining) and isinstance(after, FixedAfterTraining):
            for name, value in before.calibration().items():
                given = after.calibration().get(name)
                if given != value:
                    cure = f", or set tasks.{before.name}.{before.alternative}" if before.alternative else ""
                    raise CheckpointError(
                        f"got tasks.{before.name}.{name}={given}, expected the {value} that its weights were trained "
                        f"with: they would say something else; leave it out{cure}"
                    )


def check_finite(tensors: Mapping[str, Tensor], file: Path) -> None:
    """Raises CheckpointError for NaN or infinity: a damaged disk leaves no other trace, old files have no digest."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            count = int((~torch.isfinite(tensor)).sum())
            raise CheckpointError(
                f"{file} is damaged: {count} of the {tensor.numel()} numbers of {name} are not finite; restore the "
                "file from a copy or train again"
            )


def check_saveable(parts: Mapping[str, Mapping[str, Tensor]], step: int) -> None:
    """Raises NotFinite, naming a tensor, where weights or what the optimizer keeps are no finite numbers."""
    for part, tensors in parts.items():
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                count = int((~torch.isfinite(tensor)).sum())
                raise NotFinite(
                    f"after step {step}, {count} of the {tensor.numel()} numbers of {part} {name} are not finite, so "
                    "nothing was saved; lower optim.lr or look at the losses before. A checkpoint saved before was kept"
                )


def without_pretrained(recipe: Recipe) -> Recipe:
    """The same network without fetching ImageNet weights that would be overwritten."""
    return recipe.changed(["encoder.weights=null"]) if "weights" in recipe.encoder.takes else recipe


def fill(module: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Loads tensors into a module of exactly these names and shapes. Raises CheckpointError naming what differs."""
    own = module.state_dict()
    missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    shapes = [
        f"{name} is {tuple(tensors[name].shape)}, expected {tuple(own[name].shape)}"
        for name in own.keys() & tensors.keys()
        if own[name].shape != tensors[name].shape
    ]
    if missing or extra or shapes:
        parts = [("missing", missing), ("not of this network", extra), ("of another shape", sorted(shapes))]
        differences = "; ".join(f"{len(names)} {what}: {', '.join(names[:3])}" for what, names in parts if names)
        raise CheckpointError(f"{where} does not fit this recipe ({differences}); use the recipe it was trained with")
    module.load_state_dict(dict(tensors))


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state by parameter number and name."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{k}": torch.as_tensor(v) for i, entries in state.items() for k, v in entries.items()}


def fill_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def save_state(folder: Path, parts: Mapping[str, Mapping[str, Tensor]], header: Mapping[str, object]) -> None:
    """Writes everything that resuming needs; `header` must be JSON."""
    tensors = {f"{part}/{name}": tensor for part, entries in parts.items() for name, tensor in entries.items()}
    write(folder / STATE, pack(tensors, {"run": json.dumps(header)}))


def load_state(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """The inverse of `save_state`."""
    if not (folder / STATE).is_file():
        raise CheckpointError(
            f"no run to resume in {folder}: it has no {STATE}; check --out, or start without --resume"
        )
    tensors, header = read(folder / STATE)
    parts: dict[str, dict[str, Tensor]] = {}
    for path, tensor in tensors.items():
        part, _, name = path.partition("/")
        parts.setdefault(part, {})[name] = tensor
    try:
        run = parse_json(header["run"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{folder / STATE} holds no run; start anew without --resume") from error
    if not isinstance(run, dict) or not isinstance(run.get("step"), int) or not isinstance(run.get("recipe"), str):
        raise CheckpointError(f"{folder / STATE} holds no run: it lacks a step or a recipe; start anew")
    if run["step"] < 0 or isinstance(run["step"], bool):
        raise CheckpointError(f"{folder / STATE} holds no run: got step {run['step']}, expected one from 0; start anew")
    return parts, run
