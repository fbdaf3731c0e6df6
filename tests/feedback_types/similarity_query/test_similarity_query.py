"""What is particular to similarity queries: the law by hand, planted wrong choice sets, rotation, triples, agreement."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import krippendorff
import numpy as np
import pytest
import torch

from feedback_types import distances, registry, science
from feedback_types.base import Event, Message, Screen, ShownResponse, SyntheticLabeler
from feedback_types.similarity_query import agreement, offer
from feedback_types.similarity_query.schema import DIMENSIONS, SimilarityPayload

similarity = registry.get("similarity_query")
TEXTS = {5: "five", 2: "two", 9: "nine"}
SCREEN = Screen((Message("user", "?"),), tuple(ShownResponse(i, t) for i, t in TEXTS.items()))
ODD, REFERENCE = similarity.settings(), similarity.settings({"mode": "reference"})
# z: 5 at the origin, 2 at 1 along every axis, 9 at 2 along the first two of eight: D(5,2) = 1, D(5,9) = 1,
# D(2,9) = (1 + 1 + 6) / 8 = 1. Then 9 is moved along the first axis only.
PLACE = {5: [0.0] * DIMENSIONS, 2: [1.0] * DIMENSIONS, 9: [2.0, 2.0] + [0.0] * (DIMENSIONS - 2)}


def said(*pair: int, items: tuple[int, ...] = (5, 2, 9), reference: int | None = None) -> SimilarityPayload:
    return SimilarityPayload(
        items=items, pair=tuple(sorted(pair)), reference=reference, instruction_version=1
    )


def event(payload: SimilarityPayload, settings=ODD) -> Event:
    return Event(
        "1", "similarity_query", "0", "q", SCREEN, None, payload, settings,
        similarity.choice_set(SCREEN, settings),
    )  # fmt: skip


def probabilities(first: Event, place: dict[int, list[float]], beta: float = 1.0) -> list[float]:
    law = similarity.likelihood
    assert law is not None
    every = law.alternatives(first)
    values = torch.tensor([[v for i in first.payload.items for v in place[i]]] * len(every)).double()
    return (
        law.log_likelihood(values, law.collate(every), torch.full((len(every),), beta).double(), {})
        .exp()
        .tolist()
    )


def test_a_choice_among_pairs_by_hand() -> None:
    assert probabilities(event(said(2, 9)), PLACE) == pytest.approx([1 / 3] * 3)
    # 9 at (4, 0, …): D(5,9) = 16/8 = 2; D(2,9) = (9 + 7) / 8 = 2; D(5,2) = 1. Options: odd 5, odd 2, odd 9.
    moved = {**PLACE, 9: [4.0] + [0.0] * (DIMENSIONS - 1)}
    weight = [math.exp(-2 * 2), math.exp(-2 * 2), math.exp(-2 * 1)]
    assert probabilities(event(said(2, 9)), moved, beta=2) == pytest.approx(np.array(weight) / sum(weight))


def test_with_a_reference_only_its_two_pairs_are_on_offer() -> None:
    moved = {**PLACE, 9: [4.0] + [0.0] * (DIMENSIONS - 1)}
    found = probabilities(event(said(2, 5, reference=2), REFERENCE), moved)
    # The reference is 2, the first of the item: like 5 at D = 1, or like 9 at D = 2.
    assert found == pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))])


def test_two_logistic_terms_both_ways_round_are_no_law() -> None:
    """Why the loss of SIRL is made one choice of three: at equal distances its three answers have 3/4 together."""
    assert 3 * 0.5 * 0.5 == 0.75
    assert sum(probabilities(event(said(2, 9)), PLACE)) == pytest.approx(1)


def test_what_is_recovered_knows_no_direction() -> None:
    law, rng = similarity.likelihood, np.random.default_rng(1)
    assert law is not None
    scores = torch.from_numpy(rng.normal(size=(4, DIMENSIONS)))
    turn, _r = torch.linalg.qr(torch.from_numpy(rng.normal(size=(DIMENSIONS, DIMENSIONS))))
    found = law.recovered(scores)
    assert found.shape == (6,)
    assert found[0] == pytest.approx(float(((scores[0] - scores[1]) ** 2).mean()))
    assert law.recovered(scores @ turn + 3.0).tolist() == pytest.approx(found.tolist())


@pytest.mark.parametrize("settings", [ODD, REFERENCE], ids=lambda s: s.mode)
@pytest.mark.parametrize("beta", [0.0, 1.5])
def test_labelers_draw_by_the_law(settings, beta: float) -> None:
    moved = {**PLACE, 9: [3.0] + [0.0] * (DIMENSIONS - 1)}
    by_text = {TEXTS[i]: z for i, z in moved.items()}
    who = SyntheticLabeler(value=lambda _p, text, _o, head: by_text[text][int(head[-1])], beta=beta)
    rng = np.random.default_rng(2)
    drawn = Counter(similarity.simulate(SCREEN, settings, who, rng)[0][1].pair for _ in range(3000))
    first = event(offer.payload(SCREEN, settings, 9), settings)
    law = similarity.likelihood
    assert law is not None
    every = [tuple(e.payload.pair) for e in law.alternatives(first)]
    expected = probabilities(first, moved, beta) if beta else [1 / len(every)] * len(every)
    chi2 = sum((drawn[p] - 3000 * q) ** 2 / (3000 * q) for p, q in zip(every, expected, strict=True))
    assert chi2 < science.Score(3000, chi2, len(every) - 1).bound(3.0902)


def forget_the_reference(e: Event) -> Event:
    """Answers about a reference stored as if all three pairs had been on offer."""
    odd = similarity.settings()
    payload = e.payload.model_copy(update={"reference": None})
    return replace(e, payload=payload, settings=odd, choice_set=similarity.choice_set(e.screen, odd))


def give_the_odd_one_twice(e: Event) -> Event:
    """The odd one out exchanged for the one beside it, as a screen with its numbers mixed up would store it."""
    items = list(e.payload.items)
    odd = items[(items.index(e.payload.odd) + 1) % 3]
    pair = tuple(sorted(i for i in items if i != odd))
    return replace(e, payload=e.payload.model_copy(update={"pair": pair}))


@pytest.mark.parametrize(
    ("asked", "mistake"), [("reference", forget_the_reference), ("odd", give_the_odd_one_twice)]
)
def test_a_wrong_choice_set_fails_the_score_test(asked: str, mistake) -> None:
    case = science.Case(similarity, similarity.settings({"mode": asked}), 3)
    right = science.Trial.run(case, 1500, seed=3)
    wrong = right.changed(mistake)
    assert right.score().passes, right.score()
    assert not wrong.score().passes, wrong.score()


def test_an_embedding_is_learned_from_triples() -> None:
    """Held-out answers: the learned distances tell them nearly as well as the true ones, and better than chance."""
    case = science.Case(similarity, ODD, 3)
    trial = science.Trial.run(case, 2000, seed=5)
    world, law = trial.world, similarity.likelihood
    assert law is not None
    train, held = trial.events[:1500], trial.events[1500:]
    learner = science.Learner(world, {"similarity_query": science.Data.of(world, law, train)}, 10)
    weights, _beta, _lapse = learner.fit()
    true = np.stack([world.truth(head) for head in learner.heads])

    def accuracy(of: np.ndarray) -> float:
        vectors = {
            r.id: of @ world.features(e.screen.prompt, r.text, None) for e in held for r in e.screen.responses
        }
        found = agreement.triple_accuracy(vectors, [e.payload for e in held])
        assert found is not None
        return found

    assert accuracy(weights) > accuracy(true) - 0.05
    assert accuracy(weights) > 0.5


# --- Agreement and views ---------------------------------------------------------------------------------------------


def test_triple_accuracy_by_hand() -> None:
    line = {1: [0.0], 2: [1.0], 3: [3.0], 4: [0.0]}
    nearest, other = said(1, 2, items=(3, 1, 2)), said(2, 3, items=(3, 1, 2))
    assert agreement.triple_accuracy(line, [nearest, other]) == 0.5
    assert agreement.triple_accuracy(line, []) is None
    # 3 is nearer to 2 than to 1; the pair (1, 2) is not on offer when 3 is the reference.
    assert agreement.triple_accuracy(line, [said(2, 3, items=(3, 1, 2), reference=3)]) == 1
    # 1 and 4 lie in one place, so 2 is as near to either: half a point.
    tied = said(2, 4, items=(1, 2, 4), reference=2)
    assert agreement.triple_accuracy(line, [tied]) == 0.5
    with pytest.raises(KeyError):
        agreement.triple_accuracy(line, [said(5, 9)])


def test_agreement_is_nominal_over_places_whatever_was_shown_first() -> None:
    a, same, other = said(5, 9), said(5, 9, items=(9, 5, 2)), said(2, 9)
    assert similarity.distance(a, same) == 0 and similarity.distance(a, other) == 1
    assert similarity.consensus([other, a, same]).odd == 2
    # Four triples, three labelers, the odd one out as place 0, 1 or 2; None: not answered.
    table = [[0, 0, 1], [2, 2, 2], [1, 0, None], [1, 1, 1]]
    units = []
    for triple, row in enumerate(table):
        items = (10 * triple + 1, 10 * triple + 2, 10 * triple + 3)
        units.append([
            said(*(i for k, i in enumerate(items) if k != place), items=items)
            for place in row if place is not None
        ])  # fmt: skip
    expected = krippendorff.alpha(
        reliability_data=[[np.nan if row[k] is None else row[k] for row in table] for k in range(3)],
        level_of_measurement="nominal",
    )
    assert distances.krippendorff_alpha(units, similarity.distance).alpha == pytest.approx(expected)


def test_triplets_go_both_ways_and_from_a_reference_one_way() -> None:
    rows = [row for _view, row in similarity.records([event(said(5, 9))])]
    assert rows == [
        {"anchor": "five", "positive": "nine", "negative": "two"},
        {"anchor": "nine", "positive": "five", "negative": "two"},
    ]
    [(_view, row)] = similarity.records([event(said(2, 9, reference=2), REFERENCE)])
    assert row == {"anchor": "two", "positive": "nine", "negative": "five"}


def test_the_reference_is_the_first_of_the_item_wherever_it_is_shown() -> None:
    assert offer.reference(SCREEN, REFERENCE) == 2
    assert [(key, chosen) for key, chosen, _words in offer.choices(SCREEN, REFERENCE)] == [(1, 5), (3, 9)]
    assert [(key, chosen) for key, chosen, _words in offer.choices(SCREEN, ODD)] == [(1, 5), (2, 2), (3, 9)]
