"""Which part of an .mp4 file in fragments can be played when its end is missing (ISO/IEC 14496-12)."""

import struct
from pathlib import Path


def whole_size(path: Path) -> int:
    """Bytes up to the end of the last whole fragment; 0 where none is whole. A fragment is a `moof` and its `mdat`."""
    there, place, whole = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        while place + 8 <= there:
            file.seek(place)
            size, kind = struct.unpack(">I4s", file.read(8))
            if size == 1:
                size = int.from_bytes(file.read(8).ljust(8, b"\0"), "big")
            place += size
            if size < 8 or place > there:
                break
            if kind == b"mdat":
                whole = place
    return whole
