"""Which number format a network runs in, and which one a machine is fast in."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Literal

import torch

Precision = Literal["auto", "fp32", "bf16", "fp16"]
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def settled(precision: str, device: torch.device) -> str:
    """The precision itself; for "auto", bf16 where the device computes in it, else fp32.

    A processor without AVX-512 BF16 or AMX emulates bf16: training was measured ten times slower than in fp32.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported() and _native() else "fp32"


def _native() -> bool:
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def autocast(precision: str, device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    """A function that makes the context of a forward pass."""
    chosen = settled(precision, device)
    return nullcontext if chosen == "fp32" else partial(torch.autocast, device.type, TYPES[chosen])
