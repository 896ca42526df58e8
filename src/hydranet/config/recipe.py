"""A training run as one value: what to learn, from what, with what. Saved as JSON, built into a network."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import torch

from hydranet.balancers.uniform import Uniform
from hydranet.config.best_metric import parsed
from hydranet.config.cascades import check_cascades
from hydranet.config.joint import Joint
from hydranet.config.moved import modern_recipe
from hydranet.config.optim import Optim
from hydranet.config.precision import PRECISIONS, Precision
from hydranet.config.schedule import OneCycle, Schedule
from hydranet.config.source import Source
from hydranet.config.stages import Stage, check
from hydranet.config.teacher import Teacher
from hydranet.config.words import swapped
from hydranet.core.balancer import GradientBalancer, LossBalancer, MetaBalancer
from hydranet.core.cascade import Cascade
from hydranet.core.checks.json_text import BrokenJson, parse_json
from hydranet.core.checks.names import check_classes, check_name, check_names
from hydranet.core.checks.ranges import check_numbers, check_range
from hydranet.core.dataset import Dataset, MissingDataset
from hydranet.core.features import Decoder, Encoder, Trunk
from hydranet.core.spec import Component, Part, SpecError, StandIns, flatten, from_json, override, to_json, unknown
from hydranet.core.task import Task
from hydranet.models.hydranet import HydraNet
from hydranet.models.sharing.hard import HardSharing
from hydranet.transforms.augment import Augment

MOST_IMAGES, MOST_WORKERS = 65_536, 1024
"""Of a step, and processes that load data: more is a slip of the keyboard, and would end in lack of memory."""

STAND_INS: StandIns = {Dataset: MissingDataset}
"""What a network is used for without: its data sets."""


@dataclass(frozen=True)
class Recipe(Component):
    """Everything that determines a run. Two runs of one recipe on one machine give the same weights.

    name:       of the run's folder and of what is made from it.
    tasks:      what to learn, a head for each.
    encoder:    image -> features; a word or a timm model's name on the command line.
    decoder:    features -> the features that heads read.
    data:       sources to train on, each with its share of the images.
    sharing:    what the tasks share of encoder and decoder.
    balancer:   how the tasks' losses or gradients become one step (docs/balancing.md).
    augment:    random geometry and light of training images.
    optim:      optimizer and learning rates.    schedule: the learning rate over the steps.
    seed:       of everything random.
    steps:      optimizer steps.    batch: images per step, over all sources, micro-batches and processes.
    accumulate: micro-batches per step, in less memory and more time. Losses and their weights are those of the whole
                step; with BatchNorm the weights still differ, since each micro-batch has its own statistics.
    precision:  "fp32", "bf16" or "fp16" autocast, or "auto": bf16 where the device computes in it, else fp32. Losses
                are always computed in fp32.
    ema:        decay of the averaged weights that are evaluated and kept, or None.
    validation: sources that are evaluated; their augmentation is a letterbox to `size`.
    teachers:   teachers that the network learns from, beside labels or instead of them (docs/distillation.md).
    joint:      one code of all answers, by which tasks without labels learn from those with (docs/distillation.md).
    stages:     what learns in which steps (docs/stages.md), `steps` in all. Empty = everything in all steps.
    allow_leaks: train although a teacher, or the images it labels, meet the validation images (docs/distillation.md).
    cascades:   boxes of one task that are cut out and shown to others, such as signs (`core.cascade`).
    start:      a run, model file or state_dict whose weights a new run begins with, as far as they fit.
    sync_norm:  BatchNorm of the trunk over the images of all processes (docs/cluster.md).
    fixed_norm: BatchNorm of the trunk keeps the statistics of the weights that the run begins with, and learns scale
                and shift. For small batches, and for data whose images differ much (docs/howto.md).
    fixed_norm_after: steps in which these statistics still move. Without `start`, let them move in the first half:
                an encoder from ImageNet that learns fast with statistics of ImageNet does not generalize.
    compile:    torch.compile for trunk and heads; the first steps take minutes.
    evaluate_every, save_every: steps between; 0 = at the end only.    workers: processes that load data.
    keep_best:  `hydranet train` also keeps the network of the best evaluation in RUN/best: TASK (its headline metric),
                SOURCE/TASK or TASK.METRIC:lower; "" = the last network alone.
    patience:   end after this many evaluations without a better one; 0 = never before the last step.
    """

    name: str
    tasks: tuple[Task, ...]
    encoder: Part[Encoder]
    decoder: Part[Decoder]
    data: tuple[Source, ...]
    validation: tuple[Source, ...] = ()
    sharing: Part[Trunk] = field(default_factory=lambda: Part(HardSharing))
    balancer: Part[LossBalancer | GradientBalancer] = field(default_factory=lambda: Part(Uniform))
    augment: Augment = field(default_factory=Augment)
    optim: Optim = field(default_factory=Optim)
    schedule: Schedule = field(default_factory=OneCycle)
    teachers: tuple[Teacher, ...] = ()
    joint: Joint = field(default_factory=Joint)
    allow_leaks: bool = False
    stages: tuple[Stage, ...] = ()
    cascades: tuple[Cascade, ...] = ()
    start: str | None = None
    steps: int = 1000
    batch: int = 8
    accumulate: int = 1
    precision: Precision = "fp32"
    ema: float | None = None
    sync_norm: bool = False
    fixed_norm: bool = False
    fixed_norm_after: int = 0
    compile: bool = False
    seed: int = 0
    evaluate_every: int = 0
    save_every: int = 200
    workers: int = 2
    keep_best: str = ""
    patience: int = 0

    def __post_init__(self) -> None:
        check_name(self.name, "recipe")
        check_names((task.name for task in self.tasks), "task")
        for task in self.tasks:
            check_classes(task.classes, f"task {task.name!r}")
        check_numbers(self)
        for what, number in (("steps", self.steps), ("batch", self.batch), ("accumulate", self.accumulate)):
            if number < 1:
                raise SpecError(f"got {what}={number}, expected a whole number >= 1")
        for what, number, none in (
            ("seed", self.seed, "choose any such number"),
            ("workers", self.workers, "0 = the training process loads the data itself"),
            ("save_every", self.save_every, "0 = at the end only"),
            ("evaluate_every", self.evaluate_every, "0 = at the end only"),
            ("patience", self.patience, "0 = train to the last step"),
            ("fixed_norm_after", self.fixed_norm_after, "0 = statistics are fixed from the first step on"),
        ):
            if number < 0:
                raise SpecError(f"got {what}={number}, expected a whole number >= 0; {none}")
        for what, number, most in (("batch", self.batch, MOST_IMAGES), ("workers", self.workers, MOST_WORKERS)):
            check_range(what, number, 0, most)
        if self.ema is not None and not 0 <= self.ema < 1:
            raise SpecError(f"got ema={self.ema}, expected a decay above 0 and below 1, such as 0.998; null = none")
        if self.batch % self.accumulate:
            raise SpecError(
                f"batch {self.batch} cannot be split into {self.accumulate} equal micro-batches; change one"
            )
        if self.precision not in PRECISIONS:
            raise SpecError(f"got precision={self.precision!r}, expected auto, fp32, bf16 or fp16")
        if not self.tasks or not self.data:
            raise SpecError(
                f"recipe {self.name!r} has {len(self.tasks)} tasks and {len(self.data)} sources, needs both"
            )
        for sources in (self.data, self.validation):
            names = [source.name for source in sources]
            if len(set(names)) != len(names):
                raise SpecError(f"got sources {names}, expected every name once; rename one (Source.name)")
        if any(teacher.features for teacher in self.teachers) and not issubclass(self.sharing.cls, HardSharing):
            raise SpecError(f"got features of a teacher with {self.sharing.cls.__name__}, expected HardSharing; set 0")
        if self.joint.weight and not issubclass(self.sharing.cls, HardSharing):
            raise SpecError(f"got joint with {self.sharing.cls.__name__}, expected HardSharing; set joint.weight=0")
        if self.sync_norm and issubclass(self.balancer.cls, MetaBalancer):
            raise SpecError(
                f"sync_norm does not go with {self.balancer.cls.__name__}, whose held-out images differ in number from "
                "process to process; switch one of them off"
            )
        if self.sync_norm and self.fixed_norm:
            raise SpecError("got sync_norm and fixed_norm, expected one: statistics that are fixed need no processes")
        if self.fixed_norm_after and not self.fixed_norm:
            raise SpecError(
                f"got fixed_norm_after={self.fixed_norm_after} without fixed_norm; set fixed_norm=true, or this to 0"
            )
        self._check_best()
        check_cascades(self.cascades, self.tasks)
        self.build_balancer()
        check(self.stages, self.steps, [task.name for task in self.tasks])

    def _check_best(self) -> None:
        """Raises SpecError for a metric of a task or source that is not there, and where nothing is evaluated."""
        if not self.keep_best:
            if self.patience:
                raise SpecError(f"got patience={self.patience} without a metric; set keep_best, such as keep_best=TASK")
            return
        metric = parsed(self.keep_best)
        tasks, sources = [task.name for task in self.tasks], [source.name for source in self.validation]
        if metric.task not in tasks:
            raise SpecError(unknown(metric.task, tasks, "task (in keep_best)"))
        if metric.source and metric.source not in sources:
            raise SpecError(unknown(metric.source, sources, "validation source (in keep_best)"))
        if not sources or not self.evaluate_every:
            raise SpecError(
                f"got keep_best={self.keep_best!r} with {len(sources)} validation sources and "
                f"evaluate_every={self.evaluate_every}, expected both: the best is chosen among evaluations"
            )

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of the network's input for each source, validation first, each size once."""
        return tuple(dict.fromkeys((source.size[0], source.size[1]) for source in (*self.validation, *self.data)))

    def build(self, extra_tasks: Sequence[Task] = ()) -> HydraNet:
        """The network, with pretrained weights if the encoder asks for them; deterministic by `seed`.

        also: further tasks, such as those that exist only in training.
        """
        tasks = (*self.tasks, *extra_tasks)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)
            trunk = self.sharing({task.name: task.reads for task in tasks}, self.encoder, self.decoder)
            return HydraNet(trunk, tasks)

    def sharing_for(self, tasks: Collection[str]) -> Part[Trunk]:
        """What is shared in the same recipe with some of its tasks only."""
        cls: type[Trunk] = self.sharing.cls
        return Part(cls, **cls.options_for(self.sharing.options, tasks))

    def build_balancer(self, extra_tasks: Sequence[Task] = ()) -> LossBalancer | GradientBalancer:
        """A fresh balancer for the recipe's tasks. Raises SpecError for held-out sources that it does not have."""
        balancer = self.balancer(tuple(task.name for task in (*self.tasks, *extra_tasks)))
        if isinstance(balancer, MetaBalancer):
            names = [source.name for source in self.data]
            for name in balancer.held_out:
                if name not in names:
                    raise SpecError(unknown(name, names, "source (in the balancer's held_out)"))
            if set(names) <= set(balancer.held_out):
                raise SpecError("every source is held out, none is left to train on; add one, or hold out fewer")
        return balancer

    def to_json(self) -> str:
        """The recipe as text."""
        return json.dumps(to_json(self), indent=2)

    @staticmethod
    def from_json(text: str) -> "Recipe":
        """A recipe from text. Raises SpecError for what is no recipe."""
        try:
            tree = parse_json(text)
        except BrokenJson as error:
            raise SpecError(f"this is no recipe: {error}") from error
        recipe = from_json(modern_recipe(tree), allowed, STAND_INS)
        if not isinstance(recipe, Recipe):
            raise SpecError(f"got JSON of a {type(recipe).__name__}, expected a recipe")
        return recipe

    def changed(self, settings: Iterable[str]) -> "Recipe":
        """A copy with overrides such as "optim.lr=1e-3". Raises SpecError with a suggestion for an unknown key."""
        settings = list(settings)
        return Recipe.from_json(json.dumps(override(to_json(self), settings, swapped))) if settings else self

    def difference(self, other: "Recipe") -> list[str]:
        """The keys in which two recipes differ, as "key: mine -> theirs"."""
        mine, theirs = flatten(to_json(self)), flatten(to_json(other))
        keys = [k for k in {**mine, **theirs} if (k in mine, mine.get(k)) != (k in theirs, theirs.get(k))]
        return [f"{key}: {mine.get(key)} -> {theirs.get(key)}" for key in keys]


def allowed(cls: type) -> bool:
    """Whether a recipe may name this class: our components, torch's modules and optimizers, nothing else."""
    return issubclass(cls, Component | torch.nn.Module | torch.optim.Optimizer)
