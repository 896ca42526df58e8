"""No library leaves the program with a freed stack for its signal handlers: a Ctrl-C would be a segmentation fault."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("openvino")

PROGRAM = """
import faulthandler, gc, signal, sys
import numpy as np
import openvino
from openvino import opset13 as op
from hydranet.deploy.runtimes.openvino import core
from hydranet.quantization.openvino_signals import kept_signal_stack

def compiled(core):
    given = op.parameter([1, 3, 8, 8], np.float32)
    return core.compile_model(openvino.Model([op.relu(given)], [given], "relu"), "CPU")

faulthandler.enable()  # has a stack of its own, as pytest and torchrun have
ours = [compiled(core())]
if sys.argv[1] == "foreign":
    with kept_signal_stack():
        theirs = [compiled(openvino.Core()), compiled(openvino.Core())]
else:
    theirs = [compiled(core()), compiled(core())]
    ours.clear()
while theirs:  # the first one first
    theirs.pop(0)
    gc.collect()
heard = []
signal.signal(signal.SIGUSR1, lambda *_: heard.append(1))
signal.raise_signal(signal.SIGUSR1)
print("heard", heard)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals with a stack of their own are POSIX's")
@pytest.mark.parametrize("whose", ["our", "foreign"])
def test_a_signal_after_openvino_is_heard(tmp_path: Path, whose: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run([sys.executable, program, whose], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "heard [1]\n"), done.stderr[-2000:]
