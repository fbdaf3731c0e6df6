"""What is particular to feature traces: the laws by hand, planted mistakes, agreement, violations, views."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import permutations

import krippendorff
import numpy as np
import pytest
import torch

from feedback_types import distances, registry, science
from feedback_types.base import Event, InvalidPayload, Message, Screen, ShownResponse, SyntheticLabeler
from feedback_types.feature_trace import agreement, form
from feedback_types.feature_trace.schema import Rewrite, TracePayload
from feedback_types.feature_trace.simulate import INITIAL

trace = registry.get("feature_trace")
SCREEN = Screen(
    (Message("user", "?"),), (ShownResponse(3, "a"), ShownResponse(9, "b"), ShownResponse(4, "c"))
)
ONE = Screen((Message("user", "?"),), (ShownResponse(7, "Old.\r\nText."),))
PAIRS = ((1, 2), (1, 3), (2, 3))
SCORES = {"a": 0.3, "b": -0.6, "c": 1.1}


def ordered(*ids: int, **levels: float) -> TracePayload:
    return TracePayload(feature="formality", definition_version=1, ordered_ids=ids, **levels)


def rewritten(text: str, has: str, **levels: float) -> TracePayload:
    rewrite = Rewrite(source=7, text=text, has=has)  # type: ignore[arg-type]
    return TracePayload(feature="formality", definition_version=1, rewrite=rewrite, **levels)


def event(payload: TracePayload, screen: Screen = SCREEN, **asked: object) -> Event:
    settings = trace.settings(asked)
    offered = trace.choice_set(screen, settings)
    return Event("1", "feature_trace", "0", "q", screen, None, payload, settings, offered)


def probabilities(
    first: Event, scores: dict[str, float], beta: float = 1.0, law: dict | None = None
) -> dict[tuple, float]:
    """(order or verdict, levels) -> probability, over the whole choice set."""
    likelihood = trace.likelihood
    assert likelihood is not None
    every = likelihood.alternatives(first)
    values = torch.tensor([[scores[p.text] for p in likelihood.points(e)] for e in every]).double()
    own = {
        p.name: torch.tensor([{**INITIAL, **(law or {})}[p.name]] * len(every)).double()
        for p in likelihood.parameters
    }
    found = likelihood.log_likelihood(
        values, likelihood.collate(every), torch.full((len(every),), beta).double(), own
    )
    return dict(zip([key(e.payload) for e in every], found.exp().tolist(), strict=True))


def key(payload: TracePayload) -> tuple:
    said = payload.ordered_ids or (payload.rewrite and payload.rewrite.has)
    return said, payload.levels


def s(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_an_order_by_hand() -> None:
    found = probabilities(event(ordered(9, 3, 4)), SCORES, beta=2)
    a, b, c = math.exp(0.6), math.exp(-1.2), math.exp(2.2)
    # From the top: c of all three, then a of a and b.
    assert found[(9, 3, 4), (0, 10)] == pytest.approx(c / (a + b + c) * a / (a + b))
    assert sum(found.values()) == pytest.approx(1) and len(found) == 6


def test_pairs_of_an_order_are_bradley_terry_but_their_product_is_no_law() -> None:
    """What Plackett-Luce shares with FERL's sum of logistic losses, and what it mends."""
    found = probabilities(event(ordered(9, 3, 4)), SCORES)
    above = sum(p for (order, _levels), p in found.items() if order.index(4) > order.index(9))
    assert above == pytest.approx(s(SCORES["c"] - SCORES["b"]))
    ferl = 0.0
    for order in permutations(SCORES):
        gaps = [SCORES[order[m]] - SCORES[order[n]] for n in range(3) for m in range(n + 1, 3)]
        ferl += math.prod(s(gap) for gap in gaps)
    assert ferl < 0.9  # the six "probabilities" do not reach 1
    level = dict.fromkeys(SCORES, 0.0)
    assert probabilities(event(ordered(9, 3, 4)), level)[(9, 3, 4), (0, 10)] == pytest.approx(1 / 6)
    assert 6 * 0.5**3 == 0.75


def test_a_rewrite_is_judged_when_it_is_written() -> None:
    scores = {"Old.\r\nText.": 0.5, "New.": 1.5}
    found = probabilities(event(rewritten("New.", "more"), ONE, mode="rewrite"), scores, beta=2)
    assert found == pytest.approx({("more", (0, 10)): s(2.0), ("less", (0, 10)): s(-2.0)})


