"""How label files belong to images: found from their paths."""

import os.path
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hydranet.io.pairs import label_stem

TRIED = 60
"""Labels from which a rule is derived; then it is checked on all."""
LEAST = 0.5
"""A rule that finds an image for fewer of the labels is none."""


@dataclass(frozen=True)
class Pairing:
    """Options of `io.pairs.PairedFiles`, and how many labels they find an image for."""

    images: str
    labels: str
    rename: Mapping[str, str] = field(default_factory=dict)
    ending: str = ""
    matched: int = 0


def pairing(images: Sequence[str], labels: Sequence[str]) -> Pairing | None:
    """The rule that most labels follow; paths without suffix, relative to one folder. None where there is none."""
    by_stem: dict[str, list[str]] = {}
    for image in images:
        by_stem.setdefault(os.path.basename(image), []).append(image)
    stems = sorted(by_stem)
    votes: Counter[tuple[str, str, tuple[tuple[str, str], ...], str]] = Counter()
    for label in labels[:: max(1, len(labels) // TRIED)]:
        for image in _candidates(label, by_stem, stems):
            if rule := _rule(image, label):
                votes[rule] += 1
    whole = set(images)
    best: Pairing | None = None
    for (image_folder, label_folder, rename, ending), _ in votes.most_common(8):
        tried = Pairing(image_folder, label_folder, dict(rename), ending)
        matched = len(_predicted(whole, tried) & set(labels))
        if matched >= LEAST * min(len(labels), len(images)) and (best is None or matched > best.matched):
            best = Pairing(image_folder, label_folder, dict(rename), ending, matched)
    return best


def _candidates(label: str, by_stem: Mapping[str, Sequence[str]], stems: Sequence[str]) -> list[str]:
    """Images that may belong to a label: of its name, else of the names that begin most like its own."""
    stem = os.path.basename(label)
    if stem in by_stem:
        return list(by_stem[stem])
    shared = {one: _shared(one, stem) for one in stems}
    longest = max(shared.values(), default=0)
    nearest = [one for one in stems if shared[one] == longest and longest]
    shortest = min((len(one) for one in nearest), default=0)
    return [image for one in nearest if len(one) == shortest for image in by_stem[one]][:4]


def _rule(image: str, label: str) -> tuple[str, str, tuple[tuple[str, str], ...], str] | None:
    """Folders, replaced words and ending that lead from an image to a label."""
    *image_parts, image_stem = image.split("/")
    *label_parts, label_stem_ = label.split("/")
    rename: dict[str, str] = {}
    ending = ""
    if label_stem_ != image_stem:
        if label_stem_.startswith(image_stem):
            ending = label_stem_.removeprefix(image_stem)
        else:
            common = _shared(image_stem, label_stem_)
            common -= common > 0 and image_stem[common - 1 : common] in "_-."  # the word's own separator goes along
            old, new = image_stem[common:], label_stem_[common:]
            if not any(char.isalpha() for char in old):
                return None
            rename[old] = new
    while image_parts and label_parts and image_parts[-1] == label_parts[-1]:
        image_parts.pop()
        label_parts.pop()
    if len(image_parts) > 1 and len(image_parts) == len(label_parts) and image_parts[:-1] == label_parts[:-1]:
        # clips/1/rgb, clips/1/depth: a folder inside each clip
        return ".", ".", ((f"{image_parts[-1]}/", f"{label_parts[-1]}/"), *rename.items()), ending
    if not image_parts and not label_parts:
        return ".", ".", tuple(rename.items()), ending
    return "/".join(image_parts) or ".", "/".join(label_parts) or ".", tuple(rename.items()), ending


def _shared(one: str, other: str) -> int:
    """How many letters two words begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _predicted(images: set[str], rule: Pairing) -> set[str]:
    before = "" if rule.images == "." else f"{rule.images}/"
    after = "" if rule.labels == "." else f"{rule.labels}/"
    return {
        after + label_stem(image.removeprefix(before), rule.rename, rule.ending)
        for image in images
        if image.startswith(before)
    }
