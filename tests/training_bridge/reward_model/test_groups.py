"""Accuracy by group, each number worked out by hand."""

import pytest

from feedback_types.base import Event, Message, Screen
from training_bridge.reward_model.evaluate import Judged
from training_bridge.reward_model.groups import (
    agreement_groups,
    alike_in_length,
    labeler_groups,
    length_controlled,
)
from training_bridge.reward_model.pairs import Preference


def judged(labeler, chosen, rejected, right, prompt="p", kind="human", probability=0.7):
    screen = Screen((Message("user", prompt),), ())
    extra = {"labeler_kind": kind}
    event = Event("1", "comparison", labeler, "q", screen, None, None, None, extra=extra)
    preference = Preference((Message("user", prompt),), chosen, rejected, 1.0, (event,))
    return Judged(preference, float(right), 0.5, probability)


def test_labelers_by_kind_and_by_reliability():
    said = [
        judged("a", "x", "y", 1), judged("a", "x", "y", 1, "2"), judged("b", "x", "y", 0, "3"),
        judged("b", "x", "y", 1, "4"), judged("j", "x", "y", 0, "5", kind="ai"),
    ]  # fmt: skip
    labelers = {"a": {"log_beta": 0.5}, "b": {"log_beta": -0.5}, "j": {"log_beta": -2.0}}
    told = labeler_groups(said, labelers)
    assert {k: (v["value"], v["n"]) for k, v in told["kinds"].items()} == {"ai": (0.0, 1), "human": (0.75, 4)}
    # 5 answers: a's 2 are the upper half, b's and j's 3 the lower.
    upper, lower = told["reliability"]["more_reliable"], told["reliability"]["less_reliable"]
    assert (upper["value"], upper["labelers"]) == (1.0, 1)
    assert (lower["value"], lower["labelers"]) == (pytest.approx(1 / 3), 2)
    assert upper["nll"] == pytest.approx(0.3566749)  # -log 0.7
    assert labeler_groups(said[:2], labelers)["reliability"] == {}  # one labeler has no halves


def test_where_people_agree_by_hand():
    """Pair 1: all three say A, the model says A. Pair 2: two of three say B; the model says C, which is
    wrong. Pair 3: one against one is half right. Pair 4: one person only, left out."""
    said = [judged(n, "A", "B", 1, "1") for n in "abc"]
    said += [judged("a", "C", "D", 1, "2"), judged("b", "D", "C", 0, "2"), judged("c", "D", "C", 0, "2")]
    said += [judged("a", "E", "F", 1, "3"), judged("b", "F", "E", 0, "3"), judged("a", "G", "H", 1, "4")]
    told = agreement_groups(said)
    assert (told["high"]["value"], told["high"]["n"]) == (1.0, 1)
    assert (told["low"]["value"], told["low"]["n"]) == (0.25, 2)


def test_always_the_longer_one_is_worth_a_half():
    """Nine prefer the longer text and one the shorter: a model that looks at length is right in 90 %, controlled in 50 %."""
    said = [judged("a", "xx", "y", 1, str(i)) for i in range(9)] + [judged("a", "x", "yy", 0, "9")]
    told = length_controlled(said)
    assert (told["value"], told["n"]) == (0.5, 10)
    perfect = length_controlled(
        [judged("a", "xx", "y", 1, str(i)) for i in range(5)] + [judged("a", "x", "yy", 1, "9")]
    )
    assert (perfect["value"], perfect["low"], perfect["high"]) == (1.0, 1.0, 1.0)
    assert length_controlled(said[:9])["value"] is None


def test_texts_alike_in_length():
    said = [
        judged("a", "x" * 10, "y" * 9, 1),
        judged("a", "x" * 10, "y" * 8, 0, "2"),
        judged("a", "x", "y", 1, "3"),
    ]
    told = alike_in_length(said)
    assert (told["value"], told["n"]) == (1.0, 2)
