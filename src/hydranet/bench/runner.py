"""Measures one variant, in a process of its own; torch is imported only for PyTorch."""

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hydranet.annotations import Instances, row_count
from hydranet.bench.plan import EAGER, Variant, Work
from hydranet.core.sample import Camera
from hydranet.deploy.camera_input import CAMERA
from hydranet.deploy.cameras import camera_array, usual_camera
from hydranet.deploy.graph_arrays import answer, first_image, prepared
from hydranet.deploy.manifest import IMAGE
from hydranet.deploy.options import chosen_heads
from hydranet.deploy.predictor import Answers
from hydranet.deploy.session import Session, open_session
from hydranet.io.atomic import placed
from hydranet.transforms.view import View

PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}

STEPS = ("pre", "network", "post", "whole", "bare")
"""Pre-processing; the network with its decoding; post-processing; the three together; the network without decoding."""

Times = dict[str, list[float]]
"""Milliseconds of each frame, by step."""


def resident(what: str = "VmRSS") -> int:
    """Bytes of this process in memory now, or with VmHWM at most so far; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:")), 0)


@dataclass(frozen=True)
class Opened:
    """What is known once a variant runs.

    peak_bytes: the process at most, with its runtime.    network_bytes: what loading and running the network added.
    boxes:      per frame on average, after suppression: post-processing costs more the more there are.
    """

    peak_bytes: int
    network_bytes: int
    boxes: float


class Runner:
    """Runs frames through a variant's networks and measures each step. Sessions are open from the start to the end."""

    def __init__(self, work: Work) -> None:
        cv2.setNumThreads(work.threads)
        variant = work.variant
        importlib.import_module(PACKAGES.get(variant.runtime, "torch"))
        before = resident()
        with np.load(work.frames) as stored:
            self.frames = [stored[name] for name in stored.files]
        self.sessions = [opened(variant, file.graph, work.threads) for file in variant.files]
        # chosen once, as a predictor does
        self.heads = [chosen_heads(session.manifest.heads, work.threshold) for session in self.sessions]
        predictions = [self._whole(frame)[1] for frame in self.frames[:3]]
        detections = [a for answers in predictions for a in answers.values() if isinstance(a, Instances)]
        boxes = sum(map(row_count, detections)) / len(predictions)
        self.opened = Opened(resident("VmHWM"), max(resident("VmHWM") - before, 0), boxes)
        named = [file.bare for file in variant.files if file.bare]
        self.bare = [opened(variant, path, work.threads) for path in named]
        self._next = 0
        for frame in self.frames[:2]:
            self._alone(frame)

    def measure(self, frames: int) -> Times:
        """Times of so many frames. One more runs first and is not counted: it starts with cold caches."""
        times: Times = {step: [] for step in STEPS}
        self._whole(self._frame())
        for _ in range(frames):
            spent, _ = self._whole(self._frame())
            for step, value in zip(STEPS, (*spent, sum(spent)), strict=False):
                times[step].append(value)
        if self.bare:
            self._alone(self._frame())
            times["bare"] = [self._alone(self._frame()) for _ in range(frames)]
        return times

    def _frame(self) -> np.ndarray:
        self._next += 1
        return self.frames[self._next % len(self.frames)]

    def _whole(self, frame: np.ndarray) -> tuple[tuple[float, float, float], Answers]:
        """From a uint8 frame to boxes, ids and meters in its pixels: what `SessionPredictor` does."""
        manifest = self.sessions[0].manifest
        began = time.perf_counter()
        images, (view,) = prepared([frame], manifest, manifest.input.size)
        arrays = self._arrays(images, view, frame)
        ready = time.perf_counter()
        outputs = [session(arrays) for session in self.sessions]
        computed = time.perf_counter()
        answers = {
            task: answer(arrays, task, head, view, frame.shape[:2])
            for heads, arrays in zip(self.heads, map(first_image, outputs), strict=True)
            for task, head in heads.items()
        }
        done = time.perf_counter()
        return (1e3 * (ready - began), 1e3 * (computed - ready), 1e3 * (done - computed)), answers

    def _arrays(self, images: Sequence[np.ndarray], view: View, frame: np.ndarray) -> dict[str, np.ndarray]:
        """What a file takes for a frame; a camera of any focal length costs the same."""
        manifest, size = self.sessions[0].manifest, (frame.shape[0], frame.shape[1])
        if CAMERA not in manifest.inputs:
            return {IMAGE: np.stack(images)}
        camera = usual_camera(manifest, view, size) or Camera.centered(float(size[1]), size)
        return {IMAGE: np.stack(images), CAMERA: camera_array(manifest, [view], [camera])}

    def _alone(self, frame: np.ndarray) -> float:
        manifest = self.sessions[0].manifest
        arrays = {IMAGE: np.stack(prepared([frame], manifest, manifest.input.size)[0])}  # bare networks see no camera
        began = time.perf_counter()
        for session in self.bare:
            session(arrays)
        return 1e3 * (time.perf_counter() - began)


def opened(variant: Variant, path: str, threads: int) -> Session:
    """The session of one file in the variant's runtime and precision."""
    if variant.runtime in EAGER:
        eager = importlib.import_module("hydranet.bench.eager")
        session: Session = eager.EagerSession(Path(path), variant.runtime, variant.precision, threads)
        return session
    if variant.runtime == "openvino":
        module: Any = importlib.import_module("hydranet.deploy.runtimes.openvino")
        made: Callable[..., Session] = module.Session
        return made(path, threads, precision="bf16" if variant.precision.endswith("bf16") else "fp32")
    return open_session(path, variant.runtime, threads)


def frames_file(path: Path, frames: Sequence[np.ndarray]) -> Path:
    """Writes images for workers. Raises CheckpointError where it cannot."""
    with placed(path) as draft:
        np.savez(draft, *frames)
    return path
