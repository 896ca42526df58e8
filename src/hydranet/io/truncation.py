"""Whether an image file is complete. Some decoders fill the missing half of a photograph with gray, silently."""

import numpy as np

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
PNG_END = b"IEND\xaeB`\x82"
START_OF_SCAN, END_OF_IMAGE = 0xDA, b"\xff\xd9"


def is_whole(data: np.ndarray) -> bool:
    """Whether a JPEG or PNG (uint8 n, the bytes of a file) has its end marker; True for every other format.

    Bytes after the end are allowed: cameras append their own. The end of a JPEG is looked for behind the start of its
    scan, because thumbnails in the header have ends of their own; inside the scan the marker cannot occur. Damage
    in the middle of a file is not detected.
    """
    head = data[: len(PNG)].tobytes()
    if head.startswith(JPEG):
        text = data.tobytes()
        scan = _scan(text)
        return scan >= 0 and text.find(END_OF_IMAGE, scan) >= 0
    return head != PNG or data.tobytes().rfind(PNG_END) >= 0


def _scan(text: bytes) -> int:
    """Where a JPEG's first scan begins, -1 where the header ends before."""
    place = 2
    while place + 4 <= len(text) and text[place] == 0xFF:
        marker = text[place + 1]
        if marker == START_OF_SCAN:
            return place
        if marker == 0xFF:  # fill byte
            place += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            place += 2
        else:
            place += 2 + int.from_bytes(text[place + 2 : place + 4], "big")
    return -1
