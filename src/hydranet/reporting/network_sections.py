"""What a run's network and data show beyond its log: its parts, what sharing saves, balance of data, extreme images."""

import base64
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import cv2

from hydranet.checkpoint.checkpoint import load_model
from hydranet.config.recipe import Recipe
from hydranet.core.task import Task
from hydranet.data.balance import SourceBalance, balance
from hydranet.evaluation.extremes import Extremes, Scored, extremes
from hydranet.evaluation.report import with_unit
from hydranet.models.architecture import Architecture, Node, architecture
from hydranet.models.hydranet import HydraNet
from hydranet.models.summary import alone
from hydranet.reporting.figure import Figure
from hydranet.reporting.gallery import shown
from hydranet.reporting.run_page import Section
from hydranet.visualization.charts import bar_chart
from hydranet.visualization.contact_sheet import composite
from hydranet.visualization.diagram import Box, cost, shapes, tree
from hydranet.visualization.draw import captioned
from hydranet.visualization.style import RANGE_M

WIDEST_PX, QUALITY = 760, 80
"""Of an image of the page."""

Show = Callable[[str, int], None]
"""Gets what is being done, and how many images were read."""


def network_sections(run: Path, look: int, device: str, show: Show, whose: str = "") -> list[Section]:
    """Sections on the network of a run, and, where `look` > 0, on so many images of each of its sources.

    whose: the run's name, where a page has several.
    Raises CheckpointError, SpecError or DataError where the network or its data cannot be used here.
    """
    model, recipe = load_model(run)
    model.to(device)
    of = f" of {whose}" if whose else ""
    made = [_architecture(model, recipe, of), _costs(model, recipe, of)]
    if look:
        sources = []
        for one in balance(recipe, look):
            sources.append(one)
            show("reading training data", sum(source.looked_at for source in sources))
        made.append(_balance(sources, recipe.tasks, of))
        shown_images: list[Extremes] = []
        for step in extremes(model, recipe.validation, look):
            if isinstance(step, Extremes):
                shown_images.append(step)
            else:
                show("looking at validation images", step)
        made.append(_images(shown_images, model, of))
    return made


def _architecture(model: HydraNet, recipe: Recipe, of: str) -> Section:
    built = architecture(model, recipe.sizes[0])
    height, width = built.size
    note = (
        f"One image of {width} x {height} pixels; shapes are channels x height x width. In all "
        f"{cost(built.whole.parameters, built.whole.macs)}; 1 MAC = 2 FLOP."
    )
    return Section(
        f"Architecture{of}", [Figure(f"{recipe.name}: what is shared, and the heads", diagram(built), wide=True)], note
    )


def diagram(built: Architecture) -> str:
    """The network as a tree of boxes."""
    height, width = built.size
    image = Box("image", (f"3 x {height} x {width}",))
    return tree([image, *map(_box, built.trunk)], [_box(node) for node in built.heads])


def _box(node: Node) -> Box:
    return Box(node.name, (node.kind, cost(node.parameters, node.macs), *shapes(node.outputs)))


def _costs(model: HydraNet, recipe: Recipe, of: str) -> Section:
    """What the layers that each task needs would cost as networks of their own."""
    lines = alone(model, recipe.sizes[0])
    whole = architecture(model, recipe.sizes[0]).whole
    if len(lines) < 2:
        return Section(f"Costs{of}", [])
    parameters, macs = sum(line.parameters for line in lines), sum(line.macs for line in lines)
    names = [*(f"{line.name} alone" for line in lines), f"{len(lines)} networks", "this network"]
    millions = [one / 1e6 for one in (*(line.parameters for line in lines), parameters, whole.parameters)]
    billions = [one / 1e9 for one in (*(line.macs for line in lines), macs, whole.macs)]
    note = (
        f"A network of one task has the layers that this one runs for that task alone. {len(lines)} of them have "
        f"{parameters / 1e6:.3g} M parameters and {macs / 1e9:.3g} GMAC; sharing saves "
        f"{1 - whole.parameters / parameters:.0%} and {1 - whole.macs / macs:.0%}. What it keeps of their scores: "
        "hydranet retention."
    )
    figures = [
        Figure("parameters, millions", bar_chart(names, {"": millions})),
        Figure("multiply-accumulates of one image, billions", bar_chart(names, {"": billions})),
    ]
    return Section(f"Costs against networks of one task{of}", figures, note)


def _balance(sources: Sequence[SourceBalance], tasks: Sequence[Task], of: str) -> Section:
    names = [source.source for source in sources]
    shares = Figure(
        "share of the images that training draws, %", bar_chart(names, {"": [100 * s.share for s in sources]})
    )
    labeled = {
        source.source: [100 * source.labeled[task.name] / max(source.looked_at, 1) for task in tasks]
        for source in sources
    }
    figures = [
        shares,
        Figure(
            "samples with a label of the task, %", bar_chart([task.name for task in tasks], labeled), tuple(labeled)
        ),
    ]
    for task in (task for task in tasks if task.classes):
        counts = {source.source: source.classes[task.name] for source in sources if task.name in source.classes}
        percent = {name: [100 * one / max(sum(several), 1) for one in several] for name, several in counts.items()}
        if percent:
            figures.append(
                Figure(f"{task.name}: classes, % of what is labeled", bar_chart(task.classes, percent), tuple(percent))
            )
    looked = ", ".join(f"{source.source} {source.looked_at} of {source.samples}" for source in sources)
    return Section(f"Balance of the training data{of}", figures, f"From samples spread over each source: {looked}.")


def _images(every: Sequence[Extremes], model: HydraNet, of: str) -> Section:
    pieces = []
    for one in every:
        arrow = "↑" if one.better == "higher" else "↓"
        metric = with_unit(one.metric, model.tasks[one.task].score_units.get(one.metric, ""))
        heading = (
            f"{one.source}: {one.task}, {metric} {arrow} of single images, {one.looked_at} of {one.total} looked at"
        )
        best = [scored for scored in one.best if scored.value != one.worst[0].value]
        rows = [*((scored, "worst") for scored in one.worst), *((scored, "best") for scored in best)]
        images = "".join(_image(scored, kind, model.tasks[one.task]) for scored, kind in rows)
        pieces.append(f'<div class="wide"><h3>{escape(heading)}</h3><div class="grid">{images}</div></div>')
    return Section(f"Worst and best images{of}", pieces, "Predictions beside labels, by the score of the image alone.")


def _image(scored: Scored, kind: str, task: Task) -> str:
    sample = scored.image.sample
    prediction = shown({task.name: scored.image.predictions[task.name]}, {task.name: task})[task.name]
    pairs = {"prediction": prediction, "label": sample.labels[task.name]}
    drawn = {
        name: captioned(sample.image, label, task.classes, range_m=task.range_m or RANGE_M)
        for name, label in pairs.items()
    }
    sheet = composite(sample.image, drawn, WIDEST_PX)
    data = cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1]
    caption = escape(f"{kind}, {scored.value:.3g}: {sample.key}")
    source = f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
    return f'<figure><figcaption>{caption}</figcaption><img alt="{caption}" src="{source}"></figure>'
