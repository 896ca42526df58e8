"""Sizes of files as people write them."""

import re

from hydranet.core.spec import SpecError

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def byte_size(text: str) -> int:
    """Bytes that "60MB", "1.5 GB" or "200000" mean; decimal units. Raises SpecError for other text."""
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,6})?)\s*([KMGT]?B)?\s*", text, re.IGNORECASE)
    size = round(float(match[1]) * UNITS[(match[2] or "").upper()]) if match else 0
    if size < 1:
        raise SpecError(f"got the size {text[:40]!r}, expected a number and a unit such as 60MB or 1.5GB")
    return size
