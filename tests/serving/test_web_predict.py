"""POST /predict: the same answers as the Predictor, in every format, and a sentence for everything else."""

import json
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from hydranet.deploy.messages import message
from hydranet.deploy.predictor import SessionPredictor
from hydranet.deploy.session import open_session
from hydranet.deploy.writer import arrays
from hydranet.serving.web.tensors import HEADER, unpack
from hydranet.visualization.draw import captioned
from web_client import TOY, Toy, ask, image_file, metric, serving

OLD = Path(__file__).parents[1] / "fixtures" / "v0_1"


@pytest.fixture(scope="module")
def toy() -> Toy:
    return Toy()


@pytest.fixture(scope="module")
def port(toy: Toy) -> Iterator[int]:
    with serving({"toy": SessionPredictor(toy), "second": SessionPredictor(Toy(), ["far", "cars"])}) as number:
        yield number


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp"])
def test_json_is_what_the_predictor_says(port: int, suffix: str) -> None:
    data, rgb = image_file(3, suffix=suffix)
    predictor = SessionPredictor(Toy())
    if suffix == ".webp":
        rgb = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    expected = {name: message(one, TOY.heads[name].classes) for name, one in predictor(rgb).items()}
    answer = ask(port, "/predict", data)
    assert answer.status == 200, answer.body
    found = answer.json()
    assert found["tasks"] == expected
    assert (found["model"], found["width"], found["height"]) == ("toy", 90, 40)
    assert len(expected["cars"]["boxes"]) == 2  # one of the three is suppressed


def test_arrays_are_those_of_the_predictor(port: int) -> None:
    data, rgb = image_file(5)
    answer = ask(port, "/predict?format=arrays&heads=faces,far,area,lines", data)
    tree, found = unpack(answer.body, answer.headers[HEADER])
    expected = arrays(SessionPredictor(Toy(), ["far", "area", "lines", "faces"])(rgb))
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        wanted = array.astype(np.float32) if array.dtype == np.float64 else array
        np.testing.assert_array_equal(found[name], wanted, strict=True)
    assert found["far.values"].shape == (40, 90)
    assert found["far.values"].dtype == np.float32
    assert list(tree["tasks"]) == ["faces", "far", "area", "lines"]


def test_png_is_the_drawing_of_the_package(port: int) -> None:
    data, rgb = image_file(7)
    answer = ask(port, "/predict?format=png&heads=area", data)
    assert answer.headers["content-type"] == "image/png"
    drawn = cv2.cvtColor(cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(
        drawn, captioned(rgb, SessionPredictor(Toy())(rgb)["area"], TOY.heads["area"].classes)
    )
    sheet = cv2.imdecode(np.frombuffer(ask(port, "/predict?format=png", data).body, np.uint8), cv2.IMREAD_COLOR)
    assert sheet.shape[0] > drawn.shape[0]


def test_coco_names_boxes_masks_and_what_it_cannot_say(port: int) -> None:
    data, rgb = image_file(4)
    found = ask(port, "/predict?format=coco", data).json()
    boxes = SessionPredictor(Toy())(rgb)["cars"]
    names = {one["id"]: (one["supercategory"], one["name"]) for one in found["categories"]}
    rows = [row for row in found["annotations"] if names[row["category_id"]][0] == "cars"]
    assert [names[row["category_id"]][1] for row in rows] == [("car", "van")[i] for i in boxes.label]
    for row, (x0, y0, x1, y1) in zip(rows, boxes.xyxy, strict=True):
        np.testing.assert_allclose(row["bbox"], [x0, y0, x1 - x0, y1 - y0], atol=2e-3)
    masks = {names[row["category_id"]][1]: row for row in found["annotations"] if "segmentation" in row}
    ids = SessionPredictor(Toy())(rgb)["area"].ids
    assert {name: row["area"] for name, row in masks.items()} == {
        name: int((ids == i).sum()) for i, name in enumerate(TOY.heads["area"].classes) if (ids == i).any()
    }
    assert found["info"]["left_out"] == ["far", "lines", "sign", "bright", "faces"]
    assert found["images"] == [{"id": 1, "file_name": "image", "height": 40, "width": 90}]


def test_heads_thresholds_models_and_forms(port: int) -> None:
    data, rgb = image_file(3)
    found = ask(port, "/predict?model=second&heads=cars&threshold=0.99", data).json()
    assert found["model"] == "second"
    assert found["tasks"] == {"cars": {"kind": "Boxes", "boxes": []}}
    loose = ask(port, "/predict?heads=cars&threshold=0.01&iou=1", data).json()
    assert len(loose["tasks"]["cars"]["boxes"]) == 3
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="street.png"\r\n\r\n'
    form = ask(
        port,
        "/predict?heads=bright",
        head + data + b"\r\n--x--\r\n",
        {"content-type": "multipart/form-data; boundary=x"},
    )
    assert form.json()["name"] == "street.png"
    seen = SessionPredictor(Toy(), ["bright"])(rgb)["bright"].value
    assert form.json()["tasks"]["bright"]["value"] == pytest.approx(float(seen), abs=1e-3)


@pytest.mark.filterwarnings("ignore:images of .* fill only:UserWarning")
def test_images_are_turned_upright(port: int) -> None:
    data, rgb = image_file(3, suffix=".jpg")
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHII", 8, 1, 274, 3, 1, 6) + b"\0\0\0\0"
    turned = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    found = ask(port, "/predict?heads=bright", turned).json()
    assert (found["width"], found["height"]) == (rgb.shape[0], rgb.shape[1])


PNG, _ = image_file(1)
BOMB = PNG[:16] + struct.pack(">II", 60_000, 60_000) + PNG[24:]


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/predict", b"", 400, "got no image"),
        ("/predict", b"no image at all", 400, "cannot be decoded"),
        ("/predict", PNG[:-30], 400, "is cut off"),
        ("/predict", BOMB, 413, "declares 60000x60000 pixels, expected at most 16 million"),
        ("/predict", PNG[:60] + bytes(40) + PNG[100:], 400, "broken image"),
        ("/predict?heads=car", PNG, 400, "did you mean 'cars'?"),
        ("/predict?threshold=2", PNG, 400, "expected a number from 0 to 1"),
        ("/predict?threshold=nan", PNG, 400, "expected a number from 0 to 1"),
        ("/predict?threshold=a", PNG, 400, "threshold"),
        ("/predict?iou=-1", PNG, 400, "expected a number from 0 to 1"),
        ("/predict?format=gif", PNG, 400, "format"),
        ("/predict?focal_px=0", PNG, 400, "expected a focal length"),
        ("/predict?heads=area&threshold=.9", PNG, 400, "got threshold for head 'area', which has no scores of boxes"),
        ("/predict?heads=area,lines&iou=.9", PNG, 400, "got iou for heads that have no suppression of boxes"),
        ("/predict?focal_px=900", PNG, 400, "got focal_px for heads that have no use for a camera: it changes nothing"),
        ("/predict?treshold=0.5", PNG, 400, "no query parameter is called 'treshold'; did you mean 'threshold'?"),
        ("/predict?iou=0.5&iou=0.9", PNG, 400, "got query parameter 'iou' 2 times, expected it once"),
        ("/predict?model=third", PNG, 404, "there are"),
        ("/nothing", None, 404, "Not Found"),
        ("/predict", None, 405, "Method Not Allowed"),
    ],
)
def test_everything_else_is_one_sentence(port: int, path: str, body: bytes | None, status: int, words: str) -> None:
    answer = ask(port, path, body)
    assert (answer.status, "\n" in answer.json()["error"]) == (status, False)
    assert words in answer.json()["error"]