def test_levels_by_hand() -> None:
    """Eleven grades with cutpoints .5 apart around .2; given that the least is below the most."""
    law = {"level_middle": 0.1, "level_shift": 0.1, "level_step": math.log(math.expm1(0.5))}
    first = event(ordered(9, 3, 4, start_level=0.3, end_level=0.8), levels=True)
    found = probabilities(first, SCORES, law=law)
    assert len(found) == 6 * 55 and sum(found.values()) == pytest.approx(1)
    cuts = [-math.inf, *(0.2 + 0.5 * (k - 4.5) for k in range(10)), math.inf]

    def grade(k: int, score: float) -> float:
        low, high = cuts[k] - score, cuts[k + 1] - score
        return (1.0 if high == math.inf else s(high)) - (0.0 if low == -math.inf else s(low))

    total = sum(grade(i, SCORES["b"]) * grade(j, SCORES["c"]) for i in range(11) for j in range(i + 1, 11))
    order = sum(p for (ids, _levels), p in found.items() if ids == (9, 3, 4))
    expected = order * grade(3, SCORES["b"]) * grade(8, SCORES["c"]) / total
    assert found[(9, 3, 4), (3, 8)] == pytest.approx(expected)


def test_where_levels_are_not_asked_they_mean_nothing() -> None:
    asked, silent = event(ordered(9, 3, 4), levels=True), event(ordered(9, 3, 4))
    assert len(probabilities(asked, SCORES)) == 330 and len(probabilities(silent, SCORES)) == 6


def test_a_trace_says_nothing_about_the_reward() -> None:
    law = trace.likelihood
    assert law is not None
    assert [(p.text, p.head) for p in law.points(event(ordered(9, 3, 4)))] == [
        ("b", "feature/formality"), ("a", "feature/formality"), ("c", "feature/formality"),
    ]  # fmt: skip
    less = event(rewritten("New.", "less"), ONE, mode="rewrite")
    assert [p.text for p in law.points(less)] == ["New.", "Old.\r\nText."]


@pytest.mark.parametrize("beta", [0.0, 1.5])
@pytest.mark.parametrize("levels", [False, True])
def test_labelers_draw_by_the_law(beta: float, levels: bool) -> None:
    law = {"level_middle": 0.3, "level_step": 0.5}
    who = SyntheticLabeler(value=lambda _p, text, _o, _h: SCORES[text], beta=beta, parameters=law)
    rng, settings = np.random.default_rng(1), trace.settings({"levels": levels})
    drawn = Counter(key(trace.simulate(SCREEN, settings, who, rng)[0][1]) for _ in range(6000))
    expected = probabilities(event(ordered(9, 3, 4), levels=levels), SCORES, beta or 1.0, law)
    if not beta:
        expected = dict.fromkeys(expected, 1 / len(expected))
    # Rare answers together, so that each cell expects at least five.
    cells = {name: p for name, p in expected.items() if 6000 * p >= 5}
    rest = 1 - sum(cells.values())
    counts = [(drawn[name], 6000 * p) for name, p in cells.items()]
    if rest > 1e-9:
        counts.append((6000 - sum(n for n, _e in counts), 6000 * rest))
    chi2 = sum((n - e) ** 2 / e for n, e in counts)
    assert chi2 < science.Score(6000, chi2, len(counts) - 1).bound(3.0902)


# --- Planted mistakes ------------------------------------------------------------------------------------------------


def break_near_ties_by_place(e: Event) -> Event:
    """The two in the middle put in the order in which they were shown, as a careless sort would."""
    ids = list(e.payload.ordered_ids)
    shown = [r.id for r in e.screen.responses]
    ids[1:3] = sorted(ids[1:3], key=shown.index)
    return replace(e, payload=e.payload.model_copy(update={"ordered_ids": tuple(ids)}))


def assume_success(e: Event) -> Event:
    """Every rewrite stored as one that has more, as "the rewrite beats the original" would have it, nobody asked."""
    rewrite = e.payload.rewrite.model_copy(update={"has": "more"})
    return replace(e, payload=e.payload.model_copy(update={"rewrite": rewrite}))


def pretend_full_levels(e: Event) -> Event:
    """0 and 1, FERL's defaults, stored where people had said something else."""
    return replace(e, payload=e.payload.model_copy(update={"start_level": 0.0, "end_level": 1.0}))


@pytest.mark.parametrize(
    ("asked", "responses", "mistake"),
    [
        ({}, 5, break_near_ties_by_place),
        ({"mode": "rewrite"}, 1, assume_success),
        ({"levels": True}, 3, pretend_full_levels),
    ],
)
def test_a_wrong_choice_set_fails_the_score_test(asked: dict, responses: int, mistake) -> None:
    case = science.Case(trace, trace.settings(asked), responses)
    right = science.Trial.run(case, 1500, seed=3)
    wrong = right.changed(mistake)
    assert right.score().passes, right.score()
    assert not wrong.score().passes, wrong.score()


# --- Agreement -------------------------------------------------------------------------------------------------------


def test_kendall_by_hand() -> None:
    a, b = ordered(4, 9, 3), ordered(9, 4, 3)  # one of three pairs the other way round
    assert trace.distance(a, b) == pytest.approx(1 / 3)
    assert agreement.kendall_tau(a, b) == pytest.approx(1 / 3)
    assert agreement.kendall_tau(a, ordered(3, 9, 4)) == -1
    assert trace.distance(a, ordered(4, 9, 3, start_level=0.5)) == 0  # levels do not count
    assert trace.consensus([b, a, a]).ordered_ids == (4, 9, 3)
    with pytest.raises(ValueError, match="same responses"):
        agreement.kendall_tau(a, ordered(1, 9, 3))


