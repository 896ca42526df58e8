"""The rows of a table file: CSV, TSV, JSON lines or JSON."""

import io
from pathlib import Path
from typing import Any

from hydranet.core.checks.json_text import BrokenJson, parse_json
from hydranet.core.sample import DataError
from hydranet.io.box_rows import quoted
from hydranet.io.csv_rows import csv_rows
from hydranet.io.files import read_text
from hydranet.io.table_row import Row


def read_table(path: Path) -> list[Row]:
    """The rows of a CSV, TSV, JSON lines or JSON file, with line numbers (JSON: places). Raises DataError."""
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        lines = enumerate(read_text(path).split("\n"), start=1)  # a string may hold other ends of lines
        return [_object(_json(line, f"{path}:{i}"), f"{path}:{i}") for i, line in lines if line.strip()]
    if suffix == ".json":
        tree = _json(read_text(path), str(path))
        if not isinstance(tree, list):
            raise DataError(f"{path} holds a {type(tree).__name__}, expected a list of rows; convert it")
        return [_object(row, f"{path}: row {i}") for i, row in enumerate(tree, start=1)]
    if suffix not in (".csv", ".tsv", ".txt"):
        raise DataError(
            f"{path} ends in {suffix or 'nothing'}, expected .csv, .tsv, .jsonl or .json; rename or convert it"
        )
    return _separated(path, read_text(path))


def _separated(path: Path, text: str) -> list[Row]:
    head = next((line for line in io.StringIO(text) if line.strip()), "")
    between = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=head.count)
    rows: list[Row] = []
    header: list[str] | None = None
    for line, cells in csv_rows(text, path, between, skip_spaces=True):
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            if len(set(header)) != len(header):
                raise DataError(f"{path} has a column twice in its first line; rename one")
            continue
        where = f"{path}:{line}"
        if len(cells) != len(header):
            raise DataError(f"{where}: {len(cells)} cells, expected {len(header)} as in the first line; correct it")
        rows.append(Row(where, dict(zip(header, cells, strict=True)), commas=between == ";"))
    return rows


def _json(text: str, where: str) -> Any:
    try:
        return parse_json(text)
    except BrokenJson as error:
        raise DataError(f"broken JSON in {where}: {error}; restore the file") from error


def _object(value: Any, where: str) -> Row:
    if not isinstance(value, dict):
        raise DataError(f"{where}: {quoted(value)}, expected an object with a value per column; correct it")
    return Row(where, value)
