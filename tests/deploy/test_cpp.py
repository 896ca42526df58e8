"""The C++ programs in examples/cpp, built with CMake from the Python packages: they answer what Python answers."""

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export_toys import SIZE, every_recipe, pictures, shaken
from hydranet.annotations import Boxes, Keypoints
from hydranet.deploy.manifest import IMAGE, IOU, SCORE
from hydranet.deploy.session import open_session
from hydranet.export.build_manifest import described
from hydranet.export.export import ExportPlan, export
from hydranet.export.graph import Shape, shipped
from hydranet.postprocess.nms import nms
from hydranet.tasks.depth.task import Depth

EXAMPLES = Path(__file__).parents[2] / "examples" / "cpp"
LEAST, MOST = 0.1, 0.5
LIMIT, CANDIDATES = 6, 15

pytest.importorskip("onnxscript")
needs_compiler = pytest.mark.skipif(
    not (shutil.which("cmake") and (shutil.which("c++") or shutil.which("g++"))), reason="needs CMake and a compiler"
)


def package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or not found.origin:
        pytest.skip(f"needs {name}")
    return Path(found.origin).parent


def built(example: str, folder: Path, setting: str) -> Path:
    """Configures and builds an example as its CMakeLists.txt says; the program."""
    subprocess.run(["cmake", "-S", EXAMPLES / example, "-B", folder, setting], check=True, capture_output=True)
    done = subprocess.run(["cmake", "--build", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "see"


def frame() -> np.ndarray:
    return np.ascontiguousarray(np.resize(pictures(1, SIZE)[0], (*SIZE, 3)))


def save_ppm(path: Path, image: np.ndarray) -> Path:
    path.write_bytes(f"P6\n{image.shape[1]} {image.shape[0]}\n255\n".encode() + image.tobytes())
    return path


def run(program: Path, *words: object) -> "subprocess.CompletedProcess[str]":
    vision = {"TORCHVISION_LIBRARY": str(next(package("torchvision").glob("_C*.so")))}
    return subprocess.run([program, *map(str, words)], capture_output=True, text=True, env=os.environ | vision)


def same(program: Path, model: Path, runtime: str, folder: Path) -> None:
    """Every array to the last digit (rounding of threads aside), and the boxes that Python keeps."""
    image = frame()
    ended = run(program, model, save_ppm(folder / "frame.ppm", image), folder / "out", LEAST, MOST, LIMIT, CANDIDATES)
    assert ended.returncode == 0, ended.stderr
    session = open_session(model, runtime)
    given = {IMAGE: image[None]}
    if session.manifest.thresholds:
        given |= {SCORE: np.array([LEAST], np.float32), IOU: np.array([MOST], np.float32)}
    arrays = session(given)
    assert {path.stem for path in (folder / "out").glob("*.npy")} == set(arrays)
    for name, wanted in arrays.items():
        found = np.load(folder / "out" / f"{name}.npy")
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), name
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6, err_msg=name)
    for task in (name.removesuffix(".xyxy") for name in arrays if name.endswith(".xyxy")):
        seen = Boxes(*(arrays[f"{task}.{field}"][0] for field in ("xyxy", "label", "score")))
        kept = nms(seen, LEAST, MOST, LIMIT, CANDIDATES)
        numbers = re.findall(rf"^{task} class (\d+) score (\S+) box (\S+) (\S+) (\S+) (\S+)$", ended.stdout, re.M)
        wanted = np.concatenate([kept.label[:, None], kept.score[:, None], kept.xyxy], 1)
        same_rows(np.array(numbers, float).reshape(-1, 6), wanted, task)


def same_rows(found: np.ndarray, wanted: np.ndarray, task: str) -> None:
    """The same boxes up to what is printed; boxes of one score come in any order."""
    from scipy.optimize import linear_sum_assignment

    assert found.shape == wanted.shape, task
    apart = np.abs(found[:, None] - wanted).max(2)
    assert apart[linear_sum_assignment(apart)].max(initial=0) < 6e-3, task


