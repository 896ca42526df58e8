"""Whether an image file is complete. Some decoders fill the missing half of a photograph with gray, silently."""

from hydranet.io.image_header import JPEG, PNG, START_OF_SCAN, jpeg_segments

PNG_END = b"IEND\xaeB`\x82"
END_OF_IMAGE = b"\xff\xd9"


def is_whole(data: bytes) -> bool:
    """Whether a JPEG or PNG (the bytes of a file) has its end marker; True for every other format.

    Bytes after the end are allowed: cameras append their own. The end of a JPEG is looked for behind the start of its
    scan, because thumbnails in the header have ends of their own; inside the scan the marker cannot occur. Damage
    in the middle of a file is not detected.
    """
    if data.startswith(JPEG):
        scan = next((begin for marker, begin, _ in jpeg_segments(data) if marker == START_OF_SCAN), -1)
        return scan >= 0 and data.find(END_OF_IMAGE, scan) >= 0
    return not data.startswith(PNG) or data.rfind(PNG_END) >= 0
