"""Fingerprints that these tests keep stay out of the user's own cache."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("HYDRANET_CACHE", str(folder))
    return folder
