"""The laws by hand, what labelers draw, and choice sets that are wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from feedback_types import registry, science
from feedback_types.base import Event, SyntheticLabeler
from feedback_types.inter_temporal import offer
from feedback_types.inter_temporal.examples import CURVE, DIALOGUE, LABELS, ORDER, SINGLE
from feedback_types.inter_temporal.likelihood import likelihood
from feedback_types.inter_temporal.schema import InterTemporalPayload
from feedback_types.inter_temporal.simulate import INITIAL

inter_temporal = registry.get("inter_temporal")
HALF = math.log(1 + math.e) / 2  # softplus(1) / 2


def s(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def event(said: dict[str, Any], shown: Any = SINGLE, **asked: Any) -> Event:
    settings, payload = inter_temporal.settings(asked), inter_temporal.load(said)
    offered = inter_temporal.choice_set(shown, settings, payload)
    return Event("1", "inter_temporal", "0", "q", shown, 7, payload, settings, offered)


def probabilities(first: Event, scores: list[float], beta: float = 1.0, **law: float) -> dict[Any, float]:
    """Of every answer; `scores` at the points 0, end of segment 1, 2, … (of turns: of each turn)."""
    every = likelihood.alternatives(first)
    n = len(every)
    at = dict(zip(likelihood.points(longest(every)), scores, strict=True))
    rows = [[at[point] for point in likelihood.points(e)] for e in every]
    width = max(map(len, rows))
    values = torch.tensor([row + [99.0] * (width - len(row)) for row in rows], dtype=torch.float64)
    own = {
        p.name: torch.tensor([(INITIAL | law)[p.name]] * n, dtype=torch.float64)
        for p in likelihood.parameters
    }
    batch = science._double(likelihood.collate(every))
    found = likelihood.log_likelihood(values, batch, torch.full((n,), beta).double(), own).exp()
    return {key(e.payload): p for e, p in zip(every, found.tolist(), strict=True)}


def longest(every: Any) -> Event:
    return max(every, key=lambda e: len(likelihood.points(e)))


def key(payload: InterTemporalPayload) -> Any:
    if payload.reading == "curve":
        return tuple(offer.changes(payload))
    return payload.labels or tuple(pair.better for pair in payload.pairs)


def test_labels_up_to_the_first_error_by_hand() -> None:
    """r = 1, -2, 1 and beta 2; a labeler severe by .5."""
    found = probabilities(event(LABELS), [1.0, 2.0, 0.0, 1.0], beta=2, shift=0.5)
    bad = [s(0.5 - HALF - 2 * r) for r in (1, -2, 1)]
    good = [1 - s(0.5 + HALF - 2 * r) for r in (1, -2, 1)]
    okay = [1 - b - g for b, g in zip(bad, good, strict=True)]
    assert len(found) == 2**4 - 1 and sum(found.values()) == pytest.approx(1)
    assert found[-1, None, None] == pytest.approx(bad[0])
    assert found[1, -1, None] == pytest.approx(good[0] * bad[1])
    assert found[0, 1, 1] == pytest.approx(okay[0] * good[1] * good[2])


def test_right_or_wrong_has_one_cutpoint() -> None:
    said = LABELS | {"labels": [1, -1, None]}
    found = probabilities(event(said, neutral=False), [0.0, 1.0, 1.0, 3.0], middle=-1.0)
    right = [1 - s(-1 - r) for r in (1, 0, 2)]
    assert len(found) == 4 and sum(found.values()) == pytest.approx(1)
    assert found[1, -1, None] == pytest.approx(right[0] * (1 - right[1]))
    assert found[1, 1, 1] == pytest.approx(math.prod(right))


def test_a_segment_without_a_label_says_nothing() -> None:
    asked = {"stop_at_error": False, "unsure": True}
    said = LABELS | {"labels": [1, None, -1], "first_error_index": None}
    found = probabilities(event(said, **asked), [0.0, 1.0, 7.0, 6.0])
    assert len(found) == 9
    assert found[1, None, -1] == pytest.approx((1 - s(HALF - 1)) * s(-HALF + 1))


def test_turns_are_judged_by_their_final_rewards() -> None:
    said = LABELS | {"unit": "turn", "segments": [2, 4, 6], "labels": [1, -1, 0], "first_error_index": None}
    first = event(said, DIALOGUE, unit="turn", stop_at_error=False)
    points = likelihood.points(first)
    assert [(p.text, p.offset, p.turn) for p in points] == [
        ("Hello! What can I do?", None, 2), ("No.", None, 4), ("Because.", None, None),
    ]  # fmt: skip
    assert [len(p.prompt(DIALOGUE)) for p in points] == [2, 4, 6]
    found = probabilities(first, [2.0, -1.0, 0.5])
    okay = s(HALF - 0.5) - s(-HALF - 0.5)
    assert found[1, -1, 0] == pytest.approx((1 - s(HALF - 2)) * s(-HALF + 1) * okay)


def test_a_curve_is_three_ordered_choices_a_segment() -> None:
    said = CURVE | {"unit": "step", "segments": [19, 42, 60]}
    found = probabilities(event(said, reading="curve"), [0.0, 1.0, 0.0, 0.0], drift=0.3)
    assert len(found) == 27 and sum(found.values()) == pytest.approx(1)
    rose, fell, stayed = 1 - s(HALF + 0.3 - 1), s(0.3 - HALF + 1), s(HALF + 0.3) - s(0.3 - HALF)
    assert found[1, -1, 0] == pytest.approx(rose * fell * stayed)


def test_two_moments_by_hand() -> None:
    """r = 3 and 1 for the first two steps: the difference is 2, with a tie edge of half the width."""
    found = probabilities(
        event(ORDER, reading="order"), [0.0, 3.0, 4.0], beta=0.5, middle=9.0, shift=9.0, drift=9.0
    )
    assert found[("first",)] == pytest.approx(s(1 - HALF))
    assert found[("second",)] == pytest.approx(s(-1 - HALF))
    assert sum(found.values()) == pytest.approx(1)


CASES = {
    "stop": {},
    "right or wrong": {"neutral": False},
    "all": {"stop_at_error": False},
    "curve": {"reading": "curve", "draw": "after"},
    "order": {"reading": "order"},
}


@pytest.mark.parametrize("asked", CASES.values(), ids=list(CASES))
@pytest.mark.parametrize("beta", [0.0, 1.2])
def test_labelers_draw_by_the_law(asked: dict[str, Any], beta: float) -> None:
    """Counts of every answer against its probability, also those of a labeler who does not look."""
    law = {"middle": -0.2, "shift": 0.4, "drift": -0.3, "width": 0.7}
    settings = inter_temporal.settings(asked)
    scores = {0: 0.5, 19: 1.5, 42: 0.5, None: 1.2}
    who = SyntheticLabeler(value=lambda _p, _t, offset, _h: scores[offset], beta=beta, parameters=law)
    rng, n = np.random.default_rng(2), 2000
    drawn = Counter(key(inter_temporal.simulate(SINGLE, settings, who, rng)[0][1]) for _ in range(n))
    [(_target, payload)] = inter_temporal.simulate(SINGLE, settings, who, rng)
    first = event(payload.dump(), **asked)
    at = [scores[point.offset] for point in likelihood.points(longest(likelihood.alternatives(first)))]
    every = probabilities(first, at, beta or 1.0, **law)
    if beta == 0:
        every = dict.fromkeys(every, 1 / len(every))
    assert set(drawn) <= set(every)
    likely = {k: p for k, p in every.items() if n * p >= 3}
    rest = n - sum(drawn[k] for k in likely), n * (1 - sum(likely.values()))
    chi2 = sum((drawn[k] - n * p) ** 2 / (n * p) for k, p in likely.items())
    chi2 += (rest[0] - rest[1]) ** 2 / rest[1] if rest[1] > 1 else 0
    assert chi2 < science.Score(n, chi2, len(likely) - (rest[1] <= 1)).bound(3.0902)


def test_a_lapse_draws_from_all_sequences_alike() -> None:
    for asked, options in (({}, 15), ({"neutral": False}, 4), ({"stop_at_error": False}, 27)):
        said = LABELS if asked != CASES["all"] else LABELS | {"labels": [1, 0, 1], "first_error_index": None}
        uniform = likelihood.log_uniform(likelihood.collate([event(said, **asked)]))
        assert math.exp(-float(uniform[0])) == pytest.approx(options)


# --- Planted mistakes ------------------------------------------------------------------------------------------------


def missing_is_neutral(e: Event) -> Event | None:
    """The steps after the first error stored as "okay", as if every step had been labelled."""
    filled = tuple(0 if label is None else label for label in e.payload.labels)
    payload = offer.rebuilt(e.payload, labels=filled, first_error_index=None)
    return replace(e, payload=payload, choice_set={**e.choice_set, "stop_at_error": False})


def missing_is_bad(e: Event) -> Event | None:
    """The steps after the first error stored as bad."""
    filled = tuple(-1 if label is None else label for label in e.payload.labels)
    payload = offer.rebuilt(e.payload, labels=filled, first_error_index=None)
    return replace(e, payload=payload, choice_set={**e.choice_set, "stop_at_error": False})


def only_with_errors(e: Event) -> Event | None:
    """Only the responses in which an error was found."""
    return None if e.payload.first_error_index is None else e


def neutral_dropped(e: Event) -> Event | None:
    """Okay steps left out, and the others read as a choice between good and bad."""
    kept = tuple(label or None for label in e.payload.labels)
    two = [e.choice_set["labels"][0], e.choice_set["labels"][2]]
    return replace(
        e, payload=offer.rebuilt(e.payload, labels=kept), choice_set={**e.choice_set, "labels": two}
    )


PLANTED: list[tuple[Callable[[Event], Event | None], dict[str, Any]]] = [
    (missing_is_neutral, {}),
    (missing_is_bad, {}),
    (only_with_errors, {}),
    (neutral_dropped, {"stop_at_error": False}),
]


@pytest.mark.parametrize(("change", "asked"), PLANTED, ids=[c.__name__ for c, _asked in PLANTED])
def test_a_wrong_choice_set_shows(change: Callable[[Event], Event | None], asked: dict[str, Any]) -> None:
    case = science.Case(inter_temporal, inter_temporal.settings(asked), 1)
    trial = science.Trial.run(case, 1500, seed=3)
    assert trial.score().passes
    assert not trial.changed(change).score().passes
