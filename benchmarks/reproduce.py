"""The claims that HydraNet's sources make, each beside what this code measures: reached, not reached, or ill-posed.

    python benchmarks/reproduce.py
    python benchmarks/reproduce.py --retention runs/NAME --signs runs/signs --plain RUN --taught RUN --group FOLDER

Sizes and times are measured here, in a minute, with random weights. What needs training is read from runs that are
finished; for each that is not given, the table says with which command to make it. Prints Markdown.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from hydranet.checkpoint import resolve
from hydranet.checkpoint.checkpoint import without_pretrained
from hydranet.checkpoint.released.names import located
from hydranet.config.recipe import Recipe
from hydranet.core.spec import Part
from hydranet.evaluation.report import Report, read_report
from hydranet.evaluation.single_task_baselines import subset_recipe
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.hydranet import HydraNet
from hydranet.models.profile import Cost, costs, count, parts
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.normals.task import Normals
from hydranet.tasks.semantic.task import Semantic
from postprocess import measure as nms_times

NEKRASOV, THREE, RESNET = "Nekrasov et al. 2019", "three tasks, two detectors", "ResNet-50: boxes, lanes, signs"
KITTI_SIZE, SIZE = (352, 1216), (192, 640)
REACHED, MISSED, ILL_POSED, UNKNOWN = "reached", "**not reached**", "ill-posed", "not measured"


HARDLY_LEARNED = 2.0
"""Where sharing keeps more than so many times the score of a task alone, that one is no measure yet."""


@dataclass(frozen=True)
class Row:
    """A claim of a source, what was measured, and whether it holds."""

    source: str
    claim: str
    here: str
    verdict: str
    how: str = "here"


def layout(outputs: int, normals: bool) -> HydraNet:
    """The two- or three-task network of arXiv 1809.04766: MobileNet-v2, six taps, decoder of 256 channels."""
    tasks = (Semantic("semantic", tuple(f"class {i}" for i in range(outputs))), Depth("depth"))
    base = resolve.recipe("reference")
    return replace(
        base,
        tasks=(*tasks, *((Normals("normals"),) if normals else ())),
        encoder=Part(MobileNetV2, weights=None),
        decoder=Part(LightWeightRefineNet),
    ).build()


def sizes() -> list[Row]:
    rows = []
    for outputs, normals, millions in ((6, False, 2.99), (40, False, 3.07), (40, True, 3.08)):
        model = layout(outputs, normals)
        mine = count(model) / 1e6
        what = f"{millions} M parameters with {outputs} + 1{' + 3' if normals else ''} outputs"
        rows.append(Row(NEKRASOV, what, f"{mine:.2f} M", REACHED if round(mine, 2) == millions else MISSED))
    gmac = parts(layout(6, False).eval(), KITTI_SIZE)[-1].macs / 1e9
    verdict = REACHED if gmac <= 6.45 * 1.02 else MISSED
    rows.append(Row(NEKRASOV, "6.45 GMAC at 1200x350", f"{gmac:.2f} at 1216x352, the next multiple of 32", verdict))
    return rows


def apart(name: str, size: tuple[int, int]) -> tuple[Cost, Cost]:
    """What a recipe's network costs, and its single-task networks together."""
    recipe = without_pretrained(resolve.recipe(name))
    singles = [_alone(recipe, task.name).build() for task in recipe.tasks]
    both = costs({"shared": [recipe.build()], "apart": singles}, size, rounds=5)
    return both["shared"], both["apart"]


def _alone(recipe: Recipe, task: str) -> Recipe:
    known: dict[str, bool] = _Everything()
    return subset_recipe(replace(recipe, cascades=()), [task], known)


