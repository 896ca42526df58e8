"""Samples stacked for a network: all images, and labels of the images that have them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.utils import _pytree as pytree

from hydranet.annotations import Annotation, UnknownKind, row_count
from hydranet.core.distillation_target import DistillationTarget
from hydranet.core.sample import DataError, Sample, intrinsics


def register(kind: type[Annotation]) -> None:
    """Makes a kind something that torch can stack, move, trace and export as one value."""
    arrays, metadata = kind.arrays(), kind.metadata()
    pytree.register_pytree_node(
        kind,
        lambda a: ([getattr(a, n) for n in arrays], tuple(getattr(a, n) for n in metadata)),
        lambda children, context: kind(
            **dict(zip(arrays, children, strict=True)), **dict(zip(metadata, context, strict=True))
        ),
        serialized_type_name=f"hydranet.{kind.__name__}",
    )


for _kind in Annotation.KINDS:
    register(_kind)


@dataclass(frozen=True, eq=False)
class Batch:
    """Images of one size with the labels they have.

    image:  uint8 b 3 h w (`pixels` gives the float version that networks read).
    labels: by task, stacked over the labeled images only.
    rows:   by task, int n: which images those are. A task without a label in the batch has no key.
    source: by image, the name of the source; key: by image, what identifies it there.
    camera: float32; by image, fx, fy, cx, cy in pixels of the images here, NaN where an image has no camera.
    distillation: what teachers answer for the images.
    """

    image: UInt8[Tensor, "b 3 h w"]
    labels: dict[str, Annotation]
    rows: dict[str, Tensor]
    source: tuple[str, ...]
    key: tuple[str, ...]
    camera: Float[Tensor, "b 4"]
    distillation: tuple[DistillationTarget, ...] = ()

    @property
    def asked(self) -> set[str]:
        """The tasks whose outputs are needed for what can be learned from this batch, by labels or from teachers."""
        return {*self.labels, *(name for one in self.distillation for name in (one.task, *one.also))}

    @property
    def pixels(self) -> Tensor:
        """float b 3 h w in 0..1, in the memory format the batch has."""
        return self.image.float().div_(255.0)

    def to(self, device: torch.device | str, channels_last: bool = False) -> "Batch":
        """The same batch on a device."""
        image = self.image.to(device, non_blocking=True)
        if channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        labels = pytree.tree_map(lambda t: t.to(device, non_blocking=True) if isinstance(t, Tensor) else t, self.labels)
        rows = {name: index.to(device) for name, index in self.rows.items()}
        camera = self.camera.to(device, non_blocking=True)
        return replace(self, image=image, labels=labels, rows=rows, camera=camera)


def _tensor(value: Any) -> Tensor:
    array = np.asarray(value)
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    if array.dtype in (np.int32, np.uint16):
        array = array.astype(np.int64)
    return torch.from_numpy(np.ascontiguousarray(array)) if array.ndim else torch.tensor(array[()])


def _pad(tensor: Tensor, rows: int, columns: int | None, value: float) -> Tensor:
    shape = [rows, *tensor.shape[1:]]
    if columns is not None and len(shape) > 1:
        shape[1] = columns
    padded = tensor.new_full(shape, value)
    padded[tuple(slice(0, n) for n in tensor.shape)] = tensor
    return padded


def stack(labels: Sequence[Annotation]) -> Annotation:
    """Stacks annotations of one kind along a new first axis; instances are padded (`Boxes.label` = -1, ...).

    What is padded, and with what, stands at the fields of the kinds (`annotations.Role`).
    Raises DataError where the kinds or static fields differ, UnknownKind for a kind that is not registered here.
    """
    kind = type(labels[0])
    if kind not in pytree.SUPPORTED_NODES:
        raise UnknownKind("stacking", kind, "core/batch.py (register)")
    for label in labels:
        if type(label) is not kind:
            raise DataError(
                f"got labels of kinds {kind.__name__} and {type(label).__name__} for one task; map one of them"
            )
        for name in kind.metadata():
            if getattr(label, name) != getattr(labels[0], name):
                raise DataError(
                    f"{kind.__name__}.{name} differs between sources: {getattr(labels[0], name)!r} and "
                    f"{getattr(label, name)!r}; make them equal in the data sets"
                )
    arrays = {name: _stack_field(kind, name, labels) for name in kind.arrays()}
    return kind(**arrays, **{name: getattr(labels[0], name) for name in kind.metadata()})


def _stack_field(kind: type[Annotation], name: str, labels: Sequence[Annotation]) -> Tensor | None:
    present = [value for label in labels if (value := getattr(label, name)) is not None]
    if not present:
        return None
    role = kind.roles()[name]
    if len(present) < len(labels) and role.absent is None:
        raise DataError(f"some images have {kind.__name__}.{name} and some have not; give it to all or to none")
    like = _tensor(present[0])
    tensors = []
    for label in labels:
        value = getattr(label, name)
        if value is None:
            assert role.absent is not None
            shape = (row_count(label), *like.shape[1:]) if role.per == "instance" else like.shape
            tensors.append(torch.full(shape, role.absent, dtype=like.dtype))
        else:
            tensors.append(_tensor(value))
    if role.per == "instance":
        rows = max(t.shape[0] for t in tensors)
        columns = max(t.shape[1] for t in tensors) if role.ragged else None
        tensors = [_pad(t, rows, columns, role.padding) for t in tensors]
    try:
        return torch.stack(tensors)
    except RuntimeError as error:
        shapes = sorted({tuple(t.shape) for t in tensors})
        raise DataError(f"{kind.__name__}.{name} has shapes {shapes} in one batch; they must agree") from error


def collate(samples: Sequence[Sample]) -> Batch:
    """Samples of one image size to a batch.

    Raises DataError when sizes differ (sources of different size make batches of their own).
    """
    sizes = {sample.size for sample in samples}
    if len(sizes) != 1:
        raise DataError(
            f"got images of sizes {sorted(sizes)} in one batch, expected one size; give the sources one `size`"
        )
    image = torch.from_numpy(np.stack([sample.image for sample in samples])).permute(0, 3, 1, 2).contiguous()
    names = dict.fromkeys(name for sample in samples for name in sample.labels)
    rows = {name: [i for i, sample in enumerate(samples) if name in sample.labels] for name in names}
    labels = {name: stack([samples[i].labels[name] for i in index]) for name, index in rows.items()}
    return Batch(
        image,
        labels,
        {name: torch.tensor(index) for name, index in rows.items()},
        tuple(sample.source for sample in samples),
        tuple(sample.key for sample in samples),
        torch.from_numpy(intrinsics([sample.camera for sample in samples])),
    )
