"""hydranet predict"""

from pathlib import Path
from typing import Annotated

import typer

from hydranet import terminal
from hydranet.commands.arguments import Device
from hydranet.terminal import say

Model = Annotated[Path, typer.Argument(help="A run folder, model.safetensors, or a file that `hydranet export` wrote")]
Source = Annotated[
    str, typer.Argument(help="An image, a folder, a pattern, a video, camera:0, /dev/video0 or rtsp://...")
]
Out = Annotated[Path, typer.Option(help="Folder for pictures and JSON")]
Heads = Annotated[str, typer.Option(help="Only these tasks, separated by commas; the others cost nothing")]
Threshold = Annotated[float, typer.Option(help="Least score of boxes and lines")]
Size = Annotated[str, typer.Option(help="Input size HEIGHTxWIDTH; default: the training size nearest in shape")]
Arrays = Annotated[bool, typer.Option("--arrays", help="Also write NAME.npz with every array: task.field")]
Track = Annotated[bool, typer.Option("--track", help="Give boxes ids that stay from frame to frame")]
Draw = Annotated[str, typer.Option(help="Pictures or videos: each task's and all, all = one of all, none")]
Record = Annotated[Path | None, typer.Option(help="Also FILE.mcap for Foxglove or FILE.rrd for Rerun")]
Fps = Annotated[float, typer.Option(min=0, help="Take pictures for the frames of a video; 0 = they are not")]
Limit = Annotated[int, typer.Option(min=0, help="End after so many frames; 0 = go on")]
Runtime = Annotated[str, typer.Option(help="For exported files: onnx, openvino, torchscript")]


def predict(
    model: Model,
    pictures: Source,
    out: Out = Path("predictions"),
    heads: Heads = "",
    threshold: Threshold = 0.3,
    size: Size = "",
    arrays: Arrays = False,
    track: Track = False,
    draw: Draw = "each",
    record: Record = None,
    fps: Fps = 0.0,
    limit: Limit = 0,
    runtime: Runtime = "",
    device: Device = "cpu",
) -> None:
    """Look at pictures or a video: one picture (video) a task, one of all, and JSON.

    Cameras and streams go on until Ctrl-C, and every file is whole then; a network that is slower than the camera
    gets the newest frame. Pictures are turned upright as their EXIF tag says; boxes and arrays lie in the pixels of
    the upright picture.
    """
    from hydranet.core.sample import DataError
    from hydranet.deploy.live import Live, find_source
    from hydranet.deploy.pace import Pace
    from hydranet.deploy.tracking import Tracks
    from hydranet.predict import parse_size
    from hydranet.results import Writer
    from hydranet.watch import open_predictor, watch

    stop = terminal.stop_on_signal("stopping after this frame; once more stops at once\n")
    source = find_source(pictures, stop)
    names = [name.strip() for name in heads.split(",") if name.strip()]
    see = open_predictor(model, names or None, parse_size(size), threshold, device, runtime)
    rate = source.fps or fps or None
    broken: list[DataError] = []
    writer = Writer(out, see.classes, rate, arrays=arrays, pictures=draw, record=record)
    with terminal.bar() as bar, writer:
        job, pace = bar.add_task("predicting", total=limit or source.count, note=""), Pace()
        for _ in watch(source, see, writer, pace, broken.append, Tracks(rate or 10.0) if track else None):
            bar.update(job, advance=1, note=pace.lately)
            if stop or writer.count == limit:
                break
    say(f"{writer.count} {'frames' if rate else 'pictures'} -> {out}")
    say(pace.summary())
    if broken:
        others = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise DataError(f"{broken[0]}{others}")
    if stop and not isinstance(source, Live):
        raise terminal.Stopped(f"stopped after {writer.count} of {source.count or 'all'} frames")
