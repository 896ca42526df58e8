"""hydranet predict"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydranet.cli import terminal
from hydranet.cli.arguments import Allow, Best, Device, MaxPixels, Trust, best_of
from hydranet.cli.terminal import say
from hydranet.core.checks.names import listed_names

if TYPE_CHECKING:
    from hydranet.core.ledger import Ledger
    from hydranet.core.sample import DataError
    from hydranet.deploy.predictor import SessionPredictor
    from hydranet.deploy.video.frames import Frame
    from hydranet.deploy.video.stopwatch import Pace
    from hydranet.deploy.writer import Writer


def share(value: float | None) -> float | None:
    """The value itself. Raises BadParameter for what is no number from 0 to 1; min= and max= let NaN pass."""
    if value is None or 0 <= value <= 1:
        return value
    raise typer.BadParameter(f"got {value}, expected a number from 0 to 1")


Model = Annotated[
    Path,
    typer.Argument(
        help="A run, a released name, or a file that `hydranet export` wrote; may be left out",
    ),
]
Source = Annotated[
    str, typer.Argument(help="An image, folder, pattern, video, camera:0, /dev/video0, rtsp://... or a ROS 2 bag")
]
Out = Annotated[Path, typer.Option(help="Folder for images and JSON")]
Heads = Annotated[str, typer.Option(help="Only these tasks, separated by commas; the others cost nothing")]
Threshold = Annotated[
    float | None, typer.Option(callback=share, help="Least score of boxes and lines, 0 to 1; default: each task's")
]
Iou = Annotated[
    float | None,
    typer.Option(callback=share, help="Largest overlap of two boxes of a class; default: the task's"),
]
Every = Annotated[
    list[str] | None,
    typer.Option(metavar="HEAD=N", help="A head for every Nth image; repeatable"),
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="HEAD.OPTION=NUMBER", help="Of what follows a head's network; repeatable"),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of the runtime")]
Size = Annotated[str, typer.Option(help="Input size HEIGHTxWIDTH; default: the training size nearest in shape")]
FocalPx = Annotated[
    float | None,
    typer.Option(
        min=1e-3,
        help="Focal length in pixels of the images, for depth that was trained on several cameras",
    ),
]
Arrays = Annotated[bool, typer.Option("--arrays", help="Also write NAME.npz with every array: task.field")]
Files = Annotated[
    bool,
    typer.Option("--files", help="Also standard formats per task: class-id PNG, 16-bit PNG, COCO JSON, CSV"),
]
Track = Annotated[bool, typer.Option("--track", help="Give boxes ids that stay from frame to frame")]
Draw = Annotated[
    str,
    typer.Option(help="each = one per task and one of all, all = one of all, none; default: each, for videos all"),
]
Record = Annotated[Path | None, typer.Option(help="Also FILE.mcap for Foxglove or FILE.rrd for Rerun")]
Fps = Annotated[
    float, typer.Option(min=0, help="Frame rate of still images that are the frames of a video; 0 = they are not")
]
Topic = Annotated[str, typer.Option(help="Of a bag: the topic with images; default: its only one")]
Limit = Annotated[int, typer.Option(min=0, help="End after this many frames; 0 = no limit")]
Runtime = Annotated[str, typer.Option(help="For exported files: onnx, openvino, torchscript")]
Precision = Annotated[str, typer.Option(help="Half precision for runs and OpenVINO: bf16 or fp16; default: fp32")]


def predict(
    model: Model,
    images: Source = "",
    out: Out = Path("predictions"),
    heads: Heads = "",
    threshold: Threshold = None,
    size: Size = "",
    arrays: Arrays = False,
    files: Files = False,
    track: Track = False,
    draw: Draw = "",
    record: Record = None,
    fps: Fps = 0.0,
    limit: Limit = 0,
    runtime: Runtime = "",
    device: Device = "cpu",
    iou: Iou = None,
    every: Every = None,
    option: Options = None,
    threads: Threads = None,
    precision: Precision = "",
    allow: Allow = None,
    focal_px: FocalPx = None,
    max_pixels: MaxPixels = None,
    trust: Trust = False,
    best: Best = False,
    topic: Topic = "",
) -> None:
    """Look at images or a video: one image (video) per task, one of all, JSON, and ledger.json: what was not used.

    Cameras and streams go on until Ctrl-C, and every file is whole then; a network slower than the camera gets the
    newest frame. With images alone the network that comes with the package looks at them. Of a bag of ROS 2 the answers
    are a bag, too. Images are turned upright as their EXIF tag says; boxes and arrays lie in pixels of that image.
    """
    from hydranet.deploy.options import parse_options
    from hydranet.deploy.session import Runtime
    from hydranet.deploy.video.live import Live, find_sources
    from hydranet.deploy.video.tracking import Tracks
    from hydranet.deploy.writer import Writer
    from hydranet.inference.pipeline import run_pipeline
    from hydranet.inference.predictor import Predictor, parse_size
    from hydranet.serving.ros2.replay import is_bag

    model, images = _network_and_images(model, images)
    stop = terminal.stop_on_signal("stopping after this frame; once more stops at once\n")
    shape, rates, chosen = parse_size(size), parse_every(every or ()), Runtime(runtime, device, threads, precision)
    bag = is_bag(Path(images))
    _check_out(images, out)
    no_bag = {"--arrays": arrays, "--files": files, "--track": track, "--draw": draw, "--record": record, "--fps": fps}
    _refuse(
        no_bag if bag else {"--topic": topic},
        "a bag of ROS 2, whose answers are a bag" if bag else "images that are no bag",
    )
    sources = {} if bag else find_sources(images, stop)
    if sources and all(source.fps is not None for source in sources.values()):
        _refuse({"--fps": fps}, "frames that come with times of their own")
    predictor = Predictor(
        best_of(model, best),
        listed_names(heads, "--heads") or None,
        threshold=threshold,
        iou=iou,
        size=shape,
        runtime=chosen,
    )
    predictor = predictor.with_options(parse_options(option or ()))
    predictor.check_useful({"--threshold": threshold, "--iou": iou, "--focal-px": focal_px, "--track": track})
    if bag:
        _replay(Path(images), topic, predictor.stream(rates, focal_px), out, (stop, limit))
        return
    broken, ledgers = list["DataError"](), list["Ledger"]()
    for name, source in sources.items():
        rate, stream = source.fps or fps or None, predictor.stream(rates, focal_px)
        writer = Writer(
            out / name,
            predictor.classes,
            rate,
            arrays=arrays,
            images=draw,
            record=_beside(record, name),
            files=files,
        )
        steps = partial(run_pipeline, source, stream, writer, note=broken.append, tracks=Tracks() if track else None)
        ledgers.append(_watch(steps, writer, stop, limit, source.count) + stream.ledger)
        if stop and not isinstance(source, Live):
            _end(out, broken, ledgers, f"{writer.count} of {source.count or 'all'} frames")
    _end(out, broken, ledgers, "")


def _network_and_images(model: Path, images: str) -> tuple[Path, str]:
    """What was named; where that is images alone, the network that comes with the package for them.

    Raises SpecError for a network alone, and where no network comes with the package.
    """
    from hydranet.checkpoint.released.names import DEFAULT, WEIGHTS, located, released
    from hydranet.core.spec import SpecError
    from hydranet.deploy.session import runtimes_for

    if images:
        return model, images
    place = located(model)
    if runtimes_for(place) or place.name.endswith(".safetensors") or (place / WEIGHTS).is_file():
        raise SpecError(f"got the network {model} and no images, expected both: hydranet predict {model} IMAGES")
    if DEFAULT not in released():
        raise SpecError(f"got {model} and no network, expected both: hydranet predict RUN {model}")
    return Path(DEFAULT), str(model)


def _check_out(images: str, out: Path) -> None:
    """Raises DataError for the folder that images are read from: drawings would be taken for images the next time."""
    from hydranet.core.sample import DataError

    given = Path(images)
    folder = given if given.is_dir() else given.parent if any(letter in images for letter in "*?[") else None
    if folder is not None and folder.resolve() == out.resolve():
        raise DataError(
            f"got --out {out}, where the images are read from: the next run would take drawings for images; choose "
            "another folder"
        )


def _refuse(options: Mapping[str, object], images: str) -> None:
    """Raises SpecError for the first of these options that is given: it would change nothing for such images."""
    from hydranet.core.spec import SpecError

    for option, given in options.items():
        if given:
            raise SpecError(f"got {option} for {images}, where it changes nothing; leave it out")


def _replay(
    bag: Path,
    topic: str,
    predictor: "SessionPredictor",
    out: Path,
    end: tuple[Sequence[int], int],
) -> None:
    """Writes OUT/NAME, a bag with the messages that the ROS 2 node would publish. end: as `_watch` takes them."""
    from hydranet.serving.ros2.pipeline import Outputs, Perception
    from hydranet.serving.ros2.replay import Replay

    replay, (stop, limit), count = Replay(bag, topic), end, 0
    perception = Perception(predictor, Outputs(vision=True))
    place = out / f"{bag.stem}_predictions"
    with terminal.bar() as bar:
        job = bar.add_task("predicting", total=limit or None, note="")
        for count in replay.run(perception, place):
            bar.update(job, advance=1)
            if stop or count == limit:
                break
    say(f"{count} images of {replay.topic} -> {place}")
    _end(out, [], [replay.ledger], f"{count} frames" if stop else "")


def _watch(
    steps: "Callable[[Pace], Iterator[Frame]]", writer: "Writer", stop: Sequence[int], limit: int, count: int | None
) -> "Ledger":
    """Goes through all frames with a progress bar, until `stop` is filled or `limit` were written (0 = no limit); says
    how fast. count: of frames as a header has it, a hint for the bar alone. What of the source was not used."""
    from hydranet.deploy.video.stopwatch import Pace

    with terminal.bar() as bar, writer:
        job, pace = bar.add_task("predicting", total=limit or count, note=""), Pace()
        for _ in steps(pace):
            bar.update(job, advance=1, note=pace.lately)
            if stop or writer.count == limit:
                break
    say(f"{writer.count} {'frames' if writer.fps else 'images'} -> {writer.folder}\n{pace.summary()}")
    for line in writer.written:
        say(line)
    return writer.ledger


def _beside(record: Path | None, name: str) -> Path | None:
    """The recording of one of several sources, "drive-NAME.mcap"."""
    return record.with_stem(f"{record.stem}-{name.replace('/', '-')}") if record and name else record


def _end(out: Path, broken: "Sequence[DataError]", ledgers: "Iterable[Ledger]", stopped_after: str) -> None:
    """What was not used, and a line for each image that could not be read; the last one, or having been stopped, ends
    the program."""
    from hydranet.core.ledger import add_up
    from hydranet.deploy.writer import save_ledger

    ledger = add_up(ledgers)
    save_ledger(out, ledger)
    for line in ledger.sentences():
        say(line)
    for one in broken[:-1]:
        typer.echo(f"error: {one}", err=True)
    if broken:
        raise broken[-1]
    if stopped_after:
        raise terminal.Stopped(f"stopped after {stopped_after}")


def parse_every(words: Iterable[str]) -> dict[str, int]:
    """ "depth=2" as {"depth": 2}. Raises SpecError for anything else."""
    from hydranet.core.spec import SpecError

    rates: dict[str, int] = {}
    for word in words:
        head, _, number = word.partition("=")
        if not head or head in rates or not (number.isascii() and number.isdecimal() and int(number)):
            raise SpecError(f"got --every {word!r}, expected HEAD=N once per head, N from 1, such as depth=2")
        rates[head] = int(number)
    return rates
