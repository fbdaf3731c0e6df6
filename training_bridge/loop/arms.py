"""Reward models from parts of the same answers at equal labeler-seconds, against the known truth.

Comparisons alone are cheaper a screen, so they see more screens; the others hear more about each. The budget is what all
comparisons cost. Training from a random score head is noisy, so each arm is the mean of a few seeds.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from annotation.campaigns.models import Campaign
from annotation.items.models import Item
from annotation.people.models import User
from annotation.submissions.models import Submission
from training_bridge.exports.filters import Filters
from training_bridge.exports.split import split_of
from training_bridge.loop.figures import Texts, against_truth
from training_bridge.models import Checkpoint, Run, Snapshot
from training_bridge.policy import corpus
from training_bridge.reward_model.config import TrainParameters
from training_bridge.services.default_policy import run_here
from training_bridge.services.runs import start_run
from training_bridge.services.snapshots import take_snapshot

Live = Callable[[str], None]
SEEDS, STEPS, HELD_OUT_PROMPTS, HELD_OUT_ANSWERS = 3, 90, 80, 4


def compare_arms(
    campaign: Campaign,
    admin: User,
    log: Sequence[Mapping[str, float]],
    parent: Checkpoint,
    arms: Mapping[str, Sequence[str]],
    *,
    taste: str,
    seed: int,
    wait: Callable[[Run, Live], Run],
    live: Live,
) -> list[dict[str, Any]]:
    """Figures of each arm; the first is what the others are held against.

    Each takes the same number of optimiser steps, and is judged by the truth on fresh answers to prompts nobody saw.

    Args:
        log: seconds of each screen by question, in the order of arrival.
        arms: name -> the questions it learns from.
        wait: follows a run to its end.
    """
    budget = sum(_cost(spent, next(iter(arms.values()))) for spent in log)
    arrived = list(
        Submission.objects.filter(campaign=campaign, revision=0, item__round_number=1)
        .order_by("submitted_at", "id")
        .values_list("submitted_at", flat=True)
    )
    texts = _held_out(parent, seed, live)
    rows: list[dict[str, Any]] = []
    alone: np.ndarray | None = None
    for name, questions in arms.items():
        screens = _affordable(log, questions, budget)
        until = arrived[screens - 1]
        taken = take_snapshot(
            campaign=campaign,
            actor=admin,
            filters={"questions": list(questions), "submitted_until": until},
        )
        runs = [
            start_run(
                campaign=campaign,
                actor=admin,
                method="reward_model",
                config={"epochs": _epochs(campaign, until), "evaluate_epochs": False},
                seed=seed + number,
                snapshot=taken,
                parent=parent,
            )
            for number in range(SEEDS)
        ]
        rewards = np.mean([_standard(_score(wait(run, live), texts, live)) for run in runs], axis=0)
        rows.append(
            {
                "arm": name,
                "questions": list(questions),
                "screens": screens,
                "labeler_seconds": round(sum(_cost(spent, questions) for spent in log[:screens])),
                **against_truth(texts, rewards, taste, alone),
                "snapshot": Snapshot.objects.get(pk=taken.pk).sha256,
            }
        )
        alone = rewards if alone is None else alone
    return rows


def _standard(rewards: Sequence[float]) -> np.ndarray:
    """Mean 0, sd 1: a reward has no unit of its own."""
    values = np.asarray(rewards, dtype=float)
    return (values - values.mean()) / (values.std() or 1.0)


def _cost(spent: Mapping[str, float], questions: Sequence[str]) -> float:
    return spent["reading"] + sum(spent.get(question, 0.0) for question in questions)


def _affordable(log: Sequence[Mapping[str, float]], questions: Sequence[str], budget: float) -> int:
    """How many of the first screens the budget pays for under these questions; at least one."""
    total = 0.0
    for n, spent in enumerate(log):
        total += _cost(spent, questions)
        if total > budget * (1 + 1e-9):
            return max(1, n)
    return len(log)


def _epochs(campaign: Campaign, until: dt.datetime) -> float:
    """Passes over the items answered until then that make STEPS optimiser steps."""
    answered = Submission.objects.filter(campaign=campaign, item__round_number=1, submitted_at__lte=until)
    prompts = Item.objects.filter(pk__in=answered.values("item")).values_list("prompt__messages", flat=True)
    trained = sum(split_of(messages, Filters.read({}).test_percent) == "train" for messages in prompts)
    return min(100.0, round(STEPS * TrainParameters().batch_items / max(1, trained), 2))


def _held_out(policy: Checkpoint, seed: int, live: Live) -> Texts:
    """(number of the prompt, messages, text): fresh answers of the policy to prompts that no campaign and no corpus has."""
    directory = settings.RUN_DIR / f"loop-held-out-{policy.pk}-{seed}"
    directory.mkdir(parents=True, exist_ok=True)
    asked = [[{"role": "user", "content": text}] for text in corpus.prompts("held_out")[:HELD_OUT_PROMPTS]]
    with open(directory / "prompts.jsonl", "w", encoding="utf-8") as file:
        for number, messages in enumerate(asked):
            file.write(json.dumps({"id": str(number), "messages": messages}) + "\n")
    config = {
        "method": "sample",
        "seed": seed,
        "parent": {"path": policy.path, "sha256": policy.sha256},
        "input": "prompts.jsonl",
        "parameters": {"n": HELD_OUT_ANSWERS},
    }
    run_here("training_bridge.policy.sample", directory, config, live)
    with open(directory / "result" / "responses.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [(int(row["id"]), asked[int(row["id"])], row["text"]) for row in rows]


def _score(run: Run, texts: Texts, live: Live) -> list[float]:
    """Rewards of texts by the program that scores, which runs in a process of its own."""
    model = run.checkpoints.get()
    directory = settings.RUN_DIR / f"loop-score-{run.pk}"
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "texts.jsonl", "w", encoding="utf-8") as file:
        for number, (_item, messages, text) in enumerate(texts):
            file.write(
                json.dumps({"id": number, "messages": messages, "text": text}, ensure_ascii=False) + "\n"
            )
    config = {
        "method": "score",
        "seed": 0,
        "reward_model": {"path": model.path, "sha256": model.sha256},
        "input": "texts.jsonl",
        "parameters": {},
    }
    run_here("training_bridge.reward_model.score", directory, config, live)
    with open(Path(directory) / "result" / "scores.jsonl", encoding="utf-8") as file:
        return [json.loads(line)["reward"] for line in file]
