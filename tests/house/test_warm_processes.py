"""Processes that the tests' server forks behave as those that a shell starts."""

import signal
import sys
import time
from pathlib import Path

import pytest

from warm_processes import in_two_processes, started

PROGRAM = """
import atexit, os, sys, time
atexit.register(lambda: print("at its end"))
print(__name__, sys.argv[1:], os.getcwd(), os.environ.get("ASKED"), os.getpid(), "torch" in sys.modules, sys.path[0])
what = sys.argv[1]
if what == "sleep":
    print("asleep", flush=True)
    time.sleep(60)
if what == "rank" and os.environ["RANK"] == "0":
    time.sleep(60)
sys.exit("a sentence" if what in ("fail", "rank") else 0)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


@pytest.mark.parametrize("what", ["end", "fail"])
def test_arguments_folder_environment_output_and_exit_code(program: Path, tmp_path: Path, what: str) -> None:
    running = started(program, what, cwd=tmp_path, env={"ASKED": "yes"})
    out, err = running.communicate()
    assert out.splitlines() == [
        f"__main__ ['{what}'] {tmp_path} yes {running.pid} True {tmp_path}",
        "at its end",
    ]
    assert (running.returncode, err) == ((1, "a sentence\n") if what == "fail" else (0, ""))


@pytest.mark.parametrize(
    ("number", "code", "end"),
    [(signal.SIGTERM, -15, ""), (signal.SIGKILL, -9, ""), (signal.SIGINT, -2, "KeyboardInterrupt\n")],
)
def test_signals_reach_the_process(program: Path, number: int, code: int, end: str) -> None:
    running = started(program, "sleep")
    while "asleep" not in running.texts()[0]:
        assert running.poll(0.01) is None
    running.send_signal(number)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, err[-len(end) :]) == (code, end), err


def test_modules_are_run_as_by_python() -> None:
    out, _ = started("-m", "platform").communicate()
    assert sys.platform in out.lower()


def test_a_process_that_fails_keeps_no_other_waiting(program: Path) -> None:
    began = time.monotonic()
    with pytest.raises(AssertionError, match="a sentence"):
        in_two_processes(program, "rank")
    assert time.monotonic() - began < 50
