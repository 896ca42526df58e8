"""Points as label files state them: those that lie outside their image are unknown, and counted."""

from collections.abc import Sequence

import numpy as np

from hydranet.core.ledger import Ledger, Omission


def known_inside(
    xy: np.ndarray, visible: np.ndarray, size: tuple[int, int], file: str, where: Sequence[str]
) -> tuple[np.ndarray, Ledger]:
    """`visible` with 0 for points outside an image of `size` (height, width), and how many known ones that are.

    xy: n k 2, pixels from the image's corner.    visible: n k; 0, 1, 2.
    file: the label file.    where: what each of the n instances is called in the ledger.
    """
    outside = np.logical_and(visible > 0, ((xy < 0) | (xy > size[::-1])).any(axis=2))
    ledger = Ledger()
    if outside.any():
        names = [where[i] for i in np.flatnonzero(outside.any(axis=1)).tolist()]
        count = int(outside.sum())
        ledger = ledger.noted(Omission.LABEL_IGNORED, file, "a point outside its image", *names, count=count)
    return np.where(outside, 0, visible), ledger
