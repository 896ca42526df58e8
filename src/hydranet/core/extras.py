"""Which extra brings a package that is missing: what needs it ends with one sentence."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

EXTRAS: Mapping[str, str] = {
    "torch": "train",
    "torchvision": "train",
    "timm": "train",
    "jaxtyping": "train",
    "torchjd": "train",
    "faster_coco_eval": "train",
    "scipy": "train",
    "tensorboard": "train",
    "yaml": "train",
    "zstandard": "train",
    "onnx": "export",
    "onnxscript": "export",
    "nncf": "export",
    "onnxruntime": "onnx",
    "openvino": "openvino",
    "av": "video",
    "similari": "track",
    "foxglove": "record",
    "mcap": "record",
    "rosbags": "record",
    "rerun": "viz",
    "ray": "scale",
    "rclpy": "ros2",
    "fastapi": "serve",
    "uvicorn": "serve",
    "python_multipart": "serve",
}
"""Extra of hydranet by the name of a module that it brings."""


def sentence(error: ImportError, what: str) -> str:
    """What to install for something that needs a missing module; the error's own text for modules of nobody."""
    module = (error.name or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or module not in EXTRAS:
        return str(error)
    return f'{what} needs {module}, which is not installed; pip install "hydranet[{EXTRAS[module]}]"'


@contextmanager
def needing(what: str) -> Iterator[None]:
    """Imports of optional packages for `what`. Raises ImportError naming the extra where one is missing."""
    try:
        yield
    except ImportError as error:
        raise ImportError(sentence(error, what), name=error.name) from error
