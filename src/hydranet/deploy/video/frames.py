"""Images from wherever they are: a file, a folder, a glob, a video."""

import glob
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError
from hydranet.deploy.video.video_reader import decode, probe
from hydranet.io.images import IMAGES, read_rgb
from hydranet.io.listing import natural, unused

LEDGER_STEM = "ledger"
"""The file beside the predictions that says what was not used: LEDGER_STEM.json."""

VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"}


@dataclass(frozen=True, eq=False)
class Frame:
    """One image: its name, uint8 h w 3 in RGB order, for videos its number and time, for live sources the clock.

    time_s: since the first frame, by the video's own time stamps.
    clock_s: seconds since 1970 when it arrived; None = it is a recording.
    file: of a still image, its file below the folder that all of its source have in common; else empty.
    """

    name: str
    image: np.ndarray
    index: int = 0
    time_s: float = 0.0
    clock_s: float | None = None
    file: str = ""


class ImageLeftOut(DataError):
    """An image that was not looked at: its name, and why, as the end of a sentence for the ledger."""

    def __init__(self, image: str, reason: str, message: str) -> None:
        super().__init__(message)
        self.image, self.reason = image, reason


@dataclass(frozen=True)
class Frames:
    """Images to go through. fps is None for still images; for a video, it is the usual rate and `Frame.time_s` has the
    truth. count is None where it is unknown, and what the header says for a video.

    Files are read by `hydranet.io.images`, as data sets read them: 8-bit RGB, upright.
    left_out: what lies at the same place and is not among them.
    """

    paths: tuple[Path, ...]
    fps: float | None
    count: int | None
    left_out: Ledger = field(default_factory=Ledger)

    @property
    def name(self) -> str:
        """The video, or the folder of the images, for messages."""
        return self.paths[0].name if self.fps is not None else os.path.commonpath([p.parent for p in self.paths])

    def __iter__(self) -> Iterator[Frame]:
        """Raises DataError for an image that cannot be read."""
        return self.readable(_raise)

    def readable(self, note: Callable[[DataError], None]) -> Iterator[Frame]:
        """The frames that can be read; `note` gets an `ImageLeftOut` for each that cannot; the others are kept.

        For a video that breaks off, it gets an error after the last frame.
        """
        return self._video(self.paths[0], note) if self.fps is not None else self._stills(note)

    def _stills(self, note: Callable[[DataError], None]) -> Iterator[Frame]:
        for index, (path, name, file) in enumerate(zip(self.paths, names(self.paths), _below(self.paths), strict=True)):
            try:
                image = read_rgb(path)
            except DataError as error:
                note(ImageLeftOut(path.name, "cannot be read", str(error)))
            else:
                yield Frame(name, image, index, file=file)

    def _video(self, path: Path, note: Callable[[DataError], None]) -> Iterator[Frame]:
        for index, (image, time_s) in enumerate(decode(path, self.fps or 1.0, note)):
            yield Frame(f"{path.stem}_{index:06d}", image, index, time_s)


def _raise(error: DataError) -> None:
    raise error


def names(paths: tuple[Path, ...]) -> list[str]:
    """A name for each image that no other has: its stem, or where stems repeat, its path below the common folder, such
    as "left/0.png", so that what is written about it lies in a folder of the same name. "ledger" is the name of another
    file beside the predictions and counts as repeated."""
    stems = [path.stem for path in paths]
    if len({*stems, LEDGER_STEM}) == len(stems) + 1:
        return stems
    return _below(paths)


def _below(paths: tuple[Path, ...]) -> list[str]:
    """Each path below the folder that all have in common."""
    common = os.path.commonpath([path.parent for path in paths])
    return [Path(os.path.relpath(path, common)).as_posix() for path in paths]


def find_frames(what: str) -> Frames:
    """The images that a path, a folder or a pattern such as "drive/*.png" means, in natural order, or the frames of
    one video. `Frames.left_out` counts what else lies there. Raises DataError for none."""
    images, videos, left_out = _listed(what)
    if not images and len(videos) == 1:
        return replace(open_video(videos[0]), left_out=left_out)
    if not images:
        kinds = " ".join(sorted({*IMAGES, *VIDEOS}))
        raise DataError(f"no image or video at {what!r}; give a file, a folder or a pattern of files ({kinds})")
    if videos:
        left_out = left_out.noted(Omission.IMAGE_LEFT_OUT, what, "a video beside images", *(p.name for p in videos))
    return Frames(images, None, len(images), left_out)


def find_all_frames(what: str) -> dict[str, Frames]:
    """As `find_frames`, and each of several videos apart, by a name for a folder of its predictions; "" = the only one,
    or all still images. What else lies there is counted by the first one. Raises DataError for none."""
    images, videos, left_out = _listed(what)
    if len(videos) + bool(images) < 2:
        return {"": find_frames(what)}
    sources = {"": Frames(images, None, len(images))} if images else {}
    sources |= {name: open_video(path) for name, path in zip(names(videos), videos, strict=True)}
    first = next(iter(sources))
    return sources | {first: replace(sources[first], left_out=left_out)}


def _listed(what: str) -> tuple[tuple[Path, ...], tuple[Path, ...], Ledger]:
    """Images and videos that a path, a folder or a pattern means, and what else it means. A file that is named is read
    whatever its suffix; of a folder, hidden files are not meant, and what lies deeper is not looked at."""
    path = Path(what).expanduser()
    if path.is_file():
        return ((), (path,), Ledger()) if path.suffix.lower() in VIDEOS else ((path,), (), Ledger())
    if path.is_dir():
        place, candidates = path, [one for one in path.iterdir() if not one.name.startswith(".")]
    else:
        place, candidates = Path(), list(map(Path, glob.glob(str(path), recursive=True)))
    images, videos = (
        tuple(sorted((p for p in candidates if p.suffix.lower() in kinds and p.is_file()), key=natural))
        for kinds in (IMAGES, VIDEOS)
    )
    used, folders = {*images, *videos}, [one for one in candidates if one.is_dir()]
    ledger = unused(place, {*candidates} - used - {*folders}, (*IMAGES, *VIDEOS))
    if folders and "**" not in what:  # which goes through all of them
        inside = sorted(one.name for one in folders)
        reason = "as only files are taken; a pattern such as 'FOLDER/**/*' takes what lies deeper"
        ledger = ledger.noted(Omission.FOLDER_LEFT_OUT, what, reason, *inside)
    return images, videos, ledger


def open_video(path: Path) -> Frames:
    """The frames of a video. Raises DataError for what is none."""
    hint = probe(path)
    return Frames((path,), hint.fps, hint.count)
