"""What asking more costs in training: CPU seconds of the joint likelihood against plain comparisons, on equal tokens.

    OMP_NUM_THREADS=1 python -m bench joint_likelihood            160 screens, five interleaved repeats, some two minutes
    OMP_NUM_THREADS=1 python -m bench joint_likelihood --small    32 screens, once

The same two responses a screen (of the embedded policy's corpus) are answered by twelve synthetic labelers. The baseline is
Bradley-Terry on their comparisons; the others learn jointly from comparisons, or from comparisons and further questions
about the same texts. Every variant runs exactly the same tokens through the same network (3.1 M weights, random), so
the difference is the likelihoods alone: their heads, their parameters, the rationalities.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

ANCHOR = ("comparison", {"strengths": 1, "ties": False, "both_bad": False})  # so that each answer is a pair
FURTHER = [
    ("critique", {"criteria": ["overall"]}),
    ("inter_temporal", {"unit": "sentence", "stop_at_error": False}),
    ("importance", {}),
]
VARIANTS = {
    "Bradley-Terry on comparisons": ("bradley_terry", [ANCHOR]),
    "joint: comparisons": ("joint", [ANCHOR]),
    "joint: comparisons and grades": ("joint", [ANCHOR, *FURTHER[:1]]),
    "joint: comparisons, grades, sentences": ("joint", [ANCHOR, *FURTHER[:2]]),
    "joint: comparisons, grades, sentences, importance": ("joint", [ANCHOR, *FURTHER]),
}


def run(small: bool) -> dict[str, Any]:
    import torch

    from bench.worlds import random_policy, screens

    torch.set_num_threads(1)
    start = random_policy()
    shown = screens(32 if small else 160)
    seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    tokens: dict[str, int] = {}
    answers: dict[str, int] = {}
    for repeat in range(1 if small else 5):
        order = list(VARIANTS)
        order = order[repeat:] + order[:repeat]  # whoever goes first pays for what is loaded then
        for name in order:
            objective, asked = VARIANTS[name]
            spent, tokens[name], answers[name] = train(start, shown, objective, asked)
            seconds[name].append(spent)
    if len(set(tokens.values())) > 1:
        raise RuntimeError(f"the variants did not run the same tokens: {tokens}")
    first = next(iter(VARIANTS))
    return {
        "screens": len(shown),
        "tokens": tokens[first],
        "answers": answers,
        "cpu_s": {name: [round(t, 3) for t in times] for name, times in seconds.items()},
        # Each repeat by itself, so that what slows the machine down for a while slows both sides of a ratio.
        "ratio_to_bradley_terry": {
            name: round(statistics.median(t / b for t, b in zip(times, seconds[first], strict=True)), 3)
            for name, times in seconds.items()
        },
    }


def train(start: Path, shown: list[Any], objective: str, asked: list[Any]) -> tuple[float, int, int]:
    """(CPU seconds of one epoch, tokens run, answers) of a reward model on what synthetic labelers say to these screens."""
    import torch

    from bench.worlds import answered
    from training_bridge.reward_model.config import TrainParameters
    from training_bridge.reward_model.distributed import Processes
    from training_bridge.reward_model.loss import Objective
    from training_bridge.reward_model.train import Trainer, load, observations_of

    torch.manual_seed(0)
    random.seed(0)
    settings = TrainParameters(objective=objective, epochs=1, learning_rate=3e-4)  # type: ignore[arg-type]
    model = load(start, settings, Processes())
    data, likelihoods = observations_of(answered(shown, asked), model, settings)
    for head in data.heads:
        model.add_head(head)
    learned = objective == "joint"
    law = Objective.for_observations(likelihoods, data.observations, settings, learned=learned)
    trainer = Trainer(model, law, data, settings, seed=0)
    ran = 0
    began = time.process_time()
    for _ in range(trainer.steps):
        ran += trainer.step()["tokens"]
    return time.process_time() - began, int(ran), len(data.observations)
