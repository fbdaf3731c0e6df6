"""The law of every type against what its synthetic labelers do, and the shared mathematics against hand-worked numbers.

The larger sizes are in `python -m feedback_types.science`; its table is in docs/types/README.md.
"""

from __future__ import annotations

import json
import math
from functools import cache
from zlib import crc32

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedback_types import registry, science
from feedback_types.base import Event, Example, FeedbackType
from feedback_types.likelihoods import (
    Likelihood,
    Point,
    cumulative_logit,
    increasing,
    log1mexp,
    log_between,
    mix_lapse,
    pad,
)

LAWFUL = [t for t in registry.all_types() if t.likelihood is not None]
CASES = [case for t in LAWFUL for case in science.cases(t)]
FIRST = [science.cases(t)[0] for t in LAWFUL]
MOST_ALTERNATIVES = 6000


def law_of(feedback_type: FeedbackType) -> Likelihood:
    assert feedback_type.likelihood is not None
    return feedback_type.likelihood


def event_of(feedback_type: FeedbackType, example: Example) -> Event:
    asked, payload = feedback_type.settings(example.settings), feedback_type.load(example.payload)
    offered = json.loads(json.dumps(feedback_type.choice_set(example.screen, asked, payload)))
    return Event("1", feedback_type.slug, "0", "q", example.screen, example.target, payload, asked, offered)


def options(law: Likelihood, event: Event) -> float:
    return math.exp(-float(law.log_uniform(law.collate([event]))[0]))


EVENTS = [
    pytest.param(t, event, id=f"{t.slug}-{number}")
    for t in LAWFUL
    for number, example in enumerate(t.valid)
    if law_of(t).usable(event := event_of(t, example)) and options(law_of(t), event) <= MOST_ALTERNATIVES
]


# --- Every type ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("feedback_type", "event"), EVENTS)
@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 10**6), beta=st.floats(0.01, 20), scale=st.floats(0, 10))
def test_the_choice_set_sums_to_one(
    feedback_type: FeedbackType, event: Event, seed: int, beta: float, scale: float
) -> None:
    law, rng = law_of(feedback_type), np.random.default_rng(seed)
    parameters = {p.name: np.asarray(rng.normal(p.initial, p.prior_sd)).tolist() for p in law.parameters}

    @cache
    def value(point: Point) -> float:
        """Any score, the same for the same point; a prefix that is the whole text is the whole text."""
        offset = None if point.offset == len(point.text) else point.offset
        return scale * float(
            np.random.default_rng([seed, crc32(repr((point.text, offset, point.head)).encode())]).normal()
        )

    total, uniform = science.total_probability(law, event, value, beta, parameters)
    assert total == pytest.approx(1, abs=1e-6)
    assert uniform == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("feedback_type", LAWFUL, ids=lambda t: t.slug)
def test_points_lie_in_the_text(feedback_type: FeedbackType) -> None:
    law = law_of(feedback_type)
    for event in (event_of(feedback_type, example) for example in feedback_type.valid):
        if not law.usable(event):
            continue
        points = law.points(event)
        assert points
        for point in points:
            assert point.offset is None or 0 <= point.offset <= len(point.text)
            assert point.head == "reward" or point.head.split("/")[0] in {
                "attribute",
                "aspect",
                "span",
                "tag",
                "feature",
                "similarity",
            }


@pytest.mark.parametrize("feedback_type", LAWFUL, ids=lambda t: t.slug)
def test_a_batch_says_the_same_as_its_rows(feedback_type: FeedbackType) -> None:
    """Padding and neighbours change nothing: answers of all settings together, and one by one."""
    law, rng = law_of(feedback_type), np.random.default_rng(0)
    events = [e for e in (event_of(feedback_type, x) for x in feedback_type.valid) if law.usable(e)]
    rows = [rng.normal(size=len(law.points(event))).tolist() for event in events]
    beta = torch.rand(len(events), dtype=torch.float64) + 0.5
    own = {
        p.name: torch.from_numpy(np.array([rng.normal(p.initial, 0.3) for _ in events]))
        for p in law.parameters
    }
    together = law.log_likelihood(pad(rows, dtype=torch.float64)[0], law.collate(events), beta, own)
    uniform = law.log_uniform(law.collate(events))
    assert together.shape == uniform.shape == (len(events),)
    for i, event in enumerate(events):
        scores = torch.tensor([rows[i] + [0.0] * 3], dtype=torch.float64)  # padded more than it needs
        alone = law.log_likelihood(
            scores, law.collate([event]), beta[i : i + 1], {k: v[i : i + 1] for k, v in own.items()}
        )
        assert float(alone[0]) == pytest.approx(float(together[i]), abs=1e-9)
        assert float(law.log_uniform(law.collate([event]))[0]) == pytest.approx(float(uniform[i]), abs=1e-5)


