"""The images of sources one by one, without the broken ones of a source that skips such."""

from collections.abc import Iterator, Sequence

from hydranet.config.source import Source
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError, Sample
from hydranet.data.reader import SKIPPED, read


class WholeImages:
    """(sample as its data set gives it, height and width in which the network sees it), source by source.

    limit:    of each source, only so many of the first images; 0 = all.
    left_out: broken images that were skipped; complete once all were read.
    Raises DataError for a broken image of a source with on_error="refuse".
    """

    def __init__(self, sources: Sequence[Source], limit: int = 0) -> None:
        self.sources, self.limit = tuple(sources), limit
        self.left_out = Ledger()

    def __iter__(self) -> Iterator[tuple[Sample, tuple[int, int]]]:
        for source in self.sources:
            count = len(source.dataset)
            for index in range(min(count, self.limit or count)):
                try:
                    yield read(source.dataset, index, source.name), source.size
                except DataError as error:
                    if source.on_error == "refuse":
                        raise
                    self.left_out = self.left_out.noted(Omission.IMAGE_LEFT_OUT, source.name, SKIPPED, str(error))
