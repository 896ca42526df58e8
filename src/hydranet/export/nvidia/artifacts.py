"""What an exported .onnx file needs on NVIDIA's side: checked, and written beside it on request."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from hydranet.core.errors import UserError
from hydranet.export.nvidia.deepstream import write_configs
from hydranet.export.nvidia.tensorrt_rules import command, findings
from hydranet.export.nvidia.triton import write_repository
from hydranet.export.targets.onnx import SUFFIX

QUIET = ("problem",)
"""Levels of findings that are reported even where no files are asked for."""


def by_products(paths: Sequence[Path], *, files: bool) -> Iterator[str]:
    """Lines about each .onnx file: what TensorRT would refuse; with `files` all findings, and the files written.

    files: also writes triton/ and deepstream/ beside the .onnx file. One that cannot be made is reported in a line.
    """
    import onnx

    from hydranet.deploy.manifest import KEY, parse

    for path in (path for path in paths if path.suffix == SUFFIX):
        model = onnx.load(str(path))
        manifest = parse({entry.key: entry.value for entry in model.metadata_props}.get(KEY), path)
        for finding in findings(model):
            if files or finding.level in QUIET:
                yield f"TensorRT {finding.level}: {finding.text}"
        if not files:
            continue
        yield f"TensorRT engine: {command(manifest, path.name)}"
        for name, write in {"triton": write_repository, "deepstream": write_configs}.items():
            try:
                yield from map(str, write(path, manifest, path.parent / name))
            except UserError as error:
                yield f"no {name}: {error}"
