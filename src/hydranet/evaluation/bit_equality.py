"""Proof that two networks give the same outputs: compared bit by bit, on images."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from hydranet.core.batch import Batch, collate
from hydranet.core.errors import UserError
from hydranet.core.sample import Sample
from hydranet.core.spec import unknown
from hydranet.core.task import to_numpy
from hydranet.models.hydranet import HydraNet
from hydranet.transforms.augment import fit


class OutputsDiffer(UserError, AssertionError):
    """Two networks do not give the same outputs, or cannot be compared."""


@dataclass(frozen=True)
class OutputComparison:
    """How the outputs of one task compare: raw outputs of the head, and what they become (decoded, postprocessed).

    images: how many images.    first, second: SHA-256 over all outputs of either network.
    largest_difference: over all numbers of all outputs; infinite where their shapes differ.
    """

    task: str
    images: int
    first: str
    second: str
    largest_difference: float

    @property
    def same(self) -> bool:
        """Whether every bit agrees."""
        return self.first == self.second

    def lines(self) -> list[str]:
        """The proof to read."""
        if self.same:
            return [f"{self.task}: identical on {self.images} images, bit by bit", f"  SHA-256 {self.first} (both)"]
        summary = f"{self.task}: DIFFERENT on {self.images} images, largest difference {self.largest_difference:.3g}"
        return [summary, f"  SHA-256 {self.first}", f"          {self.second}"]


@torch.inference_mode()
def compare_outputs(
    first: HydraNet,
    second: HydraNet,
    images: Iterable[tuple[Sample, tuple[int, int]]],
    tasks: Sequence[str] | None = None,
) -> dict[str, OutputComparison]:
    """Compares the networks, each with all its heads, in some tasks, or all that both have.

    images: each with the size that the networks see it in.

    Raises OutputsDiffer where they have no task in common, or there is no image.
    """
    for name in tasks or ():
        for model in (first, second):
            if name not in model.tasks:
                raise OutputsDiffer(unknown(name, model.tasks, "task of one of the networks"))
    tasks = list(tasks) if tasks else [name for name in first.tasks if name in second.tasks]
    if not tasks:
        raise OutputsDiffer(f"nothing to compare: {', '.join(first.tasks)} and {', '.join(second.tasks)} share no task")
    hashes = {name: (hashlib.sha256(), hashlib.sha256()) for name in tasks}
    largest = dict.fromkeys(tasks, 0.0)
    count = 0
    for sample, size in images:
        count += 1
        batch = collate([fit(sample.but(labels={}), size)[0]])
        answers = [outputs(model.eval(), batch) for model in (first, second)]
        for name in tasks:
            arrays = [answer[name] for answer in answers]
            for digest, own in zip(hashes[name], arrays, strict=True):
                for array in own:
                    digest.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
            largest[name] = max(largest[name], difference(*arrays))
    if not count:
        raise OutputsDiffer("got no image to compare on; give --images, or a recipe with validation sources")
    return {n: OutputComparison(n, count, a.hexdigest(), b.hexdigest(), largest[n]) for n, (a, b) in hashes.items()}


def outputs(model: HydraNet, batch: Batch) -> dict[str, list[np.ndarray]]:
    """For each task, the arrays of its raw output and of its postprocessed prediction, for one image."""
    batch = batch.to(next(model.parameters()).device, channels_last=True)
    raw = model(batch.pixels)
    arrays = {}
    for name, decoded in model.decode(raw, batch.camera).items():
        leaves = [leaf.cpu().numpy() for leaf in pytree.tree_leaves(raw[name]) if isinstance(leaf, Tensor)]
        prediction = model.tasks[name].postprocess(to_numpy(decoded, 0))
        fields = [getattr(prediction, field) for field in prediction.arrays()]
        arrays[name] = [*leaves, *(np.asarray(field) for field in fields if field is not None)]
    return arrays


def difference(first: list[np.ndarray], second: list[np.ndarray]) -> float:
    """The largest difference of two lists of arrays; two NaN are equal, and other shapes are infinitely far apart."""
    if [a.shape for a in first] != [b.shape for b in second]:
        return float("inf")
    apart = [np.abs(a.astype(np.float64) - b.astype(np.float64)) for a, b in zip(first, second, strict=True)]
    equal = [(a == b) | ((a != a) & (b != b)) for a, b in zip(first, second, strict=True)]
    gaps = [np.where(e, 0.0, np.nan_to_num(d, nan=np.inf)) for d, e in zip(apart, equal, strict=True)]
    return max((float(gap.max()) for gap in gaps if gap.size), default=0.0)
