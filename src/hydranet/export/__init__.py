"""Trained networks as files that need no training code. The package itself can be called: `hydranet.export(run)`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hydranet.export.graph import Shape


class _Callable(ModuleType):
    """This package as a function, since `export` names both."""

    def __call__(
        self,
        run: Path | str,
        folder: Path | str | None = None,
        *,
        targets: Sequence[str] = ("onnx",),
        heads: Sequence[str] | None = None,
        shape: "Shape | None" = None,
        limit: int = 100,
    ) -> list[Path]:
        """Writes a run as files and proves that they answer the same; see `hydranet.export.run.export_run`."""
        from hydranet.core.extras import needing

        with needing("hydranet.export"):
            from hydranet.export.run import export_run

            return export_run(run, folder, targets=targets, heads=heads, shape=shape, limit=limit)


sys.modules[__name__].__class__ = _Callable
