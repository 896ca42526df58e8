"""Groups of images that look alike."""

from collections.abc import Sequence

import numpy as np

from hydranet.io.fingerprint import NEAR_BITS, bits


def look_alikes(images: Sequence[tuple[str, str]]) -> list[list[int]]:
    """Groups of images that look alike, also by way of others between them; each in order, alone where none is alike.

    images: content and look of each. Takes n^2 / 2 comparisons of 32 bytes.
    """
    looks = bits([look for _, look in images])
    group = np.arange(len(images))
    for i in range(1, len(images)):
        near = np.flatnonzero(np.bitwise_count(looks[:i] ^ looks[i]).sum(1) <= NEAR_BITS)
        group[np.isin(group, np.append(group[near], i))] = i
    members: dict[int, list[int]] = {}
    for i, one in enumerate(group.tolist()):
        members.setdefault(one, []).append(i)
    return sorted(members.values())
