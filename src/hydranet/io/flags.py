"""Yes or no, as label files write it."""

from typing import Any

from hydranet.core.sample import DataError
from hydranet.io.box_rows import quoted

WORDS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True, "": False}
"""What a flag may be as text, in small letters; nothing at all is what an empty element of XML holds."""


def flag(value: Any, where: str) -> bool:
    """0, 1, true or false as a number, a truth value or text in any case; None and empty text are not stated: False.

    Raises DataError for anything else; `where` is the place and the field.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in WORDS:
        return WORDS[value.strip().lower()]
    if isinstance(value, int | float) and value in (0, 1):
        return value == 1
    raise DataError(f"{where} is {quoted(value)}, expected 0, 1, true or false; correct it")
