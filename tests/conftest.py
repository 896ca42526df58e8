"""What every test run shares: no hub, one thread per operator, the folder of real data.

A fast test takes less than two seconds; `make test` ends with the slowest. So an export, a run or a quantization that
several tests look at is a fixture of their module, a command in a process of its own is started by
`warm_processes`, damaged files come from the smallest sound ones, and what takes longer is marked slow.
"""

import functools
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("COLUMNS", None)  # pytest-xdist sets it; tables would be cut to the width of a screen

import pytest
import torch

from commands import write_recipes
from hydranet.io.cache_folder import VARIABLE, cache

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

DATA = Path(os.environ.get("HYDRANET_DATA") or Path(__file__).parents[2] / "shared" / "data")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests that are given the most time begin first: at the end no process works on one while others rest."""
    items.sort(key=_begins)


def _begins(item: pytest.Item) -> float:
    """Minus the seconds that a slow test is given; 0 for every other one, which keeps its place."""
    given = item.get_closest_marker("timeout") if item.get_closest_marker("slow") else None
    return -float(given.args[0]) if given else 0.0


@pytest.fixture(scope="session", autouse=True)
def own_cache_folder() -> Iterator[None]:
    """What tests keep stays out of the user's own cache; weights that were fetched before are used."""
    kept = cache()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for path in kept.glob("*.safetensors"):
            (Path(folder) / path.name).symlink_to(path)
        patch.setenv(VARIABLE, folder)
        yield


@pytest.fixture(scope="session", autouse=True)
def onnx_functions_are_read_once() -> Iterator[None]:
    """torch.onnx reads the source of five hundred functions at each export: half the time of a small one, and each
    time the same. A user exports once; there is nothing to patch where torch has no such place."""
    with suppress(ImportError), pytest.MonkeyPatch.context() as patch:
        from torch.onnx._internal._lazy_import import onnxscript_apis

        @functools.cache
        def functions() -> list[object]:
            return type(onnxscript_apis).__getattr__(onnxscript_apis, "get_torchlib_ops")()

        patch.setitem(vars(onnxscript_apis), "get_torchlib_ops", functions)
        yield
        return
    yield


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real labeled data; the test is skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no real data in {DATA}; set HYDRANET_DATA to run this test")
    return DATA


@pytest.fixture(scope="session")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the recipes `toy` and `slow`; one for all tests, since a module is imported once."""
    return write_recipes(tmp_path_factory.mktemp("recipes"))
