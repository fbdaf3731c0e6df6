"""How far apart are rewards? Every pair of the reward models, tastes and stated rewards that a run is given.

    python -m training_bridge.evaluation.distance DIR

DIR/config.json: {"reward_model": {…}, "compared_with": {…} or none, "parent": {a policy} or none, "baseline": {another} or
none, "snapshot": {…} or none, "stated_reward": "stated_reward.json" or none, "seed": 1, "parameters": {…}}
(`config.DistanceParameters`). `metrics.json`:

    judges       names, with mean and sd of each reward
    distances    [{"between": [a, b], "centred_return": {…}, "val": {…}, "epic": {…}, "dard": {…}}]; each
                 {"value", "low", "high", "correlation", "prompts", "numbers"}, value null where it cannot be said
    by_source    distances on the answers of each source alone, centred return
    furthest     answers that two rewards see most differently

`distances.py` says what each means and `steps.py` how they are read on text.
"""

from __future__ import annotations

import training_bridge.policy.environment  # noqa: F401  first: torch and the hub read it

# isort: split

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from training_bridge.evaluation.answers import Asked, counts, flat, gather, samplers
from training_bridge.evaluation.config import DistanceParameters
from training_bridge.evaluation.distances import Distance, Floats, Moments, centred, distance_of
from training_bridge.evaluation.judges import judges_of
from training_bridge.evaluation.steps import FORMS, Stepped, forms_of, step_through
from training_bridge.policy.config import parameters
from training_bridge.policy.generation import Sampler
from training_bridge.programs import Problem, RunDirectory, execute

FURTHEST = 6


def distance(run: RunDirectory) -> dict[str, Any]:
    settings = parameters(DistanceParameters, run.config)
    seed = int(run.config.get("seed") or 0)
    judges = judges_of(run, settings.tastes)
    if len(judges) < 2:
        raise Problem(
            f"A distance is between two rewards; there is {len(judges)}.",
            "Choose a second reward model, a taste or a stated reward.",
        )
    policies = samplers(run, settings)
    asked = gather(run, settings, judges, policies, seed)
    returns = {name: centred(flat(judge, asked)) for name, judge in judges.items()}
    answers: list[Stepped] = []
    if policies and settings.stepped:
        local = [p for p in policies.values() if isinstance(p, Sampler)]
        if not local:
            raise Problem(
                "An endpoint does not go on from a text that has begun, so there are no answers in steps.",
                "Set the answers in steps to 0, or give a policy of this machine.",
            )
        reference = local[0]
        answers = step_through(run, settings, asked, list(judges.values()), reference, seed)
    steps = {name: forms_of(judge, answers) for name, judge in judges.items()} if answers else {}
    rows = []
    for a, b in combinations(judges, 2):
        row: dict[str, Any] = {
            "between": [a, b],
            "centred_return": of_returns(returns[a], returns[b], seed).dump(),
        }
        for form in FORMS:
            row[form] = of_steps(steps[a][form], steps[b][form], answers, seed).dump() if steps else None
        rows.append(row)
    return {
        **counts(asked),
        "answers_in_steps": len(answers),
        "steps": sum(len(a.contexts) - 1 for a in answers),
        "judges": list(judges),
        "spread": {name: float(np.concatenate(rows_).std()) for name, rows_ in returns.items()},
        "distances": rows,
        "by_source": by_source(asked, returns, seed),
        "furthest": furthest(asked, returns),
    }


def of_returns(one: Sequence[Floats], other: Sequence[Floats], seed: int) -> Distance:
    return distance_of([Moments.of(a, b) for a, b in zip(one, other, strict=True)], seed=seed)


def of_steps(
    one: Sequence[Sequence[float]], other: Sequence[Sequence[float]], answers: Sequence[Stepped], seed: int
) -> Distance:
    """Over all steps; a prompt's answers are one cluster."""
    clusters: dict[int, tuple[list[float], list[float]]] = {}
    for answer, a, b in zip(answers, one, other, strict=True):
        xs, ys = clusters.setdefault(answer.prompt, ([], []))
        xs += a
        ys += b
    return distance_of([Moments.of(xs, ys) for xs, ys in clusters.values()], seed=seed)


def by_source(asked: Sequence[Asked], returns: dict[str, list[Floats]], seed: int) -> list[dict[str, Any]]:
    """Do two rewards agree on what one policy says, and part on what another does? Centred within each source."""
    names = sorted({name for row in asked for name in row.sources})
    found = []
    if len(names) < 2:
        return []
    for a, b in combinations(returns, 2):
        for source in names:
            clusters = []
            for row, xs, ys in zip(asked, returns[a], returns[b], strict=True):
                own = np.array([s == source for s in row.sources])
                if own.sum() > 1:
                    clusters.append(Moments.of(xs[own] - xs[own].mean(), ys[own] - ys[own].mean()))
            found.append({"between": [a, b], "source": source, **distance_of(clusters, seed=seed).dump()})
    return found


def furthest(asked: Sequence[Asked], returns: dict[str, list[Floats]]) -> list[dict[str, Any]]:
    """Answers on which the first two rewards differ most, each brought to sd 1: what they disagree about."""
    a, b = list(returns)[:2]
    scale = {name: float(np.concatenate(returns[name]).std()) or 1.0 for name in (a, b)}
    gaps = [
        (abs(x / scale[a] - y / scale[b]), i, k, x / scale[a], y / scale[b])
        for i, (xs, ys) in enumerate(zip(returns[a], returns[b], strict=True))
        for k, (x, y) in enumerate(zip(xs, ys, strict=True))
    ]
    return [
        {
            "prompt": asked[i].prompt.messages[-1]["content"],
            "text": asked[i].texts[k].text,
            "source": asked[i].sources[k],
            "rewards": {a: x, b: y},
        }
        for _, i, k, x, y in sorted(gaps, key=lambda gap: -gap[0])[:FURTHEST]
    ]


if __name__ == "__main__":
    execute(distance)
