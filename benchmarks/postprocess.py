"""What post-processing costs beside the network: NMS at a high and a low threshold, for each detection head.

    python benchmarks/postprocess.py [--repeats 20] [--candidates 300]

The network is MobileNet-v2 + LW-RefineNet + the head at 192x640, batch 1, float32, PyTorch eager and channels-last,
with random weights; its candidates would be noise, so NMS is given those of a crowded frame: 25 objects with a dozen
near-duplicates each. Every repeat times both, in turns, and the table shows medians of processor time, so that other
programs on the machine do not count: compare shares, not milliseconds. Run it with OMP_NUM_THREADS=1.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from hydranet.annotations import Boxes
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.postprocess.nms import nms
from hydranet.tasks.detection.task import HEADS, Detection

HEIGHT, WIDTH = 192, 640
OBJECTS = 25
CLASSES = ("car", "van", "truck", "pedestrian", "person_sitting", "cyclist", "tram", "misc")


def crowd(candidates: int, seed: int = 0) -> Boxes:
    """What leaves the network on a crowded frame: near-duplicates of 25 objects, most of them with low scores."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform((0, 0), (WIDTH - 60, HEIGHT - 40), (OBJECTS, 2))
    objects = np.concatenate((corner, corner + rng.uniform(12, 60, (OBJECTS, 2))), 1)
    which = rng.integers(0, OBJECTS, candidates)
    xyxy = objects[which] + rng.normal(0, 2, (candidates, 4))
    score = np.sort(rng.beta(0.4, 2.0, candidates))[::-1]
    return Boxes(xyxy.astype(np.float32), which % len(CLASSES), np.maximum(score, 0.0011).astype(np.float32))


def milliseconds(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return 1000 * (time.process_time() - start)


@torch.inference_mode()
def measure(word: str, candidates: int, repeats: int) -> dict[str, float]:
    """Median milliseconds of the network with its decoding, and of NMS at both thresholds."""
    task, encoder = Detection("boxes", CLASSES, detector=word, pre_nms_topk=candidates), MobileNetV2(weights=None)
    decoder = LightWeightRefineNet(encoder.features)
    network = nn.Sequential(encoder, decoder, task.head(decoder.features)).eval().to(memory_format=torch.channels_last)
    image = torch.rand(1, 3, HEIGHT, WIDTH).contiguous(memory_format=torch.channels_last)
    boxes = crowd(candidates)
    actions: dict[str, Callable[[], object]] = {
        "network": lambda: task.decode(network(image)),
        "0.25": lambda: nms(boxes, 0.25, task.nms_iou, task.max_detections, candidates),
        "0.001": lambda: nms(boxes, 0.001, task.nms_iou, task.max_detections, candidates),
    }
    times = [{name: milliseconds(action) for name, action in actions.items()} for _ in range(repeats + 3)][3:]
    return {name: statistics.median(t[name] for t in times) for name in actions}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--candidates", type=int, default=300)
    options = parser.parse_args()
    print(f"{HEIGHT}x{WIDTH}, {options.candidates} candidates, {torch.get_num_threads()} threads")
    print("head       network ms  NMS .25 ms   share NMS .001 ms   share")
    for word in HEADS:
        ms = measure(word, options.candidates, options.repeats)
        high, low = (f"{ms[t]:11.2f}  {ms[t] / (ms['network'] + ms[t]):6.2%}" for t in ("0.25", "0.001"))
        print(f"{word:10} {ms['network']:10.1f} {high} {low}")


if __name__ == "__main__":
    main()
