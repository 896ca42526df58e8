"""hydranet predict"""

from pathlib import Path
from typing import Annotated

import typer

from hydranet import terminal
from hydranet.commands.arguments import Device, RunPath
from hydranet.terminal import say


def predict(
    run: RunPath,
    pictures: Annotated[str, typer.Argument(help="An image, a folder, a pattern or a video")],
    out: Annotated[Path, typer.Option(help="Folder for pictures and JSON")] = Path("predictions"),
    heads: Annotated[str, typer.Option(help="Only these tasks, separated by commas; the others cost nothing")] = "",
    threshold: Annotated[float, typer.Option(help="Least score of boxes and lines")] = 0.3,
    size: Annotated[
        str, typer.Option(help="Input size HEIGHTxWIDTH; default: the training size nearest in shape")
    ] = "",
    arrays: Annotated[bool, typer.Option("--arrays", help="Also write NAME.npz with every array: task.field")] = False,
    device: Device = "cpu",
) -> None:
    """Look at pictures: one picture a task, one of all, and JSON.

    Pictures are turned upright as their EXIF tag says; boxes and arrays lie in the pixels of the upright picture.
    """
    from hydranet import find
    from hydranet.core.sample import DataError
    from hydranet.deploy.frames import find_frames
    from hydranet.predict import Predictor, parse_size
    from hydranet.results import Writer

    frames = find_frames(pictures)
    names = [name.strip() for name in heads.split(",") if name.strip()]
    shape = parse_size(size)
    predictor = Predictor(run, names or None, size=shape, threshold=threshold, device=find.device(device))
    broken: list[DataError] = []
    with terminal.bar() as bar, Writer(out, predictor.classes, frames.fps, arrays=arrays) as writer:
        job = bar.add_task("predicting", total=frames.count, note="")
        for frame in frames.readable(broken.append):
            writer.add(frame, predictor(frame.image))
            bar.advance(job)
    say(f"{writer.count} {'frames' if frames.fps else 'pictures'} -> {out}")
    if broken:
        others = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise DataError(f"{broken[0]}{others}")
