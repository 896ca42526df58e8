"""Under which licenses the packages stand that hydranet is installed with, from what they say of themselves."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution

STRONG = re.compile(r"\bAGPL|Affero|SSPL|Commons Clause", re.IGNORECASE)
"""Licenses that bind whoever offers the software over a network."""

GPL = re.compile(r"(?<![AL])GPL|GNU General Public", re.IGNORECASE)


@dataclass(frozen=True)
class License:
    """A package and the license it names. remark: what a distributor of a product must know, "" = nothing special."""

    package: str
    version: str
    license: str
    remark: str = ""


REMARKS = {"av": "its wheel holds FFmpeg with x264, which is GPL: leave the extra `video` out of closed products"}


def installed(root: str = "hydranet") -> list[License]:
    """One row per package that is installed and needed by `root`, by any of its extras, by name."""
    rows = {one.metadata["Name"].lower(): _license(one) for one in _needed(root)}
    return [rows[name] for name in sorted(rows)]


def binding(rows: Iterable[License]) -> list[License]:
    """Those that a closed product or a service could not use: AGPL and its like."""
    return [row for row in rows if STRONG.search(row.license)]


def _needed(root: str) -> Iterator[Distribution]:
    """The packages behind a package, those of its extras included, as far as they are installed."""
    waiting, known = [root], set[str]()
    while waiting:
        name = waiting.pop()
        if name in known:
            continue
        known.add(name)
        try:
            one = distribution(name)
        except PackageNotFoundError:
            continue
        yield one
        wanted = one.requires or []
        if name != root:
            wanted = [text for text in wanted if "extra ==" not in text]
        waiting += [_plain(match[0]) for text in wanted if (match := re.match(r"[A-Za-z0-9._-]+", text))]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _license(one: Distribution) -> License:
    """The SPDX expression where there is one, else the classifiers, else the first line of the field."""
    metadata = one.metadata
    name = _plain(metadata["Name"])
    classified = [
        text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier") or [] if text.startswith("License ::")
    ]
    written = "".join(metadata.get_all("License") or []).strip().splitlines()
    expression = "".join(metadata.get_all("License-Expression") or [])
    text = expression or ", ".join(classified) or (written[0] if written else "not stated")
    remark = REMARKS.get(name, "GPL: mind it where you distribute it" if GPL.search(text) else "")
    return License(name, metadata["Version"], text[:80], remark)
