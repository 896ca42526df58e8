"""Names of classes in a text file that lies beside the data."""

import re
from pathlib import Path

from hydranet.core.checks.names import check_classes
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.io.files import read_lines

COLORED = re.compile(r"([^:]+):\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*:[^:]*:[^:]*", re.ASCII)
"""A line of CVAT's labelmap.txt: label:color_rgb:parts:actions."""


def read_class_colors(path: Path) -> dict[str, str]:
    """{"#804080": name} of a labelmap.txt as CVAT writes it ("road:128,64,128::"); empty for a file of another form.

    Raises DataError for a color that no pixel can have, and for a color that occurs twice.
    """
    lines = _lines(path)
    matches = [match for line in lines if (match := COLORED.fullmatch(line))]
    table: dict[str, str] = {}
    for match in matches if len(matches) == len(lines) else ():
        red, green, blue = map(int, match.groups()[1:])
        color = f"#{red:02x}{green:02x}{blue:02x}"
        if max(red, green, blue) > 255 or color in table:
            raise DataError(f"{path}: got color {red},{green},{blue}, expected 0 to 255, each color once; correct it")
        table[color] = match[1].strip()
    return table


def _lines(path: Path) -> list[str]:
    """The lines that are no comments."""
    return [line.strip() for _, line in read_lines(path) if not line.lstrip().startswith("#")]


def read_class_names(path: Path) -> tuple[str, ...]:
    """One name per line in the order of ids; "0 road", "0: road" and "0,road" are the class 0, on whatever line.

    Of "road:128,64,128::", as CVAT writes it, the name counts (for its colors see `read_class_colors`). Lines that
    begin with # are comments. Raises DataError for a missing file, numbers that are not 0, 1, 2, ..., each once, names
    that are none and names that occur twice.
    """
    lines = [match[1].strip() if (match := COLORED.fullmatch(line)) else line for line in _lines(path)]
    numbered = [re.fullmatch(r"(\d{1,3})\s*[:,;\s=]\s*(\S.*)", line, re.ASCII) for line in lines]
    names = [match[2] if match else line for match, line in zip(numbered, lines, strict=True)]
    if lines and all(numbered):
        by_id = sorted((int(match[1]), match[2]) for match in numbered if match)
        ids, names = [number for number, _ in by_id], [name for _, name in by_id]
        if ids != list(range(len(ids))):
            raise DataError(
                f"{path} numbers its classes {str(ids)[:60]}, expected 0, 1, 2, ..., each once; add the missing ones"
            )
    else:
        names = lines
    if not names:
        raise DataError(f"{path} names no class; write one name per line, in the order of ids")
    try:
        check_classes(names, str(path))
    except SpecError as error:
        raise DataError(str(error)) from error
    return tuple(names)
