"""hydranet env: what a report of a fault must say about the machine"""

import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Annotated

import typer

from hydranet.cli.terminal import say

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimd", "asimddp", "i8mm")
"""Instructions that decide how fast networks run, as /proc/cpuinfo calls them."""


def env(as_json: Annotated[bool, typer.Option("--json", help="As JSON")] = False) -> None:
    """Show versions, processor, devices and settings: paste it into a report of a fault. Names no user and no host."""
    rows = {"hydranet": _version("hydranet"), "python": sys.version.split()[0], "system": platform.platform()}
    rows |= {"processor": _processor(), "cores": str(_cores())}
    rows |= {name: _version(name) for name in _packages()}
    if rows["torch"] != "not installed":
        rows["devices"] = _devices()
    rows |= {name: os.environ[name] for name in sorted(os.environ) if name.startswith(("HYDRANET_", "OMP_NUM"))}
    if as_json:
        say(json.dumps(rows, indent=2))
        return
    wide = max(map(len, rows))
    for name, value in rows.items():
        say(f"{name:{wide}}  {value}")


def _packages() -> list[str]:
    """What hydranet and its extras bring, by the names of the packages."""
    named = [line.partition(";")[0] for line in requires("hydranet") or []]
    words = [line.replace("[", "<").replace(">", "<").replace("=", "<").partition("<")[0].strip() for line in named]
    return sorted({word for word in words if word and word != "hydranet"} | {"torch"})


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows do not say
        return os.cpu_count() or 1


def _processor() -> str:
    """Model and the instructions that matter, where the system says."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.partition(":")[::2] for line in lines if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    flags = facts.get("flags", facts.get("Features", "")).split()
    name = facts.get("model name", platform.machine())
    return f"{name} ({', '.join(flag for flag in FLAGS if flag in flags) or 'no AVX2'})"


def _devices() -> str:
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    return "; ".join(f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count()))
