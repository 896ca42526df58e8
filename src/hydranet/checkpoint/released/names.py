"""Which networks come with the package, and where a name or a path leads."""

from importlib import resources
from pathlib import Path

WEIGHTS = "model.safetensors"
CARD = "README.md"

DEFAULT = "street"
"""The network that looks at images where none is named."""


def released() -> dict[str, Path]:
    """The networks that come with the package: {name: folder that holds its weights and its model card}."""
    here = Path(str(resources.files("hydranet.checkpoint.released")))
    return {folder.name: folder for folder in sorted(here.iterdir()) if (folder / WEIGHTS).is_file()}


def is_released(path: Path | str) -> bool:
    """Whether this is the name of a released network, and no file or run folder of that name lies here."""
    own = Path(path)
    return own.name == str(path) in released() and not own.is_file() and not (own / WEIGHTS).is_file()


def located(path: Path | str) -> Path:
    """The folder of a released network for its name; any other path as it is."""
    return released()[str(path)] if is_released(path) else Path(path)


def folder_of(run: Path | str) -> Path:
    """The folder that holds a run's weights, whole: of a run folder, a released name, or the file of the weights."""
    place = located(run).resolve()
    return place if place.is_dir() else place.parent


def results_of(run: Path, what: str) -> Path:
    """The folder for what a command makes of a run: `what` in it, or WHAT/NAME here for a released network.

    A run may be given as its folder or as the file of its weights.
    """
    if is_released(run):
        return Path(what) / run.name
    return (run if run.is_dir() else run.parent) / what
