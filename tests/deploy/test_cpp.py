"""The C++ programs in examples/cpp, built with CMake from the Python packages: they answer what Python answers."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from functools import singledispatch
from pathlib import Path

import numpy as np
import pytest

from export_toys import CLASSES, POINTS, SIZE, every_recipe, pictures, shaken
from hydranet.annotations import Annotation, Boxes, ClassMap, Keypoints, Polylines, Quantity, Tag
from hydranet.checkpoint import checkpoint
from hydranet.core.sample import Sample
from hydranet.deploy.manifest import IMAGE, IOU, SCORE, Input, Manifest
from hydranet.deploy.predictor import SessionPredictor
from hydranet.deploy.session import open_session
from hydranet.export.build_manifest import described
from hydranet.export.export import ExportPlan, export
from hydranet.export.graph import Shape, shipped
from hydranet.export.run import export_run
from hydranet.inference.predictor import Predictor
from hydranet.postprocess.nms import nms
from hydranet.postprocess.per_box import windows
from hydranet.postprocess.steps import postprocess
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.landmarks.task import Landmarks
from hydranet.transforms.augment import fit as fitted
from hydranet.transforms.view import View, letterbox, stretch
from toys_cascade import CROP, SIGNS, cascade_recipe

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


def same(program: Path, model: Path, runtime: str, folder: Path, image: np.ndarray | None = None) -> None:
    """Every array to the last digit (rounding of threads aside), and the answers that Python's predictor gives."""
    image, session = frame() if image is None else image, open_session(model, runtime)
    words = [LEAST, MOST, LIMIT, CANDIDATES, *({"depth"} & session.manifest.heads.keys())]
    ended = run(program, model, save_ppm(folder / "frame.ppm", image), folder / "out", *words)
    assert ended.returncode == 0, ended.stderr
    given = {IMAGE: image[None]}
    if session.manifest.thresholds:
        given |= {SCORE: np.array([LEAST], np.float32), IOU: np.array([MOST], np.float32)}
    arrays = session(given)
    assert {path.stem for path in (folder / "out").glob("*.npy")} == set(arrays)
    for name, wanted in arrays.items():
        found = np.load(folder / "out" / f"{name}.npy")
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), name
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6, err_msg=name)
    limits = {"max_detections": LIMIT, "pre_nms_topk": CANDIDATES}
    heads = {name: head for name, head in session.manifest.heads.items() if not head.inside}
    known = {name: set().union(*head.postprocess.values()) for name, head in heads.items()}
    options = {name: {key: limits[key] for key in limits if key in step} for name, step in known.items()}
    see = SessionPredictor(session, threshold=LEAST, iou=MOST, options={k: v for k, v in options.items() if v})
    for task, answer in see(image).items():
        lines = [line.removeprefix(f"{task} ") for line in ended.stdout.splitlines() if line.startswith(f"{task} ")]
        wanted_lines = printed(answer, session.manifest.heads[task].classes)
        if task not in heads:  # suppressed inside, up to the file's own limit; the programs' smaller one holds, too
            assert isinstance(answer, Boxes)
            least = np.sort(arrays[f"{task}.score"][0])[-LIMIT]
            wanted_lines = [line for line, score in zip(wanted_lines, answer.score, strict=True) if score >= least]
        same_lines(lines, wanted_lines, task)


@singledispatch
def printed(answer: Annotation, classes: Sequence[str]) -> list[str]:
    """What the programs print of an answer of this kind, without the task's name: nothing of maps."""
    return []


@printed.register
def _(answer: Boxes, classes: Sequence[str]) -> list[str]:
    rows = zip(answer.label, answer.score, answer.xyxy, strict=True)
    lines = [f"{named(label, classes)} score {score:.4f} box {numbers(xyxy)}" for label, score, xyxy in rows]
    if answer.distance_m is not None:
        lines = [f"{line} distance {meters:.3f} m" for line, meters in zip(lines, answer.distance_m, strict=True)]
    if answer.value is None:
        return lines
    return [f"{line} value {value:.4f} {answer.value_unit}" for line, value in zip(lines, answer.value, strict=True)]


