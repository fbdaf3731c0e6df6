"""Which questions on one screen teach the most for a labeler's time? Protocols against comparisons alone, at equal seconds.

Reading is the cost: a screen takes the reading of its responses once, then the seconds of each question on it
(`FeedbackType.seconds`). Every protocol gets the same labeler-seconds in the same world with the same labelers; a linear
reward is learned jointly from all that they said; it is judged by the rank correlation with the truth over new responses to
new prompts. The difference to comparisons alone is taken world by world, so that a world that is hard for all is no noise.

    python -m feedback_types.equal_seconds            the table of docs/types/README.md

The worlds and labelers are those of `science.py`: they answer by each type's own law. What is ranked is designs, not people.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import django
import numpy as np
from django.conf import settings as django_settings

from feedback_types import registry
from feedback_types.base import Event, Screen
from feedback_types.science import Case, Data, Learner, World, crew, rationalities, spearman

READ_S = 30.0  # one response of some 120 words at 4 words a second
LABELERS, CARELESS = 12, 2
Ask = tuple[str, Mapping[str, object]]  # a type's slug and its settings

RATING: Ask = ("critique", {"criteria": ["overall"]})
COMPARISON: Ask = ("comparison", {})
STEPS: Ask = ("inter_temporal", {"unit": "sentence", "stop_at_error": False})


@dataclass(frozen=True)
class Protocol:
    """What one screen asks, about how many responses."""

    name: str
    responses: int
    asked: Sequence[Ask]

    def cases(self) -> list[Case]:
        found = []
        for slug, raw in self.asked:
            feedback_type = registry.get(slug)
            found.append(Case(feedback_type, feedback_type.settings(raw), self.responses))
        return found

    @property
    def is_known(self) -> bool:
        return {slug for slug, _raw in self.asked} <= set(registry.folders())


ALONE = Protocol("comparison alone", 2, [COMPARISON])
PROTOCOLS = (
    Protocol("comparison + a grade for each", 2, [COMPARISON, RATING]),
    Protocol("comparison + grades + e-stops", 2, [COMPARISON, RATING, ("e_stop", {})]),
    Protocol("comparison + a label for each sentence", 2, [COMPARISON, STEPS]),
    Protocol("comparison + grades + sentences", 2, [COMPARISON, RATING, STEPS]),
    Protocol("comparison + an edit", 2, [COMPARISON, ("improvement", {})]),
    Protocol("a grade alone", 1, [RATING]),
    Protocol("e-stop, then a grade", 1, [("e_stop", {}), RATING]),
    Protocol("a label for each sentence alone", 1, [STEPS]),
    Protocol("a grade + a label for each sentence", 1, [RATING, STEPS]),
    Protocol("ranking of four", 4, [("comparison", {"mode": "ranking"})]),
    Protocol("an edit alone", 1, [("improvement", {})]),
)


@dataclass(frozen=True)
class Outcome:
    """One protocol in one world: screens that the seconds paid for, and how well the reward was found."""

    screens: int
    spearman: float


def budgeted(world_seed: int, protocol: Protocol, seconds: float, careful: float = 1.0) -> Outcome:
    """Spend `seconds` of labelers' time on a protocol in one world, learn from what they said, and look how well.

    Args:
        careful: factor on the rationality of all answers other than to a comparison; 0.5: half as telling.
    """
    world, rng = World(world_seed, distractors=16), np.random.default_rng([world_seed, 4])
    truly = rationalities(rng, LABELERS, CARELESS)
    cases = protocol.cases()
    crews = []
    for case in cases:
        law = case.type.likelihood
        assert law is not None
        told = truly if case.type.slug == COMPARISON[0] else truly * careful
        crews.append(crew(world, law, told, rng))
    events: dict[str, list[Event]] = {case.name: [] for case in cases}
    left, screens = seconds, 0
    while True:
        screen = world.screen(rng, protocol.responses)
        left -= _seconds(screen, cases)
        if left < 0:
            break
        who = screens % LABELERS
        for case, people in zip(cases, crews, strict=True):
            for target, payload in case.type.simulate(screen, case.settings, people[who], rng):
                events[case.name].append(_event(case, screen, target, payload, who))
        screens += 1
    data = {}
    for case in cases:
        law = case.type.likelihood
        usable = [event for event in events[case.name] if law is not None and law.usable(event)]
        if law is not None and usable:
            data[case.name] = Data.of(world, law, usable)
    if not data:
        return Outcome(screens, 0.0)
    learner = Learner(world, data, LABELERS)
    weights = np.asarray(learner.fit()[0])
    reward = weights[learner.heads.index("reward")] if "reward" in learner.heads else 0 * weights[0]
    tests, true = np.random.default_rng([world_seed, 5]), world.truth("reward")
    ranks = []
    for _prompt in range(100):
        screen = world.screen(tests, 8)
        features = np.array([world.features(screen.prompt, r.text, None) for r in screen.responses])
        ranks.append(spearman(features @ reward, features @ true) if np.any(reward) else 0.0)
    return Outcome(screens, float(np.mean(ranks)))


def _seconds(screen: Screen, cases: Sequence[Case]) -> float:
    return READ_S * len(screen.responses) + sum(case.type.seconds(screen, case.settings) for case in cases)


def _event(case: Case, screen: Screen, target: int | None, payload: object, who: int) -> Event:
    return Event(
        id=str(screen.responses[0].id),
        type=case.type.slug,
        labeler=str(who),
        question=case.name,
        screen=screen,
        target=target,
        payload=payload,
        settings=case.settings,
        choice_set=case.type.choice_set(screen, case.settings, payload),
    )


# --- The table -------------------------------------------------------------------------------------------------------


def difference(theirs: Sequence[Outcome], alone: Sequence[Outcome]) -> tuple[float, float, int]:
    """Mean and standard error over worlds of the gain over comparisons alone, and in how many worlds there is one."""
    gains = np.array([a.spearman - b.spearman for a, b in zip(theirs, alone, strict=True)])
    error = float(gains.std(ddof=1) / math.sqrt(len(gains))) if len(gains) > 1 else math.nan
    return float(gains.mean()), error, int((gains > 0).sum())


def table(budgets: Sequence[float], worlds: int, careful: Sequence[float]) -> Iterator[str]:
    """Markdown, line by line: comparisons alone in figures, every other protocol as its difference to them."""
    columns = [(budget, share) for budget in budgets for share in careful]
    heads = [f"{budget:,.0f} s" + ("" if share == 1 else f", β × {share:g}") for budget, share in columns]
    yield f"| on one screen | seconds | {' | '.join(heads)} |"
    yield "|---|---:|" + "---|" * len(columns)
    alone = {b: [budgeted(w, ALONE, b) for w in range(worlds)] for b in budgets}
    cells = []
    for budget, _share in columns:
        found = np.array([outcome.spearman for outcome in alone[budget]])
        cells.append(f"ρ {found.mean():.3f} ± {found.std(ddof=1) / math.sqrt(worlds):.3f}")
    yield f"| {ALONE.name} | {_typical(ALONE):.0f} | {' | '.join(cells)} |"
    for protocol in PROTOCOLS:
        if not protocol.is_known:
            continue
        cells = []
        for budget, share in columns:
            theirs = [budgeted(w, protocol, budget, share) for w in range(worlds)]
            gain, error, wins = difference(theirs, alone[budget])
            cells.append(f"{gain:+.3f} ± {error:.3f} ({wins} of {worlds})")
        yield f"| {protocol.name} | {_typical(protocol):.0f} | {' | '.join(cells)} |"


def _typical(protocol: Protocol) -> float:
    """Seconds of a screen."""
    return _seconds(World(0).screen(np.random.default_rng(0), protocol.responses), protocol.cases())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description="Protocols against comparisons alone, at equal labeler-seconds."
    )
    parser.add_argument("--budget", type=float, action="append", help="labeler-seconds; may be repeated")
    parser.add_argument("--worlds", type=int, default=6)
    parser.add_argument(
        "--careful", type=float, action="append", help="rationality of answers that do not compare"
    )
    options = parser.parse_args(arguments)
    if not django_settings.configured:
        django_settings.configure(USE_I18N=False)
        django.setup()
    start = time.monotonic()
    for line in table(options.budget or [6000, 18000], options.worlds, options.careful or [1.0, 0.5]):
        print(line, flush=True)
    print(f"\n{time.monotonic() - start:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
