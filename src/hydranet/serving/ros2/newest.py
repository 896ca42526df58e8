"""A place for one thing: the newest wins."""

import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Newest(Generic[Item]):
    """Whoever is too slow gets the newest item; those it never took are counted, not kept."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: Item | None = None
        self.given = self.dropped = 0

    def put(self, item: Item) -> None:
        """Replaces what nobody took yet."""
        with self._changed:
            self.dropped += self._item is not None
            self.given += 1
            self._item = item
            self._changed.notify()

    def take(self, wait_s: float) -> Item | None:
        """The newest item; None where none comes in time."""
        with self._changed:
            if self._item is None:
                self._changed.wait(wait_s)
            item, self._item = self._item, None
            return item
