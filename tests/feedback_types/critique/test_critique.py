"""What is particular to critiques: cutpoints by hand, planted wrong choice sets, marks as people write them, views."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from feedback_types import registry, science
from feedback_types.base import Event, InvalidPayload, Message, Screen, ShownResponse, SyntheticLabeler
from feedback_types.critique import form, offer
from feedback_types.critique.schema import CritiquePayload, Mark
from feedback_types.critique.simulate import INITIAL

critique = registry.get("critique")
TEXT = "Faust 🎭 is by Goethe. He wrote it in 1990."
SCREEN = Screen((Message("user", "?"),), (ShownResponse(5, TEXT), ShownResponse(6, "No idea.")))


def grade(value: int, grades: int = 7, name: str = "overall") -> CritiquePayload:
    return CritiquePayload(grades=grades, ratings={name: value})


def event(payload: CritiquePayload, target: int = 5, labeler: str = "0", **asked: object) -> Event:
    settings = critique.settings(asked)
    return Event(
        "1",
        "critique",
        labeler,
        "q",
        SCREEN,
        target,
        payload,
        settings,
        critique.choice_set(SCREEN, settings),
    )


def probabilities(first: Event, score: float, beta: float = 1.0, law: dict | None = None) -> list[float]:
    """Of every answer, the same score at every point."""
    likelihood = critique.likelihood
    assert likelihood is not None
    every = likelihood.alternatives(first)
    n = len(every)
    values = torch.full((n, len(likelihood.points(first))), score, dtype=torch.float64)
    own = {
        p.name: torch.tensor([{**INITIAL, **(law or {})}[p.name]] * n, dtype=torch.float64)
        for p in likelihood.parameters
    }
    return (
        likelihood.log_likelihood(values, likelihood.collate(every), torch.full((n,), beta).double(), own)
        .exp()
        .tolist()
    )


def s(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_grades_by_hand() -> None:
    # Three grades: cutpoints half a step on either side of 0; softplus(.5) = .974077. Score 1, a labeler severe by .5.
    low, high = -0.974077 / 2 + 0.5 - 1, 0.974077 / 2 + 0.5 - 1
    found = probabilities(event(grade(1, 3), grades=3), score=0.5, beta=2, law={"shift": 0.5})
    assert found == pytest.approx([s(low), s(high) - s(low), 1 - s(high)], abs=1e-6)


def test_every_number_of_grades_has_its_middle_in_the_middle() -> None:
    for grades in range(2, 11):
        found = probabilities(event(grade(1, grades), grades=grades), score=0.0)
        assert sum(found) == pytest.approx(1)
        assert found == pytest.approx(found[::-1])  # a response of score 0 is as likely good as bad


def test_verdicts_by_hand() -> None:
    said = CritiquePayload(verdict=-1)
    two = probabilities(event(said, criteria=[], verdict="two"), score=1.0)
    assert two == pytest.approx([s(-1), s(1)])
    half = math.log(1 + math.e) / 2  # softplus(1) / 2
    three = probabilities(event(said, criteria=[], verdict="three"), score=1.0)
    assert three == pytest.approx([s(-half - 1), s(half - 1) - s(-half - 1), s(1 - half)])


def test_tags_and_marks_are_yes_or_no() -> None:
    asked = {"criteria": [], "tags": ["rude"], "categories": ["fact"]}
    found = probabilities(event(CritiquePayload(), **asked), score=1.0)
    yes = s(1 - INITIAL["mark_threshold"])
    assert len(found) == 2 * 2 * 2  # a tag, and a category in each of two sentences
    assert found[0] == pytest.approx((1 - yes) ** 3)
    assert sum(found) == pytest.approx(1)


def test_each_part_is_about_its_own_head() -> None:
    said = CritiquePayload(
        verdict=1,
        ratings={"Overall": 3, "tone": 2},
        tags=("rude",),
        spans=(Mark(start=30, end=33, category="fact"),),
    )
    asked = {"criteria": ["Overall", "tone"], "verdict": "two", "tags": ["rude"], "categories": ["fact"]}
    likelihood = critique.likelihood
    assert likelihood is not None
    points = [(p.head, p.offset) for p in likelihood.points(event(said, **asked))]
    # Sentences end at 22 (with the space after it) and 42.
    assert points == [
        ("reward", None), ("reward", None), ("attribute/tone", None), ("tag/rude", None), ("span/fact", 22),
        ("span/fact", 42),
    ]  # fmt: skip
    assert [part.chosen for part in offer.parts(event(said, **asked))] == [1, 2, 1, 1, 0, 1]


@pytest.mark.parametrize("beta", [0.0, 1.5])
def test_labelers_draw_by_the_law(beta: float) -> None:
    settings = critique.settings({"grades": 4, "verdict": "three"})
    law = {"shift": 0.3, "grade_middle": -0.2, "verdict_middle": 0.4}
    who = SyntheticLabeler(value=lambda *_: 0.8, beta=beta, parameters=law)
    rng = np.random.default_rng(1)
    drawn = Counter()
    for _ in range(1500):
        for _target, payload in critique.simulate(SCREEN, settings, who, rng):
            drawn[payload.verdict, payload.ratings["overall"]] += 1
    first = event(CritiquePayload(verdict=-1, grades=4, ratings={"overall": 1}), grades=4, verdict="three")
    likelihood = critique.likelihood
    assert likelihood is not None
    every = [(e.payload.verdict, e.payload.ratings["overall"]) for e in likelihood.alternatives(first)]
    expected = probabilities(first, 0.8, beta, law) if beta else [1 / len(every)] * len(every)
    chi2 = sum((drawn[key] - 3000 * p) ** 2 / (3000 * p) for key, p in zip(every, expected, strict=True))
    assert chi2 < science.Score(3000, chi2, len(every) - 1).bound(3.0902)


# --- Planted mistakes ------------------------------------------------------------------------------------------------


def drop_neutral(e: Event) -> Event | None:
    """Neutral verdicts thrown away, and the rest stored as if only good and bad had been on offer."""
    if e.payload.verdict == 0:
        return None
    return replace(
        e, choice_set={**e.choice_set, "verdict": [e.choice_set["verdict"][0], e.choice_set["verdict"][2]]}
    )


def only_extremes(e: Event) -> Event | None:
    """Only grades that differ from the middle kept, as many data sets do before training."""
    return None if e.payload.ratings["overall"] in (3, 4, 5) else e


def forget_the_unmarked(e: Event) -> Event | None:
    """Only responses with a mark are kept: what was not marked is not stored."""
    return e if e.payload.spans else None


@pytest.mark.parametrize(
    ("asked", "n", "mistake"),
    [
        ({"criteria": [], "verdict": "three"}, 5000, drop_neutral),
        ({}, 1000, only_extremes),
        ({"criteria": [], "categories": ["fact"]}, 2000, forget_the_unmarked),
    ],
)
def test_a_wrong_choice_set_fails_the_score_test(asked: dict, n: int, mistake) -> None:
    case = science.Case(critique, critique.settings(asked), 2)
    right = science.Trial.run(case, n, seed=3)
    wrong = right.changed(mistake)
    assert right.score().passes, right.score()
    assert not wrong.score().passes, wrong.score()


# --- Marks -----------------------------------------------------------------------------------------------------------

SETTINGS = critique.settings({"criteria": [], "categories": ["factual", "style guide"]})


def test_marks_are_read_by_offset_and_by_words() -> None:
    written = "37-41 3 factual\n\n style guide: 🎭 is by\n2 Factual: He wrote it"
    marks = form.read_marks(written, TEXT, SETTINGS)
    assert [(TEXT[m.start : m.end], m.category, m.severity) for m in marks] == [
        ("1990", "factual", 3),
        ("🎭 is by", "style guide", 1),
        ("He wrote it", "factual", 2),
    ]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("37-41 3 tone", "Line 1: name one of the categories: factual, style guide."),
        ("0-99 1 factual", "Line 1: the mark lies outside the response."),
        ("9-9 1 factual", "Line 1: the mark lies outside the response."),
        ("factual: She wrote it", "Line 1: these words are not in the response"),
        ("\nnonsense", "Line 2: write a category, a colon and the words"),
        ("0-5 4 factual", "Line 1: write a category"),
        ("99999999999-5 1 factual", "Line 1: write a category"),
    ],
)
def test_wrong_marks_are_told_by_their_line(written: str, message: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        form.read_marks(written, TEXT, SETTINGS)
    assert refused.value.errors["spans"][0].startswith(message)


def test_half_an_answer_names_what_is_missing() -> None:
    asked = critique.settings({"criteria": ["overall", "tone"], "verdict": "two"})
    with pytest.raises(InvalidPayload) as refused:
        critique.parse({"rating_0": "3", "verdict": ""}, SCREEN, asked, 5)
    assert set(refused.value.errors) == {"rating_1", "verdict"}


def test_letters_are_free_and_different() -> None:
    asked = critique.settings(
        {
            "verdict": "three",
            "tags": ["rude", "repeats", "dull", "x", "身", "sues", "bed", "y"],
            "categories": ["fact", "form", "fun"],
        }
    )
    letters = offer.letters(asked)
    assert len(set(letters.values())) == 11
    assert not set(letters.values()) & set("usxgrdebnmy")
    assert letters["tag", "dull"] == "l" and letters["tag", "repeats"] == "p"


# --- Agreement and views ---------------------------------------------------------------------------------------------


def test_distance_and_consensus_by_hand() -> None:
    assert critique.distance(grade(1), grade(7)) == 1
    assert critique.distance(grade(4), grade(7)) == pytest.approx(0.25)
    a = CritiquePayload(
        verdict=1, grades=5, ratings={"overall": 5}, tags=("x",), spans=(Mark(start=0, end=10, category="f"),)
    )
    b = CritiquePayload(
        verdict=-1, grades=5, ratings={"overall": 3}, tags=(), spans=(Mark(start=5, end=15, category="f"),)
    )  # verdict 1, rating (2 / 4)², tags 1, marks 1 - 10 / 20 assert critique.distance(a, b) ==
    pytest.approx((1 + 0.25 + 1 + 0.5) / 4)
    agreed = critique.consensus([a, b, b])
    assert (agreed.verdict, agreed.ratings, agreed.tags) == (-1, {"overall": 3}, ())
    assert [m.run for m in agreed.spans] == [(5, 15, "f")]
    assert [m.run for m in critique.consensus([a, b]).spans] == [(5, 10, "f")]


def rows(events: list[Event], everything: list[Event] | None = None) -> list[tuple[str, object]]:
    found = []
    for view, row in critique.records(events, critique.statistics(everything or events)):
        found.append(
            (view, row["label"] if view == "unpaired" else (row["chosen"][0]["content"], row["margin"]))
        )
    return found


def test_labels_are_relative_to_the_labeler_s_own_median() -> None:
    lenient = [event(grade(v), labeler="kind") for v in (5, 6, 7, 7)]  # median 6.5
    severe = [event(grade(v), labeler="hard") for v in (1, 2, 3)]  # median 2
    everything = lenient + severe
    assert critique.statistics(everything) == {("kind", "q", 7): 6.5, ("hard", "q", 7): 2.0}
    assert rows([lenient[1]], everything) == [("unpaired", False)]
    assert rows([lenient[2]], everything) == [("unpaired", True)]
    assert rows([severe[1]], everything) == [("unpaired", True)]
    assert rows([severe[0]], everything) == [("unpaired", False)]


def test_pairs_need_a_gap_of_two_grades() -> None:
    def both(a: int, b: int) -> list[tuple[str, object]]:
        return [row for row in rows([event(grade(a)), event(grade(b), target=6)]) if row[0] == "preference"]

    assert both(6, 3) == [("preference", (TEXT, 3.0))]
    assert both(3, 5) == [("preference", ("No idea.", 2.0))]
    assert both(4, 5) == []


def test_without_an_overall_grade_the_verdict_decides() -> None:
    said = [event(CritiquePayload(verdict=v), criteria=[], verdict="three") for v in (-1, 0, 1)]
    assert rows(said) == [("unpaired", False), ("unpaired", True)]
    assert rows([event(grade(3, name="tone"), criteria=["tone"])]) == []
