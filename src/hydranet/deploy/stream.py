"""What a predictor remembers of the images before: answers that are repeated, and heads that were not computed."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping

from hydranet.annotations import Annotation
from hydranet.core.ledger import Ledger, Omission


class Stream(threading.local):
    """The images that one thread gave; each thread sees values of its own.

    count: since the image's size changed.    last: answers by head.    ages: images since a head was computed, by head.
    images: in all.    repeated: how often a head's last answer was given again, by head.
    """

    def __init__(self) -> None:
        self.count, self.images = 0, 0
        self.last: dict[str, Annotation] = {}
        self.shape: tuple[int, ...] = ()
        self.ages: dict[str, int] = {}
        self.repeated = Counter[str]()

    def advance(self, due: Iterable[str], every: Mapping[str, int]) -> None:
        """Counts an image for which only the heads that are due were computed, of those with a rate."""
        computed = set(due)
        self.ages = {name: 0 if name in computed else self.ages[name] + 1 for name in every}
        self.repeated.update(name for name in every if name not in computed)
        self.count, self.images = self.count + 1, self.images + 1

    def ledger(self, heads: Iterable[str], every: Mapping[str, int]) -> Ledger:
        """Which of the network's heads were not computed: those not asked for, and those with a rate, in between."""
        ledger, what = Ledger(), Omission.HEAD_NOT_COMPUTED
        for name in heads:
            if name not in every and self.images:
                ledger = ledger.noted(what, name, "not among the heads asked for", count=self.images)
            if self.repeated[name]:
                reason = f"its last answer stands there (every={every[name]})"
                ledger = ledger.noted(what, name, reason, count=self.repeated[name])
        return ledger