@printed.register
def _(answer: Polylines, classes: Sequence[str]) -> list[str]:
    label = np.zeros(len(answer.points), int) if answer.label is None else answer.label
    rows = zip(label, answer.score, answer.points, answer.valid, strict=True)
    return [f"{named(k, classes)} score {score:.4f} line {numbers(points[valid])}" for k, score, points, valid in rows]


@printed.register
def _(answer: Keypoints, classes: Sequence[str]) -> list[str]:
    rows = zip(answer.score, np.concatenate([answer.xy, answer.point_score[..., None]], 2), strict=True)
    return [f"score {score:.4f} points {numbers(points)}" for score, points in rows]


@printed.register
def _(answer: Tag, classes: Sequence[str]) -> list[str]:
    return [f"{named(int(answer.label), classes)} probability {answer.probs[answer.label]:.4f}"]


@printed.register
def _(answer: Quantity, classes: Sequence[str]) -> list[str]:
    return [f"value {answer.value:.4f} {answer.unit}"]


def named(label: int, classes: Sequence[str]) -> str:
    return f'class {label} "{classes[label]}"' if classes else f"class {label}"


def numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.2f}" for value in np.asarray(values, float).reshape(-1))


def same_lines(found: list[str], wanted: list[str], task: str) -> None:
    """The same words, and numbers up to what is printed; answers of one score come in any order."""
    from scipy.optimize import linear_sum_assignment

    number = re.compile(r"-?\d+\.\d+")
    assert len(found) == len(wanted), task

    def apart(a: str, b: str) -> float:
        if number.sub("N", a).strip() != number.sub("N", b).strip():
            return 1e9
        pairs = zip(number.findall(a), number.findall(b), strict=True)
        return max((abs(float(x) - float(y)) for x, y in pairs), default=0)

    table = np.array([[apart(a, b) for b in wanted] for a in found]).reshape(len(found), len(wanted))
    assert table[linear_sum_assignment(table)].max(initial=0) < 1.1e-2, f"{task}: {found[:2]} {wanted[:2]}"


def refuses_a_camera(program: Path, target: str, folder: Path) -> None:
    """A file with a second input that these programs do not fill."""
    model = exported(folder, target, ["depth"], "outside", canonical_focal_px=50.0)
    ended = run(program, model, save_ppm(folder / "frame.ppm", frame()), folder / "out")
    sentence = "error: this file takes a camera as an input; export it with --focal-px for yours\n"
    assert (ended.returncode, ended.stderr) == (1, sentence)


def refuses_another_size(program: Path, model: Path, folder: Path) -> None:
    """A frame that the graph was not made for, in one sentence with the numbers."""
    tall = np.zeros((SIZE[0] + 32, SIZE[1], 3), np.uint8)
    ended = run(program, model, save_ppm(folder / "tall.ppm", tall), folder / "out")
    sizes = [f"{rows}x{columns}" for rows, columns in (tall.shape[:2], SIZE)]
    sentence = f"got a frame of {sizes[0]} (height x width), expected {sizes[1]}; resize it, or export with "
    assert (ended.returncode, ended.stderr) == (1, f"error: {sentence}--fit letterbox --frame {sizes[0]}\n")


def cuts_out_crops(program: Path, target: str, folder: Path) -> None:
    """A cascade: the boxes, and what the other heads say of each, are those of Python's predictor."""
    recipe, image = cascade_recipe(most=4), np.ascontiguousarray(pictures(1)[0][:64, :96])
    tasks = (*recipe.tasks, Landmarks("points", points=POINTS, reads="encoder"))
    cascade = replace(recipe.cascades[0], classes=(), heads=("sign", "age", "points"))
    recipe = replace(recipe, tasks=tasks, cascades=(cascade,))
    folder.mkdir()
    model = shaken(recipe.build())
    checkpoint.save_model(folder, model, recipe)
    (folder / checkpoint.RECIPE).write_text(recipe.to_json())
    (file,) = export_run(folder, folder / "export", targets=[target])
    ended = run(program, file, save_ppm(folder / "frame.ppm", image), folder / "out", 0, 0.95)
    assert ended.returncode == 0, ended.stderr
    see = Predictor(file, threshold=0.0, iou=0.95)
    answers = see(image)
    assert len(answers["sign"].label) == len(answers["points"].xy) == 4
    assert {task: see.classes[task] for task in answers} == {
        "detection": CLASSES,
        "sign": SIGNS,
        "age": CLASSES,
        "points": CLASSES,
    }
    for task, classes in see.classes.items():
        lines = [line.removeprefix(f"{task} ") for line in ended.stdout.splitlines() if line.startswith(f"{task} ")]
        same_lines(lines, printed(answers[task], classes), task)


