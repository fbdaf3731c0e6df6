"""Where in a text does a reward model see its reward, and do people find the same places important?

    python -m training_bridge.evaluation.inspection DIR

DIR/config.json: {"reward_model": {…}, "snapshot": {…}, "parameters": {…}} (`config.InspectionParameters`). The potentials of
`shaping.py` are found on the training side of the snapshot and read on its held-out side. `metrics.json`:

    objectives   by shaping: each objective on the held-out texts, raw beside shaped, and how much of |x| is in the last step
    overlap      by shaping: share of the places with the largest |x| that people marked, less chance, with an interval
    chance       what places drawn by lot would share
    texts        some held-out ones: {"prompt", "text", "marks", "tokens": [{"start", "end", "raw", "sparse", …}]}

What people marked: the marks of importance, and the segments of a text that they called good or bad. No type is named
here: a payload that has marks or labelled segments is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from feedback_types.base import Event
from training_bridge.evaluation.config import InspectionParameters
from training_bridge.evaluation.hidden import hidden_states
from training_bridge.evaluation.judges import RewardModelJudge, Text, reward_model_judge
from training_bridge.evaluation.shaping import OBJECTIVES, find_probe, objective, overlap, shaped, without
from training_bridge.programs import Problem, RunDirectory, execute
from training_bridge.reward_model.config import parameters
from training_bridge.reward_model.evaluate import load_events
from training_bridge.reward_model.measures import difference

RAW = "raw"
SHOWN = 8


@dataclass
class Read:
    """A text with the reward of each of its tokens, and what people marked in it (code points)."""

    text: Text
    rewards: Tensor  # (n,)
    states: Tensor  # (n + 1, d), without the reward's direction
    spans: list[tuple[int, int]]  # of each token
    marks: list[tuple[int, int]] = field(default_factory=list)

    def marked(self) -> list[bool]:
        """Of each token but the last, which is the end of the text: whether it lies in a mark."""
        return [any(start < b and a < end for a, b in self.marks) for start, end in self.spans[:-1]]


def inspection(run: RunDirectory) -> dict[str, Any]:
    settings = parameters(InspectionParameters, run.config)
    judge = reward_model_judge(run)
    read = load_events(run)
    train = read_texts(judge, gather(read("train"), settings.texts))
    test = read_texts(judge, gather(read("test"), settings.texts))
    if not train or not test:
        raise Problem(
            "The snapshot has no responses on its training or its held-out side that this model can read.",
            "Take one with more prompts.",
        )
    probes = {RAW: torch.zeros(train[0].states.shape[1])}
    for number, name in enumerate(OBJECTIVES):
        run.report(step=number, steps=len(OBJECTIVES), stage="shape")
        run.stop_if_asked(lambda: None)
        probes[name] = find_probe(name, [r.rewards for r in train], [r.states for r in train], settings.steps)
    steps = {name: [shaped(r.rewards, r.states, probe) for r in test] for name, probe in probes.items()}
    return {
        "trained_on": len(train),
        "held_out": len(test),
        "objectives": {
            name: {
                **{o: objective(o, xs).item() for o in OBJECTIVES},
                "last_step": float(
                    sum(abs(x[-1].item()) for x in xs) / sum(x.abs().sum().item() for x in xs)
                ),
            }
            for name, xs in steps.items()
        },
        **overlaps(test, steps),
        "texts": shown(test, steps),
    }


def gather(events: Sequence[Event], most: int) -> list[tuple[Text, list[tuple[int, int]]]]:
    """Distinct responses with all marks on them; those with marks first, at most so many."""
    found: dict[Text, list[tuple[int, int]]] = {}
    for event in events:
        for response in event.screen.responses:
            found.setdefault(Text(event.screen.prompt, response.text), [])
        if event.target is not None:
            response = event.screen.response(event.target)
            found[Text(event.screen.prompt, response.text)] += marks_of(event)
    every = [(text, marks) for text, marks in found.items() if text.text]
    return sorted(every, key=lambda row: not row[1])[:most]


def marks_of(event: Event) -> list[tuple[int, int]]:
    """What somebody marked in the response as having mattered, either way."""
    payload = event.payload
    marks = [(m.start, m.end) for m in getattr(payload, "marks", ()) if getattr(m, "where", "") == "response"]
    labels, ends = getattr(payload, "labels", ()), getattr(payload, "segments", ())
    if labels and len(labels) == len(ends) and getattr(payload, "unit", "") != "turn":
        starts = (0, *ends[:-1])
        marks += [(a, b) for a, b, label in zip(starts, ends, labels, strict=True) if label]
    return marks


def read_texts(judge: RewardModelJudge, rows: Sequence[tuple[Text, list[tuple[int, int]]]]) -> list[Read]:
    """Rewards and states of each text; the reward of a token is the difference of the scores at its ends."""
    rows = [row for row in rows if judge.fits(row[0])]
    model = judge.scorer.model
    direction = next(model.classifier.score.parameters()).detach().float().cpu()[0]
    found = []
    for (text, marks), states in zip(rows, hidden_states(judge.scorer, [t for t, _ in rows]), strict=True):
        sequence = model.encoder.sequence(*text)
        spans = [sequence.span(i) for i in range(len(sequence.text))]
        found.append(Read(text, (states @ direction).diff(), without(states, direction), spans, marks))
    return found


def overlaps(test: Sequence[Read], steps: dict[str, list[Tensor]]) -> dict[str, Any]:
    """Over texts in which people marked something and not everything; an interval over prompts."""
    chosen = [i for i, r in enumerate(test) if 0 < sum(r.marked()) < len(r.marked())]
    prompts = [test[i].text.prompt for i in chosen]
    found: dict[str, Any] = {}
    chances: list[float] = []
    for name, xs in steps.items():
        both = [overlap(xs[i][:-1].tolist(), test[i].marked()) for i in chosen]
        chances = [chance for _, chance in both]
        found[name] = {
            "share": float(np.mean([share for share, _ in both])) if both else None,
            "over_chance": difference([share for share, _ in both], chances, prompts),
        }
    return {
        "overlap": found,
        "chance": float(np.mean(chances)) if chances else None,
        "marked_texts": len(chosen),
    }


def shown(test: Sequence[Read], steps: dict[str, list[Tensor]]) -> list[dict[str, Any]]:
    return [
        {
            "prompt": r.text.prompt[-1].content,
            "text": r.text.text,
            "marks": sorted(set(r.marks)),
            "tokens": [
                {"start": a, "end": b, **{name: xs[i][k].item() for name, xs in steps.items()}}
                for k, (a, b) in enumerate(r.spans)
            ],
        }
        for i, r in enumerate(test[:SHOWN])
    ]


if __name__ == "__main__":
    execute(inspection)
