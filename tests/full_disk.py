"""A disk that is full, for whoever writes: Python, and libraries in C++ that Python cannot see."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Inside the `with` statement no file of this process grows beyond `size` bytes: a real error of the system.

    Its text is "File too large" instead of "No space left on device"; Python ignores the signal that comes with it.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