class _Everything(dict):
    """Which source labels which task, where no data set needs to be at hand: all do."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> bool:
        return True


def sharing() -> list[Row]:
    shared, separate = apart("reference", SIZE)
    fewer, faster = 1 - shared.parameters / separate.parameters, separate.network_ms / shared.network_ms
    shared50, separate50 = apart("driving", SIZE)
    fewer50 = 1 - shared50.parameters / separate50.parameters
    return [
        Row(THREE, "65 % fewer parameters than three networks", f"{fewer:.0%}", _least(fewer, 0.65), "`reference`"),
        Row(THREE, "3x as fast as three networks", f"{faster:.2f}x", _least(faster, 3.0), "`reference`, eager"),
        Row(RESNET, "26 % fewer parameters than three networks", f"{fewer50:.0%}", _least(fewer50, 0.26), "`driving`"),
    ]


def detectors() -> list[Row]:
    recipe = without_pretrained(resolve.recipe("detector"))
    (task,) = recipe.tasks
    assert isinstance(task, Detection)
    models = {word: [replace(recipe, tasks=(replace(task, detector=word),)).build()] for word in ("yolov8", "ssd")}
    spent = costs(models, SIZE, rounds=5)
    less = 1 - spent["ssd"].memory_bytes / spent["yolov8"].memory_bytes
    ms = nms_times("yolov8", 300, 5)
    high, low = (ms[t] / (ms["network"] + ms[t]) for t in ("0.25", "0.001"))
    return [
        Row(
            THREE,
            "SSD needs 35 % less memory than YOLOv8",
            f"{less:.0%}",
            _least(less, 0.35),
            "weights and activations",
        ),
        Row(
            THREE,
            "30 % of the time is post-processing",
            f"{high:.1%} at threshold .25, {low:.1%} at .001",
            ILL_POSED,
            "it depends on the threshold and on what is in the image",
        ),
    ]


def half_precision() -> list[Row]:
    model = without_pretrained(resolve.recipe("reference")).build().eval().to(memory_format=torch.channels_last)
    image = torch.rand(1, 3, *SIZE).contiguous(memory_format=torch.channels_last)
    contexts: dict[str, Callable[[], AbstractContextManager[object]]] = {
        "fp32": nullcontext,
        "bf16": lambda: torch.autocast("cpu", torch.bfloat16),
    }
    times: dict[str, list[float]] = {name: [] for name in contexts}
    with torch.inference_mode():
        for _ in range(8):
            for name, context in contexts.items():
                began = time.perf_counter()
                with context():
                    model(image)
                times[name].append(time.perf_counter() - began)
    saved = 1 - statistics.median(times["bf16"][2:]) / statistics.median(times["fp32"][2:])
    claim = "half precision saves 40 % of the time"
    return [Row(THREE, claim, f"{saved:.0%} (eager PyTorch, bf16)", _least(saved, 0.4), "it depends on the processor")]


def kept(folder: Path | None) -> list[Row]:
    claimed = {"detection": 0.99, "semantic": 0.876, "depth": 0.94}
    if folder is None:
        how = "`hydranet retention benchmarks/sharing_pays.py:real seed=0..2 --equal compute`, then --retention"
        return [Row(THREE, f"{share:.1%} of {task} kept", "", UNKNOWN, how) for task, share in claimed.items()]
    rows = json.loads((folder / "sweep.json").read_text())["rows"]
    shared = next(row for row in rows if row["equal"] == "compute" and row["kept"])
    made = []
    for one in shared["kept"]:
        values = [value for value in one["by_seed"].values() if value is not None]
        least = claimed.get(one["task"], 0.97)
        spread = f"{len(values)} seeds ({min(values):.1%} to {max(values):.1%})"
        here = f"{one['mean']:.1%} on {one['source']}, {spread}"
        unlearned = max(values) > HARDLY_LEARNED
        verdict = ILL_POSED if unlearned else _least(one["mean"], least)
        how = f"`{folder.name}`" + (", where the single-task network hardly learned it" if unlearned else "")
        made.append(Row(THREE, f"{least:.1%} of {one['task']} kept", here, verdict, how))
    return made


def taught(plain: Path | None, with_teacher: Path | None) -> list[Row]:
    claim = "teachers add 8 to 12 %"
    if plain is None or with_teacher is None:
        how = "the commands at the top of `recipes/nekrasov.py`, then --plain and --taught"
        return [Row(THREE, claim, "", UNKNOWN, how)]
    before, after = read_report(plain), read_report(with_teacher)
    return [
        Row(THREE, f"{claim}: {source}/{task}", f"{gain:+.1%} ({metric})", _least(gain, 0.08), f"`{with_teacher.name}`")
        for source, task, metric, gain in _gains(before, after)
    ]


def _gains(before: Report, after: Report) -> list[tuple[str, str, str, float]]:
    made = []
    for source, tasks in before.scores.items():
        for task, metrics in tasks.items():
            metric, better = before.headlines[task]
            old, new = metrics[metric], after.scores.get(source, {}).get(task, {}).get(metric)
            if new is not None and old:
                made.append((source, task, metric, (new / old if better == "higher" else old / new) - 1))
    return made


def signs(run: Path | None) -> list[Row]:
    made = []
    for path, what in ((run, "alone"), (located(Path("street")), "in the network of nine heads")):
        claim = f"100 % of the signs, {what}"
        if path is None:
            made.append(Row(RESNET, claim, "", UNKNOWN, "`hydranet train signs`, then --signs runs/signs"))
            continue
        metrics = read_report(path).scores["gtsrb"]["sign"]
        here = f"{metrics['top1']:.1%} of tracks that were not trained on"
        made.append(Row(RESNET, claim, here, MISSED, "100 % is reached where frames of one track are on both sides"))
    return made


def normals_help(folder: Path | None) -> list[Row]:
    claim = "normals help every task"
    if folder is None:
        return [Row("Standley et al. 2020", claim, "", UNKNOWN, "`hydranet group five --by measured`, then --group")]
    tree = json.loads((folder / "group-measured.json").read_text())
    gains = {name: percent / 100 for name, percent in tree["affinity"]["normals"].items() if name != "normals"}
    here = ", ".join(f"{name} {gain:+.1%}" for name, gain in gains.items())
    verdict = REACHED if all(gain > 0 for gain in gains.values()) else MISSED
    return [Row("Standley et al. 2020", claim, here, verdict, f"`{folder.name}`")]


def _least(value: float, wanted: float) -> str:
    return REACHED if value >= wanted else MISSED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("retention", "plain", "taught", "signs", "group"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    torch.manual_seed(0)
    rows = [
        *sizes(),
        *sharing(),
        *detectors(),
        *half_precision(),
        *kept(given.retention),
        *taught(given.plain, given.taught),
        *signs(given.signs),
        *normals_help(given.group),
    ]
    print("| source | claim | here | | how |\n|---|---|---|---|---|")
    for row in rows:
        print(f"| {row.source} | {row.claim} | {row.here} | {row.verdict} | {row.how} |")


if __name__ == "__main__":
    main()
