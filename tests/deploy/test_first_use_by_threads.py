"""The first use of OpenVINO in a process may come from several threads at once: its tables are made by one of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from export_toys import SIZE, every_recipe
from hydranet.export.export import ExportPlan, export
from hydranet.export.graph import Shape

PROCESSES = 12

PROGRAM = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
import openvino
from hydranet.deploy.session import open_session
from hydranet.deploy.predictor import SessionPredictor

image = np.zeros((64, 64, 3), np.uint8)
for number in range(int(sys.argv[2])):  # each the first to use OpenVINO
    child = os.fork()
    if not child:
        see = SessionPredictor(open_session(sys.argv[1], "openvino", 1))
        with ThreadPoolExecutor(4) as pool:
            os._exit(len(list(pool.map(see, [image] * 4))))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="only POSIX forks")
def test_threads_begin_together(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    export(every_recipe().build().eval(), every_recipe(), tmp_path, ExportPlan(("openvino",), Shape(SIZE)), name="toy")
    program = [sys.executable, "-c", PROGRAM, str(tmp_path / "model.xml"), str(PROCESSES)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["4"] * PROCESSES), done.stderr[-2000:]