def fits_frames(program: Path, target: str, runtime: str, folder: Path) -> None:
    """Files whose graph brings frames to its size: boxes, lines and points are in pixels of the frame."""
    image, heads = pictures(1)[0], ["yolov8", "ssd", "lanes", "landmarks", "pose", "classification"]
    assert image.shape[:2] == (75, 130), "neither the size of the network nor of its shape"
    for fit in ("letterbox", "stretch"):
        shape = Shape(SIZE, fit=fit, frame=image.shape[:2])
        model = export(shaken(every_recipe().build()), every_recipe(), folder / fit, ExportPlan([target], shape, heads))
        same(program, model[1][0], runtime, folder / fit, image)


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


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the programs share, without a runtime, compiled once."""
    if not shutil.which("g++"):
        pytest.skip("needs a compiler")
    folder = tmp_path_factory.mktemp("tool")
    (folder / "tool.cpp").write_text(TOOL)
    command = ["g++", "-std=c++17", "-Wall", "-Werror", f"-I{EXAMPLES}", "tool.cpp", "-o", "tool"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "tool"


def said(tool: Path, text: str, *words: object) -> str:
    given = [str(tool), *map(str, words)]
    return subprocess.run(given, input=text, capture_output=True, text=True, check=True).stdout


def test_heads_that_the_programs_do_not_know_are_named_by_the_manifest(tool: Path) -> None:
    """For all tasks of the package, without a runtime: what is read is the JSON alone."""
    recipe = every_recipe()
    text = described(shipped(recipe.build(), None, Shape(SIZE)), recipe, "toy").to_json()
    lines = said(tool, text, "heads").splitlines()
    assert [line.split()[0] for line in lines] == [task.name for task in recipe.tasks]
    assert "lanes ClassMap 0 classes trace_lines 9 options threshold 0.30 unit " in lines
    assert "semantic ClassMap 4 classes threshold 0.00 unit " in lines
    assert "depth ScalarMap 0 classes threshold 0.00 unit m" in lines
    for before, after, what in (
        ('"trace_lines"', '"unheard_of"', "head lanes has the step unheard_of, which this program does not know"),
        ('"Quantity"', '"Boxes3D"', "head regression has the kind Boxes3D, which this program does not know"),
    ):
        assert before in text
        assert said(tool, text.replace(before, after), "heads").startswith(what)
    assert said(tool, "{}", "heads") == "this file holds no manifest; export the run again"


def test_classes_have_their_names_whatever_letters_they_are_of(tool: Path) -> None:
    classes = ("Car", 'Straße "Süd"', "back\\slash \\u00e9", "信号", "🚦 a/b", '"a": {')
    recipe = replace(every_recipe(), tasks=(Detection("boxes", classes, reads="encoder"),))
    text = described(shipped(recipe.build(), None, Shape(SIZE)), recipe, "toy").to_json()
    assert "\\ud83d\\udea6" in text, "what a manifest makes of letters beyond ASCII"
    wanted = [*(f'class {i} "{name}"' for i, name in enumerate(classes)), f"class {len(classes)}"]
    assert said(tool, text, "names").splitlines() == wanted


@pytest.mark.parametrize("frame", [(75, 130), (720, 1280), (130, 75), (33, 96), SIZE])
@pytest.mark.parametrize("fit", ["letterbox", "stretch", "none"])
def test_places_in_the_frame_are_those_of_python(tool: Path, fit: str, frame: tuple[int, int]) -> None:
    manifest = Manifest("toy", Input(SIZE, fit=fit, frame=frame if fit != "none" else None), {}, {})
    view = {"letterbox": letterbox, "stretch": stretch, "none": lambda *_: View.identity(SIZE)}[fit](frame, SIZE)
    found = np.array([line.split() for line in said(tool, manifest.to_json(), "places").splitlines()], float)
    corners = np.array([(x, y) for x in (0, SIZE[1]) for y in (0, SIZE[0])], float)
    np.testing.assert_allclose(found[:, :2], view.inverse(frame).points(corners), atol=1e-6)
    np.testing.assert_allclose(found[:, 2:], corners, atol=1e-6)


@pytest.mark.parametrize("smooth", [0, 1, 3])
def test_lines_are_traced_as_in_python(tool: Path, smooth: int) -> None:
    """Crossing, dashed and broken lines over noise, in one and in two classes; cells that are no numbers."""
    rng = np.random.default_rng(smooth)
    counts = []
    for channels in (2, 3):
        for _ in range(4):
            probs = lines_and_noise(rng, channels)
            options = {"max_lines": 5, "lines_per_class": 3, "gap": 5, "least_rows": 4, "smooth": smooth}
            text = f"{' '.join(map(str, probs.shape))} {' '.join(f'{value!r}' for value in probs.reshape(-1).tolist())}"
            found = said(tool, text, *(f"{key}={value}" for key, value in options.items()))
            wanted = postprocess(ClassMap(probs.argmax(0).astype(np.uint8), probs), {"trace_lines": options})
            same_lines(found.splitlines(), [f"lines {line}" for line in printed(wanted, ())], f"{channels} channels")
            counts.append(len(found.splitlines()))
    assert 3 < np.mean(counts) <= 5


def lines_and_noise(rng: np.random.Generator, channels: int) -> np.ndarray:
    """float32 c 24 40 that add up to 1."""
    y, x = np.mgrid[0:24, 0:40].astype(np.float32)
    logits = rng.normal(-1.5, 1.0, (channels, 24, 40)).astype(np.float32)
    logits[0] = 0
    for _ in range(4):
        middle = rng.uniform(0, 40) + rng.uniform(-1.2, 1.2) * (24 - y) + rng.uniform(-0.02, 0.02) * (24 - y) ** 2
        dashed = (y + rng.integers(0, 6)) % rng.integers(4, 30) > 1.5
        logits[rng.integers(1, channels)] += 5 * (np.abs(x + 0.5 - middle) < rng.uniform(0.8, 2)) * dashed
    probs = np.exp(logits) / np.exp(logits).sum(0)
    probs[:, 3, 5] = np.nan
    return probs


@pytest.mark.slow  # it builds a program
@needs_compiler
def test_openvino(tmp_path: Path) -> None:
    program = built("openvino", tmp_path / "build", f"-DOpenVINO_DIR={package('openvino') / 'cmake'}")
    heads = ["depth", "semantic", "yolov8", "lanes", "landmarks", "pose", "classification", "regression"]
    model = exported(tmp_path, "onnx", heads, "outside")
    same(program, model, "openvino", tmp_path)
    refuses_a_camera(program, "onnx", tmp_path / "camera")
    cuts_out_crops(program, "onnx", tmp_path / "cascade")
    fits_frames(program, "onnx", "openvino", tmp_path / "fit")
    (tmp_path / "text.ppm").write_text("no image")
    ended = run(program, model, tmp_path / "text.ppm", tmp_path / "out")
    assert (ended.returncode, ended.stderr) == (
        1,
        f"error: {tmp_path / 'text.ppm'} is no binary 8-bit PPM image (P6)\n",
    )
    refuses_another_size(program, model, tmp_path)


@pytest.mark.slow
@needs_compiler
def test_openvino_with_every_head(tmp_path: Path) -> None:
    program = built("openvino", tmp_path / "build", f"-DOpenVINO_DIR={package('openvino') / 'cmake'}")
    for suppress in ("outside", "inside"):
        same(program, exported(tmp_path / suppress, "openvino", None, suppress), "openvino", tmp_path / suppress)


@pytest.mark.slow
@needs_compiler
def test_libtorch_with_every_head(tmp_path: Path) -> None:
    """torch/script.h takes a compiler 40 seconds."""
    program = built("libtorch", tmp_path / "build", f"-DTORCH={package('torch')}")
    refuses_a_camera(program, "torchscript", tmp_path / "camera")
    cuts_out_crops(program, "torchscript", tmp_path / "cascade")
    fits_frames(program, "torchscript", "torchscript", tmp_path / "fit")
    for suppress in ("outside", "inside"):
        model = exported(tmp_path / suppress, "torchscript", None, suppress)
        same(program, model, "torchscript", tmp_path / suppress)
        refuses_another_size(program, model, tmp_path)


TOOL = """
#include <iostream>
#include <iterator>
#include "crops.h"
#include "input.h"

