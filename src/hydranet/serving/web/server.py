"""Starting the HTTP service: models by name, an address, limits."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hydranet.core.extras import needing
from hydranet.deploy.predictor import SessionPredictor
from hydranet.serving.web.limits import ApiKey, Limits, ServingError

GRACE_S = 5
"""Requests under way have this long to end when the server stops."""


@dataclass(frozen=True)
class Address:
    """Where the server listens. port: 0 = any free one.

    hosts: names by which it may be called beside those of this machine; where it listens on this machine alone, no
    other name is answered, so that no web page of others can ask it in the name of its visitor.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    hosts: Sequence[str] = field(default_factory=tuple)

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return self.host in ("127.0.0.1", "localhost", "::1")

    def bind(self) -> socket.socket:
        """An open socket. Raises ServingError where the address is taken or is none of this machine."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((self.host, self.port))
            bound.listen(1024)  # who comes before the server runs waits, and is not refused
        except (OSError, OverflowError) as error:
            bound.close()
            raise ServingError(
                f"cannot listen on {self.host} port {self.port}: {error}; choose another --port"
            ) from error
        return bound


def web_server(models: Mapping[str, SessionPredictor], address: Address, limits: Limits, key: str = "") -> Any:
    """A uvicorn.Server over open models by name; `run(sockets=[address.bind()])` serves until a signal comes.

    key: what requests must carry; "" = nothing.
    Raises ServingError without models, ImportError naming the extra, and what a model raises that cannot compute.
    """
    with needing("hydranet serve"):
        import uvicorn

        from hydranet.serving.web.app import create_app
        from hydranet.serving.web.gate import LOOPBACK_NAMES, Gate
        from hydranet.serving.web.metrics import server_metrics
        from hydranet.serving.web.model import ServedModel
        from hydranet.serving.web.slow_clients import PatientProtocol
    if not models:
        raise ServingError("got no model, expected one at least; give a run or an exported file")
    metrics = server_metrics()
    served = {name: ServedModel(name, predictor, metrics) for name, predictor in models.items()}
    hosts = {*LOOPBACK_NAMES, *address.hosts} if address.is_local or address.hosts else ()
    gate = Gate(create_app(served, limits, metrics), limits, ApiKey(key), hosts, metrics)
    protocol: Any = partial(PatientProtocol, limits=limits, metrics=metrics)
    config = uvicorn.Config(
        gate,
        http=protocol,
        ws="none",
        lifespan="on",
        log_level="error",
        access_log=False,
        limit_concurrency=limits.connections,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
        proxy_headers=False,
    )
    return uvicorn.Server(config)
