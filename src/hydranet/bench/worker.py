"""A process for one variant: `python -m hydranet.bench.worker`, which `Worker` talks to in lines of JSON.

Every variant lives in a process of its own, so that thread pools of different runtimes never meet, and memory can be
told apart. All of them stay open and only the one that is asked computes; the others wait for a line and use no
processor time. So rounds can be interleaved without opening anything twice.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from typing import Any

from hydranet.bench.plan import Work
from hydranet.bench.runner import Opened, Runner, Times
from hydranet.core.checks.class_lookup import ALLOW
from hydranet.core.errors import UserError


class BenchError(UserError, RuntimeError):
    """A variant that cannot be measured: which, and its runtime's message."""


def allowed_parts() -> str:
    """What HYDRANET_ALLOW says to a worker: what it says here, and modules of parts that this program imported."""
    from hydranet.core.balancer import GradientBalancer, LossBalancer  # a worker itself may do without torch
    from hydranet.core.features import Decoder, Encoder, Trunk
    from hydranet.core.spec import Component

    modules, queue = set[str](), list[type]([Component, Encoder, Decoder, Trunk, LossBalancer, GradientBalancer])
    while queue:
        part = queue.pop()
        queue += part.__subclasses__()
        modules.add(part.__module__)
    known = modules & sys.modules.keys()  # a class may outlive its module until it is collected
    own = sorted(name for name in known if name.partition(".")[0] not in ("hydranet", "torch", "__main__"))
    return ",".join(dict.fromkeys([*filter(None, os.environ.get(ALLOW, "").split(",")), *own]))


class Worker:
    """The other end of such a process, in the one that compares."""

    def __init__(self, work: Work) -> None:
        self.variant = work.variant
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed in `close`
        paths = os.pathsep.join(path for path in sys.path if path)  # a recipe from a file may name classes of that file
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hydranet.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": str(work.threads), ALLOW: allowed_parts()},
        )
        try:
            self.opened = Opened(**self._ask(work.tree()))
        except BenchError:
            self.close()
            raise

    def measure(self, frames: int) -> Times:
        """Times of so many frames, now."""
        times: Times = self._ask({"frames": frames})
        return times

    def _ask(self, question: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self._process.stdout.readline()
        if not answer:
            self._process.wait()
            self._log.seek(0)
            lines = [line.strip() for line in self._log.read().splitlines() if line.strip()]
            raise BenchError(
                f"{self.variant.name} cannot be measured ({lines[-1] if lines else 'its process ended'}); "
                "leave it out with --runtimes or --precision"
            )
        return json.loads(answer)

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()
        self._log.close()


def serve() -> None:
    """Answers lines on standard input; whatever libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    runner = Runner(Work.of(json.loads(sys.stdin.readline())))
    answer: object = asdict(runner.opened)
    while True:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        question = sys.stdin.readline()
        if not question:
            return
        answer = runner.measure(json.loads(question)["frames"])


if __name__ == "__main__":
    serve()
