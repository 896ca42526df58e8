"""Boxes of one head, cut out and shown to other heads of the same network: find a sign, then say which."""

from dataclasses import dataclass

from hydranet.core.checks.names import check_names
from hydranet.core.spec import Component, SpecError

MOST_CROPS = 1024
STRIDE = 32


@dataclass(frozen=True)
class Cascade(Component):
    """Which boxes are cut out of an image, how, and which heads then answer about each.

    boxes:   the task whose boxes are cut out.    classes: of these classes only; () = of all.
    heads:   the tasks that see the crops: tags, quantities or key points. They need not see whole images then.
    size:    height and width at which the network sees a crop, in multiples of 32: the size of the source that they
             were trained on.
    margin:  added to each side, as a share of the box's longer side.    square: the shorter side grows to the longer.
    most:    crops per image, those with the highest scores first; further boxes have no answer.
    """

    boxes: str
    heads: tuple[str, ...]
    size: tuple[int, int]
    classes: tuple[str, ...] = ()
    margin: float = 0.1
    square: bool = True
    most: int = 64

    def __post_init__(self) -> None:
        check_names((self.boxes, *self.heads), "task of a cascade")
        if not self.heads or self.boxes in self.heads or len(set(self.heads)) != len(self.heads):
            raise SpecError(f"got a cascade from {self.boxes!r} to {self.heads}, expected other tasks, each once")
        if len(self.size) != 2 or any(side < STRIDE or side % STRIDE for side in self.size):
            raise SpecError(f"got a cascade of size {self.size}, expected (height, width) in multiples of {STRIDE}")
        if not 0 <= self.margin <= 10:
            raise SpecError(f"got a cascade with margin={self.margin}, expected a share of the box from 0 to 10")
        if not 1 <= self.most <= MOST_CROPS:
            raise SpecError(f"got a cascade with most={self.most}, expected 1 to {MOST_CROPS} crops per image")

    @property
    def folder(self) -> str:
        """Where an export puts the graph for its crops, below that of the graph for whole images."""
        return "crops_" + "_".join(self.heads)
