"""Which law recovers the reward from which stops: `python -m tests.feedback_types.e_stop.compare [events] [worlds]`.

Truth H are live stops, truth P places named in hindsight; each is read by the live law H, the hindsight law P and the
baseline "stopped = bad answer". The table says the rank correlation with the true reward over new texts.
"""

from __future__ import annotations

import sys

import numpy as np

from feedback_types.base import Event
from feedback_types.e_stop.likelihood import StoppedMeansBad, likelihood
from feedback_types.e_stop.schema import EStopPayload, EStopSettings
from feedback_types.e_stop.simulate import hindsight, stream
from tests.feedback_types.e_stop.world import PROMPT, World, event, fit, screen, spearman, text

SETTINGS = EStopSettings()
STEPS = 8


def runs(world: World, n: int, seed: int, truth: str) -> list[Event]:
    rng = np.random.default_rng([world.seed, seed])
    labeler = world.labeler()
    events = []
    for _ in range(n):
        words = text(rng, STEPS)
        payload = (
            stream(PROMPT, words, SETTINGS, labeler, rng)
            if truth == "H"
            else hindsight(PROMPT, words, labeler, rng)
        )
        events.append(event(payload, screen(words)))
    return events


def misread(run: Event) -> Event:
    """A live stop as if it had been named in hindsight, and the other way round: the same place, the other choice set."""
    payload: EStopPayload = run.payload
    last = len(payload.segments)
    place = payload.stopped_at if payload.outcome == "stopped" else last
    if payload.mode == "stream":
        stopped = place < last
        change = {
            "mode": "hindsight",
            "stop_char": payload.segments[place - 1] if stopped else None,
            "rendered_char": payload.length,
        }
    else:
        stopped = payload.outcome == "stopped"
        change = {"mode": "stream", "rendered_char": payload.segments[place - 1]}
    change |= {"outcome": "stopped" if stopped else "finished", "reason": "bad" if stopped else None}
    return event(payload.model_copy(update=change), run.screen)


def correlations(n: int, worlds: int) -> dict[tuple[str, str], list[float]]:
    """(truth, law) -> one rank correlation for each world."""
    found: dict[tuple[str, str], list[float]] = {}
    for seed in range(worlds):
        world = World(seed)
        for truth, other in (("H", "P"), ("P", "H")):
            events = runs(world, n, 7, truth)
            readings = {
                truth: (likelihood, events),
                other: (likelihood, [misread(e) for e in events]),
                "whole": (StoppedMeansBad(), events),
            }
            for law, (model, read) in readings.items():
                found.setdefault((truth, law), []).append(spearman(fit(model, read), world.w))
    return found


def main(n: int = 300, worlds: int = 8) -> None:
    print(f"{n} runs, {worlds} worlds: rank correlation with the truth, mean +- s.e.")
    for (truth, law), values in correlations(n, worlds).items():
        print(
            f"truth {truth}  law {law:<6} {np.mean(values):6.3f} +- {np.std(values, ddof=1) / np.sqrt(len(values)):.3f}"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
