"""What is particular to comparisons: the laws of strengths and rankings, planted wrong choice sets, turned
screens, views."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from feedback_types import registry, science
from feedback_types.base import Event, Message, Screen, ShownResponse, SyntheticLabeler
from feedback_types.comparison import offer
from feedback_types.comparison.schema import ComparisonPayload
from feedback_types.comparison.simulate import INITIAL

comparison = registry.get("comparison")
PROMPT = (Message("user", "?"),)
SCORES = {"a": 1.0, "b": 0.0, "c": -0.5, "d": 0.3}


def screen(*texts: str) -> Screen:
    return Screen(PROMPT, tuple(ShownResponse(10 + i, text) for i, text in enumerate(texts)))


def pair(strength: int, items: tuple[int, int] = (10, 11), both_bad: bool = False) -> ComparisonPayload:
    ranks = (1, 1) if strength == 0 else (1, 2) if strength > 0 else (2, 1)
    return ComparisonPayload(items=items, ranks=ranks, strength=strength, both_bad=both_bad)


def event(shown: Screen, payload: ComparisonPayload, **asked: object) -> Event:
    settings = comparison.settings(asked)
    return Event(
        "1", "comparison", "0", "q", shown, None, payload, settings, comparison.choice_set(shown, settings)
    )


def probabilities(
    shown: Screen, beta: float = 1.0, law: dict | None = None, **asked: object
) -> dict[str, float]:
    """Probability of every answer on this screen under SCORES, by its summary."""
    settings = comparison.settings(asked)
    likelihood = comparison.likelihood
    assert likelihood is not None
    every = [
        event(shown, payload, **asked) for payload in offer.answers(comparison.choice_set(shown, settings))
    ]
    n = len(every)
    values = torch.tensor([[SCORES[r.text] for r in shown.responses]] * n, dtype=torch.float64)
    own = {
        p.name: torch.tensor([{**INITIAL, **(law or {})}[p.name]] * n, dtype=torch.float64)
        for p in likelihood.parameters
    }
    found = likelihood.log_likelihood(
        values, likelihood.collate(every), torch.full((n,), beta).double(), own
    ).exp()
    return {
        comparison.summary(e.payload, shown, settings): float(p) for e, p in zip(every, found, strict=True)
    }


def s(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_two_answers_are_bradley_terry() -> None:
    found = probabilities(screen("a", "b"), beta=2, strengths=1, ties=False, both_bad=False)
    assert found == pytest.approx({"A is better": s(2), "B is better": s(-2)})


def test_three_answers_are_rao_kupper() -> None:
    # P(A) = s(d - δ), P(B) = s(-d - δ), P(tie) = (e^2δ - 1) P(A) P(B).
    edge = math.log(1 + math.exp(INITIAL["cutpoints"][0]))
    found = probabilities(screen("a", "b"), strengths=1, both_bad=False)
    better, worse = s(1 - edge), s(-1 - edge)
    assert found["A is better"] == pytest.approx(better)
    assert found["B is better"] == pytest.approx(worse)
    assert found["A and B are equally good"] == pytest.approx((math.exp(2 * edge) - 1) * better * worse)


def test_strengths_by_hand() -> None:
    # softplus of (-.5, .5, .5) is .474077, .974077, .974077: the edges are .474077, 1.448154, 2.422230. d = 1.
    found = probabilities(screen("a", "b"), both_bad=False)
    assert found["A is much better"] == pytest.approx(1 - s(2.422230 - 1), abs=1e-6)
    assert found["A is clearly better"] == pytest.approx(s(2.422230 - 1) - s(1.448154 - 1), abs=1e-6)
    assert found["A is slightly better"] == pytest.approx(s(1.448154 - 1) - s(0.474077 - 1), abs=1e-6)
    assert found["A and B are equally good"] == pytest.approx(s(0.474077 - 1) - s(-0.474077 - 1), abs=1e-6)
    assert found["B is much better"] == pytest.approx(s(-2.422230 - 1), abs=1e-6)


def test_the_place_shown_first_is_worth_its_kappa() -> None:
    found = probabilities(screen("a", "b"), law={"position": 0.7}, strengths=1, ties=False, both_bad=False)
    assert found["A is better"] == pytest.approx(s(1.7))


def test_none_is_good_takes_its_share_of_the_tie() -> None:
    # q = s(bad - 1) s(bad - 0) with bad = -1.
    q = s(-2) * s(-1)
    plain = probabilities(screen("a", "b"), both_bad=False)
    found = probabilities(screen("a", "b"))
    tie = "A and B are equally good"
    assert found["Both are bad"] == pytest.approx(plain[tie] * q)
    assert found[tie] == pytest.approx(plain[tie] * (1 - q))
    assert found["A is much better"] == pytest.approx(plain["A is much better"])
    forced = probabilities(screen("a", "b"), ties=False)
    assert forced["Both are bad"] == pytest.approx(q)
    without = probabilities(screen("a", "b"), ties=False, both_bad=False)
    assert forced["B is much better"] == pytest.approx((1 - q) * without["B is much better"])


def test_rankings_without_ties_are_plackett_luce() -> None:
    shown = screen("a", "b", "c")
    found = probabilities(shown, ties=False, both_bad=False)
    weight = {"A": math.exp(1), "B": 1.0, "C": math.exp(-0.5)}
    for x, y, z in permutations("ABC"):
        expected = weight[x] / sum(weight.values()) * weight[y] / (weight[y] + weight[z])
        assert found[f"Best first: {x} > {y} > {z}"] == pytest.approx(expected)


def test_rankings_with_ties_by_hand() -> None:
    # One step over two responses: e^1, e^0 and the pair with e^(.5 + tied), tied = -1.
    found = probabilities(screen("a", "b"), mode="ranking", both_bad=False)
    total = math.exp(1) + 1 + math.exp(-0.5)
    expected = {"A > B": math.exp(1) / total, "B > A": 1 / total, "A = B": math.exp(-0.5) / total}
    assert found == pytest.approx({f"Best first: {order}": p for order, p in expected.items()})


def test_the_best_of_several_is_a_softmax() -> None:
    found = probabilities(screen("a", "b", "c", "d"), beta=2, mode="best", both_bad=False)
    total = sum(math.exp(2 * v) for v in SCORES.values())
    assert found["D is the best of 4"] == pytest.approx(math.exp(0.6) / total)


def test_choice_sets_have_the_size_they_say() -> None:
    assert [offer.weak_orders(n) for n in range(1, 10)] == [1, 3, 13, 75, 541, 4683, 47293, 545835, 7087261]
    for texts, asked in (
        ("ab", {}),
        ("ab", {"ties": False, "strengths": 2}),
        ("abc", {}),
        ("abc", {"mode": "best"}),
    ):
        offered = comparison.choice_set(screen(*texts), comparison.settings(asked))
        assert len(offer.answers(offered)) == offered["size"] == len(set(offer.answers(offered)))


@pytest.mark.parametrize(
    ("texts", "asked", "beta"),
    [
        ("ab", {}, 1.0),
        ("ab", {"ties": False}, 1.0),
        ("abc", {}, 1.0),
        ("abcd", {"mode": "best"}, 1.0),
        ("abc", {}, 0.0),
        ("abc", {"mode": "best"}, 0.0),
        ("ab", {}, 0.0),
    ],
)
def test_labelers_draw_by_the_law(texts: str, asked: dict, beta: float) -> None:
    """Goodness of fit of 3000 draws against the probabilities; the simulator never sees the formula."""
    shown, settings = screen(*texts), comparison.settings(asked)
    law = {"position": 0.4, "bad": 0.5, "shift": 0.2, "tied": -0.5}
    who = SyntheticLabeler(value=lambda _p, text, _o, _h: SCORES[text], beta=beta, parameters=law)
    rng = np.random.default_rng(5)
    drawn = Counter(
        comparison.summary(comparison.simulate(shown, settings, who, rng)[0][1], shown, settings)
        for _ in range(3000)
    )
    if beta:
        expected = probabilities(shown, beta, law, **asked)
    else:  # a coin toss over the choice set
        every = probabilities(shown, **asked)
        expected = dict.fromkeys(every, 1 / len(every))
    assert set(drawn) <= set(expected)
    chi2 = sum((drawn[name] - 3000 * p) ** 2 / (3000 * p) for name, p in expected.items())
    assert chi2 < science.Score(3000, chi2, len(expected) - 1).bound(3.0902)


# --- Planted mistakes ------------------------------------------------------------------------------------------------


PLAIN = {"strengths": 1, "ties": False, "both_bad": False}


def stored_as(e: Event, first: int, second: int, strength: int) -> Event:
    """The answer as a plain pair of two of the responses, as if nothing else had been on offer."""
    shown = Screen(e.screen.prompt, (e.screen.response(first), e.screen.response(second)))
    settings = comparison.settings(PLAIN)
    payload = pair(strength, (first, second))
    return replace(
        e, screen=shown, payload=payload, settings=settings, choice_set=comparison.choice_set(shown, settings)
    )


def break_ties(e: Event) -> Event:
    """Ties in a ranking broken by the place on the screen, and stored as if they had not been on offer."""
    places = sorted(range(4), key=lambda i: (e.payload.ranks[i], i))
    payload = e.payload.model_copy(update={"ranks": tuple(places.index(i) + 1 for i in range(4))})
    return replace(e, payload=payload, choice_set={**e.choice_set, "ties": False, "size": 24})


def keep_the_strong(e: Event) -> Event | None:
    """Only clear and much better kept, and the strength forgotten: a common way to clean pairs."""
    first, second = e.payload.items
    return (
        stored_as(e, first, second, int(np.sign(e.payload.strength))) if abs(e.payload.strength) > 1 else None
    )


def hardest_negative(e: Event) -> Event:
    """The best of four stored as a pair against the best of the others: chosen after the fact, by the reward."""
    world = science.World(3)  # that of the trial
    best = e.payload.items[e.payload.ranks.index(1)]
    rest = [r for r in e.screen.responses if r.id != best]
    other = max(rest, key=lambda r: world.value(e.screen.prompt, r.text, None, "reward"))
    return stored_as(e, best, other.id, 1)


@pytest.mark.parametrize(
    ("asked", "responses", "n", "mistake"),
    [
        ({"mode": "ranking", "both_bad": False}, 4, 2000, break_ties),
        ({"ties": False, "both_bad": False}, 2, 4000, keep_the_strong),
        ({"mode": "best", "both_bad": False}, 4, 1000, hardest_negative),
    ],
)
def test_a_wrong_choice_set_fails_the_score_test(asked: dict, responses: int, n: int, mistake) -> None:
    case = science.Case(comparison, comparison.settings(asked), responses)
    right = science.Trial.run(case, n, seed=3)
    wrong = right.changed(mistake)
    assert right.score().passes, right.score()
    assert not wrong.score().passes, wrong.score()


# --- Turned screens, agreement, views --------------------------------------------------------------------------------


def test_labelers_who_saw_the_sides_swapped_agree() -> None:
    assert comparison.distance(pair(2), pair(-2, (11, 10))) == 0
    assert comparison.distance(pair(3), pair(3, (11, 10))) == 1
    assert comparison.distance(pair(1), pair(-1)) == pytest.approx((2 / 6) ** 2)
    assert comparison.distance(pair(0), pair(0, both_bad=True)) == pytest.approx(0.25)
    assert comparison.consensus([pair(3), pair(-3, (11, 10)), pair(-1)]).strength in (3, -3)
    best = ComparisonPayload(items=(5, 3, 4), ranks=(1, None, None))
    same = ComparisonPayload(items=(3, 4, 5), ranks=(None, None, 1))
    assert comparison.distance(best, same) == 0


def test_consensus_of_strengths_is_nearest_to_their_mean() -> None:
    assert comparison.consensus([pair(3), pair(2), pair(-1)]).strength == 2
    assert comparison.consensus([pair(1), pair(-1, (11, 10)), pair(-3)]).strength in (1, -1)


def rows(*events: Event) -> list[tuple[str, str, str, object]]:
    found = []
    for view, row in comparison.records(events):
        if view == "preference":
            found.append((view, row["chosen"][0]["content"], row["rejected"][0]["content"], row["margin"]))
        else:
            found.append((view, row["completion"][0]["content"], "", row["label"]))
    return found


def test_views_by_hand() -> None:
    two, three = screen("a", "b"), screen("a", "b", "c")
    assert rows(event(two, pair(-2))) == [("preference", "b", "a", 2.0)]
    assert rows(event(two, pair(0))) == []
    assert rows(event(two, pair(0, both_bad=True))) == [
        ("unpaired", "a", "", False),
        ("unpaired", "b", "", False),
    ]
    ranking = ComparisonPayload(items=(10, 11, 12), ranks=(2, 1, 2))
    assert rows(event(three, ranking)) == [("preference", "b", "a", 1.0), ("preference", "b", "c", 1.0)]
    order = ComparisonPayload(items=(10, 11, 12), ranks=(3, 1, 2))
    assert set(rows(event(three, order))) == {
        ("preference", "b", "a", 2.0),
        ("preference", "b", "c", 1.0),
        ("preference", "c", "a", 1.0),
    }
    best = ComparisonPayload(items=(10, 11, 12), ranks=(None, None, 1))
    assert rows(event(three, best, mode="best")) == [
        ("preference", "c", "a", 1.0),
        ("preference", "c", "b", 1.0),
    ]
    about = pair(3).model_copy(update={"aspect": "tone"})
    assert rows(event(two, about, aspect="tone")) == []


def test_an_aspect_trains_its_own_head() -> None:
    likelihood = comparison.likelihood
    assert likelihood is not None
    about = pair(3).model_copy(update={"aspect": "tone"})
    assert {p.head for p in likelihood.points(event(screen("a", "b"), about, aspect="tone"))} == {
        "attribute/tone"
    }
    assert {p.head for p in likelihood.points(event(screen("a", "b"), pair(3)))} == {"reward"}


def test_a_ranking_by_hand_may_leave_gaps() -> None:
    shown, settings = screen("a", "b", "c"), comparison.settings()
    form = comparison.form_class(
        {"rank_10": "1", "rank_11": "3", "rank_12": "1"}, screen=shown, settings=settings, target=None
    )
    assert form.is_valid()
    payload = comparison.parse(form.cleaned_data, shown, settings, None)
    assert payload is not None and payload.dump()["ranks"] == [1, 2, 1]


@pytest.mark.parametrize(
    ("strength", "said", "choice"), [(2, "B is clearly better", "-2"), (0, "A and B are equally good", "0")]
)
def test_whoever_reads_it_in_another_order_reads_the_same(strength: int, said: str, choice: str) -> None:
    """The labeler saw response 8 first; on the reviewer's page response 7 is A."""
    kind = registry.get("comparison")
    settings = kind.settings({"strengths": 3})
    screen = Screen((Message("user", "Why?"),), (ShownResponse(7, "So."), ShownResponse(8, "Therefore.")))
    ranks = [1, 1] if strength == 0 else [1, 2]
    payload = kind.load({"items": [8, 7], "ranks": ranks, "strength": strength})
    assert kind.summary(payload, screen, settings) == said
    assert kind.to_form(payload, screen, settings) == {"choice": choice}
