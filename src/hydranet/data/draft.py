"""A first recipe for data sets that were recognized: tasks by kind of label, sizes by images, steps by their number."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from hydranet.annotations import Annotation
from hydranet.balancers.start_scale import StartScale
from hydranet.balancers.uniform import Uniform
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.config.stages import Stage
from hydranet.core.dataset import Dataset
from hydranet.core.errors import SpecError, UserError
from hydranet.core.features import Encoder
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import Part, unknown
from hydranet.core.task import Task
from hydranet.data.apart import apart
from hydranet.data.recognize import Recognized
from hydranet.data.sided import sided_labels
from hydranet.data.some_samples import offered, some_samples
from hydranet.datasets.split import Split
from hydranet.models import summary
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.encoders.timm import Timm
from hydranet.transforms.augment import Augment

EPOCHS, FEWEST_STEPS, MOST_STEPS = 40, 300, 20_000
"""How often each image is seen, on average, and the bounds of that."""

LITE0: Part[Encoder] = Part(Timm, model="tf_efficientnet_lite0", weights="imagenet")
SMALL: Part[Encoder] = Part(MobileNetV2, weights="imagenet")
LADDER: tuple[tuple[Part[Encoder], int], ...] = (
    (LITE0, 256),
    (LITE0, 128),
    (SMALL, 128),
    (SMALL, 64),
    (SMALL, 32),
    (SMALL, 16),
)
"""Encoders whose weights come as packages, and widths of the decoder, the costliest first."""

USUAL = 3
"""The step of the ladder without a budget: trains in minutes on a CPU."""


@dataclass(frozen=True)
class Wishes:
    """What the user asks of a recipe.

    name:     of the recipe.    size: height and width of the input; None = by the images, at most `longest_px` wide.
    excess:   by what a recipe's network exceeds the user's budget, in words ("" = it fits); None = the usual network.
    val:      share of the images for validation where the data has no split of its own.
    group:    by data set the pattern of paths that `Split` takes; "" holds for those that are not named.
    batch:    images per step.    steps: None = by the number of images.
    """

    name: str
    size: tuple[int, int] | None = None
    longest_px: int = 640
    excess: Callable[[Recipe], str] | None = None
    val: float = 0.2
    group: Mapping[str, str] = field(default_factory=dict)
    batch: int = 8
    steps: int | None = None


@dataclass(frozen=True)
class Draft:
    """A recipe, remarks by its fields, and labels that no task learns from, each with the reason."""

    recipe: Recipe
    comments: Mapping[str, str]
    unused: tuple[str, ...] = ()


def _parted(part: Recognized, wishes: Wishes, drawn: Literal["path", "name"]) -> tuple[Dataset, Dataset]:
    """Training and validation of a data set, as it states them, or drawn. Raises DataError, with its name, for too few
    groups."""
    if part.validation is not None:
        return part.dataset, part.validation
    group = wishes.group.get(part.name, wishes.group.get("", ""))
    try:
        train = Split(part.dataset, "train", wishes.val, group=group, drawn=drawn)
        held_out = replace(train, split="val")
        len(train)  # now it is split
        return train, held_out
    except DataError as error:
        cure = f"; --group {part.name}=PATTERN is for this data set alone" if "" in wishes.group else ""
        raise DataError(f"{part.name}: {error}{cure}") from error


def draft(parts: Sequence[Recognized], kinds: Sequence[type[Task]], wishes: Wishes) -> Draft:
    """A recipe for data sets. kinds: the classes of tasks that there are.

    Raises DataError for files that cannot be read, SpecError where no task learns from a label.
    """
    samples = {part.name: some_samples(part.dataset, part.name) for part in parts}
    tasks, unused = _tasks(parts, samples, kinds)
    data, validation, counts = [], [], []
    drawn: Literal["path", "name"] = "name" if len(parts) > 1 else "path"
    split = apart([_parted(part, wishes, drawn) for part in parts])
    for part, (train, held_out) in zip(parts, split, strict=True):
        size = wishes.size or input_size([one.size for one in samples[part.name]], wishes.longest_px)
        data.append(Source(part.name, train, size))
        validation.append(Source(part.name, held_out, size))
        counts.append((len(train), len(held_out)))
    images = sum(count for count, _ in counts)
    batch = max(2, min(wishes.batch, images))
    steps = wishes.steps or int(np.clip(round(EPOCHS * images / batch, -1), FEWEST_STEPS, MOST_STEPS))
    several = len(tasks) > 1
    sided = sided_labels(parts, samples)
    recipe = Recipe(
        name=wishes.name,
        tasks=tuple(tasks),
        encoder=SMALL,
        decoder=Part(LightWeightRefineNet, width=64),
        data=tuple(data),
        validation=tuple(validation),
        augment=Augment(flip=0.0) if sided else Augment(),
        balancer=Part(StartScale) if several else Part(Uniform),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5}),
        steps=steps,
        batch=batch,
        precision="auto",
        ema=0.99 if steps < 2000 else 0.998,
        save_every=max(50, steps // 10),
        evaluate_every=max(100, steps // 5),
    )
    recipe, cost = _fitted(recipe, wishes.excess)
    whose = "; ".join(f"{one.name} {a} + {b}" for one, (a, b) in zip(parts, counts, strict=True))
    patterns = ", ".join(f"{name}={pattern}" if name else pattern for name, pattern in wishes.group.items())
    never = f"images by path group {patterns}" if patterns else "images that look alike"
    own = ", ".join(part.name for part in parts if part.validation is not None)
    comments = {
        "tasks": "what is learned; classes in the order of ids",
        "encoder": f"ImageNet weights: hydranet weights get {_package(recipe.encoder)}",
        "decoder": cost,
        "data": f"images for training + validation: {whose}",
        "validation": f"scored, never trained on; {never} are never in both{own and f', but {own}: as its files say'}",
        "balancer": "each loss counts as a share of what it was at the start (docs/balancing.md)",
        **({"augment": f"never flipped: left and right may differ in {', '.join(sided)}"} if sided else {}),
        "steps": f"{steps * batch / images:.0f} times every image" if images else "",
        "precision": "bf16 where the machine computes in it, else fp32",
        "ema": "the averaged weights are scored and kept",
        "optim": "the encoder learns more slowly than the rest",
    }
    return Draft(recipe, comments, unused)


def with_head(trained: Recipe, drafted: Recipe, names: Mapping[str, str], start: str) -> Recipe:
    """The recipe of a trained network with the new tasks of a draft, which alone learn, on the draft's data.

    names: {label of the data: name of its task}; empty = every label whose name no task of the network has.
    start: the trained run. Raises SpecError where there is nothing new.
    """
    old = [task.name for task in trained.tasks]
    offered = [task.name for task in drafted.tasks]
    chosen = dict(names) or {name: name for name in offered if name not in old}
    for label, name in chosen.items():
        if label not in offered:
            raise SpecError(unknown(label, offered, "label of this data"))
        if name in old:
            raise SpecError(f"the network has a task {name!r} already; give the new one a name: --task {label}=NEW")
    if not chosen:
        label = offered[0]
        raise SpecError(f"the network has tasks {', '.join(old)} already; give the new one a name: --task {label}=NEW")
    tasks = tuple(replace(task, name=chosen[task.name]) for task in drafted.tasks if task.name in chosen)
    labels = {**dict.fromkeys(old), **{name: label for label, name in chosen.items()}}
    new = tuple(task.name for task in tasks)
    stage = Stage("head", drafted.steps, freeze=("trunk", *(f"heads.{name}" for name in old)), tasks=new)
    return replace(
        trained,
        name=f"{trained.name}-with-{'-'.join(new)}"[:100],
        tasks=(*trained.tasks, *tasks),
        data=tuple(replace(source, labels=labels) for source in drafted.data),
        validation=tuple(replace(source, labels=labels) for source in drafted.validation),
        balancer=Part(Uniform),
        optim=replace(drafted.optim, factors={}),
        augment=replace(trained.augment, flip=0.0) if not drafted.augment.flip else trained.augment,
        teachers=(),
        stages=(stage,),
        start=start,
        steps=drafted.steps,
        batch=drafted.batch,
        accumulate=1,
        ema=drafted.ema,
        save_every=drafted.save_every,
        evaluate_every=0,
    )


def _tasks(
    parts: Sequence[Recognized], samples: Mapping[str, Sequence[Sample]], kinds: Sequence[type[Task]]
) -> tuple[list[Task], tuple[str, ...]]:
    """A task for every label, with the classes of all sources that have it, and why some labels have none.

    Raises SpecError where none of them has one.
    """
    labels: dict[str, list[Annotation]] = {}
    sizes: dict[str, list[tuple[int, int]]] = {}
    classes: dict[str, dict[str, None]] = {}
    for part in parts:
        for sample in samples[part.name]:
            for name, label in sample.labels.items():
                labels.setdefault(name, []).append(label)
                sizes.setdefault(name, []).append(sample.size)
        for name, names in part.dataset.classes.items():
            classes.setdefault(name, {}).update(dict.fromkeys(names))
    if not labels:
        raise DataError("none of the images that were looked at has a label; check the folders")
    tasks, reasons = list[Task](), list[SpecError]()
    for name, some in labels.items():
        usual = Counter(sizes[name]).most_common(1)[0][0]
        try:
            tasks.append(task_for(name, tuple(classes.get(name, ())), some, kinds).for_images(usual))
        except SpecError as error:
            reasons.append(error)
    if not tasks:
        raise reasons[0]
    lacking = sorted({name for part in parts for name in offered(part.dataset)} - labels.keys())
    absent = [f"label {name!r} is in none of the images that were looked at; look at its files" for name in lacking]
    return tasks, (*map(str, reasons), *absent)


def task_for(name: str, classes: tuple[str, ...], labels: Sequence[Annotation], kinds: Sequence[type[Task]]) -> Task:
    """A task that learns from such labels: of those for this kind, the one whose folder has the label's name, else the
    first that takes them.

    Raises SpecError where there is none, with the reason of the last one that was tried.
    """
    kind = type(labels[0])
    suited = [one for one in kinds if one.kind is kind]
    suited.sort(key=lambda one: one.__module__.split(".")[-2] != name)
    reason: UserError | None = None
    for one in suited:
        try:
            return one.fitting(name, classes, labels)
        except UserError as error:
            reason = error
    raise SpecError(
        f"no task learns from label {name!r}, a {kind.__name__}{f': {reason}' if reason else ''}; leave it out, or "
        "write the recipe by hand (`hydranet list tasks`)"
    )


def input_size(sizes: Sequence[tuple[int, int]], longest_px: int) -> tuple[int, int]:
    """Height and width in multiples of 32 in the shape that is usual among images, no larger than they are."""
    height, width = np.median(np.array(sizes), axis=0)
    scale = min(1.0, longest_px / max(height, width))
    return min(
        ((h, w) for h in range(32, longest_px + 32, 32) for w in range(32, longest_px + 32, 32)),
        key=lambda one: abs(np.log(one[0] / (scale * height))) + abs(np.log(one[1] / (scale * width))),
    )


def _fitted(recipe: Recipe, excess: Callable[[Recipe], str] | None) -> tuple[Recipe, str]:
    """The recipe with the costliest network that fits, and what it costs. Raises SpecError without one."""
    too_much = ""
    for encoder, width in LADDER if excess else LADDER[USUAL : USUAL + 1]:
        tree = {**vars(recipe), "encoder": encoder, "decoder": Part(LightWeightRefineNet, width=width)}
        candidate = Recipe(**tree)
        height, width_px = candidate.data[0].size
        too_much = excess(candidate) if excess else ""
        if not too_much:
            size = f"at {height}x{width_px}, all tasks; `hydranet info` has the parts"
            return candidate, f"{macs(candidate) / 1e9:.2f} GMACs {size}"
    raise SpecError(
        f"no network fits the budget: the smallest takes {too_much} at {height}x{width_px}; raise the budget, give a "
        "smaller --size, or time exported files, which are faster: hydranet search RECIPE --latency-ms N"
    )


def macs(recipe: Recipe) -> float:
    """Multiplications of one image of the first source through trunk and heads."""
    return float(summary.parts(untrained(recipe).build(), recipe.data[0].size)[-1].macs)


def untrained(recipe: Recipe) -> Recipe:
    """The same network without pretrained weights: costs need none."""
    encoder: Part[Encoder] = Part(recipe.encoder.cls, **{**recipe.encoder.options, "weights": None})
    return Recipe(**{**vars(recipe), "encoder": encoder})


def _package(encoder: Part[Encoder]) -> str:
    return "mobilenetv2" if encoder.cls is MobileNetV2 else "efficientnet_lite0"
