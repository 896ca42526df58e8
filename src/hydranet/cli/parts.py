"""hydranet list and info: which parts exist, and what they cost"""

from typing import Annotated

import typer

from hydranet.cli.arguments import Allow, Device, RecipeName, Settings
from hydranet.cli.terminal import say


def list_parts(
    kind: Annotated[str, typer.Argument(help="tasks, encoders, decoders, sharing, balancers, datasets, recipes")] = "",
) -> None:
    """List everything that a recipe can name, and the trained networks that come with the package."""
    from hydranet.checkpoint.released.names import released
    from hydranet.config import catalog
    from hydranet.core.spec import SpecError, unknown
    from hydranet.reporting import tables

    if kind and kind not in catalog.OPEN:
        raise SpecError(unknown(kind, catalog.OPEN, "set of parts"))
    say(tables.catalog_members({name: catalog.members(name) for name in ([kind] if kind else catalog.OPEN)}))
    if not kind and released():
        say(f"trained networks that come with the package (hydranet predict NAME IMAGES): {', '.join(released())}")


def info(
    recipe: RecipeName,
    settings: Settings = None,
    size: Annotated[str, typer.Option(help="Input size HEIGHTxWIDTH; default: the recipe's first source")] = "",
    latency: Annotated[bool, typer.Option("--latency", help="Also time each part here, in eager PyTorch")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="With --latency: how often; the median counts")] = 15,
    device: Device = "cpu",
    allow: Allow = None,
) -> None:
    """Show the tree of parts with parameters and MACs, shared, by branch and by head, from the network itself."""
    from hydranet.checkpoint import resolve
    from hydranet.checkpoint.checkpoint import without_pretrained
    from hydranet.inference.predictor import parse_size
    from hydranet.models import summary
    from hydranet.models.device import available_device
    from hydranet.reporting import tables

    chosen = resolve.recipe(recipe).changed(settings or [])
    shape = parse_size(size) or chosen.data[0].size
    model = without_pretrained(chosen).build().to(available_device(device))
    turns = rounds if latency else 0
    lines = summary.parts(model, shape, turns)
    say(tables.parts(lines, shape))
    if len(model.tasks) > 1:
        say(tables.alone(summary.alone(model, shape, turns), lines[-1]))
