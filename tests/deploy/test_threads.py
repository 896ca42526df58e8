"""One predictor, several threads: each gets the answers of its own images, in every runtime."""

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export_toys import SIZE, every_recipe, shaken
from hydranet.annotations import Annotation
from hydranet.deploy.options import PredictorError
from hydranet.deploy.predictor import SessionPredictor
from hydranet.deploy.session import open_session, runtimes_for
from hydranet.export.export import ExportPlan, export
from hydranet.export.graph import Shape

THREADS, CALLS = 8, 50
HEADS = ("yolov8", "depth")
FILES = {"onnx": "onnx", "openvino": "xml", "openvino of onnx": "onnx", "torchscript": "torchscript"}

Answers = dict[str, Annotation]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxscript")
    pytest.importorskip("openvino")
    recipe, place = every_recipe(), tmp_path_factory.mktemp("export")
    targets = ("onnx", "openvino", "torchscript")
    export(shaken(recipe.build()), recipe, place, ExportPlan(targets, Shape(SIZE), HEADS), name="toy")
    return place


def opened(folder: Path, name: str) -> SessionPredictor:
    path = folder / f"model.{FILES[name]}"
    runtime = name.split()[0]
    assert runtime in runtimes_for(path)
    return SessionPredictor(open_session(path, runtime, 1))


def image(seed: int) -> np.ndarray:
    """Coarse noise; every third image has another size."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 8, 3), dtype=np.uint8).repeat(20, 0).repeat(20, 1)
    return np.ascontiguousarray(coarse[: 75 if seed % 3 else 97, : 130 - seed % 3])


def same(a: Answers, b: Answers) -> bool:
    """Whether all arrays are equal to 1e-6 of their size."""
    assert a.keys() == b.keys()
    pairs = [(getattr(a[task], name), getattr(b[task], name)) for task in a for name in a[task].arrays()]
    return all(
        np.shape(x) == np.shape(y) and np.allclose(x, y, rtol=1e-6, atol=1e-6)
        for x, y in pairs
        if x is not None or y is not None
    )


def at_once(work: Callable[[int], list[bool]]) -> list[bool]:
    """Runs `work(thread number)` in all threads, which begin together."""
    gate = threading.Barrier(THREADS)

    def begin(number: int) -> list[bool]:
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return [good for rows in pool.map(begin, range(THREADS)) for good in rows]


@pytest.mark.parametrize("name", FILES)
def test_every_thread_gets_its_own_answers(folder: Path, name: str) -> None:
    images = [image(seed) for seed in range(THREADS * 4)]
    alone = opened(folder, name)
    expected = [alone(one) for one in images]
    assert not same(expected[0], expected[3])
    shared = opened(folder, name)

    def work(number: int) -> list[bool]:
        order = np.random.default_rng(number).integers(0, len(images), CALLS)
        return [same(shared(images[i]), expected[i]) for i in order]

    assert at_once(work) == [True] * (THREADS * CALLS)


@pytest.mark.parametrize("name", FILES)
def test_threads_that_ask_for_different_heads(folder: Path, name: str) -> None:
    """The first call for a set of heads opens a network of its own; several threads may be first."""
    whole = opened(folder, name)
    session, expected = whole.session, whole(image(1))
    asked = {0: ["depth"], 1: ["yolov8"], 2: ["depth", "yolov8"], 3: None}
    without_depth = {"yolov8": replace(expected["yolov8"], distance_m=None)}  # distances come from the depth head

    def work(number: int) -> list[bool]:
        heads = asked[number % 4]
        predictor, wanted = SessionPredictor(session, heads), without_depth if heads == ["yolov8"] else expected
        return [same(found, {task: wanted[task] for task in found}) for found in [predictor(image(1))] * 3]

    assert all(at_once(work))


def test_heads_that_rest_repeat_what_their_own_thread_saw(folder: Path) -> None:
    name = "onnx"
    alone = opened(folder, name)
    expected = [alone(image(3 * seed)) for seed in range(THREADS)]
    shared = SessionPredictor(alone.session).stream({"depth": 5})

    def work(number: int) -> list[bool]:
        rows = []
        for age in (0, 1, 2, 3, 4, 0):
            rows.append(same(shared(image(3 * number)), expected[number]))
            rows.append(shared.ages == {"depth": age, "yolov8": 0})
        return rows

    assert all(at_once(work))


def test_two_streams_in_one_thread(folder: Path) -> None:
    alone = opened(folder, "onnx")
    left = SessionPredictor(alone.session, ["depth"]).stream({"depth": 2})
    right = left.stream()
    a, b = alone(image(0))["depth"].values, alone(image(3))["depth"].values
    for age in (0, 1, 0):
        np.testing.assert_array_equal(left(image(0))["depth"].values, a)
        np.testing.assert_array_equal(right(image(3))["depth"].values, b)
        assert left.ages == right.ages == {"depth": age}


def _in_a_fork(predictor: SessionPredictor, queue: "multiprocessing.SimpleQueue[str]") -> None:
    try:
        predictor(image(0))
        queue.put("an answer")
    except PredictorError as error:
        queue.put(str(error))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("name", FILES)
def test_a_fork_is_refused(folder: Path, name: str) -> None:
    """Threads of a runtime do not exist in the child; it would wait for them forever."""
    predictor = opened(folder, name)
    predictor(image(0))
    fork = multiprocessing.get_context("fork")
    queue = fork.SimpleQueue()
    child = fork.Process(target=_in_a_fork, args=(predictor, queue))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    said = queue.get()
    assert "got a predictor that process" in said
    assert "open the file again in each worker" in said
