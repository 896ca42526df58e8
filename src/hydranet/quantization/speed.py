"""Does INT8 pay on this processor? Time of the network in INT8 and in float, side by side."""

import statistics
import time
from collections.abc import Callable, Mapping

ROUNDS = 15


def median_ms(ways: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Milliseconds of each way, the median of rounds in which all of them take turns, after one to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, work in ways.items():
            start_s = time.perf_counter()
            work()
            if number:
                taken[name].append(1e3 * (time.perf_counter() - start_s))
    return {name: statistics.median(values) for name, values in taken.items()}


def sentence(ms: Mapping[str, float]) -> str:
    """ "INT8 takes 28.8 ms per image on this processor, bf16 20.5, fp32 35.6: it does not pay, bf16 is quicker".

    ms: of "int8" and others, "int8-bf16" among them where a runtime computes the INT8 file's other layers in bf16.
    """
    others = {name: value for name, value in ms.items() if not name.startswith("int8")}
    best = min(others, key=lambda name: others[name])
    listed = ", ".join(f"{name} {value:.3g}" for name, value in sorted(others.items(), key=lambda one: one[1]))
    times = f"INT8 takes {ms['int8']:.3g} ms per image on this processor, {listed}"
    if mixed := ms.get("int8-bf16"):
        times += f", INT8 with precision='bf16' for what stays float (no score was checked) {mixed:.3g}"
    if ms["int8"] < others[best]:
        return f"{times}: it pays, {others[best] / ms['int8']:.2f} times as quick as {best}"
    return f"{times}: it does not pay here, {best} is {ms['int8'] / others[best]:.2f} times as quick"
