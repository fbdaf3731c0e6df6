"""Protocols at equal labeler-seconds: the accounting by hand, and a small world in which sharing the read pays."""

from __future__ import annotations

import pytest

from feedback_types.equal_seconds import (
    ALONE,
    PROTOCOLS,
    READ_S,
    Outcome,
    Protocol,
    budgeted,
    difference,
    table,
)


def test_a_budget_buys_whole_screens_of_reading_and_asking() -> None:
    # A comparison of two: twice 30 s of reading and 2.5 s for each response, 65 s; 640 s pay for nine, not for ten.
    assert READ_S == 30
    assert budgeted(0, ALONE, 640).screens == 9
    # Two grades of one criterion are 2 s each: 69 s a screen.
    graded = next(p for p in PROTOCOLS if p.name == "comparison + a grade for each")
    assert budgeted(0, graded, 640).screens == 9
    assert budgeted(0, graded, 690).screens == 10


def test_the_difference_is_taken_world_by_world() -> None:
    alone = [Outcome(1, 0.5), Outcome(1, 0.1), Outcome(1, 0.9)]
    theirs = [Outcome(1, 0.6), Outcome(1, 0.3), Outcome(1, 0.9)]
    gain, error, wins = difference(theirs, alone)
    # gains .1, .2, 0: mean .1, sd .1, standard error .1 / sqrt(3); two of three are above 0
    assert gain == pytest.approx(0.1) and error == pytest.approx(0.1 / 3**0.5) and wins == 2


def test_types_that_are_not_installed_leave_their_protocol_out(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = Protocol("mind reading", 1, [("mind_reading", {})])
    assert not unknown.is_known and ALONE.is_known
    monkeypatch.setattr("feedback_types.equal_seconds.PROTOCOLS", (unknown,))
    lines = list(table([400.0], worlds=2, careful=[1.0]))
    assert len(lines) == 3 and "comparison alone | 65" in lines[2]


def test_grades_that_share_a_read_teach_more_than_further_comparisons() -> None:
    graded = next(p for p in PROTOCOLS if p.name == "comparison + a grade for each")
    gain, _error, wins = difference(
        [budgeted(w, graded, 3000) for w in range(3)], [budgeted(w, ALONE, 3000) for w in range(3)]
    )
    assert wins == 3 and gain > 0.05
