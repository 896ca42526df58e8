"""The HTTP service: the Open Inference Protocol (`/v2`), `/predict` for images, a page, OpenAPI and metrics."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version
from importlib.resources import files
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from hydranet.annotations import Annotation
from hydranet.core.checks.names import listed_names
from hydranet.core.errors import UserError
from hydranet.core.sample import DataError
from hydranet.core.spec import unknown
from hydranet.deploy.messages import message
from hydranet.deploy.writer import arrays
from hydranet.io.images import decode_image, header_of
from hydranet.serving.web.coco import coco
from hydranet.serving.web.limits import Limits, Refusal
from hydranet.serving.web.metrics import Metrics, resident_bytes
from hydranet.serving.web.model import Question, ServedModel, description
from hydranet.serving.web.page_data import page_data
from hydranet.serving.web.pixel_budget import PixelBudget
from hydranet.serving.web.tensors import HEADER, pack, read_request
from hydranet.visualization.draw import captioned, composite

Models = Mapping[str, ServedModel]
Format = Literal["json", "png", "coco", "arrays"]

QUERY = ("model", "heads", "threshold", "iou", "focal_px", "format")
"""Parameters of /predict."""

DRAWERS = 4
"""Threads that decode, draw and encode."""

PAGE = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}

BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"image": {"type": "string", "format": "binary"}}}
            },
        },
    }
}
TENSORS = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object", "required": ["inputs"]}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


def create_app(models: Models, limits: Limits, metrics: Metrics) -> FastAPI:
    """The application over open models, by name; the first one answers where a request names none."""
    drawers = ThreadPoolExecutor(DRAWERS, "hydranet-drawer")
    budget = PixelBudget(limits.held_pixels)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        drawers.shutdown(wait=False, cancel_futures=True)
        for model in models.values():
            model.close()

    # the pages that show OpenAPI load scripts of others from the internet: only the JSON is served
    app = FastAPI(title="HydraNet", version=version("hydranet"), docs_url=None, redoc_url=None, lifespan=lifespan)
    _handle_errors(app)
    _add_page(app, models)
    _add_protocol(app, models, limits, drawers)

    def named(name: str | None) -> ServedModel:
        return next(iter(models.values())) if name is None else _known(models, name)

    @app.post("/predict", openapi_extra=BODY, summary="An image in; predictions out")
    async def predict(
        request: Request,
        model: Annotated[str | None, Query(description="Of the served models; default: the first")] = None,
        heads: Annotated[str, Query(description="Names, separated by commas; default: all")] = "",
        threshold: Annotated[float | None, Query(description="Least score of boxes and lines, 0 to 1")] = None,
        iou: Annotated[float | None, Query(description="Largest overlap of two boxes of a class, 0 to 1")] = None,
        focal_px: Annotated[float | None, Query(description="Focal length of the image in pixels")] = None,
        format: Annotated[
            Format, Query(description="json, png (drawn), coco, or arrays: JSON and binary tensors")
        ] = "json",
    ) -> Response:
        _check_query(request)
        chosen = named(model)
        wanted = tuple(dict.fromkeys(listed_names(heads, "heads")))
        question = Question(wanted, threshold, iou, focal_px)
        chosen.check(question)
        name, data = await _upload(request)
        loop = asyncio.get_running_loop()
        header = await loop.run_in_executor(drawers, header_of, name, data, limits.pixels)
        async with budget.hold(header.size[0] * header.size[1]):
            image = await loop.run_in_executor(drawers, decode_image, name, data, limits.pixels)
            predictions = await chosen.predict(image, question)
            return await loop.run_in_executor(drawers, _answer, format, chosen, name, image, predictions)

    @app.get("/metrics", summary="Prometheus metrics")
    async def prometheus() -> Response:
        metrics.put("process_resident_memory_bytes", resident_bytes())
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    return app


def _check_query(request: Request) -> None:
    """Raises Refusal for a parameter that is not known, or is given twice: one of them would be passed over."""
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in QUERY:
            raise Refusal(400, unknown(name[:60], QUERY, "query parameter"))
        if names.count(name) > 1:
            raise Refusal(400, f"got query parameter {name!r} {names.count(name)} times, expected it once; give one")


def _known(models: Models, name: str, version: str = "1") -> ServedModel:
    if name not in models or version != "1":
        raise Refusal(404, unknown(name, models, "served model") if name not in models else f"no version {version!r}")
    return models[name]


async def _upload(request: Request) -> tuple[str, bytes]:
    """Name and bytes of the image: the body itself, or the first file of a form."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        data = await request.body()
        name = "image"
    else:
        form = await request.form(max_files=1, max_fields=8)
        sent = [value for value in form.values() if isinstance(value, UploadFile)]
        data = await sent[0].read() if sent else b""
        name = (sent[0].filename or "image")[:100] if sent else "image"
        await form.close()
        if others := [field for field, value in form.items() if not isinstance(value, UploadFile)]:
            raise Refusal(400, f"got form field {others[0][:60]!r}, expected one file alone; put options into the URL")
    if not data:
        raise Refusal(400, "got no image, expected the bytes of one as the body, or as a file of a form")
    return name.replace("\0", ""), data


