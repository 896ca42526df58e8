"""hydranet compare-outputs"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydranet.cli.arguments import Allow, Device, RunPath
from hydranet.cli.terminal import say
from hydranet.core.checks.names import listed_names

if TYPE_CHECKING:
    from hydranet.config.recipe import Recipe
    from hydranet.core.sample import Sample


def same(
    old: RunPath,
    new: Annotated[Path, typer.Argument(help="Another one, such as a run that began with the first")],
    images: Annotated[str, typer.Option(help="Images instead of NEW's validation sources: file, folder, pattern")] = "",
    tasks: Annotated[str, typer.Option(help="Only these, with commas between; default: all that both have")] = "",
    limit: Annotated[int, typer.Option(min=0, help="Images of each source at most; 0 = all")] = 0,
    device: Device = "cpu",
    allow: Allow = None,
) -> None:
    """Prove that two networks answer alike, bit by bit, in the tasks that both have; exit code 1 where they do not.

    For example, that training another head left the old ones as they were: hydranet compare-outputs runs/old runs/new
    """
    from hydranet.checkpoint.checkpoint import load_model
    from hydranet.data.whole_images import WholeImages
    from hydranet.evaluation.bit_equality import OutputsDiffer, compare_outputs
    from hydranet.models.device import available_device

    (first, _), (second, recipe) = load_model(old), load_model(new)
    place = available_device(device)
    first.to(place)
    second.to(place)
    held_out = WholeImages(recipe.validation, limit)
    inputs = _named(images, recipe) if images else held_out
    proofs = compare_outputs(first, second, inputs, listed_names(tasks, "--tasks") or None)
    for line in held_out.left_out.sentences():
        say(line)
    for proof in proofs.values():
        for line in proof.lines():
            say(line)
    for name in sorted(first.tasks.keys() ^ second.tasks.keys()):
        say(f"{name}: only in {old if name in first.tasks else new}")
    differ = [name for name, proof in proofs.items() if not proof.same]
    if differ:
        raise OutputsDiffer(f"{', '.join(differ)} of {new} do not answer as in {old}; freeze what they are made of")


def _named(images: str, recipe: "Recipe") -> "Iterator[tuple[Sample, tuple[int, int]]]":
    from hydranet.core.sample import Sample
    from hydranet.deploy.graph_arrays import nearest_size
    from hydranet.deploy.video.frames import find_frames

    frames = find_frames(images)
    for line in frames.left_out.sentences():
        say(line)
    for frame in frames:
        yield Sample(frame.image), nearest_size(recipe.sizes, frame.image.shape[:2])
