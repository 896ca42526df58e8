"""What TensorRT would refuse in exported .onnx files."""

from collections.abc import Sequence
from pathlib import Path

from hydranet.export.nvidia.tensorrt_rules import NOTES, command, findings


def problems(models: Sequence[Path]) -> list[str]:
    """Lines about .onnx files, each line once: what TensorRT would refuse; for a folder of the TensorRT target all
    findings, and the command that builds an engine.
    """
    import onnx

    from hydranet.deploy.manifest import KEY, parse

    lines: dict[str, None] = {}
    for path in (path for path in models if path.suffix == ".onnx"):
        model = onnx.load(str(path))
        own = path.with_name(NOTES).is_file()
        for finding in findings(model):
            if own or finding.level == "problem":
                lines[f"TensorRT {finding.level}: {finding.text}"] = None
        if own:
            manifest = parse({entry.key: entry.value for entry in model.metadata_props}.get(KEY), path)
            lines[f"TensorRT engine: {command(manifest, path.name)}"] = None
    return list(lines)
