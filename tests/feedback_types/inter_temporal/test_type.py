"""What is particular to inter-temporal feedback: cuts, curves, missing labels, agreement and views, by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import krippendorff
import numpy as np
import pytest

from feedback_types import registry
from feedback_types.base import Event, InvalidPayload, Message, Screen, ShownResponse
from feedback_types.inter_temporal import agreement, export, offer
from feedback_types.inter_temporal.examples import CURVE, DIALOGUE, LABELS, ORDER, STEPS
from feedback_types.inter_temporal.schema import InterTemporalPayload, Pair

inter_temporal = registry.get("inter_temporal")
PROMPT = (Message("user", "?"),)


def screen(*texts: str) -> Screen:
    return Screen(PROMPT, tuple(ShownResponse(7 + n, text) for n, text in enumerate(texts)))


def labels(*said: int | None, first_error: int | None = None) -> InterTemporalPayload:
    ends = tuple(10 * (n + 1) for n in range(len(said)))
    return InterTemporalPayload(
        reading="labels", unit="step", segments=ends, labels=said, first_error_index=first_error
    )


def event(payload: InterTemporalPayload, shown: Screen, target: int = 7, **asked: Any) -> Event:
    settings = inter_temporal.settings(asked)
    offered = inter_temporal.choice_set(shown, settings, payload)
    return Event("1", "inter_temporal", "l", "q", shown, target, payload, settings, offered)


# --- Segments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("", []),
        ("\n \n", ["\n \n"]),
        ("One. Two.", ["One. ", "Two."]),  # one line has no steps but its sentences
        ("One. Two.\nThree.", ["One. Two.\n", "Three."]),
        ("\n\nOne.\r\nTwo.\n\n", ["\n\nOne.\r\n", "Two.\n\n"]),  # blank lines around the text make no paragraphs
        ("One.\nTwo.\n\n\nThree.", ["One.\nTwo.\n\n\n", "Three."]),
        ("Code:\n```\na\n\nb\n```\nDone.", ["Code:\n", "```\na\n\nb\n```\n", "Done."]),
        ("第一步。\n第二步 👍🏽", ["第一步。\n", "第二步 👍🏽"]),
    ],
)  # fmt: skip
def test_steps_are_paragraphs_or_lines_or_sentences(text: str, steps: list[str]) -> None:
    ends = offer.cut(screen(text), 7, "step")
    assert offer.words(screen(text), 7, "step", ends) == steps
    assert "".join(steps) == text


def test_a_long_response_has_its_segments_joined_evenly() -> None:
    ends = offer.cut(screen("\n".join(["x"] * 401)), 7, "step")
    assert len(ends) == 101 and ends[-1] == 801
    assert {b - a for a, b in pairwise(ends[:-1])} == {8}


def test_earlier_turns_are_asked_about_once() -> None:
    assert offer.cut(DIALOGUE, 7, "turn") == [2, 4, 6]
    assert offer.cut(DIALOGUE, 8, "turn") == [6]
    turned = Screen(DIALOGUE.prompt, DIALOGUE.responses[::-1])  # in whatever order the responses are shown
    assert offer.cut(turned, 7, "turn") == [2, 4, 6]


def test_moments_are_disjoint_and_the_same_for_everybody() -> None:
    settings = inter_temporal.settings({"reading": "order", "pairs": 5})
    text = "\n".join(f"Step {n}." for n in range(9))
    pairs = offer.moments(screen(text), 7, settings)
    assert len(pairs) == 4 and all(0 <= a < b < 9 for a, b in pairs)
    assert len({n for pair in pairs for n in pair}) == 8
    assert pairs == offer.moments(screen("Another.", text), 8, settings)
    drawn = {offer.moments(screen(f"a{n}\nb\nc"), 7, settings)[0] for n in range(40)}
    assert drawn == {(0, 1), (0, 2), (1, 2)}


# --- Curves ----------------------------------------------------------------------------------------------------------


def test_a_live_curve_is_read_a_little_after_the_words() -> None:
    payload = inter_temporal.load(CURVE)
    # Segments come out at 480, 1080, 1080 and 1530 ms; 700 ms later (or at the last point, 2600 ms) the hand is at these.
    assert payload.segments == (19, 39, 42, 60)
    assert payload.heights == [0.5, 0.25, 0.25, 0.25]
    assert offer.changes(payload) == [0, -1, 0, 0]


def test_a_curve_over_the_whole_text_is_read_at_the_end_of_each_segment() -> None:
    points = ((0, 5, 0.5), (9, 6, 0.56), (10, 4, 0.9), (19, 9, 0.52), (30, 9, 0.1))
    payload = InterTemporalPayload(
        reading="curve", unit="step", segments=(10, 20, 30), drawn="after", curve=points
    )
    assert payload.heights == [0.56, 0.52, 0.52]
    assert offer.same_within(3) == 0.05
    assert offer.changes(payload) == [1, 0, 0]  # .04 is no change


@pytest.mark.parametrize("drawn", ["live", "after", "typed"])
@pytest.mark.parametrize("n", [1, 7, 150])
def test_every_sequence_of_changes_can_be_drawn(drawn: str, n: int) -> None:
    rng = np.random.default_rng(n)
    for moves in ([1] * n, [-1] * n, [0] * n, rng.integers(-1, 2, n).tolist()):
        ends = tuple(np.cumsum(rng.integers(1, 90, n)).tolist())
        blank = InterTemporalPayload(reading="curve", unit="step", segments=ends, drawn=drawn)  # type: ignore[arg-type]
        payload = offer.drawn_by(blank, moves, 40)
        assert offer.changes(payload) == moves
        assert payload.curve[0][0] == 0 and payload.curve[-1][0] == ends[-1]


# --- Agreement -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "gap"),
    [
        (labels(1, 0, -1), labels(1, 0, -1), 0),
        (labels(1, 1), labels(-1, -1), 1),
        (labels(1, 0), labels(0, 0), 1 / 8),  # a quarter in one of two
        (labels(1, None), labels(0, 1), 1 / 4),  # only what both labelled
        # First errors at 1/3 and 2/3; both labelled the first two, the second with 1 against -1.
        (labels(1, -1, None, first_error=1), labels(1, 1, -1, first_error=2), (1 / 2 + 1 / 9) / 2),
        (labels(-1, None, first_error=0), labels(1, 1), (1 + 1) / 2),
        (labels(1, 1, -1, first_error=2), labels(1, 1, 1), (1 / 3 + 1 / 9) / 2),
    ],
)
def test_distance_of_labels(a: InterTemporalPayload, b: InterTemporalPayload, gap: float) -> None:
    assert inter_temporal.distance(a, b) == pytest.approx(gap)
    assert inter_temporal.distance(b, a) == pytest.approx(gap)


def test_distance_of_curves_orders_and_different_readings() -> None:
    def curve(*heights: float) -> InterTemporalPayload:
        ends = tuple(10 * (n + 1) for n in range(len(heights)))
        points = [(10 * n, n, h) for n, h in enumerate(heights)] + [(ends[-1], 9, heights[-1])]
        return InterTemporalPayload(
            reading="curve", unit="step", segments=ends, drawn="after", curve=tuple(points)
        )

    def order(*better: str) -> InterTemporalPayload:
        pairs = tuple(Pair(first=2 * n, second=2 * n + 1, better=b) for n, b in enumerate(better))  # type: ignore[arg-type]
        return InterTemporalPayload(reading="order", unit="step", segments=(1, 2, 3, 4), pairs=pairs)

    assert inter_temporal.distance(curve(0, 1), curve(1, 0.5)) == pytest.approx((1 + 0.25) / 2)
    assert inter_temporal.distance(curve(0.2), curve(0.2, 0.6)) == pytest.approx(0.08)  # half of each text
    assert inter_temporal.distance(order("first", "equal"), order("second", "first")) == pytest.approx(5 / 8)
    assert inter_temporal.distance(order("first"), labels(1)) == 1


def test_alpha_is_that_of_the_krippendorff_package() -> None:
    """Steps ordinal, first errors interval, and by the distance of one label each."""
    rng = np.random.default_rng(5)
    grades = rng.integers(-1, 2, (12, 1)) + rng.choice([0, 0, 0, -1, 1], (12, 3))
    grades = np.clip(grades, -1, 1)
    responses = [[labels(*(int(x) for x in column)) for column in grades[k : k + 4].T] for k in (0, 4, 8)]
    ordinal = krippendorff.alpha(reliability_data=grades.T, level_of_measurement="ordinal")
    assert agreement.step_alpha(responses).alpha == pytest.approx(ordinal)

    found = rng.integers(0, 5, (10, 3))
    stopped = [
        [
            labels(*[1] * k, *([-1] if k < 4 else []), *[None] * (3 - k), first_error=k if k < 4 else None)
            for k in row
        ]
        for row in found.tolist()
    ]
    interval = krippendorff.alpha(reliability_data=found.T / 4, level_of_measurement="interval")
    assert agreement.first_error_alpha(stopped).alpha == pytest.approx(interval)

    single = [[labels(int(x)) for x in row] for row in grades]
    by_distance = agreement.distances.krippendorff_alpha(single, inter_temporal.distance).alpha
    assert by_distance == pytest.approx(
        krippendorff.alpha(reliability_data=grades.T, level_of_measurement="interval")
    )


def test_missing_labels_do_not_count() -> None:
    """By hand: one step labelled by all three, one by two."""
    answers = [labels(1, -1), labels(1, 0), labels(0, None)]
    data = [[1, -1], [1, 0], [0, np.nan]]
    expected = krippendorff.alpha(reliability_data=data, level_of_measurement="ordinal")
    assert agreement.step_alpha([answers]).alpha == pytest.approx(expected)


def test_consensus() -> None:
    middle = inter_temporal.consensus([labels(1, 0, 1), labels(0, 0, -1), labels(1, -1, 1)])
    assert middle.labels == (1, 0, 1)
    assert inter_temporal.consensus([labels(1, None), labels(0, -1)]).labels == (0, -1)  # of two the lower
    early, late = labels(-1, None, None, first_error=0), labels(1, 1, -1, first_error=2)
    assert inter_temporal.consensus([early, late, labels(1, 1, -1, first_error=2)]) == late


# --- What may be said ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "at_fault"),
    [
        ({"reading": "curve", "unit": "turn"}, "Value error|curve runs along"),
        ({"unsure": True}, "cannot tell"),
        ({"unit": "word"}, "unit"),
        ({"pairs": 6}, "pairs"),
    ],
)
def test_settings_that_make_no_question(asked: dict[str, Any], at_fault: str) -> None:
    with pytest.raises(InvalidPayload, match=at_fault):
        inter_temporal.settings(asked)


def test_a_live_curve_hides_the_responses_and_says_so() -> None:
    assert inter_temporal.reveals(inter_temporal.settings({"reading": "curve"}))
    assert not inter_temporal.reveals(inter_temporal.settings({"reading": "curve", "draw": "after"}))
    assert not inter_temporal.reveals(inter_temporal.settings({"unit": "turn"}))


# --- Views -----------------------------------------------------------------------------------------------------------


def test_missing_steps_are_cut_never_false() -> None:
    rows = list(export.records([event(inter_temporal.load(LABELS), screen(STEPS))]))
    assert rows == [
        (
            "stepwise",
            {
                "prompt": [{"role": "user", "content": "?"}],
                "completions": ["One pen costs 2 €.", "So 3 pens cost 5 €. 👍🏽"],
                "labels": [True, False],
            },
        )
    ]


def test_okay_is_true_and_a_falling_curve_false() -> None:
    said = inter_temporal.load(LABELS | {"labels": [0, -1, 1], "first_error_index": None})
    [(_view, row)] = export.records([event(said, screen(STEPS), stop_at_error=False)])
    assert row["labels"] == [True, False, True]
    curve = inter_temporal.load(CURVE)
    [(_view, row)] = export.records([event(curve, screen(STEPS), reading="curve", unit="sentence")])
    assert row["labels"] == [True, False, True, True] and len(row["completions"]) == 4
    order = inter_temporal.load(ORDER)
    assert list(export.records([event(order, screen(STEPS), reading="order")])) == []


def test_turns_are_rows_of_their_own() -> None:
    said = inter_temporal.load(
        LABELS | {"unit": "turn", "segments": [2, 4, 6], "labels": [1, -1, 0], "first_error_index": None}
    )
    rows = list(export.records([event(said, DIALOGUE, unit="turn", stop_at_error=False)]))
    assert [view for view, _row in rows] == ["unpaired", "unpaired"]
    assert [(len(r["prompt"]), r["completion"][0]["content"], r["label"]) for _v, r in rows] == [
        (2, "Hello! What can I do?", True),
        (4, "No.", False),
    ]


def test_a_shared_beginning_makes_a_pair() -> None:
    """The second step is the first in which they differ: its labels decide, whatever comes later."""
    shown = screen("Same.\nGood.\nBad end.", "Same.\nWrong.\nGreat end.", "Other.\nGood.")
    asked = {"stop_at_error": False}

    def said(target: int, ends: list[int], *given: int) -> Event:
        payload = LABELS | {"segments": ends, "labels": list(given), "first_error_index": None}
        return event(inter_temporal.load(payload), shown, target, **asked)

    events = [said(7, [6, 12, 20], 1, 1, -1), said(8, [6, 13, 23], 1, -1, 1), said(9, [7, 12], 1, 0)]
    rows = [row for view, row in export.records(events) if view == "preference"]
    assert rows == [
        {
            "prompt": [{"role": "user", "content": "?"}],
            "chosen": [{"role": "assistant", "content": "Same.\nGood.\n"}],
            "rejected": [{"role": "assistant", "content": "Same.\nWrong.\n"}],
            "margin": 2.0,
        }
    ]
