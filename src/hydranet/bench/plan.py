"""What is measured: which network, in which runtime, in which precision; plain values, without torch."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hydranet.core.spec import SpecError, unknown

EAGER = ("eager", "channels-last", "compiled")
"""Runtimes that are PyTorch itself and read a model.safetensors: as it is, with channels last, by torch.compile."""

OFFERED: Mapping[str, tuple[str, ...]] = {
    "eager": ("fp32", "bf16"),
    "channels-last": ("fp32", "bf16"),
    "compiled": ("fp32", "bf16"),
    "torchscript": ("fp32",),
    "onnx": ("fp32", "int8"),
    "openvino": ("fp32", "bf16", "int8", "int8-bf16"),
}
"""Precisions that each runtime has here. int8-bf16: the INT8 file, computed in bf16 where it is not quantized."""

PRECISIONS = ("fp32", "bf16", "int8", "int8-bf16")
"""All of them, the most exact first."""

BASELINE = ("channels-last", "fp32")
"""What speed-ups are relative to."""

UNITS: Mapping[str, tuple[str, ...]] = {
    "bf16": ("avx512_bf16", "amx_bf16", "bf16"),
    "int8": ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp"),
}
"""Processor flags: any of them means that the processor has units for a precision; without, it is emulated."""


@dataclass(frozen=True)
class Files:
    """One network on disk: the whole graph, and the network alone without decoding (None = not measured).

    unproven: of INT8 that was quantized for its speed alone, why no accepted file took its place; else empty.
    """

    graph: str
    bare: str | None = None
    unproven: str = ""


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    network:   name of a run or recipe, or "NAME separate": each of its heads as a network of its own.
    files:     one for each network that runs on a frame, one after another.
    """

    network: str
    runtime: str
    precision: str
    files: tuple[Files, ...]

    @property
    def name(self) -> str:
        """ "reference, openvino, fp32"."""
        return ", ".join((self.network, self.runtime, self.precision))


@dataclass(frozen=True)
class Work:
    """What a worker process needs to know: a variant, frames (.npz), threads, and the least score that is kept."""

    variant: Variant
    frames: str
    threads: int
    threshold: float | None = None

    def tree(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @staticmethod
    def of(tree: Mapping[str, Any]) -> "Work":
        """The inverse of `tree`."""
        variant = tree["variant"]
        files = tuple(Files(**pair) for pair in variant["files"])
        return Work(**{**tree, "variant": Variant(**{**variant, "files": files})})


def chosen(runtimes: Sequence[str], precisions: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Pairs of runtime and precision, and sentences about those that were asked for and do not exist.

    The baseline is always among them. Raises SpecError with a suggestion for an unknown word.
    """
    for name in runtimes:
        if name not in OFFERED:
            raise SpecError(unknown(name, OFFERED, "runtime"))
    known = {precision for offered in OFFERED.values() for precision in offered}
    for name in precisions:
        if name not in known:
            raise SpecError(unknown(name, known, "precision"))
    pairs = [(runtime, precision) for runtime in runtimes for precision in precisions if precision in OFFERED[runtime]]
    missing = [f"{runtime} has no {p} here" for runtime in runtimes for p in precisions if p not in OFFERED[runtime]]
    return pairs if BASELINE in pairs else [BASELINE, *pairs], missing


def processor() -> tuple[str, frozenset[str]]:
    """Its name, and its flags where the system tells."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    lines = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in text.splitlines())}
    name = lines.get("model name") or platform.machine()
    return name, frozenset(lines.get("flags", lines.get("Features", "")).split())


def emulated(precision: str, flags: frozenset[str]) -> str:
    """A sentence where the processor has no units for a precision; empty where it has, or where it is unknown."""
    missing = [one for one in precision.split("-") if one in UNITS and not flags & set(UNITS[one])]
    if not flags or not missing:
        return ""
    wanted = " or ".join(UNITS[missing[0]])
    return f"this processor has no {missing[0]} units ({wanted}): {precision} is emulated here, its times say nothing"
