"""A head that needs the camera, exported: as an input of the graph, fitted inside it, or baked in."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from export_toys import SIZE, every_recipe, samples, shaken
from hydranet.core.sample import Camera
from hydranet.core.spec import SpecError
from hydranet.deploy.camera_input import CAMERA
from hydranet.deploy.manifest import IMAGE, Manifest, ManifestError
from hydranet.deploy.manifest_fit import InputError
from hydranet.deploy.session import Session, known, open_session, runtimes_for
from hydranet.export.export import ExportPlan, export
from hydranet.export.graph import ExportGraph, Shape
from hydranet.export.nvidia.deepstream import write_configs
from hydranet.export.nvidia.triton import config
from hydranet.export.parity import Bounds, compare
from hydranet.models.hydranet import HydraNet
from hydranet.tasks.depth.task import Depth

pytest.importorskip("onnxscript")

TARGETS = [name for name, _ in known()]
FRAME = (90, 160)
KINDS = {
    "one size": Shape(SIZE),
    "any number of images": Shape(SIZE, batch=None),
    "suppression inside": Shape(SIZE, batch=None, nms="inside"),
    "fitted inside": Shape(SIZE, fit="letterbox", frame=FRAME),
    "baked in": Shape(SIZE, batch=None, focal_px=70.0),
}


def network(focal: float | None = 50.0) -> HydraNet:
    recipe = every_recipe()
    tasks = tuple(replace(t, canonical_focal_px=focal) if isinstance(t, Depth) else t for t in recipe.tasks)
    model = shaken(replace(recipe, tasks=tasks).build())
    model.usual_focal = 0.6
    return model


Exported = Callable[[str], tuple[ExportGraph, list[Path]]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The export of one of KINDS for every runtime, made once: an export takes seconds."""

    @cache
    def make(kind: str) -> tuple[ExportGraph, list[Path]]:
        plan = ExportPlan(TARGETS, KINDS[kind], ["depth", "yolov8"])
        return export(network(), every_recipe(), tmp_path_factory.mktemp("export"), plan, name="toy")

    return make


def onnx_file(exported: Exported, kind: str) -> tuple[ExportGraph, Path]:
    graph, paths = exported(kind)
    return graph, next(path for path in paths if path.suffix == ".onnx")


def opened(paths: list[Path]) -> dict[tuple[str, str], Session]:
    return {(path.name, name): open_session(path, name, 1) for path in paths for name in runtimes_for(path)}


@pytest.mark.slow  # five exports
@pytest.mark.parametrize("kind", KINDS)
def test_every_runtime_answers_what_pytorch_answers_for_the_images_own_cameras(kind: str, exported: Exported) -> None:
    graph, paths = exported(kind)
    size = FRAME if KINDS[kind].fit != "none" else SIZE
    images = [
        replace(sample, image=np.resize(sample.image, (*size, 3)), camera=Camera.centered(40.0 + 30 * i, size))
        for i, sample in enumerate(samples(2))
    ]
    for parity in compare(graph, opened(paths), images, Bounds(arrays=1e-3)):
        assert parity.failures == []
        assert "depth.values" in parity.arrays


def test_each_image_of_a_batch_has_a_camera_of_its_own(exported: Exported) -> None:
    _, paths = exported("any number of images")
    image = np.repeat(samples(1)[0].image[None, : SIZE[0], : SIZE[1]], 3, 0)
    focal = np.array([50.0, 60.0, 40.0], np.float32)
    cameras = np.stack([focal, focal, focal * 0 + 48, focal * 0 + 32], 1)
    for session in opened(paths).values():
        values = session({IMAGE: image, CAMERA: cameras}, ["depth.values"])["depth.values"]
        np.testing.assert_allclose(values[1], values[0] * 1.2, rtol=1e-4)
        np.testing.assert_allclose(values[2], values[0] * 0.8, rtol=1e-4)


def test_a_graph_that_fits_frames_fits_their_cameras(exported: Exported) -> None:
    """Frames of 90 x 160 pixels in 64 x 96: a focal length of 100 pixels becomes 60."""
    graph, _ = exported("fitted inside")
    given = torch.tensor([[100.0, 100.0, 80.0, 45.0]])
    torch.testing.assert_close(graph._camera(given), torch.tensor([[60.0, 60.0, 48.0, 32.0]]))


def test_the_manifest_says_what_the_camera_is(exported: Exported) -> None:
    graph, path = onnx_file(exported, "any number of images")
    manifest = open_session(path).manifest
    assert manifest.camera is not None
    assert (manifest.camera.heads, manifest.camera.fixed, manifest.camera.usual) == (("depth",), None, 0.6)
    assert manifest.inputs == {IMAGE: ("uint8", (None, *SIZE, 3)), CAMERA: ("float32", (None, 4))}
    assert graph.inputs == tuple(manifest.inputs)
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert 'name: "camera" data_type: TYPE_FP32 dims: [ 4 ]' in config(manifest)
    with pytest.raises(InputError, match="got inputs image, expected image, camera; give each of them"):
        open_session(path)({IMAGE: np.zeros((1, *SIZE, 3), np.uint8)})


def test_a_camera_that_is_baked_in_leaves_images_as_the_only_input(exported: Exported, tmp_path: Path) -> None:
    graph, path = onnx_file(exported, "baked in")
    fixed = open_session(path)
    assert fixed.manifest.camera is not None
    assert fixed.manifest.camera.fixed == (70, 70, 48, 32)
    assert graph.inputs == tuple(fixed.manifest.inputs) == (IMAGE,)
    write_configs(path, fixed.manifest, tmp_path)
    _, path = onnx_file(exported, "one size")
    image = samples(1)[0].image[None, : SIZE[0], : SIZE[1]]
    camera = np.array([[70.0, 70.0, 48.0, 32.0]], np.float32)
    np.testing.assert_allclose(
        fixed({IMAGE: image})["depth.values"],
        open_session(path)({IMAGE: image, CAMERA: camera})["depth.values"],
        rtol=1e-5,
    )
    with pytest.raises(SpecError, match=r"thresholds or cameras as inputs .* with --focal-px where a head needs"):
        write_configs(path, open_session(path).manifest, tmp_path)


def test_heads_that_need_no_camera_have_no_such_input_and_take_no_focal_length() -> None:
    assert ExportGraph(network(), Shape(SIZE)).inputs == (IMAGE, CAMERA)
    assert ExportGraph(network().subset("normals"), Shape(SIZE)).inputs == (IMAGE,)
    with pytest.raises(SpecError, match=r"got focal_px=70, but no head of normals needs the camera"):
        ExportGraph(network().subset("normals"), Shape(SIZE, focal_px=70.0))
    with pytest.raises(SpecError, match=r"got focal_px=-1\.0, expected a focal length above 0"):
        Shape(SIZE, focal_px=-1.0)


def test_a_manifest_of_before_has_no_camera_and_a_damaged_one_is_refused(exported: Exported) -> None:
    _, path = onnx_file(exported, "one size")
    text = open_session(path).manifest.to_json()
    assert Manifest.from_json(text.replace('"usual": 0.6', '"usual": null')).camera is not None
    with pytest.raises(ManifestError, match=r"got camera None and usual focal length -0\.6, expected fx"):
        Manifest.from_json(text.replace('"usual": 0.6', '"usual": -0.6'))
