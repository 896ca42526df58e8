"""Accuracy of single answers per image: top-1, top-5, per class, balanced."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hydranet.annotations import UNKNOWN_ID, Tag

TOP = 5


def confused(prediction: Tag, label: Tag, classes: int) -> dict[str, Any]:
    """Additive counts of one image.

    confusion: int64 c c+1; rows = label, columns = prediction (the last: none).
    top5:      int64 2; images whose class is among the five most probable ones, and images that could tell (those with
               probabilities). Of classes with equal probability the first counts as the more probable one.
    """
    confusion, top = np.zeros((classes, classes + 1), np.int64), np.zeros(2, np.int64)
    wanted = int(label.label)
    if wanted != UNKNOWN_ID:
        confusion[wanted, min(int(prediction.label), classes)] = 1
        if prediction.probs is not None:
            best = np.argsort(-np.asarray(prediction.probs), kind="stable")[:TOP]
            top[:] = wanted in best, 1
    return {"confusion": confusion, "top5": top}


def accuracies(stats: dict[str, Any], classes: Sequence[str], pairs: bool = False) -> dict[str, float]:
    """Scores in 0..1 of added counts; NaN where nothing was measured.

    top1: share of images that are right.    top5: share whose class is among the five most probable; only where there
    are more than five classes.    balanced_accuracy: mean of `recall/<class>` over the classes that occur in labels.
    precision/<class>: share of the images predicted so that are.    pairs: `confusion/<label>/<prediction>`, too.
    """
    confusion = stats["confusion"].astype(np.float64)
    hit, labeled, predicted = np.diag(confusion), confusion.sum(1), confusion[:, :-1].sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, precision, shares = hit / labeled, hit / predicted, confusion / labeled[:, None]
    present = labeled > 0
    scores = {
        "top1": float(hit.sum() / labeled.sum()) if present.any() else float("nan"),
        "balanced_accuracy": float(recall[present].mean()) if present.any() else float("nan"),
    }
    if len(classes) > TOP:
        inside, counted = stats["top5"]
        scores["top5"] = float(inside / counted) if counted else float("nan")
    for i, name in enumerate(classes):
        scores |= {f"recall/{name}": float(recall[i]), f"precision/{name}": float(precision[i])}
    if pairs:
        names = (*classes, "none")
        scores |= {
            f"confusion/{a}/{b}": float(shares[i, j]) for i, a in enumerate(classes) for j, b in enumerate(names)
        }
    return scores
