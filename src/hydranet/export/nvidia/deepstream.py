"""Configuration of NVIDIA DeepStream for an exported .onnx file: two text files, for nvdspreprocess and nvinfer.

nvinfer alone feeds networks with float values; the graph takes uint8 images and normalizes them itself. So
nvdspreprocess makes the tensor and nvinfer takes it from there. Written after NVIDIA's documentation of DeepStream 7;
there was no DeepStream to try it with.
"""

import configparser
import io
from pathlib import Path

from hydranet.core.spec import SpecError
from hydranet.deploy.manifest import Manifest

LIBRARY = "/opt/nvidia/deepstream/deepstream/lib/gst-plugins/libcustom2d_preprocess.so"


def write_configs(onnx: Path, manifest: Manifest, folder: Path) -> list[Path]:
    """Writes FOLDER/nvinfer.txt, FOLDER/nvdspreprocess.txt and FOLDER/labels_TASK.txt for tasks with classes.

    Raises SpecError as `check` does.
    """
    check(manifest)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"nvinfer.txt": nvinfer(onnx, manifest), "nvdspreprocess.txt": nvdspreprocess(manifest)}
    texts |= {f"labels_{task}.txt": "\n".join(h.classes) + "\n" for task, h in manifest.heads.items() if h.classes}
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]


def check(manifest: Manifest) -> None:
    """Raises SpecError for a file with thresholds or cameras as inputs, or of any size: DeepStream fills one input of
    one size.
    """
    if len(manifest.inputs) > 1 or manifest.input.dynamic:
        raise SpecError(
            "got a file with thresholds or cameras as inputs or of any size, expected one input of one size for "
            "DeepStream; export with --nms outside, with --focal-px where a head needs the camera, and without "
            "--dynamic-size, or leave this target out"
        )


def nvinfer(onnx: Path, manifest: Manifest) -> str:
    """Runs the network on prepared tensors; its arrays leave as NvDsInferTensorMeta, named as in manifest.json."""
    batch = manifest.input.batch or 1
    return _text(
        {
            "property": {
                "gpu-id": 0,
                "gie-unique-id": 1,
                "process-mode": 1,
                "onnx-file": onnx.name,
                "model-engine-file": f"{onnx.name}_b{batch}_gpu0_fp16.engine",
                "batch-size": batch,
                "network-mode": 2,
                "network-type": 100,
                "input-tensor-from-meta": 1,
                "output-tensor-meta": 1,
                "output-blob-names": ";".join(manifest.outputs),
            }
        }
    )


def nvdspreprocess(manifest: Manifest) -> str:
    """Scales frames and makes the uint8 tensor; padded on both sides, as training and the predictor do."""
    shape = manifest.input
    height, width = shape.frame or shape.size
    return _text(
        {
            "property": {
                "enable": 1,
                "target-unique-ids": 1,
                "unique-id": 5,
                "gpu-id": 0,
                "process-on-frame": 1,
                "network-input-order": 1,  # NHWC
                "network-input-shape": f"{shape.batch or 1};{height};{width};3",
                "processing-width": width,
                "processing-height": height,
                "network-color-format": 0,  # RGB
                "tensor-data-type": 1,  # UINT8
                "tensor-name": shape.name,
                "maintain-aspect-ratio": int(shape.fit == "none"),
                "symmetric-padding": int(shape.fit == "none"),
                "scaling-buf-pool-size": 6,
                "tensor-buf-pool-size": 6,
                "scaling-filter": 1,  # bilinear
                "custom-lib-path": LIBRARY,
                "custom-tensor-preparation-function": "CustomTensorPreparation",
            },
            "user-configs": {"pixel-normalization-factor": "1.0"},
            "group-0": {
                "src-ids": 0,
                "process-on-roi": 0,
                "custom-input-transformation-function": "CustomAsyncTransformation",
            },
        }
    )


def _text(sections: dict[str, dict[str, object]]) -> str:
    """As a GLib key file, which configparser writes and reads, too."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict({name: {key: str(value) for key, value in rows.items()} for name, rows in sections.items()})
    file = io.StringIO()
    parser.write(file, space_around_delimiters=False)
    return file.getvalue()
