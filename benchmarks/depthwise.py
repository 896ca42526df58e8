"""Depthwise convolutions on a processor: seconds of a forward and backward pass in bfloat16, as a multiple of float32.

    python benchmarks/depthwise.py

One thread, channels last, processor time, median of five. The last column is why training in bf16 computes these layers
in float32 (`models/layers/depthwise.py`).
"""

import statistics
import time

import torch
from torch import Tensor
from torch.nn.functional import conv2d

SHAPES = (
    ((6, 96, 81, 257), 3, 2),
    ((6, 144, 43, 131), 5, 2),
    ((6, 672, 10, 32), 5, 1),
    ((6, 1152, 5, 16), 5, 1),
    ((19, 1152, 2, 2), 5, 1),
)


def seconds(x: Tensor, weight: Tensor, stride: int) -> tuple[float, float]:
    """Of a forward pass, and of one with its backward pass."""
    padding = weight.shape[-1] // 2
    forward, both = [], []
    for _ in range(6):
        began = time.process_time()
        result = conv2d(x, weight, stride=stride, padding=padding, groups=len(weight))
        forward.append(time.process_time() - began)
        torch.autograd.grad(result, (x, weight), torch.ones_like(result))
        both.append(time.process_time() - began)
    return statistics.median(forward[1:]), statistics.median(both[1:])


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{'image':>20} {'kernel':>6} {'stride':>6} {'fp32 ms':>8} {'bf16 ms':>8} {'forward':>8} {'both':>6}")
    for shape, size, stride in SHAPES:
        image, kernel = torch.randn(shape), torch.randn(shape[1], 1, size, size)
        single, half = (
            seconds(
                image.to(kind, memory_format=torch.channels_last).requires_grad_(),
                kernel.to(kind, memory_format=torch.channels_last).requires_grad_(),
                stride,
            )
            for kind in (torch.float32, torch.bfloat16)
        )
        print(
            f"{'x'.join(map(str, shape)):>20} {size:>6} {stride:>6} {single[1] * 1e3:>8.1f} {half[1] * 1e3:>8.1f} "
            f"{half[0] / single[0]:>8.2f} {half[1] / single[1]:>6.2f}"
        )


if __name__ == "__main__":
    main()
