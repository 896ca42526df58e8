"""One image of what a network says about several: a row for each image, a column for each head.

python benchmarks/contact_sheet.py street docs/street.jpg IMAGE... --heads semantic,depth,detection,lanes
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from hydranet import Predictor
from hydranet.io.images import read_rgb
from hydranet.visualization.draw import draw

WIDTH = 1600


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("network")
    given.add_argument("out", type=Path)
    given.add_argument("images", nargs="+", type=Path)
    given.add_argument("--heads", default="semantic,depth,detection,lanes")
    asked = given.parse_args()
    heads = asked.heads.split(",")
    predictor = Predictor(asked.network)
    rows = []
    for path in asked.images:
        image = read_rgb(path)
        answers = predictor(image)
        width = WIDTH // len(heads)
        size = (width, round(width * image.shape[0] / image.shape[1]))
        drawn = [draw(image, answers[head], predictor.classes[head]) for head in heads]
        rows.append(np.hstack([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in drawn]))
    sheet = cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(asked.out), sheet, [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    main()
