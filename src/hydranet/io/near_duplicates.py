"""Images of two sets that are the same or look alike, and groups of images that do."""

from collections.abc import Mapping, Sequence

import numpy as np

from hydranet.io.fingerprint import NEAR_BITS, bits, nearest

Images = Mapping[str, tuple[str, str]]
"""SOURCE:KEY of an image to the fingerprints of its content and look (`io.fingerprint`)."""

Pairs = tuple[tuple[str, str], ...]


def overlap(validation: Images, theirs: Images) -> tuple[Pairs, Pairs]:
    """Pairs that are the same image, and other pairs that look alike; one for each validation image, at most."""
    by_content = {one[0]: name for name, one in theirs.items()}
    names, looks = list(theirs), bits([one[1] for one in theirs.values()])
    distance, place = nearest(bits([one[1] for one in validation.values()]), looks)
    same: list[tuple[str, str]] = []
    similar: list[tuple[str, str]] = []
    for (name, (pixels, _)), far, index in zip(validation.items(), distance, place, strict=True):
        if pixels in by_content:
            same.append((name, by_content[pixels]))
        elif far <= NEAR_BITS:
            other = names[index]
            renamed = name.partition(":")[2] == other.partition(":")[2]
            (same if renamed else similar).append((name, other))
    return tuple(same), tuple(similar)


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