std::string whole_input() { return {std::istreambuf_iterator<char>(std::cin), {}}; }

void names() {
  for (const Head& head : heads_of(whole_input()))
    for (int64_t label = 0; label <= static_cast<int64_t>(head.classes.size()); ++label)
      std::printf("%s\\n", head.class_text(label).c_str());
}

// Where the corners of what the network sees lie in the frame, and back.
void places() {
  const std::string manifest = whole_input();
  const Place place = place_in_frame(manifest);
  const auto [height, width] = sides_of(input_of(manifest), "size");
  for (const double x : {0.0, 0.0 + width})
    for (const double y : {0.0, 0.0 + height}) {
      const double there[2] = {place(x, 0), place(y, 1)};
      std::printf("%.9f %.9f %.9f %.9f\\n", there[0], there[1], place.back(there[0], 0), place.back(there[1], 1));
    }
}

void heads() try {
  for (const Head& head : heads_of(whole_input())) {
    std::printf("%s %s %zu classes ", head.name.c_str(), head.kind.c_str(), head.classes.size());
    for (const auto& [step, options] : head.steps) std::printf("%s %zu options ", step.c_str(), options.size());
    std::printf("threshold %.2f unit %s\\n", head.score_threshold, head.unit.c_str());
  }
} catch (const std::exception& error) {
  std::cout << error.what();
}