def test_options_in_a_form_are_refused(port: int) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="heads"\r\n\r\nbright\r\n'
    head += b'--x\r\nContent-Disposition: form-data; name="image"; filename="street.png"\r\n\r\n'
    content = {"content-type": "multipart/form-data; boundary=x"}
    answer = ask(port, "/predict", head + PNG + b"\r\n--x--\r\n", content)
    assert (answer.status, answer.json()["error"]) == (
        400,
        "got form field 'heads', expected one file alone; put options into the URL",
    )


def test_a_form_without_a_file_is_refused(port: int) -> None:
    broken = ask(port, "/predict", b"--x\r\nnothing", {"content-type": "multipart/form-data; boundary=x"})
    assert broken.status == 400
    assert ask(port, "/predict", b"", {"content-type": "multipart/form-data"}).status == 400


@pytest.mark.filterwarnings("ignore:images of .* fill only:UserWarning")
def test_concurrent_requests_are_computed_together_and_each_gets_its_own() -> None:
    slow = Toy(pause_s=0.2)
    images = [image_file(seed, size=((40, 90), (30, 33))[seed % 2]) for seed in range(12)]
    alone = SessionPredictor(Toy())
    expected = [float(alone(rgb)["bright"].value) for _, rgb in images]
    assert len({round(one, 2) for one in expected}) == 12
    with serving({"toy": SessionPredictor(slow)}) as port, ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda one: ask(port, "/predict?heads=bright", one[0]).json(), images))
        together = metric(port, "hydranet_batch_images_sum") / metric(port, "hydranet_batch_images_count")
    for answer, value in zip(answers, expected, strict=True):
        assert answer["tasks"]["bright"]["value"] == pytest.approx(value, abs=1e-3)
    assert together > 1.5
    assert max(slow.sizes) > 1


def test_a_real_file_answers_like_its_predictor() -> None:
    pytest.importorskip("onnxruntime")
    predictor = SessionPredictor(open_session(OLD / "export" / "model.onnx", threads=1))
    data = (OLD / "image.png").read_bytes()
    rgb = cv2.cvtColor(cv2.imread(str(OLD / "image.png")), cv2.COLOR_BGR2RGB)
    expected = arrays(predictor(rgb, 0.01))
    with serving({"old": predictor}) as port:
        answer = ask(port, "/predict?format=arrays&threshold=0.01", data)
    _, found = unpack(answer.body, answer.headers[HEADER])
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-6)


def test_metrics_page_data_and_openapi(port: int) -> None:
    ask(port, "/predict", b"no image")
    text = ask(port, "/metrics").body.decode()
    assert 'hydranet_requests_total{route="/predict",status="400"}' in text
    assert metric(port, "process_resident_memory_bytes") > 1e7
    toy = ask(port, "/models").json()[0]
    assert toy["heads"]["cars"] == {
        "kind": "Boxes",
        "classes": ["car", "van"],
        "colors": toy["heads"]["cars"]["colors"],
        "background": [False, False],
        "unit": "",
        "score_threshold": 0.3,
        "takes": ["threshold", "iou"],
    }
    taken = {name: head["takes"] for name, head in toy["heads"].items()}
    assert (taken["lines"], taken["area"], taken["far"]) == (["threshold"], [], [])
    assert len(toy["scale"]["colors"]) == 256
    document = ask(port, "/openapi.json").json()
    assert {"/predict", "/v2/models/{name}/infer", "/v2/health/ready"} <= set(document["paths"])
    names = [one["name"] for one in document["paths"]["/predict"]["post"]["parameters"]]
    assert names == ["model", "heads", "threshold", "iou", "focal_px", "format"]
    json.dumps(document)
