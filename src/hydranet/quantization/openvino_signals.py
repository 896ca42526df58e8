"""Keeps OpenVINO from leaving a thread with a freed stack for its signal handlers."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

STACK_T_BYTES = 64
"""Room for a `stack_t` of any system: an address, flags and a size."""


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Inside, libraries may set the thread's stack for signal handlers (sigaltstack); after it, the old one is back.

    Every OpenVINO core sets a stack of its own and puts the previous one back when it ends. Of two cores, the one that
    ends last puts back the freed stack of the other, and the next signal (Ctrl-C, or a child process that ends) kills
    the program with a segmentation fault. Our own sessions share one core that never ends; NNCF makes many.
    """
    if os.name != "posix":
        yield
        return
    libc = ctypes.CDLL(None)
    before = ctypes.create_string_buffer(STACK_T_BYTES)
    libc.sigaltstack(None, before)
    try:
        yield
    finally:
        libc.sigaltstack(before, None)
