"""The samples of a data set that another one does not hold: what trains, without what is scored."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from hydranet.core.dataset import Dataset
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError
from hydranet.core.wrapper import Selection, unwrapped
from hydranet.io.fingerprint import NEAR_BITS, bits, nearest
from hydranet.io.fingerprint_cache import fingerprints


@dataclass(frozen=True)
class Unlike(Selection):
    """A data set without the images that also lie in another one, under whatever names, or that look like one there.

    For sets whose parts share images, as UTKFace's do: the same file twice, another size of it. Every image of both is
    read once; then the cache knows them. What is left out is counted, and named in the ledger.

    dataset: the samples, such as those that train.
    other:   the images that must not be among them, such as those that are scored.
    """

    dataset: Dataset
    other: Dataset

    @cached_property
    def chosen(self) -> list[int]:
        """Positions in the whole data set; broken images are among them. Raises DataError where none is left."""
        doubles = self._doubles
        chosen = [index for index, key in enumerate(self.dataset.keys()) if key not in doubles]
        if not chosen:
            raise DataError(
                f"all of the {len(self.dataset)} images look like one of those they must not be among; "
                "check that the two data sets are not the same"
            )
        return chosen

    def fingerprints(self) -> Mapping[str, tuple[str, str]]:
        """Of the whole data set, which was read for it already."""
        own = fingerprints(unwrapped(self.dataset), _silent)
        return {key: own[key] for key in self.keys() if key in own}

    @cached_property
    def _doubles(self) -> frozenset[str]:
        """Names of the images that the other data set holds, too."""
        own, others = (fingerprints(unwrapped(one), _silent) for one in (self.dataset, self.other))
        far, _ = nearest(bits([look for _, look in own.values()]), bits([look for _, look in others.values()]))
        pixels = {content for content, _ in others.values()}
        return frozenset(
            key
            for (key, (content, _)), distance in zip(own.items(), far, strict=True)
            if content in pixels or distance <= NEAR_BITS
        )

    def ledger(self) -> Ledger:
        ledger = self.dataset.ledger()
        if not self._doubles:
            return ledger
        where, reason = type(self.dataset).__name__, "looks like an image that it must not be among"
        return ledger + Ledger().noted(Omission.IMAGE_LEFT_OUT, where, reason, *sorted(self._doubles))


def _silent(done: int, total: int) -> None:
    """Shows nothing."""
