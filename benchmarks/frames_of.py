"""Frames of the videos and the images of a folder, as images in another one.

python benchmarks/frames_of.py VIDEOS FRAMES --every 3
"""

import argparse
import shutil
from itertools import count
from pathlib import Path

import cv2

SUFFIXES = (".mp4", ".avi", ".mov")


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("videos", type=Path)
    given.add_argument("frames", type=Path)
    given.add_argument("--every", type=int, default=1, help="of this many frames, one is written")
    asked = given.parse_args()
    asked.frames.mkdir(parents=True, exist_ok=True)
    written = 0
    for path in sorted(asked.videos.rglob("*")):
        if path.suffix.lower() in (".jpg", ".png"):
            shutil.copy(path, asked.frames / path.name)
            written += 1
        if path.suffix.lower() not in SUFFIXES:
            continue
        video = cv2.VideoCapture(str(path))
        for index in count():
            more, frame = video.read()
            if not more:
                break
            if index % asked.every == 0:
                name = f"{path.stem}_{index:05}.jpg"
                cv2.imwrite(str(asked.frames / name), frame, [cv2.IMWRITE_JPEG_QUALITY, 95])
                written += 1
        video.release()
    print(f"{written} images -> {asked.frames}")


if __name__ == "__main__":
    main()
