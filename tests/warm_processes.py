"""Processes that start at once: a server that has imported torch and hydranet forks one for each command.

`python -m hydranet` and torchrun import for seconds before they work. Here each process is a true one all the same:
with its own pid, arguments, environment, folder, output, signals and exit code, and it ends as an interpreter ends.
What imports, start-up or torchrun themselves do is tested with true ones (subprocess, two_processes.py).

As a program this file is the server. It computes nothing and has one thread, so that its forks are whole.
"""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from functools import cache
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
ALONE = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Variables of torchrun."""
IMPORTED = (
    *("hydranet.cli.main", "hydranet.cli.train", "hydranet.training.train", "hydranet.evaluation.evaluate"),
    *("torch._dynamo", "toys"),  # the former: an optimizer imports it
)
"""What the server imports; a command imports the rest."""


class Running:
    """A process at work; used as one of subprocess.Popen."""

    def __init__(self, pid: int, report: int, out: Path, err: Path) -> None:
        self.pid, self.returncode = pid, None
        self._report, self._texts = report, (out, err)

    def poll(self, timeout: float = 0.0) -> "int | None":
        """The exit code (minus the number of the signal that ended it), or None while it runs."""
        if self.returncode is None and select.select([self._report], [], [], timeout)[0]:
            status = os.read(self._report, 32)
            os.close(self._report)
            self.returncode = os.waitstatus_to_exitcode(int(status))
        return self.returncode

    def wait(self, timeout: float) -> int:
        """The exit code. Raises TimeoutExpired."""
        code = self.poll(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 300.0) -> tuple[str, str]:
        """Waits for its end; what it printed and what it complained about."""
        self.wait(timeout)
        return self.texts()

    def texts(self) -> tuple[str, str]:
        """What it has printed and complained about so far."""
        out, err = (path.read_text() for path in self._texts)
        return out, err


def started(*command: object, cwd: "Path | None" = None, env: "dict[str, str] | None" = None) -> Running:
    """`python COMMAND`, which is a file or "-m" and a module, with their arguments; env: added to that of the test."""
    folder = Path(tempfile.mkdtemp(dir=_folder()))
    environment = {name: value for name, value in os.environ.items() if name not in ALONE} | (env or {})
    asked = {"words": [str(one) for one in command], "cwd": str(cwd or Path.cwd()), "env": environment}
    paths = [folder / "out", folder / "err"]
    report, reports = os.pipe()
    files = [os.open(os.devnull, os.O_RDONLY), *(os.open(path, os.O_WRONLY | os.O_CREAT) for path in paths), reports]
    try:
        control = _server()
        socket.send_fds(control, [json.dumps(asked).encode() + b"\n"], files)
        pid = int(control.recv(32))
    finally:
        for file in files:
            os.close(file)
    return Running(pid, report, *paths)


def in_two_processes(*command: object, timeout: float = 300.0) -> None:
    """Runs a command in two processes of one group, as torchrun would; both must end well."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    meeting = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    ranks = [started(*command, env=meeting | {"RANK": str(i), "LOCAL_RANK": str(i)}) for i in range(2)]
    deadline = time.monotonic() + timeout
    while None in (codes := [rank.poll(0.01) for rank in ranks]) and not any(codes):
        assert time.monotonic() < deadline, "two processes did not end"
    for rank in ranks:
        rank.kill()  # one that waits for another that failed
    codes = [rank.wait(10) for rank in ranks]
    assert codes == [0, 0], [rank.communicate()[1][-2000:] for rank in ranks]


@cache
def _folder() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="warm-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


@cache
def _server() -> socket.socket:
    """The server's socket; it ends when this process ends."""
    mine, its = socket.socketpair()
    paths = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, __file__, str(its.fileno())],
        env={**os.environ, **single, "PYTHONPATH": paths},
        pass_fds=[its.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C at the tests is not meant for it
    )
    its.close()

    def end() -> None:
        mine.close()
        server.wait(60)

    atexit.register(end)
    return mine


# --- the server ---------------------------------------------------------------------------------------------------


def _serve(control: socket.socket) -> "list[str] | None":
    """Forks for every request. Returns the words of its command in the new process; None at the end of the server."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked, files = b"", []
        while not asked.endswith(b"\n"):
            part, more, _, _ = socket.recv_fds(control, 1 << 16, 4)
            if not part:
                return None
            asked, files = asked + part, files + more
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _attended(control, json.loads(asked), files)
        for file in files:
            os.close(file)


def _attended(control: socket.socket, asked: dict, files: list[int]) -> list[str]:
    """Forks the process, in which it returns; this one waits for it and reports how it ended."""
    pid = os.fork()
    if pid:
        control.sendall(str(pid).encode())
        os.write(files[3], str(os.waitpid(pid, 0)[1]).encode())
        os._exit(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background of a shell ignore it
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    for file in files:
        os.close(file)
    control.close()
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    return asked["words"]


def _run(words: list[str]) -> None:
    """What the interpreter does with the words after its name."""
    if words[0] == "-m":
        sys.argv, sys.path[0] = words[1:], ""
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = words, str(Path(words[0]).parent)
        runpy.run_path(words[0], run_name="__main__")


def _run_and_end(words: list[str]) -> None:
    """Ends as the interpreter does, but leaves what was imported as it is: to take it down would copy its memory."""
    code: int | str | None = 0
    try:
        _run(words)
    except SystemExit as end:
        code = end.code
    except BaseException as error:
        traceback.print_exc()
        code = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code or 0)


if __name__ == "__main__":
    for _name in IMPORTED:
        import_module(_name)
    gc.freeze()
    if _words := _serve(socket.socket(fileno=int(sys.argv[1]))):
        _run_and_end(_words)
