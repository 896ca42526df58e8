"""hydranet serve"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydranet.cli import terminal
from hydranet.cli.arguments import Allow, Best, Device, Trust, best_of
from hydranet.cli.predict import Heads, Iou, Options, Precision, Runtime, Size, Threads, Threshold
from hydranet.cli.terminal import say
from hydranet.core.checks.names import listed_names

if TYPE_CHECKING:
    from hydranet.inference.predictor import Predictor

Models = Annotated[
    list[str],
    typer.Argument(help="Runs or exported files; NAME=PATH chooses the name in addresses", metavar="MODEL..."),
]
Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 = all of this machine's")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 = any free one")]
AllowHost = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Name by which a proxy calls this server; repeatable")
]
KeyFile = Annotated[
    Path | None, typer.Option(help="File with the API key; else $HYDRANET_API_KEY; else none is needed")
]
MaxBody = Annotated[float, typer.Option(min=0.001, help="Most megabytes of one request")]
MaxPixels = Annotated[int, typer.Option(min=1, help="Most pixels of one image")]
Rate = Annotated[float, typer.Option(min=0, help="Most requests per second of one address; 0 = no limit")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds to an answer, when its body is there")]
Waiting = Annotated[int, typer.Option(min=1, help="Most requests at a time; others are asked to come later")]


def serve(
    models: Models,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    allow_host: AllowHost = None,
    key_file: KeyFile = None,
    max_body: MaxBody = 16.0,
    max_pixels: MaxPixels = 16_000_000,
    rate: Rate = 0.0,
    timeout: Timeout = 30.0,
    waiting: Waiting = 64,
    heads: Heads = "",
    threshold: Threshold = None,
    iou: Iou = None,
    option: Options = None,
    size: Size = "",
    runtime: Runtime = "",
    device: Device = "cpu",
    threads: Threads = None,
    precision: Precision = "",
    allow: Allow = None,
    trust: Trust = False,
    best: Best = False,
) -> None:
    """Serve models over HTTP, on this machine alone unless --host says otherwise, until Ctrl-C.

    A page for the browser, POST /predict with an image, the Open Inference Protocol under /v2, /openapi.json, /metrics.
    """
    from hydranet.deploy.options import check_useful, parse_options
    from hydranet.deploy.session import Runtime
    from hydranet.inference.predictor import Predictor, parse_size
    from hydranet.serving.web.limits import Limits, read_key
    from hydranet.serving.web.server import Address, web_server

    key, address, body = read_key(key_file), Address(host, port, tuple(allow_host or ())), int(max_body * 2**20)
    limits = Limits(
        body_bytes=body,
        json_bytes=min(body, Limits.json_bytes),
        held_bytes=max(Limits.held_bytes, 4 * body),
        pixels=max_pixels,
        held_pixels=max(Limits.held_pixels, max_pixels),
        waiting=waiting,
        answer_s=timeout,
        per_second=rate,
    )
    opened = dict[str, Predictor]()
    chosen, shape, names = (
        Runtime(runtime, device, threads, precision),
        parse_size(size),
        listed_names(heads, "--heads") or None,
    )
    for word in models:
        name, path = split_name(word)
        predictor = Predictor(
            best_of(Path(path), best), names, threshold=threshold, iou=iou, size=shape, runtime=chosen
        ).with_options(parse_options(option or ()))
        _add(opened, name or address_name(predictor.manifest.name), predictor)
    served = {f"{name}.{head}": one for name, own in opened.items() for head, one in own.heads.items()}
    check_useful(served, (), {"--threshold": threshold, "--iou": iou})
    with address.bind() as bound:
        server = web_server(opened, address, limits, key)
        stop = terminal.stop_on_signal("stopped\n")
        where = f"http://{'[' + host + ']' if ':' in host else host}:{bound.getsockname()[1]}"
        say(f"{', '.join(opened)} at {where}{'' if address.is_local or key else ' without an API key'}; Ctrl-C stops")
        server.run(sockets=[bound])
    del stop


def split_name(word: str) -> tuple[str, str]:
    """ "road=runs/x" as its name and path; no name where the word is a path that exists, or has none."""
    name, equals, path = word.partition("=")
    return ("", word) if not equals or Path(word).exists() or "/" in name else (address_name(name), path)


def address_name(name: str) -> str:
    """A run's name as one that stands in an address."""
    import re

    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("._") or "model"


def _add(opened: "dict[str, Predictor]", name: str, predictor: "Predictor") -> None:
    from hydranet.serving.web.limits import ServingError

    if name in opened:
        raise ServingError(f"got two models named {name!r}, expected other names; give one as NAME=PATH")
    opened[name] = predictor