def refuses_a_camera(program: Path, target: str, folder: Path) -> None:
    """A file with a second input that these programs do not fill."""
    model = exported(folder, target, ["depth"], "outside", canonical_focal_px=50.0)
    ended = run(program, model, save_ppm(folder / "frame.ppm", frame()), folder / "out")
    sentence = "error: this file takes a camera as an input; export it with --focal-px for yours\n"
    assert (ended.returncode, ended.stderr) == (1, sentence)


def refuses_lines_and_points(program: Path, target: str, folder: Path) -> None:
    """Heads whose arrays are not yet the answer, and points, which these programs do not print."""
    for head, what in (("lanes", "the step trace_lines"), ("landmarks", "the kind Keypoints")):
        model = exported(folder / head, target, ["depth", head], "outside")
        ended = run(program, model, save_ppm(folder / "frame.ppm", frame()), folder / "out")
        sentence = f"error: head {head} has {what}, which this program does not know; export the other heads (--heads)"
        assert (ended.returncode, ended.stderr) == (1, f"{sentence}, or use hydranet.Predictor\n")
        assert not (folder / "out").exists()


def exported(
    folder: Path, target: str, heads: list[str] | None, suppress: str, canonical_focal_px: float | None = None
) -> Path:
    recipe = every_recipe()
    tasks = tuple(
        replace(task, canonical_focal_px=canonical_focal_px) if isinstance(task, Depth) else task
        for task in recipe.tasks
    )
    recipe = replace(recipe, tasks=tasks)
    shape = Shape(SIZE, nms=suppress)
    return export(shaken(recipe.build()), recipe, folder, ExportPlan([target], shape, heads), name="toy")[1][0]


def known() -> list[str]:
    """The heads that the programs answer for."""
    tasks = every_recipe().tasks
    return [one.name for one in tasks if one.kind is not Keypoints and set(one.postprocess_steps()) <= {"nms"}]


def test_heads_that_the_programs_do_not_know_are_named_by_the_manifest(tmp_path: Path) -> None:
    """For every task of the package, without a runtime: what is read is the JSON alone."""
    if not shutil.which("g++"):
        pytest.skip("needs a compiler")
    (tmp_path / "heads.cpp").write_text(HEADS)
    command = ["g++", "-std=c++17", "-Wall", "-Werror", f"-I{EXAMPLES}", "heads.cpp", "-o", "heads"]
    subprocess.run(command, cwd=tmp_path, check=True)
    recipe = every_recipe()
    model = recipe.build()
    for task in recipe.tasks:
        text = described(shipped(model, [task.name], Shape(SIZE)), recipe, "toy").to_json()
        said = subprocess.run([tmp_path / "heads"], input=text, capture_output=True, text=True, check=True).stdout
        assert said.startswith("known" if task.name in known() else f"head {task.name} has the "), task.name
    assert {"lanes", "landmarks", "pose"}.isdisjoint(known())
    assert len(known()) >= 6


@needs_compiler
def test_openvino(tmp_path: Path) -> None:
    program = built("openvino", tmp_path / "build", f"-DOpenVINO_DIR={package('openvino') / 'cmake'}")
    model = exported(tmp_path, "onnx", ["depth", "semantic", "yolov8"], "outside")
    same(program, model, "openvino", tmp_path)
    refuses_a_camera(program, "onnx", tmp_path / "camera")
    refuses_lines_and_points(program, "onnx", tmp_path / "unknown")
    (tmp_path / "text.ppm").write_text("no image")
    ended = run(program, model, tmp_path / "text.ppm", tmp_path / "out")
    assert (ended.returncode, ended.stderr) == (
        1,
        f"error: {tmp_path / 'text.ppm'} is no binary 8-bit PPM image (P6)\n",
    )
    ended = run(program, model, save_ppm(tmp_path / "wide.ppm", np.zeros((32, 320, 3), np.uint8)), tmp_path / "out")
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")


