"""What callers may choose for a head while it runs: thresholds, and the options of the steps after its network."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from numbers import Real

from hydranet.annotations import Boxes
from hydranet.core.checks.names import shown
from hydranet.core.errors import UserError
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError, unknown
from hydranet.deploy.manifest import Head
from hydranet.postprocess.steps import IOU, SCORE, step_named

HeadOptions = Mapping[str, Mapping[str, float]]
"""By head, options of the steps after its network: {"cars": {"max_detections": 4}}; `score_threshold` is the least
score that is kept."""


class PredictorError(UserError, ValueError):
    """A request that the predictor's network cannot fulfill."""


def check_share(value: float | None, what: str) -> float | None:
    """The value itself, None for none. Raises PredictorError for what is no number from 0 to 1."""
    if value is None or (isinstance(value, Real) and 0 <= value <= 1):  # NaN is in no range
        return value
    raise PredictorError(f"got {what} {value!r}, expected a number from 0 to 1")


def check_useful(heads: Mapping[str, Head], cameras: Collection[str], given: Mapping[str, object]) -> None:
    """Raises PredictorError for an option that is given and changes the answer of none of the heads.

    cameras: heads whose answers depend on the camera.
    given:   by option, spelled as its user does ("--focal-px" or "focal_px"); None and False = not given. Known are
             threshold, iou, focal_px and track.
    """
    for option, value in given.items():
        if value is not None and value is not False:
            word = option.strip("-").replace("-", "_")
            if not any(has_use(word, name, head, cameras) for name, head in heads.items()):
                whom = f"head {next(iter(heads))!r}, which has" if len(heads) == 1 else "heads that have"
                raise PredictorError(f"got {option} for {whom} no {USES[word]}: it changes nothing; leave it out")


USES = {
    "threshold": "scores of boxes, lines or points",
    "iou": "suppression of boxes that overlap",
    "focal_px": "use for a camera",
    "track": "boxes",
}
"""What a head must have for an option to change its answers."""


def has_use(option: str, name: str, head: Head, cameras: Collection[str]) -> bool:
    """Whether an option of `USES` changes the answers of a head."""
    if option == "focal_px":
        return name in cameras
    if option == "iou":
        return any(IOU in step_named(step).options for step in head.postprocess)
    return issubclass(head.answer_kind, Boxes) if option == "track" else "score" in head.answer_kind.arrays()


def chosen_heads(
    heads: Mapping[str, Head],
    threshold: float | None = None,
    iou: float | None = None,
    options: HeadOptions | None = None,
) -> dict[str, Head]:
    """The heads with what a caller chose: a threshold and an overlap for all of them, options for single ones.

    None = what each head says. Options of a head go before `threshold` and `iou`.
    Raises PredictorError for a threshold that is no number from 0 to 1, for a head that is not there, and for an option
    that the head does not have or whose value is out of range.
    """
    check_share(threshold, "threshold"), check_share(iou, "iou")
    for name in options or {}:
        if name not in heads:
            raise PredictorError(unknown(name, heads, "head of this predictor"))
    made = {name: _for_all(head, threshold, iou) for name, head in heads.items()}
    return made | {name: _with_options(name, made[name], given) for name, given in (options or {}).items()}


def _for_all(head: Head, threshold: float | None, iou: float | None) -> Head:
    if threshold is None and iou is None:
        return head
    steps = {
        name: {**given, IOU: iou} if iou is not None and IOU in step_named(name).options else given
        for name, given in head.postprocess.items()
    }
    return replace(
        head, postprocess=steps, score_threshold=head.score_threshold if threshold is None else float(threshold)
    )


def _with_options(name: str, head: Head, given: Mapping[str, float]) -> Head:
    known = {SCORE: ""} if "score" in head.answer_kind.arrays() else {}
    if not head.inside:
        known |= {option: step for step in head.postprocess for option in step_named(step).options if option != SCORE}
    steps = {step: dict(options) for step, options in head.postprocess.items()}
    score = head.score_threshold
    for option, value in given.items():
        if option not in known:
            inside = "; its graph suppresses by itself, export with --nms outside for more" if head.inside else ""
            raise PredictorError(
                f"got option {shown(option)} of head {name!r}, expected {', '.join(known) or 'none: it has no options'}"
                f"{inside}"
            )
        if option == SCORE:
            score = float(check_share(value, f"{name}.{SCORE}") or 0)
            continue
        try:
            steps[known[option]][option] = step_named(known[option]).options[option].checked(value, f"{name}.{option}")
        except DataError as error:
            raise PredictorError(str(error)) from error
    return replace(head, postprocess=steps, score_threshold=score)


def parse_options(words: Iterable[str]) -> dict[str, dict[str, float]]:
    """ "cars.max_detections=4" as {"cars": {"max_detections": 4}}. Raises SpecError for anything else."""
    options: dict[str, dict[str, float]] = {}
    for word in words:
        names, _, number = word.partition("=")
        head, _, option = names.partition(".")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not head or not option or value != value or option in options.get(head, {}):
            raise SpecError(
                f"got --option {word!r}, expected HEAD.OPTION=NUMBER once per option, such as cars.max_detections=4"
            )
        options.setdefault(head, {})[option] = value
    return options
