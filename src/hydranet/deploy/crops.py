"""Cascades while a network is at work: boxes are cut out of images and shown to other heads, many at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hydranet.annotations import Annotation, Boxes, rows
from hydranet.core.cascade import Cascade
from hydranet.deploy.manifest import Head
from hydranet.deploy.session import Session
from hydranet.postprocess.per_box import per_box, windows


class WithCrops:
    """An open graph for whole images, with the open graphs of its cascades, in the order of `manifest.cascades`."""

    def __init__(self, session: Session, crops: tuple[Session, ...]) -> None:
        self.session, self.crops = session, crops
        self.manifest, self.prunes = session.manifest, session.prunes

    def __call__(self, arrays: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """The outputs of the graph for whole images."""
        return self.session(arrays, outputs)


def crop_sessions(session: Session) -> list[tuple[Cascade, Session]]:
    """Each cascade of a network, and the graph that sees its crops: one of its own, or the same."""
    crops = session.crops if isinstance(session, WithCrops) else (session,) * len(session.manifest.cascades)
    return list(zip(session.manifest.cascades, crops, strict=True))


def heads_of(session: Session) -> dict[str, Head]:
    """All heads of a network, those of its crops included."""
    heads = dict(session.manifest.heads)
    for cascade, crops in crop_sessions(session):
        heads |= {name: crops.manifest.heads[name] for name in cascade.heads if name in crops.manifest.heads}
    return heads


Ask = Callable[[list[np.ndarray]], Sequence[Mapping[str, Annotation]]]


@dataclass(frozen=True, eq=False)
class ActiveCascade:
    """A cascade of which the boxes and some heads are asked for.

    names: of the box head's classes.    heads: that answer about crops.
    ask:   crops (uint8 h w 3, of any sizes) -> answers in pixels of each crop.
    """

    cascade: Cascade
    names: Sequence[str]
    heads: Mapping[str, Head]
    ask: Ask

    def __call__(
        self, images: Sequence[np.ndarray], detections: Sequence[Boxes], asked: Sequence[str]
    ) -> list[dict[str, Annotation]]:
        """For each image the answers of the heads that are asked for, one row per box of the cascade's classes."""
        chosen = [self._chosen(boxes) for boxes in detections]
        cut = [
            windows(boxes, (image.shape[0], image.shape[1]), self.cascade.margin, self.cascade.square)
            for image, boxes in zip(images, chosen, strict=True)
        ]
        crops = [
            np.ascontiguousarray(image[top:bottom, left:right])
            for image, places in zip(images, cut, strict=True)
            for left, top, right, bottom in places
        ]
        answers = list(self.ask(crops)) if crops else []
        results, first = [], 0
        for boxes, places in zip(chosen, cut, strict=True):
            own, first = answers[first : first + len(places)], first + len(places)
            results.append(
                {
                    name: per_box(self.heads[name].answer_kind, boxes, places, [one[name] for one in own])
                    for name in asked
                }
            )
        return results

    def _chosen(self, boxes: Boxes) -> Boxes:
        """The boxes of its classes, at most `most`, the best ones, in their order."""
        wanted = [i for i, name in enumerate(self.names) if name in self.cascade.classes or not self.cascade.classes]
        kept = np.flatnonzero(np.isin(boxes.label, wanted) & (np.asarray(boxes.label) >= 0))
        if len(kept) > self.cascade.most and boxes.score is not None:
            best = np.argsort(-np.asarray(boxes.score)[kept], kind="stable")
            kept = np.sort(kept[best[: self.cascade.most]])
        return rows(boxes, kept[: self.cascade.most])
