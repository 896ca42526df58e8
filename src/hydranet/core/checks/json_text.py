"""JSON from files of others: text in, plain values out, one reason why not."""

import json
from typing import Any

from hydranet.core.errors import UserError

DEEPEST = 60
"""Levels of lists and tables inside one another; what hydranet writes has fewer than ten."""


class BrokenJson(UserError, ValueError):
    """Text that is no JSON, or that no file of ours would hold."""


def parse_json(text: str) -> Any:
    """The values in a JSON text. Raises BrokenJson, with the line, for anything else and for endless nesting."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise BrokenJson(f"line {error.lineno} is not JSON ({error.msg})") from error
    except ValueError as error:  # a whole number of thousands of digits
        raise BrokenJson(f"it holds a number that is too long ({error})") from error
    except RecursionError as error:
        raise BrokenJson(f"it is nested more than {DEEPEST} levels deep") from error
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise BrokenJson(f"it is nested more than {DEEPEST} levels deep")
        level = [inner for one in level if isinstance(one, dict | list) for inner in _inside(one)]
    return value


def _inside(value: dict[str, Any] | list[Any]) -> list[Any]:
    return [one for one in (value.values() if isinstance(value, dict) else value) if isinstance(one, dict | list)]
