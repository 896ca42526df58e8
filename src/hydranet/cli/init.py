"""hydranet init: from somebody's folders to a recipe"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydranet.cli.terminal import say

if TYPE_CHECKING:
    from hydranet.config.recipe import Recipe
    from hydranet.core.task import Task
    from hydranet.data.recognize import Answers

ROUNDS = 3


def init(
    folders: Annotated[list[Path], typer.Argument(help="Folders of images and labels, each in any layout")],
    out: Annotated[Path, typer.Option(help="The recipe to write: .py, .yaml or .toml")] = Path("my_recipe.py"),
    classes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[FOLDER=]A,B,...", help="Names of classes in the order of ids, or FILE.txt with them; repeatable"
        ),
    ] = None,
    unit: Annotated[str, typer.Option(help="Unit of depth maps: m, dm, cm, mm, km, or px for disparity")] = "",
    scale: Annotated[float, typer.Option(help="One stored step of a depth map in that unit")] = 1.0,
    values: Annotated[
        str, typer.Option(metavar="0=A,255=B", help="Classes of the stored values of masks; unknown = no class")
    ] = "",
    colors: Annotated[
        str, typer.Option(metavar="#804080=A,...", help="Classes of the colors of masks; unknown = no class")
    ] = "",
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=KIND", help="What a table's column is: tag, number, skip; repeatable"),
    ] = None,
    val: Annotated[float, typer.Option(help="Share of the images for validation, where there is no split")] = 0.2,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[FOLDER=]PATTERN",
            help="What never is in both: a pattern of paths such as '{clip}/*' or '*p{person}_*'; repeatable",
        ),
    ] = None,
    size: Annotated[str, typer.Option(help="Input size HEIGHTxWIDTH; default: by the images, 640 wide at most")] = "",
    gmacs: Annotated[
        float, typer.Option(min=0, help="Most multiplications per image, in billions; 0 = the usual")
    ] = 0.0,
    latency_ms: Annotated[
        float, typer.Option(min=0, help="Most milliseconds per image on this machine, in PyTorch; 0 = the usual")
    ] = 0.0,
    steps: Annotated[int, typer.Option(min=0, help="Training steps; 0 = by the number of images")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Images per step")] = 8,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there")] = False,
) -> None:
    """Look at folders, recognize images and labels, and write a recipe that trains at once.

    What files cannot say (the unit of depth, names of classes, the meaning of 0 and 255) is asked for: the error names
    the option.
    """
    from hydranet.config.python_text import to_python
    from hydranet.config.recipe_tree import write_toml, write_yaml
    from hydranet.core.spec import SpecError
    from hydranet.data.draft import Wishes, draft
    from hydranet.data.recognize import recognize
    from hydranet.inference.predictor import parse_size
    from hydranet.io.atomic import write

    if out.suffix not in (".py", ".yaml", ".yml", ".toml"):
        raise SpecError(f"got --out {out}, expected a file that ends in .py, .yaml or .toml")
    if out.exists() and not force:
        raise SpecError(f"{out} is there already; choose another --out, or replace it with --force")
    answers = answers_of(classes or [], unit, scale, values, colors, column or [])
    parts = [part for folder in folders for part in recognize(folder, answers)]
    check_used(answers)
    names = [part.name for part in parts]
    if len(set(names)) != len(names):
        raise SpecError(f"got folders called {', '.join(names)}, expected every name once; rename one")
    for part in parts:
        say(f"{part.name}: {part.why}; {len(part.dataset)} images")
        for line in part.dataset.ledger().sentences():
            say(f"  {line}")
    wishes = Wishes(
        name="".join(char if char.isalnum() or char in "_-" else "_" for char in out.stem),
        size=parse_size(size),
        excess=_budget(gmacs, latency_ms),
        val=val,
        group=groups_of(group or [], names),
        batch=batch,
        steps=steps or None,
    )
    say("looking for images that look alike: every image is read once")
    drafted = draft(parts, task_classes(), wishes)
    for reason in drafted.unused:
        say(f"not learned: {reason}")
    if "augment" in drafted.comments:
        say(f"images are {drafted.comments['augment']}")
    if out.suffix == ".py":
        about = f"{wishes.name}: written by `hydranet init {' '.join(map(str, folders))}`.\n\n"
        about += "\n".join(f"{part.name}: {part.why}." for part in parts)
        about += f"\n\nNext: hydranet doctor {out}, then hydranet train {out}.\n"
        text = to_python(drafted.recipe, about, drafted.comments)
    else:
        text = write_toml(drafted.recipe) if out.suffix == ".toml" else write_yaml(drafted.recipe)
    write(out, text.encode())
    recipe = drafted.recipe
    say(f"{', '.join(task.name for task in recipe.tasks)}; {recipe.steps} steps of {recipe.batch} -> {out}")
    say(f"{drafted.comments['encoder']}   |   next: hydranet doctor {out}   |   hydranet train {out}")


def check_used(answers: "Answers") -> None:
    """Raises SpecError for an option that said nothing about any of the folders, such as one for a misspelt folder."""
    from hydranet.core.spec import SpecError

    for option in answers.unused():
        raise SpecError(
            f"got {option}..., which says nothing about these folders: no such folder, column or file, or one that "
            "says it itself; correct it or leave it out"
        )


def groups_of(given: list[str], names: list[str]) -> dict[str, str]:
    """Patterns by data set; "" holds for those that are not named. Raises SpecError for two for one data set."""
    from hydranet.core.spec import SpecError

    patterns: dict[str, str] = {}
    for text in given:
        name, equals, pattern = text.partition("=")
        source, pattern = (name, pattern) if equals and name in names else ("", text)
        if source in patterns:
            raise SpecError(f"got --group {patterns[source]} and {text} for one folder, expected one; leave one out")
        patterns[source] = pattern
    return patterns


def task_classes() -> "list[type[Task]]":
    """Every class of task that there is."""
    import importlib

    from hydranet.config.catalog import members
    from hydranet.core.task import Task

    made: list[type[Task]] = []
    for member in members("tasks"):
        module, _, name = member.path.rpartition(".")
        one = vars(importlib.import_module(module)).get(name)
        if isinstance(one, type) and issubclass(one, Task):
            made.append(one)
    return made


def answers_of(classes: list[str], unit: str, scale: float, values: str, colors: str, columns: list[str]) -> "Answers":
    """What the user states about files, from options."""
    from hydranet.core.spec import SpecError
    from hydranet.data.recognize import Answers
    from hydranet.io.class_names import read_class_names

    names: dict[str, tuple[str, ...]] = {}
    for text in classes:
        before, equals, after = text.partition("=")
        source, given = (before, after) if equals else ("", text)
        file = Path(given)
        one = (
            read_class_names(file) if file.suffix in (".txt", ".names") else tuple(w.strip() for w in given.split(","))
        )
        if source in names:
            raise SpecError(f"got --classes {text} beside others for the same folder, expected one; leave one out")
        names[source] = one
    kinds = _table(",".join(columns), "--column")
    for column, kind in kinds.items():
        if kind not in ("tag", "number", "skip"):
            raise SpecError(f"got --column {column}={kind}, expected tag, number or skip")
    return Answers(names, _table(values, "--values"), _table(colors, "--colors"), unit, scale, kinds)


def _table(text: str, option: str) -> dict[str, str]:
    """ "a=b,c=d" as a table. Raises SpecError for anything else."""
    from hydranet.core.spec import SpecError

    table: dict[str, str] = {}
    for word in filter(None, text.split(",")):
        key, equals, value = word.partition("=")
        if not equals or not key.strip() or not value.strip() or key.strip() in table:
            raise SpecError(f"got {option} {text!r}, expected KEY=VALUE,... with every key once")
        table[key.strip()] = value.strip()
    return table


def _budget(gmacs: float, latency_ms: float) -> "Callable[[Recipe], str] | None":
    """By what a recipe's network exceeds the limits, in words: "" within both; None without any limit."""
    if not gmacs and not latency_ms:
        return None

    def excess(recipe: "Recipe") -> str:
        from hydranet.data.draft import macs, untrained
        from hydranet.models.profile import costs

        if gmacs and (needed := macs(recipe)) > gmacs * 1e9:
            return f"{needed / 1e9:.3g} GMACs"
        if not latency_ms:
            return ""
        model = untrained(recipe).build().eval()
        needed_ms = costs({"this": [model]}, recipe.data[0].size, rounds=ROUNDS)["this"].network_ms
        return f"{needed_ms:.3g} ms in PyTorch on this machine" if needed_ms > latency_ms else ""

    return excess
