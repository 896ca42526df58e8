"""Where what costs time to make or to fetch is kept between runs."""

import os
from pathlib import Path

VARIABLE = "HYDRANET_CACHE"


def cache() -> Path:
    """The user's own folder: $HYDRANET_CACHE, else ~/.cache/hydranet."""
    return Path(os.environ.get(VARIABLE) or Path.home() / ".cache" / "hydranet")
