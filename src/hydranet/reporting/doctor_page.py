"""The doctor's findings as one HTML page, with labels drawn on images and counts of classes beside them."""

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2

from hydranet.data.check import Report
from hydranet.data.finding import WORDS, Finding
from hydranet.io.atomic import write
from hydranet.io.images import read_rgb
from hydranet.training.first_steps import FirstSteps

QUALITY = 88
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222 }
li { margin: .4em 0 } .s0 b { color: #b00020 } .s1 b { color: #b26a00 } .s2 b { color: #555 }
img { max-width: 100% } h2 { border-top: 1px solid #ddd; padding-top: .8em }
table { border-collapse: collapse; margin-bottom: .8em } td, th { padding: .1em .8em .1em 0 }
th { text-align: left }
.bar { background: #4878a8; height: .8em; display: inline-block; min-width: 1px }
"""


def write_page(
    path: Path, title: str, findings: Sequence[Finding], reports: Mapping[str, Report], steps: FirstSteps | None
) -> None:
    """Writes the page; the sheets SOURCE.png beside it go into it, so that it can be sent as one file."""
    items = [
        f'<li class="s{one.severity.value}"><b>{_text(WORDS[one.severity])}</b>: {_text(one.where)}: {_text(one.what)}'
        f"{_text(f' ({(chr(44) + chr(32)).join(one.images)})') if one.images else ''}. <i>{_text(one.cure)}</i></li>"
        for one in findings
    ]
    parts = [f"<h1>{_text(title)}</h1>", f"<ol>{''.join(items)}</ol>" if items else "<p>Nothing to complain about.</p>"]
    parts += [_steps(steps)] if steps else []
    for name, report in reports.items():
        parts.append(f"<h2>{_text(name)}</h2><p>{report.read} of {report.samples} samples read</p>")
        parts += [_histogram(label, one.classes, one.unit) for label, one in report.labels.items() if one.classes]
        sheet = path.parent / f"{name}.png"
        if sheet.is_file():
            parts.append(f'<img alt="labels of {_text(name)}" src="data:image/jpeg;base64,{_as_jpeg(sheet)}">')
    head = f'<meta charset="utf-8"><title>{_text(title)}</title><style>{STYLE}</style>'
    page = f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>'
    write(path, page.encode())


def _as_jpeg(sheet: Path) -> str:
    """A sheet of photographs as JPEG in base64: a fifth of what its PNG takes, so that the page can be sent."""
    pixels = cv2.cvtColor(read_rgb(sheet), cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1]
    return base64.b64encode(data.tobytes()).decode()


def _steps(steps: FirstSteps) -> str:
    rows = [
        f"<tr><td>{_text(name)}</td><td>{losses[0]:.4g}</td><td>{losses[-1]:.4g}</td>"
        f"<td>{steps.heads.get(name, 0.0):.3g}</td></tr>"
        for name, losses in steps.losses.items()
    ]
    cosines = ", ".join(f"{pair} {sum(values) / len(values):+.2f}" for pair, values in steps.cosines.items())
    return (
        "<h2>First steps</h2><table><tr><th>task</th><th>first loss (a blind guess)</th><th>last</th>"
        f"<th>largest gradient of its head</th></tr>{''.join(rows)}</table>"
        f"<p>{steps.wait:.0%} of the time waiting for data. Mean cosines: {_text(cosines) or 'none'}.</p>"
    )


def _histogram(label: str, classes: Mapping[str, int], unit: str) -> str:
    most = max(classes.values(), default=0) or 1
    rows = "".join(
        f'<tr><td>{_text(name)}</td><td>{count:,}</td><td><span class="bar" style="width:{300 * count / most:.0f}px">'
        "</span></td></tr>"
        for name, count in classes.items()
    )
    return f"<h3>{_text(label)}: {_text(unit)} by class</h3><table>{rows}</table>"


def _text(value: str) -> str:
    return html.escape(value)