void boxes(const Limits& limits) {
  std::vector<float> xyxy, score;
  std::vector<int64_t> label;
  float x[4], s;
  long l;
  while (std::scanf("%f %f %f %f %ld %f", x, x + 1, x + 2, x + 3, &l, &s) == 6) {
    xyxy.insert(xyxy.end(), x, x + 4);
    label.push_back(l);
    score.push_back(s);
  }
  const Head head{"boxes", "Boxes", "", {}, {}, 0};
  print_boxes(head, suppressed(xyxy.data(), label.data(), score.data(), score.size(), limits));
}

void lines(int count, char** words) {
  Head head{"lines", "ClassMap", "", {}, {}, 0};
  head.steps["trace_lines"] = {{"score_threshold", 0.3}, {"least_probability", 0.5}, {"reach", 2.5}, {"cell_px", 4}};
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const size_t equal = word.find('=');
    head.steps["trace_lines"][word.substr(0, equal)] = std::stod(word.substr(equal + 1));
  }
  int64_t channels, height, width;
  std::cin >> channels >> height >> width;
  std::vector<float> probs;
  for (std::string number; std::cin >> number;) probs.push_back(std::stof(number));
  print_lines(head, {{1, channels, height, width}, "<f4", probs.data()}, limits_of(head, {}));
}

// A manifest's first cascade; then a frame, a box, and the size: the window that is cut out, and what the network sees.
void crops() {
  size_t bytes;
  std::cin >> bytes;
  std::string text(bytes + 1, ' ');
  std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
  check_fitting(text);
  const Cascade cascade = cascades_of(text).at(0);
  std::printf("%s %zu %zu %dx%d %.2f %d %zu %s\\n", cascade.boxes.c_str(), cascade.heads.size(), cascade.classes.size(),
              cascade.height, cascade.width, cascade.margin, cascade.square, cascade.most, cascade.folder().c_str());
  Frame frame;
  float box[4];
  std::cin >> frame.height >> frame.width >> box[0] >> box[1] >> box[2] >> box[3];
  for (int pixel; std::cin >> pixel;) frame.rgb.push_back(static_cast<uint8_t>(pixel));
  Head head{"detection", "Boxes", "", {"class 0", "class 1", "class 2", "class 3"}, {}, 0};
  const Crop crop = crops_of(cascade, head, {{box, 1, 0.5f}}, {&frame}).at(0);
  std::printf("%d %d %d %d\\n", crop.window.left, crop.window.top, crop.window.right, crop.window.bottom);
  const Frame seen = letterboxed(frame, crop.window, cascade.height, cascade.width);
  for (const uint8_t value : seen.rgb) std::printf("%d ", value);
}