@pytest.mark.parametrize("feedback_type", LAWFUL, ids=lambda t: t.slug)
def test_extreme_scores_stay_finite(feedback_type: FeedbackType) -> None:
    law = law_of(feedback_type)
    events = [e for e in (event_of(feedback_type, x) for x in feedback_type.valid) if law.usable(e)]
    batch = law.collate(events)
    width = max(len(law.points(event)) for event in events)
    for scale in (0.0, 50.0, 1e4):
        signs = torch.tensor([[(-1) ** (i + j) for j in range(width)] for i in range(len(events))])
        values = (scale * signs.float()).requires_grad_()
        own = {p.name: torch.tensor([p.initial] * len(events)) for p in law.parameters}
        found = law.log_likelihood(values, batch, torch.ones(len(events)), own)
        mixed = mix_lapse(found, law.log_uniform(batch).float(), torch.full((len(events),), 0.01))
        mixed.sum().backward()
        assert torch.isfinite(mixed).all()
        assert values.grad is not None and torch.isfinite(values.grad).all()


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_the_score_is_zero_at_the_truth(case: science.Case) -> None:
    """Below the 99.9 % point of chi-squared; above it when the law takes the same answers for noise."""
    trial = science.Trial.run(case, 600, seed=1)
    right, noise = trial.score(), trial.score(sharper=0.01)
    assert right.passes, right
    assert not noise.passes, noise


def test_a_dialogue_in_an_example_makes_dialogues_in_the_world() -> None:
    """Earlier turns come before the question; what is without them stays as it was."""
    alone = science.World(3).screen(np.random.default_rng(1), 2)
    long = science.World(3).screen(np.random.default_rng(1), 2, turns=2)
    assert [m.role for m in long.prompt] == ["user", "assistant"] * 2 + ["user"]
    assert (long.prompt[-1], long.responses) == (alone.prompt[0], alone.responses)
    assert alone.turns == () and len({turn.text for turn in long.turns}) == 2


def test_the_bound_is_that_of_the_tables() -> None:
    # Published points of chi-squared: 15.507 and 26.124 for 8, 3.841 and 10.828 for 1 degrees of freedom.
    assert science.Score(1, 0, 8).bound(1.6449) == pytest.approx(15.507, rel=0.01)
    assert science.Score(1, 0, 8).bound(3.0902) == pytest.approx(26.124, rel=0.01)
    assert science.Score(1, 0, 1).bound(1.6449) == pytest.approx(3.841, rel=0.03)
    assert science.Score(1, 0, 48).bound(3.0902) == pytest.approx(84.037, rel=0.01)


@pytest.mark.parametrize("case", FIRST, ids=lambda c: c.name)
def test_more_answers_find_the_truth(case: science.Case) -> None:
    """Ranks of new responses, the order of the labelers' rationality, and who answers without looking."""
    example = next(e for e in case.type.valid if case.type.settings(e.settings) == case.settings)
    heads = {point.head for point in law_of(case.type).points(event_of(case.type, example))}
    # An embedding has as many weights as heads times features, and takes more answers than one score.
    few, many = science.recovery([case], [50, 500 if len(heads) == 1 else 2000], seed=2)
    assert many.spearman > few.spearman + 0.02
    assert many.spearman > 0.85
    assert many.beta > 0.5
    assert many.auc > 0.9


