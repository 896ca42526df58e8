"""hydranet add-head: one more task for a trained network"""

from pathlib import Path
from typing import Annotated

import typer

from hydranet.cli.arguments import Allow, Device, RunPath
from hydranet.cli.terminal import say

PROVEN_ON = 20
"""Images of each source on which old heads are compared."""


def add_head(
    run: RunPath,
    data: Annotated[list[Path], typer.Option(help="Folder of images and labels, in any layout; repeatable")],
    task: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL[=NAME]", help="Only this label of the data, under this name; default: all that are new"
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the new run; default: RUN-with-NAME")] = None,
    steps: Annotated[int, typer.Option(min=0, help="Training steps; 0 = by the number of images")] = 0,
    classes: Annotated[list[str] | None, typer.Option(help="As in `hydranet init`")] = None,
    unit: Annotated[str, typer.Option(help="As in `hydranet init`")] = "",
    scale: Annotated[float, typer.Option(help="As in `hydranet init`")] = 1.0,
    values: Annotated[str, typer.Option(help="As in `hydranet init`")] = "",
    colors: Annotated[str, typer.Option(help="As in `hydranet init`")] = "",
    column: Annotated[list[str] | None, typer.Option(help="As in `hydranet init`")] = None,
    val: Annotated[float, typer.Option(help="Share of the images for validation")] = 0.2,
    group: Annotated[
        list[str] | None, typer.Option(metavar="[FOLDER=]PATTERN", help="As in `hydranet init`; repeatable")
    ] = None,
    device: Device = "cpu",
    allow: Allow = None,
) -> None:
    """Train a new head on a trained network that stays as it is, and prove that the old heads answer as before."""
    from hydranet.checkpoint.checkpoint import load_model
    from hydranet.cli.init import answers_of, check_used, groups_of, task_classes
    from hydranet.cli.train import run_training_loop
    from hydranet.data.draft import Wishes, draft, with_head
    from hydranet.data.recognize import recognize
    from hydranet.data.whole_images import WholeImages
    from hydranet.evaluation.bit_equality import OutputsDiffer, compare_outputs
    from hydranet.models.device import available_device

    old, trained = load_model(run)
    answers = answers_of(classes or [], unit, scale, values, colors, column or [])
    parts = [part for folder in data for part in recognize(folder, answers)]
    check_used(answers)
    for part in parts:
        say(f"{part.name}: {part.why}; {len(part.dataset)} images")
    groups = groups_of(group or [], [part.name for part in parts])
    wishes = Wishes("head", size=trained.sizes[0], val=val, group=groups, batch=trained.batch, steps=steps or None)
    names = dict(word.partition("=")[::2] for word in task or [])
    drafted = draft(parts, task_classes(), wishes)
    for reason in drafted.unused:
        say(f"not learned: {reason}")
    recipe = with_head(trained, drafted.recipe, {k: v or k for k, v in names.items()}, str(run))
    folder = out or Path(f"{str(run).rstrip('/')}-with-{'-'.join(recipe.stages[0].tasks)}")
    place = available_device(device)
    run_training_loop(
        recipe, folder, device=place, resume=False, again=f"hydranet train {folder} --resume --out {folder}"
    )
    new, _ = load_model(folder)
    images = WholeImages(recipe.validation, PROVEN_ON)
    proofs = compare_outputs(old.to(place), new.to(place), images)
    for line in images.left_out.sentences():
        say(line)
    for proof in proofs.values():
        for line in proof.lines():
            say(line)
    if differ := [name for name, proof in proofs.items() if not proof.same]:
        raise OutputsDiffer(
            f"{', '.join(differ)} of {folder} do not answer as in {run}; report this: it must not happen"
        )
    say(f"done: {', '.join(new.tasks)} -> {folder}   |   hydranet predict {folder} IMAGES")
