"""Small folders as other people lay them out: what a new user brings."""

import json
from pathlib import Path

import cv2
import numpy as np

HEIGHT, WIDTH = 96, 160
STREET = ("road", "car", "sky")
COLORS = ((128, 64, 128), (0, 0, 142), (70, 130, 180))


def write(path: Path, pixels: np.ndarray) -> Path:
    """An image by suffix; RGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = pixels if pixels.ndim == 2 else pixels[..., ::-1]
    assert cv2.imwrite(str(path), stored)
    return path


def scene(seed: int) -> tuple[np.ndarray, np.ndarray, tuple[int, int, int, int], np.ndarray]:
    """An image (uint8 h w 3), its class ids, the box of its car (left top right bottom), its depth in meters."""
    dice = np.random.default_rng(seed)
    horizon = int(dice.integers(30, 50))
    ids = np.full((HEIGHT, WIDTH), 2, np.uint8)
    ids[horizon:] = 0
    left, width = int(dice.integers(5, WIDTH - 60)), int(dice.integers(24, 50))
    bottom = int(dice.integers(horizon + 20, HEIGHT - 4))
    box = (left, bottom - width // 2, left + width, bottom)
    ids[box[1] : box[3], box[0] : box[2]] = 1
    rows = np.arange(HEIGHT)[:, None].repeat(WIDTH, 1)
    depth = np.where(rows > horizon, 1.5 * 80 / np.maximum(rows - horizon, 2), 0.0)
    depth[ids == 1] = 1.5 * 80 / max(bottom - horizon, 2)
    shade = cv2.resize(dice.integers(0, 90, (7, 9, 3), dtype=np.uint8), (WIDTH, HEIGHT)).astype(int)
    image = np.array(COLORS, int)[ids] + shade - 45 + dice.integers(-8, 9, (HEIGHT, WIDTH, 3))
    return image.clip(0, 255).astype(np.uint8), ids, box, depth


def palette_masks(root: Path, count: int = 12) -> Path:
    """Palette PNG in nested folders: photos/CITY/DAY/NAME_photo.jpg, gt/CITY/DAY/NAME_gt.png; names in classes.txt."""
    from PIL import Image

    for i in range(count):
        place = f"{('bonn', 'ulm')[i % 2]}/day{i // 6}"
        image, ids, _, _ = scene(i)
        write(root / f"photos/{place}/{i:03d}_photo.jpg", image)
        path = root / f"gt/{place}/{i:03d}_gt.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        mask = Image.fromarray(ids)
        mask.putpalette([value for color in COLORS for value in color])
        mask.save(path)
    (root / "classes.txt").write_text("\n".join(STREET) + "\n")
    return root


def coco_boxes(root: Path, count: int = 12) -> Path:
    """COCO: images/NAME.jpg and one JSON file beside."""
    tables: dict[str, list[dict[str, object]]] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 3, "name": "car"}],
    }
    for i in range(count):
        image, _, (left, top, right, bottom), _ = scene(100 + i)
        write(root / f"images/{i}.jpg", image)
        tables["images"].append({"id": i, "file_name": f"{i}.jpg", "width": WIDTH, "height": HEIGHT})
        bbox = [left, top, right - left, bottom - top]
        tables["annotations"].append({"id": i, "image_id": i, "category_id": 3, "bbox": bbox, "iscrowd": 0})
    (root / "annotations.json").write_text(json.dumps(tables))
    return root


def depth_in_mm(root: Path, count: int = 12) -> Path:
    """clips/CLIP/rgb/N.png and clips/CLIP/depth/N.png, 16 bits, millimeters."""
    for i in range(count):
        image, _, _, depth = scene(200 + i)
        clip = root / f"clips/clip{i % 3}"
        write(clip / f"rgb/{i}.png", image)
        write(clip / f"depth/{i}.png", (depth * 1000).clip(0, 65535).astype(np.uint16))
    return root
