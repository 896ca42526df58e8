"""Which parts of others a worker may use: those of modules that are here, not of ones that only live on in memory."""

import sys
from types import ModuleType

import pytest

from hydranet.bench.worker import allowed_parts
from hydranet.core.dataset import Dataset


def test_a_class_whose_module_is_gone_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made = type("Hers", (Dataset,), {"__module__": "a_module_of_hers"})
    assert "a_module_of_hers" not in allowed_parts().split(",")
    monkeypatch.setitem(sys.modules, "a_module_of_hers", ModuleType("a_module_of_hers"))
    assert "a_module_of_hers" in allowed_parts().split(",")
    assert made.__module__ == "a_module_of_hers"
