"""A trained network as a function of an image: one class for run folders and exported files, in every runtime."""

from collections.abc import Sequence
from pathlib import Path

from hydranet.checkpoint.released.names import located, released
from hydranet.core.extras import needing
from hydranet.core.spec import SpecError
from hydranet.deploy.cameras import CameraLike
from hydranet.deploy.crops import WithCrops
from hydranet.deploy.manifest import Manifest
from hydranet.deploy.options import PredictorError
from hydranet.deploy.predictor import SessionPredictor
from hydranet.deploy.session import Runtime, Session, known, open_session, runtimes_for

WEIGHTS = ".safetensors"
"""Suffix of a file of weights with its recipe, which PyTorch runs."""


class Predictor(SessionPredictor):
    """(uint8 h w 3 RGB image) -> {task: annotation} in the image's own pixels and in meters.

    path:      the name of a released network ("street"), a run folder, a model.safetensors, or a file that `hydranet
               export` wrote (.onnx, .xml, .torchscript), which needs numpy, OpenCV and its runtime, not PyTorch.
    heads:     tasks to compute; where the runtime prunes, the others cost nothing.
    threshold: boxes and lines below this score are left out; default: each task's own, which a file holds, too.
    iou:       of two boxes of a class that overlap more than this, only the better one is kept; default: each task's
               own.
               Both may also be given with each image, and `with_options` sets options of single heads.
    size:      height and width the network sees; default: the training size nearest to the image in shape.
    runtime:   what computes, and how: a name such as "openvino", or a `Runtime` with device, threads, precision.
    camera:    of the images: a `Camera` in their pixels, or its focal length in pixels; see `SessionPredictor`.
    A predictor remembers nothing from image to image, so several threads may call one at once; `stream(every={"depth":
    2})` makes one that computes a head for every second image only. A process that forks opens its own.
    Raises PredictorError for a path that names no network and for what the network cannot do, ManifestError for what
    is no export, UntrustedFile for a .torchscript file that this user did not export (`Runtime(trust=True)` opens it),
    CheckpointError for a damaged run, ImportError naming the extra that is not installed.
    """

    def __init__(
        self,
        path: Path | str,
        heads: Sequence[str] | None = None,
        *,
        threshold: float | None = None,
        iou: float | None = None,
        size: Sequence[int] | None = None,
        runtime: str | Runtime = "",
        camera: CameraLike | None = None,
    ) -> None:
        session = open_path(path, Runtime(runtime) if isinstance(runtime, str) else runtime)
        super().__init__(session, heads, threshold=threshold, iou=iou, size=size, camera=camera)


def open_path(path: Path | str, runtime: Runtime) -> Session:
    """The session of a run folder, of its weights, or of an exported file.

    Raises PredictorError for a path that names none, SpecError for options that it does not have.
    """
    place = located(path)
    if runtimes_for(place):
        if runtime.device != "cpu":
            raise SpecError(
                f"got device {runtime.device!r} with an exported file, expected a run; exported files use the CPU here"
            )
        session = open_session(place, runtime.name, runtime.threads, runtime.precision, runtime.trust)
        return session if _sees_crops(session.manifest) else _with_crops(session, place, runtime)
    if not place.is_dir() and not (place.is_file() and place.suffix == WEIGHTS):
        suffixes = sorted({suffix for _, module in known() for suffix in module.SUFFIXES})
        raise PredictorError(
            f"no run or model at {path}; give a run folder, its model{WEIGHTS}, or an exported file "
            f"({', '.join(suffixes)}), or the name of a released network ({', '.join(released()) or 'none is here'})"
        )
    if runtime.name:
        raise SpecError(
            f"got runtime {runtime.name!r} with a run, expected an exported file such as model.onnx; "
            f"hydranet export {path}"
        )
    with needing("a run folder"):
        from hydranet.inference.torch_session import TorchSession
    return TorchSession(place, runtime)


def _sees_crops(manifest: Manifest) -> bool:
    """Whether the graph itself sees the crops of its cascades, if there are any."""
    return all(set(cascade.heads) & manifest.heads.keys() for cascade in manifest.cascades)


def _with_crops(session: Session, place: Path, runtime: Runtime) -> Session:
    """The session with those of its cascades' graphs, which lie in folders beside it."""
    files = [place.parent / cascade.folder / place.name for cascade in session.manifest.cascades]
    for file in files:
        if not file.is_file():
            raise PredictorError(f"missing file {file}, which sees the crops of {place.name}; copy the whole folder")
    crops = [open_session(file, runtime.name, runtime.threads, runtime.precision, runtime.trust) for file in files]
    return WithCrops(session, tuple(crops))


def parse_size(text: str, multiple: int = 4) -> tuple[int, int] | None:
    """ "192x640" as (192, 640); None for an empty text. Raises SpecError for anything else."""
    if not text:
        return None
    height, cross, width = text.lower().partition("x")
    sides = [int(side) if side.isdecimal() else 0 for side in (height, width)]
    if not cross or any(side <= 0 or side % multiple for side in sides):
        whole = f" in multiples of {multiple}" if multiple > 1 else ""
        raise SpecError(f"got size {text!r}, expected HEIGHTxWIDTH{whole}, such as 192x640")
    return sides[0], sides[1]
