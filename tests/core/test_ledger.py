"""The ledger of what was not used: it adds up, goes through JSON, and says the worst first."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydranet.core.ledger import EXAMPLES, Ledger, Omission, add_up

NAMES = st.sampled_from(("a", "b", "c"))
NOTES = st.tuples(st.sampled_from(Omission), NAMES, NAMES, st.lists(st.text(max_size=3), max_size=5))
LEDGERS = st.lists(NOTES, max_size=6).map(
    lambda notes: add_up(Ledger().noted(what, where, reason, *items) for what, where, reason, items in notes)
)


@given(LEDGERS, LEDGERS, LEDGERS)
def test_ledgers_add_up_over_any_split(one: Ledger, two: Ledger, three: Ledger) -> None:
    assert (one + two) + three == one + (two + three)
    assert one + Ledger() == Ledger() + one == one
    for what in Omission:
        assert (one + two).count(what) == one.count(what) + two.count(what)


@given(LEDGERS)
def test_json_brings_it_back(ledger: Ledger) -> None:
    assert Ledger.from_json(json.loads(json.dumps(ledger.to_json()))) == ledger
    assert len(ledger.sentences()) == len(ledger.entries)


def test_the_worst_is_said_first_with_examples_and_counts() -> None:
    ledger = Ledger().noted(Omission.HEAD_NOT_COMPUTED, "depth", "run for every 8th frame", count=7)
    ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, "camvid", "cannot be read", *"abcde")
    ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, "camvid", "cannot be read", "a", "f")
    ledger = ledger.noted(Omission.CLASS_UNMAPPED, "camvid", "their pixels are unknown", "pole")
    ledger = ledger.noted(Omission.TASK_NOT_LEARNED, "depth", "no label lies in 0.1..80 m", count=1)
    assert ledger.sentences() == [
        "task depth learns nothing: no label lies in 0.1..80 m",
        "camvid: 7 images left out, cannot be read (a, b, c, ...)",
        "camvid: 1 class not mapped, their pixels are unknown (pole)",
        "head depth not computed in 7 frames, run for every 8th frame",
    ]
    assert len(ledger.to_json()[1]["examples"]) == EXAMPLES


@pytest.mark.parametrize("what", Omission)
def test_every_kind_has_a_sentence(what: Omission) -> None:
    sentence = Ledger().noted(what, "where", "the reason", "item").sentences()[0]
    assert "where" in sentence
    assert "the reason" in sentence
    assert "{" not in sentence
