"""Odd values and damage to texts, JSON trees and bytes; every fuzzed input ends as a result or as one sentence."""

import copy
import json
import os
import random
from collections.abc import Callable
from typing import Any

from hydranet.core.errors import UserError

TIMES = int(os.environ.get("HYDRANET_FUZZ", "1"))
"""How many times as many inputs are tried."""
SEED = int(os.environ.get("HYDRANET_FUZZ_SEED", "0"))
"""Added to every seed: other numbers, other inputs."""

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 10**6, 2**70, 1e308, -1e-9, float("nan"), float("inf"), "", "a/../b", "\0", "x" * 300, "[/b]",
    [], {}, [1], [[]], {"a": 1}, {"class": "os.system"}, {"class": 3}, {"class": "torch.nn.modules.linear.Linear"},
)  # fmt: skip


def places(tree: Any, at: tuple = ()) -> list[tuple]:
    """The paths of all values in a JSON tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [at, *(path for key, value in items for path in places(value, (*at, key)))]


def reach(tree: Any, at: tuple) -> Any:
    """The value at one of the paths of `places`."""
    for key in at:
        tree = tree[key]
    return tree


def odd(rng: random.Random) -> Any:
    """One of the odd values, as a value of its own: it may be changed next."""
    return copy.deepcopy(rng.choice(ODD))


def mutated(tree: Any, rng: random.Random) -> Any:
    """A copy with one to three values replaced, taken out, or put elsewhere."""
    tree = json.loads(json.dumps(tree))
    for _ in range(rng.randint(1, 3)):
        path = rng.choice([one for one in places(tree) if one] or [()])
        if not path:
            return odd(rng)
        node = reach(tree, path[:-1])
        kind = rng.random()
        if kind < 0.7:
            node[path[-1]] = odd(rng)
        elif kind < 0.85:
            del node[path[-1]]
        elif isinstance(node, dict):
            node[rng.choice(["extra", "class", "name", "", "part"])] = odd(rng)
    return tree


def broken(text: str, rng: random.Random) -> str:
    """A text that is cut, has a letter changed, or is repeated."""
    place = rng.randrange(len(text))
    return rng.choice([text[:place], text[:place] + rng.choice('{}[]",:0e\0é') + text[place + 1 :], text + text])


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Bytes that are cut, repeated, have a part overwritten or taken out, or some of them changed."""
    place, length = rng.randrange(len(data)), rng.choice([1, 1, 2, 4, 8, 64])
    made = bytearray(data)
    kind = rng.randrange(6)
    if kind == 0:
        return bytes(made[:place])
    if kind == 1:
        return bytes(made + made[:place])
    if kind == 2:
        made[place : place + length] = rng.randbytes(length)
    elif kind == 3:
        del made[place : place + length]
    elif kind == 4:
        made[place : place + length] = rng.choice([b"\xff", b"\0", b"\x7f"]) * length
    else:
        for _ in range(rng.randint(1, 8)):
            made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made)


def result_or_sentence(work: Callable[[], object], given: object) -> None:
    """Any error but a sentence of ours fails the test, with the input that led to it."""
    try:
        work()
    except UserError as error:
        sentence = str(error)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error} for {str(given)[:2000]}") from error
    else:
        return
    assert sentence.strip(), given
    assert "Traceback" not in sentence
