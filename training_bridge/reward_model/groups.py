"""Accuracy and calibration by who said it, by how much people agree, and with length out of the way."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from training_bridge.reward_model.measures import RESAMPLES, calibration, share

if TYPE_CHECKING:
    from training_bridge.reward_model.evaluate import Judged

HIGH = 0.8  # share of the answers about a pair that say the same, from which on people are said to agree
ALIKE = 0.1  # largest difference in length, as a share of the longer text, of texts alike in length


def accuracy_of(judged: Sequence[Judged]) -> dict[str, Any]:
    return share([j.correct for j in judged], [j.preference.prompt for j in judged])


def measured(judged: Sequence[Judged]) -> dict[str, Any]:
    """Accuracy with its interval; and ECE, NLL and Brier score of the probabilities, without the curve."""
    told = calibration([j.probability for j in judged])
    return {**accuracy_of(judged), **{name: told[name] for name in ("ece", "ece_if_perfect", "nll", "brier")}}


def by(key: Callable[[Judged], str], judged: Sequence[Judged]) -> dict[str, dict[str, Any]]:
    found: dict[str, list[Judged]] = defaultdict(list)
    for j in judged:
        found[key(j)].append(j)
    return {name: measured(members) for name, members in sorted(found.items())}


def labeler_groups(judged: Sequence[Judged], labelers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """By kind of labeler (human, simulated, ai, proxy), and by half: whose answers follow the reward more or less sharply.

    Args:
        labelers: nuisance.json's entries with the fitted log-rationality; the halves have about equally many answers here.
    """
    kinds = by(lambda j: str(j.preference.events[0].extra.get("labeler_kind") or "unknown"), judged)
    counts: dict[str, int] = defaultdict(int)
    for j in judged:
        if j.preference.labeler in labelers:
            counts[j.preference.labeler] += 1
    order = sorted(counts, key=lambda name: (-labelers[name]["log_beta"], name))
    upper: set[str] = set()
    reached = 0
    for name in order:
        if reached + counts[name] / 2 > sum(counts.values()) / 2:
            break
        upper.add(name)
        reached += counts[name]
    halves: dict[str, Any] = {}
    if upper and len(upper) < len(order):
        lower = set(order) - upper
        halves = {
            half: {
                **measured([j for j in judged if j.preference.labeler in members]),
                "labelers": len(members),
            }
            for half, members in (("more_reliable", upper), ("less_reliable", lower))
        }
    return {"kinds": kinds, "reliability": halves}


def agreement_groups(judged: Sequence[Judged]) -> dict[str, Any]:
    """Accuracy against the majority, on pairs about which several people agree (80 % and more of them) and on the others.

    Each pair counts once; a pair without a majority counts as half right, whatever the model says, among the others.
    """
    votes: dict[Any, dict[str, Judged]] = defaultdict(dict)
    for j in judged:
        votes[(j.preference.type, j.preference.pair)][j.preference.labeler] = j
    groups: dict[str, tuple[list[float], list[Any]]] = {"high": ([], []), "low": ([], [])}
    for (_, pair), by_labeler in votes.items():
        if len(by_labeler) < 2:
            continue
        said = list(by_labeler.values())
        one = said[0]
        same = sum(j.preference.chosen == one.preference.chosen for j in said) / len(said)
        # `one.correct` is about the direction that `one` stated; the majority may have stated the other.
        right = 0.5 if same == 0.5 else one.correct if same > 0.5 else 1 - one.correct
        values, prompts = groups["high" if max(same, 1 - same) >= HIGH else "low"]
        values.append(right)
        prompts.append(pair[0])
    return {name: share(values, prompts) for name, (values, prompts) in groups.items()}


def length_controlled(judged: Sequence[Judged], seed: int = 0) -> dict[str, Any]:
    """Mean of the accuracy where the longer text was preferred and where the shorter one was.

    Whoever always says "the longer one" has 1/2 here, whatever people prefer. The 95 % interval draws prompts again. None
    where one of the two does not occur.
    """
    rows: dict[Any, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])
    for j in judged:
        difference = len(j.preference.chosen) - len(j.preference.rejected)
        if difference:
            at = 0 if difference > 0 else 2
            row = rows[j.preference.prompt]
            row[at] += j.correct
            row[at + 1] += 1

    def balanced(sample: Sequence[Sequence[float]]) -> float | None:
        right_l, longer, right_s, shorter = (sum(r[k] for r in sample) for k in range(4))
        return (right_l / longer + right_s / shorter) / 2 if longer and shorter else None

    table = list(rows.values())
    value = balanced(table)
    n = int(sum(r[1] + r[3] for r in table))
    if value is None:
        return {"n": n, "value": None, "low": None, "high": None}
    rng = random.Random(seed)
    drawn = sorted(
        v for _ in range(RESAMPLES) if (v := balanced(rng.choices(table, k=len(table)))) is not None
    )
    return {
        "n": n,
        "value": value,
        "low": drawn[int(0.025 * len(drawn))],
        "high": drawn[int(0.975 * len(drawn)) - 1],
    }


def alike_in_length(judged: Sequence[Judged]) -> dict[str, Any]:
    """Accuracy on pairs whose texts differ by at most a tenth in length."""

    def is_alike(j: Judged) -> bool:
        a, b = len(j.preference.chosen), len(j.preference.rejected)
        return abs(a - b) <= ALIKE * max(a, b)

    return accuracy_of([j for j in judged if is_alike(j)])
