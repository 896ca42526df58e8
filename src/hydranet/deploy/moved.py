"""Old names in manifests, and today's, so that older exports still open."""

from typing import Any

FIELDS = {"colour": "color", "colours": "colors", "post": "postprocess", "score": "score_threshold"}
STEPS = {
    "score": "score_threshold",
    "iou": "iou_threshold",
    "limit": "max_detections",
    "candidates": "pre_nms_topk",
}
"""What format 1 called the fields of input and heads, and the options of the steps after the graph."""


def modern_manifest(tree: dict[str, Any]) -> dict[str, Any]:
    """A manifest of an older format in today's words; what formats 3 to 5 added has defaults."""
    if tree["format"] > 1:
        return tree
    heads = {}
    for name, old in tree["heads"].items():
        head = {FIELDS.get(key, key): value for key, value in old.items()}
        steps = head.get("postprocess", {}).items()
        head["postprocess"] = {step: {STEPS.get(k, k): v for k, v in given.items()} for step, given in steps}
        heads[name] = head
    given = {FIELDS.get(key, key): value for key, value in tree["input"].items()}
    return {**tree, "format": 2, "input": given, "heads": heads}