def _answer(
    format: Format, model: ServedModel, name: str, image: np.ndarray, predictions: Mapping[str, Annotation]
) -> Response:
    """Predictions in one of the formats; takes long for some, so it runs in a thread."""
    classes, (height, width) = model.classes, image.shape[:2]
    if format == "png":
        drawn = {head: captioned(image, one, classes.get(head, ())) for head, one in predictions.items()}
        shown = next(iter(drawn.values())) if len(drawn) == 1 else composite(image, drawn)
        _, png = cv2.imencode(".png", cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))
        return Response(png.tobytes(), media_type="image/png")
    if format == "coco":
        return _json(coco(predictions, classes, (height, width), name))
    tasks = {head: message(one, classes.get(head, ())) for head, one in predictions.items()}
    head = {"model": model.name, "name": name, "width": width, "height": height, "tasks": tasks}
    if format == "json":
        return _json(head)
    plain = {name: _sendable(array) for name, array in arrays(predictions).items()}
    body, headers = pack(head, plain, frozenset(plain))
    return Response(body, headers=headers)


def _sendable(array: np.ndarray) -> np.ndarray:
    """The array with a type that the protocol has: double precision is more than anybody reads."""
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value, allow_nan=False), status, media_type="application/json")


def _add_page(app: FastAPI, models: Models) -> None:
    """The page, which is part of the package, and what it must know of the models."""
    folder = files("hydranet.serving.web") / "page"

    def add(path: str, file: str, kind: str) -> None:
        text = (folder / file).read_text(encoding="utf-8")

        @app.get(path, include_in_schema=False)
        async def page() -> Response:
            return Response(text, media_type=kind, headers={"cache-control": "no-cache"})

    for path, (file, kind) in PAGE.items():
        add(path, file, kind)

    known = [
        page_data(model.described, model.cameras, name, model.manifest.input.size) for name, model in models.items()
    ]

    @app.get("/models", summary="The served models, their heads, classes and colors")
    async def served() -> Response:
        return _json(known)


def _add_protocol(app: FastAPI, models: Models, limits: Limits, drawers: ThreadPoolExecutor) -> None:
    """The Open Inference Protocol."""

    @app.get("/v2/health/live", summary="Whether the server runs")
    async def live() -> Response:
        return _json({"live": True})

    @app.get("/v2/health/ready", summary="Whether every model computes")
    async def ready() -> Response:
        good = all(model.ready for model in models.values())
        return _json({"ready": good}, 200 if good else 503)

    @app.get("/v2", summary="The server's metadata")
    async def server() -> Response:
        return _json({"name": "hydranet", "version": version("hydranet"), "extensions": ["binary_tensor_data"]})

    @app.get("/v2/models/{name}", summary="A model's metadata")
    @app.get("/v2/models/{name}/versions/{version_}", include_in_schema=False)
    async def metadata(name: str, version_: str = "1") -> Response:
        return _json(description(_known(models, name, version_).manifest, name))

    @app.get("/v2/models/{name}/ready", summary="Whether a model computes")
    @app.get("/v2/models/{name}/versions/{version_}/ready", include_in_schema=False)
    async def model_ready(name: str, version_: str = "1") -> Response:
        good = _known(models, name, version_).ready
        return _json({"name": name, "ready": good}, 200 if good else 503)

    @app.post("/v2/models/{name}/infer", openapi_extra=TENSORS, summary="Arrays in, the network's own arrays out")
    @app.post("/v2/models/{name}/versions/{version_}/infer", include_in_schema=False)
    async def infer(request: Request, name: str, version_: str = "1") -> Response:
        model, body, loop = _known(models, name, version_), await request.body(), asyncio.get_running_loop()
        asked = await loop.run_in_executor(drawers, read_request, body, request.headers.get(HEADER), limits)
        outputs = await model.infer(asked.arrays, asked.outputs)
        head = {"model_name": name, "model_version": "1", **({"id": asked.id} if asked.id else {})}
        binary = frozenset(outputs) if asked.all_binary else asked.binary
        data, headers = await loop.run_in_executor(drawers, pack, head, outputs, binary)
        return Response(data, headers=headers)


def _handle_errors(app: FastAPI) -> None:
    """Every error is one sentence: {"error": ...}, as the protocol wants it."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> Response:
        return _json({"error": str(error)}, error.status)

    async def wrong(_: Request, error: Exception) -> Response:
        too_large = isinstance(error, DataError) and "pixels, expected at most" in str(error)
        return _json({"error": str(error)}, 413 if too_large else 400)

    app.add_exception_handler(UserError, wrong)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"][1:]))
        return _json({"error": f"got {str(first['input'])[:60]!r} for {where}: {first['msg']}"}, 400)

    @app.exception_handler(HTTPException)
    async def absent(_: Request, error: HTTPException) -> Response:
        return _json({"error": str(error.detail)}, error.status_code)

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        return _json({"error": f"the server failed ({type(error).__name__}); its log says more"}, 500)