int main(int count, char** words) {
  const std::string mode = words[1];
  if (mode == "crops") crops();
  else if (mode == "names") names();
  else if (mode == "places") places();
  else if (count == 2) heads();
  else if (mode.find('=') == std::string::npos) boxes(read_limits(count, words, 1));
  else lines(count, words);
}
"""


def test_boxes_are_suppressed_as_in_python(tool: Path) -> None:
    """With ties, boxes that are no numbers, more candidates than are looked at, and more boxes than are kept."""
    rng = np.random.default_rng(0)
    corner = rng.integers(0, 40, (60, 2))
    xyxy = np.concatenate([corner, corner + rng.integers(4, 30, (60, 2))], 1).astype(np.float32)
    label, score = rng.integers(-1, 3, 60), (rng.integers(0, 8, 60) / 8).astype(np.float32)
    xyxy[3, 2], xyxy[4, 0], score[5] = np.inf, np.nan, np.nan
    text = "\n".join(" ".join(map(str, (*box, i, s))) for box, i, s in zip(xyxy, label, score, strict=True))
    for limits in [(0.1, 0.5, 100, 1000), (0.0, 0.0, 5, 1000), (0.3, 0.25, 100, 12), (0.0, 1.0, 100, 60)]:
        kept = nms(Boxes(xyxy, label, score), *limits)
        found = [line.split() for line in said(tool, text, *limits).splitlines()]
        assert [int(words[2]) for words in found] == kept.label.tolist()
        np.testing.assert_array_equal(np.array([words[6:] for words in found], float).reshape(-1, 4), kept.xyxy)


@pytest.mark.parametrize(
    "box", [(10.5, 12.2, 61.0, 44.9), (-5.0, 50.0, 20.0, 90.0), (100.0, 3.0, 129.5, 9.0), (0.0, 0.0, 130.0, 75.0)]
)
@pytest.mark.parametrize("square", [True, False])
def test_crops_are_those_of_python(tool: Path, box: tuple[float, ...], square: bool) -> None:
    """The part that is cut out to the pixel; what the network sees of it up to the rounding of OpenCV."""
    recipe, image = cascade_recipe(most=7, square=square, margin=0.15), pictures(1)[0]
    height, width = image.shape[:2]
    assert (height, width) == (75, 130)
    text = described(shipped(recipe.build(), None, Shape((64, 96))), recipe, "toy", beside=recipe.cascades).to_json()
    (cascade,) = recipe.cascades
    given = f"{len(text)}\n{text}\n{height} {width} {' '.join(map(str, box))} {' '.join(map(str, image.ravel()))}"
    first, cut, pixels = said(tool, given, "crops").split("\n")
    assert first == f"detection 2 2 {CROP[0]}x{CROP[1]} 0.15 {square:d} 7 {cascade.folder}"
    seen = np.clip(np.array([box], np.float32), 0, [width, height, width, height])
    ((left, top, right, bottom),) = windows(Boxes(seen, np.array([1])), (height, width), 0.15, square)
    assert cut == f"{left} {top} {right} {bottom}"
    wanted = fitted(Sample(np.ascontiguousarray(image[top:bottom, left:right]), {}), CROP)[0].image
    difference = np.abs(np.array(pixels.split(), int).reshape(wanted.shape) - wanted.astype(int))
    assert difference.max() <= 2


def test_crops_for_a_file_that_wants_them_otherwise_are_refused(tool: Path) -> None:
    text = '{\n  "input": {\n    "fitting": {\n      "shrink": "area"\n'
    ended = subprocess.run([tool, "crops"], input=f"{len(text)}\n{text}", capture_output=True, text=True)
    assert ended.returncode
    assert "wants crops as earlier versions made them; export the run again" in ended.stderr


def test_the_readme_builds_what_the_tests_build() -> None:
    text = (EXAMPLES / "README.md").read_text()
    for example in ("openvino", "libtorch"):
        assert f"cmake -S {example} -B build/{example}" in text
        assert f"cmake --build build/{example}" in text


def test_the_programs_stay_short() -> None:
    for path in EXAMPLES.rglob("*.*"):
        assert len(path.read_text().splitlines()) < 150, path
