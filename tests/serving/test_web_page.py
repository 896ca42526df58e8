"""The page in a headless Chromium: files, video, webcam, keys, a phone's width.

Screenshots go to the folder $HYDRANET_SHOTS, where it is set.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("playwright", reason="playwright is not installed; pip install playwright")

from playwright import sync_api as playwright

from hydranet.deploy.manifest import Head, Output
from hydranet.deploy.predictor import SessionPredictor
from web_client import SIZE, TOY, Toy, image_file, serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:images of .* fill only:UserWarning"),  # the webcam's are 640x480
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; apt-get install chromium"),
]
KEY = "a key of this test"
FLAGS = (
    "--no-sandbox --disable-background-networking --use-fake-device-for-media-stream --use-fake-ui-for-media-stream "
    "--disable-gpu"
)


LINES = {
    "score_threshold": 0.3, "least_probability": 0.5, "max_lines": 8, "lines_per_class": 8, "least_rows": 6, "gap": 12,
    "reach": 2.5, "smooth": 3, "cell_px": 1,
}  # fmt: skip


class Traced:
    """A head whose graph answers with a map and whose steps after it make lines of that: a bright stripe."""

    prunes = True
    manifest = replace(
        TOY,
        name="traced",
        heads={"lanes": Head("ClassMap", ("ids", "probs"), postprocess={"trace_lines": LINES}, score_threshold=0.3)},
        outputs={"lanes.ids": Output("uint8", (None, *SIZE)), "lanes.probs": Output("float32", (None, 2, *SIZE))},
    )

    def __call__(self, arrays: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        stripe = np.zeros((len(arrays["image"]), *SIZE), np.float32)
        stripe[:, :, 30:33] = 1
        made = {"lanes.ids": stripe.astype(np.uint8), "lanes.probs": np.stack([1 - stripe, stripe], 1)}
        return {name: made[name] for name in outputs or made}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    models = {"toy": SessionPredictor(Toy()), "second": SessionPredictor(Toy(), ["cars"])}
    with serving(models | {"traced": SessionPredictor(Traced())}) as number:
        yield number


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, port: int) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1200, "height": 800}, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(f"http://127.0.0.1:{port}/")
    opened.wait_for_selector("body[data-ready=yes]")
    yield opened
    context.close()
    assert not errors
    assert all(url.startswith((f"http://127.0.0.1:{port}/", "blob:", "data:")) for url in asked)  # no internet


def shot(page: Any, name: str) -> None:
    if folder := os.environ.get("HYDRANET_SHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def until(page: Any, expression: str) -> None:
    """Waits until it is true. (Playwright's own way needs eval, which the page's policy forbids.)"""
    end = time.monotonic() + 60
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)


def answers(page: Any, count: int) -> None:
    until(page, f"Number(document.body.dataset.answers || 0) >= {count}")


def give(page: Any, data: bytes, name: str = "street.png", kind: str = "image/png") -> None:
    page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": data})


def pixels(page: Any, x: int, y: int) -> list[int]:
    return page.evaluate(f"[...document.getElementById('drawn').getContext('2d').getImageData({x}, {y}, 1, 1).data]")


def test_an_answer_of_another_kind_than_its_graphs(page: Any) -> None:
    page.select_option("#model", "traced")
    data, rgb = image_file(3, (96, 192))
    give(page, data)
    answers(page, 1)
    assert "answered in" in page.inner_text("#state")
    assert page.inner_text("#heads small") == "Polylines 1"
    assert pixels(page, 94, 50)[:3] != rgb[50, 94].tolist()  # the line is drawn
    assert pixels(page, 20, 50)[:3] == rgb[50, 20].tolist()


def test_an_image_its_heads_a_pixel_and_the_json(page: Any, tmp_path: Path) -> None:
    data, rgb = image_file(6, (240, 480))
    give(page, data)
    answers(page, 1)
    assert not page.is_visible("#drop")
    expected = SessionPredictor(Toy())(rgb)
    for box in page.query_selector_all("#heads input"):
        if box.is_checked():
            box.click()
    drawn = pixels(page, 300, 100)
    assert drawn[:3] == rgb[100, 300].tolist()  # nothing is drawn on it
    page.click("#heads input[value=far]")
    page.click("#heads input[value=area]")
    until(page, "document.getElementById('legend').textContent.includes('far')")
    until(page, "document.getElementById('legend').textContent.includes('dark')")
    assert pixels(page, 300, 100)[:3] != drawn[:3]
    page.focus("#drawn")
    page.keyboard.press("ArrowRight")  # from the middle
    page.keyboard.press("Shift+ArrowDown")
    meters, name = expected["far"].values[130, 241], TOY.heads["area"].classes[expected["area"].ids[130, 241]]
    assert page.inner_text("#pixel") == f"x 241, y 130 · far: {meters:.2f} m · area: {name}"
    area = page.locator("#drawn").bounding_box()
    page.mouse.click(area["x"] + area["width"] * 100.5 / 480, area["y"] + area["height"] * 50.5 / 240)
    assert page.inner_text("#pixel").startswith(f"x 100, y 50 · far: {expected['far'].values[50, 100]:.2f} m")
    page.click("#heads input[value=cars]")
    until(page, "document.body.dataset.heads.split(' ').includes('cars')")
    page.fill("#threshold", "0.05")
    with page.expect_download() as download:
        page.keyboard.press("d")
    path = tmp_path / "answer.json"
    download.value.save_as(path)
    said = json.loads(path.read_text())
    assert (said["name"], said["width"], said["height"]) == ("street.png", 480, 240)
    assert download.value.suggested_filename == "street.png.json"
    assert len(said["tasks"]["cars"]["boxes"]) == 2
    shot(page, "image")


def test_keys_side_by_side_thresholds_and_another_model(page: Any) -> None:
    data, _ = image_file(6, (120, 240))
    give(page, data)
    answers(page, 1)
    page.keyboard.press("s")
    assert page.is_visible("#plain")
    before = page.is_checked("#heads input[value=far]")
    page.keyboard.press("1")
    assert page.is_checked("#heads input[value=far]") is not before
    for key in "234567":
        page.keyboard.press(key)
    page.wait_for_timeout(200)
    page.fill("#threshold", "1")
    assert page.inner_text("#threshold-value") == "1.00"
    page.select_option("#model", "second")
    until(page, "document.querySelectorAll('#heads input').length === 1")
    answers(page, 2)
    shot(page, "side")
    give(page, b"no image", "broken.png")
    until(page, "document.getElementById('state').classList.contains('error')")


def test_webcam_and_pause(page: Any) -> None:
    page.keyboard.press("w")
    answers(page, 3)
    shot(page, "webcam")
    page.click("#pause")
    assert page.get_attribute("#pause", "aria-pressed") == "true"
    page.click("#webcam")
    assert page.is_disabled("#pause")


def test_a_video(page: Any, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "drive.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 160, "yuv420p"
        for i in range(20):
            frame = np.full((160, 320, 3), 40 + 8 * i, np.uint8)
            cv2.circle(frame, (20 + 12 * i, 80), 20, (255, 0, 0), -1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    give(page, path.read_bytes(), "drive.webm", "video/webm")
    answers(page, 3)
    assert page.evaluate("document.getElementById('drawn').width") == 320
    shot(page, "video")


def test_a_phone(browser: Any, port: int) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, device_scale_factor=2, has_touch=True)
    opened = context.new_page()
    opened.goto(f"http://127.0.0.1:{port}/")
    opened.wait_for_selector("body[data-ready=yes]")
    data, _ = image_file(6, (240, 480))
    give(opened, data)
    answers(opened, 1)
    opened.tap("#drawn")
    assert "x " in opened.inner_text("#pixel")
    wide = opened.evaluate("document.documentElement.scrollWidth")
    small = opened.evaluate("Math.min(...[...document.querySelectorAll('button')].map((b) => b.offsetHeight))")
    shot(opened, "phone")
    context.close()
    assert wide <= 360  # nothing to scroll sideways
    assert small >= 40  # a finger's width


def test_a_server_with_a_key_asks_for_it(browser: Any) -> None:
    with serving({"toy": SessionPredictor(Toy())}, key=KEY) as port:
        context = browser.new_context()
        opened = context.new_page()
        opened.goto(f"http://127.0.0.1:{port}/")
        opened.wait_for_selector("#key")
        until(opened, "!document.getElementById('key-label').hidden")
        opened.fill("#key", KEY)
        opened.press("#key", "Tab")
        opened.wait_for_selector("body[data-ready=yes]")
        context.close()
