"""Frames to a video file, each at its own time; what was written can be played even if the program is killed."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hydranet.core.sample import DataError
from hydranet.deploy.video.mp4_boxes import whole_size
from hydranet.io.growing_file import GrowingFile

TICKS = 90000
"""Time stamps per second."""

HYBRID = (61, 7, 100)
"""From this libavformat on (FFmpeg 7.1), fragments become a plain file when it is closed."""

SPEED = {"preset": "veryfast"}
"""x264's own name for a fifth of the work of "medium" at files about a tenth larger."""


class VideoFile:
    """Writes frames to a file that browsers play (H.264, extra [video]); without PyAV it falls back to MPEG-4.

    fps: the usual rate. The size is that of the first frame, less an odd row or column; frames of another size are
    fitted into it, with black borders.
    With PyAV, the file is written in fragments of about a second: after a kill or on a full disk all can be played but
    the last fragment and some ten frames that the encoder looks ahead; a file without a whole fragment is removed.
    Raises DataError, naming the file, where it cannot be written.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self.fps = path, fps
        self._size: tuple[int, int] | None = None
        self._ticks, self._written = -1, 0
        self._file: GrowingFile | None = None
        self._container: Any = None  # PyAV, or
        self._stream: Any = None
        self._writer: Any = None  # OpenCV
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, image: np.ndarray, time_s: float | None = None) -> None:
        """Appends a frame, uint8 h w 3 RGB.

        time_s: when to show it; None, for all frames = one every 1 / fps seconds.
        """
        if self._size is None:
            self._size = max(image.shape[0] // 2 * 2, 2), max(image.shape[1] // 2 * 2, 2)
        image = fitted(image, self._size)
        time_s = self._written / self.fps if time_s is None else time_s
        try:
            import av  # noqa: F401
        except ImportError:
            self._add_mpeg4(image, time_s)
            return
        try:
            self._add_h264(image, time_s)
        except OSError as error:
            self._abandon()
            raise self._unwritable(error) from error
        self._check()

    def _add_h264(self, image: np.ndarray, time_s: float) -> None:
        import av

        if self._container is None:
            hybrid = av.library_versions["libavformat"] >= HYBRID
            flags = "hybrid_fragmented" if hybrid else "frag_keyframe+default_base_moof"
            flags += "+delay_moov"  # the header is written with the first fragment, when it is known where time begins
            options = {"movflags": flags, "flush_packets": "1"}
            self._file = GrowingFile(self.path)
            self._container = av.open(self._file, "w", format="mp4", options=options)
            self._stream = self._container.add_stream("libx264", rate=Fraction(self.fps).limit_denominator(1001))
            self._stream.height, self._stream.width = image.shape[:2]
            self._stream.pix_fmt = "yuv420p"
            self._stream.options = SPEED
            self._stream.codec_context.gop_size = max(1, round(self.fps))  # a key frame, so a fragment, per second
            self._stream.codec_context.time_base = Fraction(1, TICKS)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts = self._ticks = max(round(time_s * TICKS), self._ticks + 1)
        frame.time_base = Fraction(1, TICKS)
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
        self._written += 1

    def _add_mpeg4(self, image: np.ndarray, time_s: float) -> None:
        """This format has no times of frames: one is repeated until its time is over, or left out."""
        if self._writer is None:
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self.path), code, self.fps, (image.shape[1], image.shape[0]))
            if not self._writer.isOpened():
                raise DataError(f"cannot write the video {self.path}; choose another folder or install hydranet[video]")
        until = round(time_s * self.fps) + 1
        for _ in range(self._written, until):
            self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        self._written = max(until, self._written)

    def close(self) -> None:
        """Finishes the file. Raises DataError where it cannot be written to its end."""
        if self._container is not None and self._file is not None:
            file = self._file
            try:
                for packet in self._stream.encode():
                    self._container.mux(packet)
            finally:
                self._abandon()
            if error := file.error:
                raise self._unwritable(error)
        if self._writer is not None:
            self._writer.release()
            self._writer = None
            self._check_mpeg4()

    def _abandon(self) -> None:
        """Ends the container; where a write failed before or fails now, the file is cut to what can be played."""
        container, self._container = self._container, None
        if container is not None:
            with suppress(OSError):
                container.close()
        file, self._file = self._file, None
        if file and file.error:
            size = whole_size(self.path)
            file.cut(size)
            if not size:
                self.path.unlink(missing_ok=True)
        if file:
            file.close()

    def _check(self) -> None:
        """Raises DataError where a write failed."""
        if self._file and (error := self._file.error):
            self._abandon()
            raise self._unwritable(error)

    def _check_mpeg4(self) -> None:
        """OpenCV says nothing of writes that fail; then its file cannot be opened at all, and is removed."""
        made = cv2.VideoCapture(str(self.path))
        count = int(made.get(cv2.CAP_PROP_FRAME_COUNT)) if made.isOpened() else 0
        made.release()
        if count < self._written:
            self.path.unlink(missing_ok=True)
            raise DataError(
                f"cannot write the video {self.path}: it holds {count} of {self._written} frames; make room or choose "
                "another folder; with hydranet[video] installed, what was written until then is kept"
            )

    def _unwritable(self, error: OSError) -> DataError:
        kept = "; what was written until then can be played" if self.path.exists() else ""
        return DataError(
            f"cannot write the video {self.path}: {error.strerror or error}{kept}; make room or choose another folder"
        )


def fitted(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The image, uint8 h w 3, cut by at most a row and a column, or else scaled into (height, width), borders black."""
    height, width = image.shape[:2]
    if 0 <= height - size[0] <= 1 and 0 <= width - size[1] <= 1:
        return np.ascontiguousarray(image[: size[0], : size[1]])
    factor = min(size[0] / height, size[1] / width)
    inner = max(1, min(size[0], round(height * factor))), max(1, min(size[1], round(width * factor)))
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas = np.zeros((*size, 3), np.uint8)
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    canvas[top : top + inner[0], left : left + inner[1]] = cv2.resize(image, inner[::-1], interpolation=way)
    return canvas
