"""For which image a map was made: noted when both are first read together, and compared ever after.

FOLDER/images.jsonl                          what the maker of the maps, or whoever hands them on, put beside them
$HYDRANET_CACHE/maps/DIGEST.jsonl            what this user's own reads noted, one line per image (`io.cache_folder`)

A line holds the image's key, the fingerprint of its pixels (`io.fingerprint.content`) and the digest of each map file.
Maps are known by their bytes: maps that were made again for other images are noted anew.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from hydranet.core.checks.json_text import BrokenJson, parse_json
from hydranet.core.sample import DataError
from hydranet.io.cache_folder import cache

FILE = "images.jsonl"


class MapRecord:
    """What is known about the images of a folder of maps; several processes may add to it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        name = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:32]
        self.own = cache() / "maps" / f"{name}.jsonl"
        self._images: dict[tuple[str, str, str], str] = {}
        for path in (self.own, folder / FILE):  # what lies beside the maps has the last word
            self._images |= _lines(path)

    def check(self, key: str, content: str, maps: Mapping[str, Path]) -> None:
        """Compares an image with the one that its maps were noted for; notes it where they are new.

        content: fingerprint of the image's pixels.    maps: the files, by label.
        Raises DataError where they were made for, or first read with, an image of other pixels.
        """
        added = {}
        for label, path in maps.items():
            place = (key, label, _digest(path))
            before = self._images.get(place)
            if before is None:
                added[place] = content
            elif before != content:
                raise DataError(
                    f"{key} is not the image that {path} was made for: the name is the same, the pixels differ; make "
                    f"the maps again, or, if it is the right image now, delete the line of {key} in {self._said(place)}"
                )
        self._images |= added
        if added:
            self._note(added)

    def _said(self, place: tuple[str, str, str]) -> Path:
        beside = self.folder / FILE
        return beside if place in _lines(beside) else self.own

    def _note(self, added: Mapping[tuple[str, str, str], str]) -> None:
        """Adds a line per map in one write each, so that lines of several processes never mix."""
        with suppress(OSError):  # a cache that cannot be written compares within this process alone
            self.own.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.own, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                for (key, label, digest), content in added.items():
                    line = {"key": key, "label": label, "map": digest, "content": content}
                    os.write(file, f"\n{json.dumps(line)}\n".encode())  # behind a line that a full disk cut
            finally:
                os.close(file)


def _lines(path: Path) -> dict[tuple[str, str, str], str]:
    """{(key, label, digest of the map): fingerprint of the image}; a line cut by a full disk or a kill says nothing."""
    images = {}
    with suppress(OSError, UnicodeDecodeError):
        for text in path.read_text().splitlines():
            with suppress(BrokenJson, KeyError, TypeError):
                line = parse_json(text)
                key, label, digest, content = (line[name] for name in ("key", "label", "map", "content"))
                if all(isinstance(one, str) for one in (key, label, digest, content)):
                    images[key, label, digest] = content
    return images


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}; restore it or leave its image out") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; check its owner and its disk") from error
