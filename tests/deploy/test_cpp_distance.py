"""Distances of boxes in the C++ programs equal those in Python, also where nothing is known and at the rim."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hydranet.postprocess.distance import distances

HEADER = Path(__file__).parents[2] / "examples" / "cpp" / "frames.h"
PROGRAM = """
#include "frames.h"
int main(int, char** words) {
  std::ifstream file(words[1], std::ios::binary);
  int sides[3];
  file.read(reinterpret_cast<char*>(sides), sizeof sides);
  std::vector<float> meters(static_cast<size_t>(sides[0] * sides[1])), boxes(static_cast<size_t>(sides[2] * 4));
  file.read(reinterpret_cast<char*>(meters.data()), static_cast<std::streamsize>(meters.size() * 4));
  file.read(reinterpret_cast<char*>(boxes.data()), static_cast<std::streamsize>(boxes.size() * 4));
  for (size_t i = 0; i < boxes.size(); i += 4)
    std::printf("%.9g\\n", distance_m(&boxes[i], {meters.data(), sides[0], sides[1]}));
}
"""


@pytest.mark.skipif(not shutil.which("g++"), reason="needs a compiler")
def test_distances_equal_those_in_python(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    meters = rng.uniform(1, 80, (48, 96)).astype(np.float32)
    meters[rng.random(meters.shape) < 0.3] = np.nan
    meters[10:30, 20:50] = np.nan
    corners = rng.uniform((-20, -20), (110, 60), (300, 2))
    sides = rng.uniform(0, 40, (300, 2)) * (rng.random((300, 1)) < 0.9)
    boxes = np.concatenate([corners, corners + sides], 1).astype(np.float32)
    boxes[0] = 22, 12, 48, 28  # nothing is known
    wanted = distances(boxes, meters)
    assert np.isnan(wanted).any()
    assert np.isfinite(wanted).mean() > 0.5
    (tmp_path / "main.cpp").write_text(PROGRAM)
    numbers = np.array([*meters.shape, len(boxes)], np.int32)
    (tmp_path / "data").write_bytes(numbers.tobytes() + meters.tobytes() + boxes.tobytes())
    build = ["g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-I", HEADER.parent, "main.cpp", "-o", "main"]
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    out = subprocess.run([tmp_path / "main", "data"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    np.testing.assert_array_equal(np.array(out.split(), np.float32), wanted)
