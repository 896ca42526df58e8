"""Old names of classes, options and tensors, and today's, so that older files still open."""

from collections.abc import Iterator, Mapping
from typing import Any

Json = Any

MODULES: Mapping[str, str] = {
    "hydranet.augment.policy": "hydranet.transforms.augment",
    "hydranet.decoders.lw_refinenet": "hydranet.models.decoders.lw_refinenet",
    "hydranet.encoders.mobilenetv2": "hydranet.models.encoders.mobilenetv2",
    "hydranet.encoders.timm": "hydranet.models.encoders.timm",
    "hydranet.schedule": "hydranet.config.schedule",
    "hydranet.sharing.hard": "hydranet.models.sharing.hard",
    "hydranet.stages": "hydranet.config.stages",
    "hydranet.tasks.detection.ssd": "hydranet.models.heads.ssd",
    "hydranet.tasks.detection.two_stage": "hydranet.models.heads.faster_rcnn",
    "hydranet.tasks.detection.yolov8": "hydranet.models.heads.yolov8",
    "hydranet.teacher": "hydranet.config.teacher",
}
"""Modules that moved, with all classes that a recipe may name."""

CLASSES: Mapping[str, str] = {
    "hydranet.recipe.Optim": "hydranet.config.optim.Optim",
    "hydranet.recipe.Recipe": "hydranet.config.recipe.Recipe",
    "hydranet.recipe.Source": "hydranet.config.source.Source",
}
"""Classes that moved out of their module."""

OPTIONS: Mapping[str, Mapping[str, str]] = {
    "hydranet.config.recipe.Recipe": {"distil": "teachers"},
    "hydranet.tasks.detection.task.Detection": {
        "also": "extra_metrics",
        "candidates": "pre_nms_topk",
        "limit": "max_detections",
    },
}
"""Options that are called differently now, by today's path of their class."""

METHODS: Mapping[str, str] = {
    "sum": "hydranet.balancers.plain_sum.PlainSum",
    "pcgrad": "hydranet.balancers.pcgrad.PCGrad",
    "mgda": "hydranet.balancers.mgda.MGDA",
    "cagrad": "hydranet.balancers.cagrad.CAGrad",
    "upgrad": "hydranet.balancers.upgrad.UPGrad",
    "imtlg": "hydranet.balancers.imtl_g.IMTLG",
    "alignedmtl": "hydranet.balancers.aligned_mtl.AlignedMTL",
    "nashmtl": "hydranet.balancers.nash_mtl.NashMTL",
}
"""Balancers of gradients, which were one class with a word for the method."""

METHOD_OPTIONS: Mapping[str, frozenset[str]] = {"pcgrad": frozenset({"seed"}), "cagrad": frozenset({"c"})}
"""Options of that class that a method of today still has; where gradients are compared is "auto" now."""

VALUES: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("hydranet.config.teacher.Teacher", "when"): {"unlabelled": "unlabeled"},
    ("hydranet.balancers.gradnorm.GradNorm", "at"): {"cut": "auto"},
}
"""Words that an option takes and that are spelled differently now, by class and option."""

TENSORS: Mapping[str, str] = {"normalise": "normalize", "optimiser": "optimizer"}
"""Parts of the names of tensors in a checkpoint that are spelled differently now."""


def modern_path(path: str) -> str:
    """Today's dotted path of a class that a recipe of any version names."""
    module, _, name = path.rpartition(".")
    return CLASSES.get(path, f"{MODULES.get(module, module)}.{name}" if module else path)


def modern_recipe(tree: Json) -> Json:
    """A recipe's JSON tree in today's words; an up-to-date one is returned unchanged."""
    if isinstance(tree, list):
        return [modern_recipe(one) for one in tree]
    if not isinstance(tree, dict):
        return tree
    tree = {name: modern_recipe(value) for name, value in tree.items()}
    if not isinstance(tree.get("class"), str):
        return tree
    if tree["class"] == "hydranet.balancers.aggregated.Aggregated":
        tree = _method(tree)
    tree = _one_switch(tree)
    path = tree["class"] = modern_path(tree["class"])
    options = OPTIONS.get(path, {})
    tree = {options.get(name, name): value for name, value in tree.items()}
    for name, value in tree.items():
        if isinstance(value, str):
            tree[name] = VALUES.get((path, name), {}).get(value, value)
    return tree


def _method(tree: dict[str, Json]) -> dict[str, Json]:
    """A balancer of gradients as its own class; gradients were never compared where old recipes said "cut"."""
    method = str(tree.get("method", "upgrad"))
    kept = METHOD_OPTIONS.get(method, frozenset()) | {"part"}
    at = {"at": "parameters"} if tree.get("at") == "parameters" else {}
    options = {name: value for name, value in tree.items() if name in kept}
    return {"class": METHODS.get(method, tree["class"]), **options, **at}


def _one_switch(tree: dict[str, Json]) -> dict[str, Json]:
    """`allow_leaks` as an option of the recipe; it was one of each teacher and each cache of pseudo-labels."""
    if "steps" not in tree or "tasks" not in tree or "data" not in tree:
        return tree
    given = [one.pop("allow_leaks") for one in _tables(tree) if one is not tree and "allow_leaks" in one]
    return {**tree, "allow_leaks": True} if True in given else tree


def _tables(value: Json) -> Iterator[dict[str, Json]]:
    """A tree's tables, however deep."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict):
        yield value
    for one in inner:
        yield from _tables(one)


def modern_tensor(name: str) -> str:
    """Today's name of a tensor in a checkpoint of any version."""
    first, slash, rest = name.partition("/")  # in state.safetensors the part of the run comes first
    parts = (rest if slash else name).split(".")
    renamed = ".".join(TENSORS.get(part, part) for part in parts)
    return f"{TENSORS.get(first, first)}/{renamed}" if slash else renamed
