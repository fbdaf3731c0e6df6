"""What is particular to marks: lines as people write them, the race by hand, MASI by hand, planted mistakes."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from itertools import permutations

import krippendorff
import numpy as np
import pytest
import torch

from feedback_types import protocol, registry, science
from feedback_types.base import Event, InvalidPayload, Message, Screen, ShownResponse, SyntheticLabeler
from feedback_types.importance import agreement, form, offer
from feedback_types.importance.likelihood import ImportanceLikelihood
from feedback_types.importance.schema import ImportancePayload, Mark
from feedback_types.importance.simulate import INITIAL
from feedback_types.segments import segment_ends

importance = registry.get("importance")
TEXT = "It is 🏠 home. Shops only sell. A house keeps."
ENDS = tuple(segment_ends(TEXT))  # 14, 31, 45
SCREEN = Screen((Message("user", "Is a lantern not for sale? Say where."),), (ShownResponse(5, TEXT),))


def marks(
    *said: tuple[int, int, int, int] | tuple[int, int, int], ends: tuple[int, ...] = ENDS, mode: str = "marks"
) -> ImportancePayload:
    found = [Mark(where="response", start=m[0], end=m[1], sign=m[2], weight=(*m, 1)[3]) for m in said]
    return ImportancePayload.model_validate({"mode": mode, "segments": ends, "marks": tuple(found)})


def event(payload: ImportancePayload, screen: Screen = SCREEN, **asked: object) -> Event:
    settings = importance.settings(asked)
    return Event(
        "1", "importance", "0", "q", screen, 5, payload, settings, importance.choice_set(screen, settings)
    )


# --- Lines and rules -------------------------------------------------------------------------------------------------


def test_marks_are_read_by_offset_and_by_words() -> None:
    settings = importance.settings({"where": "both"})
    texts = offer.texts(SCREEN, settings, 5)
    written = "15-20 --\n\n+++ 🏠 home\np0 5-12 +\n-not for sale"
    found = form.read_marks(written, texts, settings)
    assert [(texts[m.place][m.start : m.end], m.sign, m.weight) for m in found] == [
        ("hops ", -1, 2), ("🏠 home", 1, 3), ("lantern", 1, 1), ("not for sale", -1, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("+ a shop", "Line 1: these words are not in the text"),
        ("\nIt is", "Line 2: write one of + -, a space, and the words"),
        ("0-99 +", "Line 1: the mark lies outside"),
        ("9-9 +", "Line 1: the mark lies outside"),
        ("p0 0-3 +", "Line 1: the mark lies outside"),  # the prompt is not asked about
        ("0-5 *", "Line 1: use one of these signs here: + -."),
        ("0-5 ++++", "Line 1: write one of") ,
    ],
)  # fmt: skip
def test_wrong_marks_are_told_by_their_line(written: str, message: str) -> None:
    settings = importance.settings()
    with pytest.raises(InvalidPayload) as refused:
        form.read_marks(written, offer.texts(SCREEN, settings, 5), settings)
    errors = refused.value.errors["marks"]
    assert errors[0].startswith(message) or (written == "0-5 ++++" and "not in the text" in errors[0])


def test_it_explains_an_earlier_question_or_none() -> None:
    grade = {"key": "grade", "type": "critique"}
    why = {"key": "why", "type": "importance", "settings": {"explains": "grade"}}
    assert len(protocol.load_protocol([grade, why])) == 2
    for wrong in ([why, grade], [why], [{**grade, "key": "other"}, why]):
        with pytest.raises(InvalidPayload) as refused:
            protocol.load_protocol(wrong)
        assert "“grade”, which is not asked before it" in str(refused.value)


def test_the_gravest_mark_speaks_for_its_sentence() -> None:
    said = marks((0, 5, 1, 1), (8, 13, -1, 2), (20, 40, 1, 1))
    assert offer.levels(said) == [(-1, 2), (1, 1), (1, 1)]


# --- The law ---------------------------------------------------------------------------------------------------------


def probabilities(first: Event, steps: list[float], law: dict | None = None) -> list[float]:
    likelihood = importance.likelihood
    assert likelihood is not None
    every = likelihood.alternatives(first)
    n = len(every)
    own = {
        p.name: torch.tensor([{**INITIAL, **(law or {})}[p.name]] * n, dtype=torch.float64)
        for p in likelihood.parameters
    }
    values = torch.tensor([np.cumsum([0.3, *steps]).tolist()] * n, dtype=torch.float64)
    return (
        likelihood.log_likelihood(values, likelihood.collate(every), torch.ones(n).double(), own)
        .exp()
        .tolist()
    )


def by_orders(rates: dict, stop: float, chosen: tuple) -> float:
    """Plackett-Luce with a place to stop, summed over the orders: the definition, without an integral."""
    total = 0.0
    for order in permutations(chosen):
        left, probability = dict(rates), 1.0
        for name in order:
            probability *= left[name] / (sum(left.values()) + stop)
            del left[name]
        total += probability * (stop / (sum(left.values()) + stop) if left else 1.0)
    return total


def test_the_race_is_plackett_luce_summed_over_orders() -> None:
    """Unsigned, three sentences with |u| = .5, 1, .2; all eight sets."""
    steps, stop = [0.5, -1.0, 0.2], math.exp(INITIAL["stop"])
    first = event(marks((0, 13, 0)), signed=False, weights=False)
    likelihood = importance.likelihood
    assert likelihood is not None
    rates = {n: math.exp(abs(u)) for n, u in enumerate(steps)}
    sets = [
        tuple(n for n, level in enumerate(offer.levels(e.payload)) if level)
        for e in likelihood.alternatives(first)
    ]
    expected = [by_orders(rates, stop, chosen) for chosen in sets]
    assert sum(expected) == pytest.approx(1)
    assert probabilities(first, steps) == pytest.approx(expected, abs=1e-6)
    # One of them by hand: stop first, 4.4817 / (4.4817 + 1.6487 + 2.7183 + 1.2214).
    assert probabilities(first, steps)[sets.index(())] == pytest.approx(0.445049, abs=1e-5)


def test_signs_and_weights_by_hand() -> None:
    one = Screen(SCREEN.prompt, (ShownResponse(5, "Only this."),))
    first = event(marks((0, 10, 1), ends=(10,)), screen=one, weights=False)
    u, stop = 0.7, math.exp(INITIAL["stop"])
    found = probabilities(first, [u])  # nothing, helped, hurt
    total = math.exp(u) + math.exp(-u) + stop
    assert found == pytest.approx([stop / total, math.exp(u) / total, math.exp(-u) / total], abs=1e-6)
    graded = probabilities(event(marks((0, 10, 1), ends=(10,)), screen=one), [u])
    cut = 0.5, 0.5 + math.log1p(math.exp(0.5))
    light = 1 / (1 + math.exp(-(cut[0] - u)))
    grave = 1 / (1 + math.exp(cut[1] - u))
    assert graded[1:4] == pytest.approx([found[1] * p for p in (light, 1 - light - grave, grave)], abs=1e-9)


def test_best_and_worst_by_hand() -> None:
    """Four sentences with u = 1, 0, 0, -1, each pair summed over both orders."""
    text = "Aa aa. Bb bb. Cc cc. Dd dd."
    screen = Screen(SCREEN.prompt, (ShownResponse(5, text),))
    said = marks(
        (0, 6, 1), (7, 13, 1), (14, 20, -1), (21, 27, -1), ends=tuple(segment_ends(text)), mode="best_worst"
    )
    first = event(said, screen=screen, mode="best_worst")
    found = probabilities(first, [1.0, 0.0, 0.0, -1.0])
    assert len(found) == 6 and sum(found) == pytest.approx(1)  # who is best decides who is worst
    e = math.e
    a, b, c, d = e, 1.0, 1.0, 1 / e
    total = a + b + c + d
    best_ab = a / total * b / (total - a) + b / total * a / (total - b)
    assert found[0] == pytest.approx(best_ab)


@pytest.mark.parametrize(("asked", "beta"), [({"weights": False}, 1.5), ({"signed": False}, 1.0), ({}, 0.0)])
def test_labelers_draw_by_the_law(asked: dict, beta: float) -> None:
    two = Screen(SCREEN.prompt, (ShownResponse(5, "Aa aa. Bb bb."),))
    settings = importance.settings(asked)
    value = {0: 0.0, 7: 0.8, None: 0.3}
    who = SyntheticLabeler(
        value=lambda _p, _t, offset, _h: value[offset], beta=beta, parameters={"stop": 0.8}
    )
    rng = np.random.default_rng(2)

    def levels(payload: ImportancePayload) -> str:
        return json.dumps(offer.levels(payload))

    drawn = Counter(levels(importance.simulate(two, settings, who, rng)[0][1]) for _ in range(3000))
    first = event(marks(ends=(7, 13)), screen=two, **asked)
    likelihood = importance.likelihood
    assert likelihood is not None
    every = [levels(e.payload) for e in likelihood.alternatives(first)]
    expected = (
        probabilities(first, [0.8 * beta, -0.5 * beta], {"stop": 0.8})
        if beta
        else [1 / len(every)] * len(every)
    )
    chi2 = sum((drawn[key] - 3000 * p) ** 2 / (3000 * p) for key, p in zip(every, expected, strict=True))
    assert chi2 < science.Score(3000, chi2, len(every) - 1).bound(3.0902)


def test_many_sentences_and_extreme_steps_stay_proper() -> None:
    """The grid of the integral changes how exact it is, never that everything sums to 1."""
    first = event(marks((0, 13, -1)), weights=False)
    for scale in (0.0, 3.0, 40.0, 900.0):
        assert sum(probabilities(first, [scale, -scale, scale / 7])) == pytest.approx(1, abs=1e-9)


class Independent(ImportanceLikelihood):
    """A softmax over sentences for each mark, as if every mark were a choice by itself from all of them."""

    def log_likelihood(self, values, batch, beta, parameters):
        n = batch["offered"].shape[1]
        step = beta.unsqueeze(1) * (values[:, 1 : n + 1] - values[:, :n])
        good = torch.log_softmax(step.masked_fill(~batch["offered"], -1e30), dim=1)
        bad = torch.log_softmax((-step).masked_fill(~batch["offered"], -1e30), dim=1)
        each = torch.where(batch["sign"] > 0, good, bad)
        return torch.where(batch["marked"], each, torch.zeros_like(each)).sum(1)


def forget_how_many(e: Event) -> Event | None:
    """Answers without a mark thrown away, as in a file of marked sentences."""
    return e if e.payload.marks else None


def first_mark_only(e: Event) -> Event:
    """Only the first mark of each answer kept."""
    return replace(e, payload=e.payload.model_copy(update={"marks": e.payload.marks[:1]}))


def all_helped(e: Event) -> Event:
    """The sign forgotten: what mattered is taken to be good."""
    found = tuple(m.model_copy(update={"sign": 1}) for m in e.payload.marks)
    return replace(e, payload=e.payload.model_copy(update={"marks": found}))


@pytest.mark.parametrize("mistake", [forget_how_many, first_mark_only, all_helped])
def test_a_wrong_choice_set_fails_the_score_test(mistake) -> None:
    case = science.Case(importance, importance.settings({"weights": False}), 1)
    right = science.Trial.run(case, 2000, seed=3)
    wrong = right.changed(mistake)
    assert right.score().passes, right.score()
    assert not wrong.score().passes, wrong.score()


def test_independent_choices_fail_the_score_test() -> None:
    case = science.Case(importance, importance.settings({"weights": False}), 1)
    trial = science.Trial.run(case, 2000, seed=3)
    assert not trial.score(Independent()).passes, trial.score(Independent())


def test_unsigned_marks_leave_the_sign_of_the_reward_free() -> None:
    first = event(marks((0, 13, 0, 2), (15, 30, 0)), signed=False)
    steps = [0.5, -1.0, 0.2]
    assert probabilities(first, steps) == pytest.approx(probabilities(first, [-u for u in steps]))


def test_marks_in_the_prompt_have_no_law() -> None:
    settings = importance.settings({"where": "prompt"})
    [(target, payload)] = importance.simulate(
        SCREEN, settings, SyntheticLabeler(value=lambda *_: 0.0), np.random.default_rng(0)
    )
    likelihood = importance.likelihood
    assert likelihood is not None and target == 5
    assert not likelihood.usable(replace(event(payload), settings=settings, choice_set={}))


# --- Agreement -------------------------------------------------------------------------------------------------------


def test_masi_by_hand() -> None:
    assert agreement.masi([], []) == 0
    assert agreement.masi("ab", "ab") == 0
    assert agreement.masi("ab", "cd") == 1
    assert agreement.masi("a", "") == 1
    assert agreement.masi("ab", "abc") == pytest.approx(
        1 - 2 / 3 * 2 / 3
    )  # Jaccard 2/3, one lies in the other
    assert agreement.masi("ab", "bc") == pytest.approx(1 - 1 / 3 * 1 / 3)  # Jaccard 1/3, they only meet


def test_distance_counts_sentences_with_their_sign() -> None:
    a = marks((0, 5, 1), (15, 30, -1))
    assert (
        importance.distance(a, marks((8, 13, 1, 3), (16, 18, -1))) == 0
    )  # other words of the same sentences
    assert importance.distance(a, marks((0, 5, 1))) == pytest.approx(1 - 1 / 2 * 2 / 3)
    assert importance.distance(a, marks((0, 5, -1), (15, 30, 1))) == 1


def test_alpha_by_sentence_is_the_nominal_one() -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(-1, 2, size=(3, 30))
    table[:, :15] = table[0, :15]
    ends = tuple(range(10, 310, 10))

    def said(row: np.ndarray) -> ImportancePayload:
        return marks(*[(10 * n, 10 * n + 9, int(sign)) for n, sign in enumerate(row) if sign], ends=ends)

    ours = agreement.alpha_by_sentence([[said(row) for row in table]])
    theirs = krippendorff.alpha(reliability_data=table, level_of_measurement="nominal")
    assert ours.alpha == pytest.approx(theirs, abs=1e-9)


def test_consensus_and_precision_by_hand() -> None:
    a = marks((0, 13, 1, 3), (15, 30, -1))
    b = marks((0, 13, 1, 1), (31, 45, 1))
    c = marks((0, 5, 1, 2), (15, 30, -1, 2))
    agreed = importance.consensus([a, b, c])
    assert [(m.start, m.end, m.sign, m.weight) for m in agreed.marks] == [(0, 13, 1, 2), (15, 30, -1, 1)]
    assert agreement.precision_at(a, agreed) == 1
    assert agreement.precision_at(b, agreed) == 0.5
    assert agreement.precision_at(marks((0, 13, -1)), agreed) == 0
    assert agreement.precision_at(marks(), agreed) is None