def test_a_labeler_writes_what_the_world_says() -> None:
    """The mean reward of what is written is that of the world's texts weighted by exp(beta * reward)."""
    world, rng, beta = science.World(4), np.random.default_rng(4), 0.8
    prompt = world.screen(rng, 1).prompt

    def reward(text: str) -> float:
        return world.value(prompt, text, None, "reward")

    rewards = np.array([reward(world.text(rng)) for _ in range(20_000)])
    weights = np.exp(beta * rewards)
    expected = float(rewards @ weights / weights.sum())
    written = [world.write(prompt, "", beta, rng) for _ in range(4000)]
    found = np.array([reward(text) for text in written])
    assert found.mean() == pytest.approx(expected, abs=5 * found.std() / 60)
    assert expected > rewards.mean() + 0.5
    begun = world.text(rng).partition(". ")[0] + "."
    continued = [world.write(prompt, begun, 0.0, rng) for _ in range(2000)]
    assert all(text.startswith(f"{begun} ") for text in continued)
    # Without a taste the number of sentences stays as it was: 3 to 6, each as likely.
    counts = np.bincount([text.count(".") for text in continued], minlength=7)[3:]
    assert counts.sum() == 2000 and counts == pytest.approx(500, abs=100)


def test_what_is_recovered_is_the_first_head_unless_a_law_says_otherwise() -> None:
    scores = torch.tensor([[1.0, 5.0], [2.0, 4.0]])
    assert law_of(registry.get("comparison")).recovered(scores).tolist() == [1.0, 2.0]


def test_two_questions_on_one_read_beat_one() -> None:
    """The starter campaign: a comparison and one grade for each side."""
    comparison, critique = (
        science.Case(t, t.settings(), 2) for t in map(registry.get, ("comparison", "critique"))
    )
    gains = []
    for seed in range(3):
        (alone,) = science.recovery([comparison], [100], seed)
        (both,) = science.recovery([comparison, critique], [100], seed)
        gains.append(both.spearman - alone.spearman)
    assert np.mean(gains) > 0.02


# --- Shared mathematics ----------------------------------------------------------------------------------------------


def test_cumulative_logit_by_hand() -> None:
    # Cutpoints -1 and 1, score 0: s(-1) = .268941, the middle .462117, the top .268941.
    found = cumulative_logit(torch.zeros(3), torch.tensor([-1.0, 1.0]), torch.tensor([0, 1, 2]))
    assert found.exp().tolist() == pytest.approx([0.268941, 0.462117, 0.268941], abs=1e-6)
    # A higher score makes higher grades likelier: score 2, top grade: s(2 - 1) = .731059.
    top = cumulative_logit(torch.tensor([2.0]), torch.tensor([-1.0, 1.0]), torch.tensor([2]))
    assert top.exp().item() == pytest.approx(0.731059, abs=1e-6)
    steep = cumulative_logit(torch.tensor([1e4]), torch.tensor([-1.0, 1.0]), torch.tensor([0]))
    assert steep.item() == pytest.approx(-10001, abs=1)


def test_log_between_and_log1mexp_keep_their_digits() -> None:
    x = torch.tensor([-1e-12, -1e-3, -0.5, -1.0, -40.0], dtype=torch.float64)
    expected = [math.log(-math.expm1(v)) for v in x.tolist()]
    assert log1mexp(x).tolist() == pytest.approx(expected, rel=1e-9)
    low, high = torch.tensor([40.0], dtype=torch.float64), torch.tensor([41.0], dtype=torch.float64)
    # In the tail s(41) - s(40) = e^-40 - e^-41 up to e^-80.
    assert log_between(low, high).item() == pytest.approx(math.log(math.exp(-40) - math.exp(-41)), rel=1e-12)
    assert log_between(-high, -low).item() == pytest.approx(log_between(low, high).item(), rel=1e-12)


def test_a_lapse_is_a_mixture() -> None:
    found = mix_lapse(torch.tensor([math.log(0.5)]), torch.tensor([math.log(0.1)]), torch.tensor([0.2]))
    assert found.exp().item() == pytest.approx(0.8 * 0.5 + 0.2 * 0.1)
    hopeless = mix_lapse(torch.tensor([-1e30]), torch.tensor([math.log(0.1)]), torch.tensor([0.2]))
    assert hopeless.item() == pytest.approx(math.log(0.02), rel=1e-5)


def test_increasing_and_pad() -> None:
    cut = increasing(torch.tensor([[-2.0, 0.0, -50.0]]))
    assert cut[0].tolist() == pytest.approx([-2, -2 + math.log(2), -2 + math.log(2)])
    data, mask = pad([[1, 2], [], [3]])
    assert data.tolist() == [[1, 2], [0, 0], [3, 0]]
    assert mask.tolist() == [[True, True], [False, False], [True, False]]