@pytest.mark.slow
@needs_compiler
def test_openvino_with_every_head(tmp_path: Path) -> None:
    program = built("openvino", tmp_path / "build", f"-DOpenVINO_DIR={package('openvino') / 'cmake'}")
    for suppress in ("outside", "inside"):
        same(program, exported(tmp_path / suppress, "openvino", known(), suppress), "openvino", tmp_path / suppress)


@pytest.mark.slow
@needs_compiler
def test_libtorch_with_every_head(tmp_path: Path) -> None:
    """torch/script.h takes a compiler 40 seconds."""
    program = built("libtorch", tmp_path / "build", f"-DTORCH={package('torch')}")
    refuses_a_camera(program, "torchscript", tmp_path / "camera")
    refuses_lines_and_points(program, "torchscript", tmp_path / "unknown")
    for suppress in ("outside", "inside"):
        same(
            program, exported(tmp_path / suppress, "torchscript", known(), suppress), "torchscript", tmp_path / suppress
        )


HEADS = """
#include <iostream>
#include <iterator>
#include "heads.h"
int main() {
  try {
    refuse_unknown_heads({std::istreambuf_iterator<char>(std::cin), {}});
    std::cout << "known";
  } catch (const std::exception& error) {
    std::cout << error.what();
  }
}
"""

SUPPRESS = """
#include "frames.h"
int main(int count, char** words) {
  std::vector<float> xyxy, score;
  std::vector<int64_t> label;
  float x[4], s;
  long l;
  while (std::scanf("%f %f %f %f %ld %f", x, x + 1, x + 2, x + 3, &l, &s) == 6) {
    xyxy.insert(xyxy.end(), x, x + 4);
    label.push_back(l);
    score.push_back(s);
  }
  print_boxes("boxes", suppressed(xyxy.data(), label.data(), score.data(), score.size(), read_limits(count, words, 1)));
}
"""


@pytest.mark.skipif(not shutil.which("g++"), reason="needs a compiler")
def test_boxes_are_suppressed_as_in_python(tmp_path: Path) -> None:
    """With ties, boxes that are no numbers, more candidates than are looked at, and more boxes than are kept."""
    (tmp_path / "suppress.cpp").write_text(SUPPRESS)
    command = ["g++", "-std=c++17", "-Wall", "-Werror", f"-I{EXAMPLES}", "suppress.cpp", "-o", "suppress"]
    subprocess.run(command, cwd=tmp_path, check=True)
    rng = np.random.default_rng(0)
    corner = rng.integers(0, 40, (60, 2))
    xyxy = np.concatenate([corner, corner + rng.integers(4, 30, (60, 2))], 1).astype(np.float32)
    label, score = rng.integers(-1, 3, 60), (rng.integers(0, 8, 60) / 8).astype(np.float32)
    xyxy[3, 2], xyxy[4, 0], score[5] = np.inf, np.nan, np.nan
    text = "\n".join(" ".join(map(str, (*box, i, s))) for box, i, s in zip(xyxy, label, score, strict=True))
    for limits in [(0.1, 0.5, 100, 1000), (0.0, 0.0, 5, 1000), (0.3, 0.25, 100, 12), (0.0, 1.0, 100, 60)]:
        words = [str(tmp_path / "suppress"), *map(str, limits)]
        said = subprocess.run(words, input=text, capture_output=True, text=True, check=True).stdout
        kept = nms(Boxes(xyxy, label, score), *limits)
        found = [line.split() for line in said.splitlines()]
        assert [int(words[2]) for words in found] == kept.label.tolist()
        np.testing.assert_array_equal(np.array([words[6:] for words in found], float).reshape(-1, 4), kept.xyxy)


def test_the_readme_builds_what_the_tests_build() -> None:
    text = (EXAMPLES / "README.md").read_text()
    for example in ("openvino", "libtorch"):
        assert f"cmake -S {example} -B build/{example}" in text
        assert f"cmake --build build/{example}" in text


def test_the_programs_stay_short() -> None:
    for path in EXAMPLES.rglob("*.*"):
        assert len(path.read_text().splitlines()) < 150, path
