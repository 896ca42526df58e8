"""After a stop inside a save: the files of a run are made to agree with its state, which is written first."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydranet.checkpoint import checkpoint
from hydranet.config.recipe import Recipe
from hydranet.config.stages import Stage
from hydranet.evaluation.report import finite
from hydranet.io.atomic import write
from hydranet.io.run_log import LOG, read
from hydranet.training.step import StepResult


def step_line(step: int, result: StepResult, lr: float, gradient_norm: float) -> dict[str, Any]:
    """What the log says about a step, without how long it took: the same after a stop as without one."""
    return {
        "step": step,
        "losses": result.losses,
        "parts": result.parts,
        "weights": result.weights,
        "cosines": result.cosines(),
        "norms": result.norms(),
        "lr": lr,
        "gradient_norm": finite(gradient_norm),
    }


def stage_ended(stages: Sequence[Stage], step: int) -> str:
    """The name of the stage that ends with the `step`-th step, if it is not the last one; else an empty text."""
    end = 0
    for stage in stages[:-1]:
        end += stage.steps
        if end == step:
            return stage.name
    return ""


def mend(folder: Path) -> int:
    """Writes anew what the state of a run says and its other files do not: the model, a stage's model, a log line.

    Returns the state's step. Raises CheckpointError for a folder without a state that can be read.
    """
    parts, header = checkpoint.load_state(folder)
    recipe, step = Recipe.from_json(str(header["recipe"])), int(str(header["step"]))
    tensors = parts.get("ema") or parts.get("model", {})
    names = checkpoint.without_pretrained(recipe).build().state_dict()
    focal = header.get(checkpoint.USUAL_FOCAL)
    whole = names.keys() <= tensors.keys()  # else `Run.restore` says what is wrong
    if whole and "log" in header:  # states of earlier versions do not hold all that a model file does
        shipped = {name: tensors[name] for name in names}
        stage = stage_ended(recipe.stages, step)
        for place in (folder, *([folder / "stages" / stage] if stage else [])):
            checkpoint.put_model(place, shipped, recipe, focal if isinstance(focal, float) else None)
    if isinstance(line := header.get("log"), dict) and line.get("step") == step:
        _mend_log(folder / LOG, step, line)
    return step


def _mend_log(path: Path, step: int, line: dict[str, Any]) -> None:
    """Drops what was logged after the state, and adds the state's own step where it is missing."""
    logged = read(path.parent) if path.is_file() else []
    kept = [one for one in logged if one["step"] <= step]
    if not any(one["step"] == step and "losses" in one for one in kept):
        kept.append(line)
    if kept != logged:
        write(path, "".join(json.dumps(one) + "\n" for one in kept).encode())