def test_alpha_by_an_independent_library() -> None:
    """Kendall's distance is the mean over pairs of a nominal one, so alpha is that of the three pairs' answers pooled as the
    package pools them when every order is one value with its own metric."""
    rows = [[(1, 2, 3), (1, 2, 3)], [(3, 2, 1), (2, 3, 1)], [(2, 1, 3), (1, 2, 3)], [(1, 3, 2), (1, 3, 2)]]
    orders = sorted({order for row in rows for order in row})
    gap = np.array([
        [sum((a.index(i) < a.index(j)) != (b.index(i) < b.index(j)) for i, j in PAIRS) / 3 for b in orders]
        for a in orders
    ])  # fmt: skip

    def metric(v1, v2, **_kwargs):
        return gap[v1.astype(int), v2.astype(int)]

    data = [[orders.index(row[k]) for row in rows] for k in range(2)]
    expected = krippendorff.alpha(
        reliability_data=data, level_of_measurement=metric, value_domain=list(range(len(orders)))
    )
    units = [[ordered(*order) for order in row] for row in rows]
    assert distances.krippendorff_alpha(units, trace.distance).alpha == pytest.approx(expected)


def test_rewrites_and_orders() -> None:
    more, less = rewritten("Good day to you.", "more"), rewritten("Good day.", "less")
    # Verdicts differ; words: {Good, day, to, you.} and {Good, day.} share 1 of 5.
    assert trace.distance(more, less) == pytest.approx((1 + 0.8) / 2)
    assert trace.distance(more, more) == 0
    assert trace.distance(more, ordered(4, 9, 3)) == 1


def test_violations_by_hand() -> None:
    # 1 < 2 < 3 holds; of 2, 1, 1 the pairs (2, 1), (2, 1) and (1, 1) do not rise.
    assert agreement.violation_rate([[1, 2, 3], [2, 1, 1]]) == 0.5
    assert agreement.violation_rate([]) is None and agreement.violation_rate([[1.0]]) is None


def test_a_learned_head_violates_fewer_traces_the_more_it_has_seen() -> None:
    trial = science.Trial.run(science.Case(trace, trace.settings(), 3), 1200, seed=4)
    world, law = trial.world, trace.likelihood
    assert law is not None
    held = trial.events[1000:]
    rates = []
    for n in (30, 1000):
        learner = science.Learner(world, {"t": science.Data.of(world, law, trial.events[:n])}, 10)
        weights = learner.fit()[0][0]
        rates.append(agreement.violation_rate([
            [float(world.features(e.screen.prompt, p.text, None) @ weights) for p in law.points(e)] for e in held
        ]))  # fmt: skip
    assert rates[1] < rates[0] and rates[1] < 0.3


# --- Form and views --------------------------------------------------------------------------------------------------


def test_what_is_missing_is_said_at_its_field() -> None:
    settings = trace.settings({"levels": True})
    with pytest.raises(InvalidPayload) as refused:
        form.parse({"rank_3": "1", "rank_9": "2"}, SCREEN, settings)
    assert set(refused.value.errors) == {"rank_4"}
    with pytest.raises(InvalidPayload) as refused:
        form.parse({"rank_3": "1", "rank_9": "2", "rank_4": "2"}, SCREEN, settings)
    assert set(refused.value.errors) == {"rank_4", "rank_9"}
    full = {"rank_3": "1", "rank_9": "2", "rank_4": "3", "start_level": 0.4, "end_level": 0.4}
    with pytest.raises(InvalidPayload) as refused:
        form.parse(full, SCREEN, settings)
    assert set(refused.value.errors) == {"levels_said"}
    with pytest.raises(InvalidPayload) as refused:
        form.parse(full | {"levels_said": True}, SCREEN, settings)
    assert set(refused.value.errors) == {"end_level"}


def test_a_rewrite_without_a_verdict_or_without_a_change_is_refused() -> None:
    settings = trace.settings({"mode": "rewrite"})
    assert form.parse({"text": "Old.\nText."}, ONE, settings) is None  # a text area sends line feeds
    for cleaned, field in (({"text": "Old.\nText.", "has": "more"}, "text"), ({"text": "New."}, "has")):
        with pytest.raises(InvalidPayload) as refused:
            form.parse(cleaned, ONE, settings)
        assert set(refused.value.errors) == {field}


def test_each_two_texts_are_a_row_of_their_feature() -> None:
    rows = [
        (view, row["chosen"][0]["content"], row["rejected"][0]["content"], row["feature"])
        for view, row in trace.records([event(ordered(9, 3, 4))])
    ]
    assert rows == [
        ("feature", "a", "b", "formality"), ("feature", "c", "b", "formality"), ("feature", "c", "a", "formality"),
    ]  # fmt: skip
    [(_view, row)] = trace.records([event(rewritten("New.", "less"), ONE, mode="rewrite")])
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == ("Old.\r\nText.", "New.")
