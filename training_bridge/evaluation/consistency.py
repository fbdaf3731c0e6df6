"""Does a reward model judge what a text says, or how it looks?

    python -m training_bridge.evaluation.consistency DIR

DIR/config.json: {"reward_model": {…}, "snapshot": {…}, "input": a file of contrast pairs or none, "seed": 1,
"parameters": {…}} (`config.ConsistencyParameters`). On held-out pairs of the snapshot; `metrics.json`:

    keeping      by rewrite that keeps the meaning: "flips", how often the preferred side changes when one side is rewritten;
                 "shift", mean |change of the reward| in sd of the answers to one prompt
    changing     by edit of one word that changes the meaning: how often the reward of the preferred text drops (AUC of the
                 text against its edit)
    contrast     "response": R(q1, a1) > R(q1, a2); "instruction": R(q1, a1) > R(q2, a1), for two near-identical prompts with
                 different right answers (Contrast Instructions, arXiv 2309.16155)
    fusion       the same flips, and the accuracy, when every reward is the similarity-weighted mean with its neighbours'
                 (RewardFusion, same source; similarity is the cosine of the reward model's mean hidden states, not SimCSE's)

A contrast file has lines {"prompt_1", "answer_1", "prompt_2", "answer_2"}; without one, each held-out prompt is paired with
the most similar other one, and the answers are those that people preferred.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rapidfuzz import fuzz, process

from feedback_types.base import Message
from training_bridge.evaluation import contrasts
from training_bridge.evaluation.config import ConsistencyParameters
from training_bridge.evaluation.fusion import Fused
from training_bridge.evaluation.judges import Judge, RewardModelJudge, Text, reward_model_judge
from training_bridge.evaluation.rewrites import CHANGING, KEEPING
from training_bridge.programs import Problem, RunDirectory, execute
from training_bridge.reward_model.config import parameters
from training_bridge.reward_model.evaluate import load_events
from training_bridge.reward_model.measures import share
from training_bridge.reward_model.pairs import preferences, statistics

Pair = tuple[Text, Text]  # preferred, other
ALIKE = 60.0  # least similarity of two prompts that are contrasted, of 100


def consistency(run: RunDirectory) -> dict[str, Any]:
    settings = parameters(ConsistencyParameters, run.config)
    seed = int(run.config.get("seed") or 0)
    judge = reward_model_judge(run)
    read = load_events(run)
    pairs = pairs_of(read("test"), judge, settings.pairs)
    if not pairs:
        raise Problem("The snapshot has no held-out preferences.", "Take one with more prompts.")
    run.report(step=1, steps=3, stage="rewrite")
    found: dict[str, Any] = {
        "pairs": len(pairs),
        "keeping": keeping(judge, pairs, seed),
        "changing": changing(judge, pairs, seed),
        "contrast": contrast(judge, contrasts_of(run, pairs)),
    }
    run.stop_if_asked(lambda: None)
    if settings.fusion:
        run.report(step=2, steps=3, stage="fuse")
        pool = [t for pair in pairs_of(read("train"), judge, settings.pairs) for t in pair]
        fused = Fused(judge, pool)
        found["fusion"] = {
            "accuracy": {"plain": accuracy(judge, pairs), "fused": accuracy(fused, pairs)},
            "keeping": keeping(fused, pairs, seed),
            "neighbours": fused.mean_neighbours([t for pair in pairs for t in pair]),
        }
    return found


def pairs_of(events: Sequence[Any], judge: RewardModelJudge, most: int) -> list[Pair]:
    """Distinct pairs of texts as people preferred them, at most so many, spread over what there is."""
    found: dict[Any, Pair] = {}
    for p in preferences(events, statistics(events)):
        pair = Text(p.prompt, p.chosen), Text(p.prompt, p.rejected)
        if p.pair not in found and all(judge.fits(t) for t in pair):
            found[p.pair] = pair
    every = list(found.values())
    return every if len(every) <= most else [every[i * len(every) // most] for i in range(most)]


def keeping(judge: Judge, pairs: Sequence[Pair], seed: int) -> dict[str, Any]:
    """Each side of each pair rewritten by itself. Into or out of a tie is half a flip."""
    first = judge.rewards([t for pair in pairs for t in pair])
    rewards = np.array(first).reshape(-1, 2)
    sd = float(np.sqrt(((rewards - rewards.mean(axis=1, keepdims=True)) ** 2).sum(axis=1).mean())) or 1.0
    found = {}
    for name, rewrite in KEEPING.items():
        rng = random.Random(f"{seed}/{name}")
        rows = [
            (i, side, Text(pair[side].prompt, new))
            for i, pair in enumerate(pairs)
            for side in (0, 1)
            if (new := rewrite(pair[side].text, rng)) is not None and judge.fits(Text(pair[side].prompt, new))
        ]
        after = judge.rewards([text for _, _, text in rows])
        flips, shifts, prompts = [], [], []
        for (i, side, _), reward in zip(rows, after, strict=True):
            other, before = rewards[i, 1 - side], rewards[i, side]
            flips.append(abs(np.sign(before - other) - np.sign(reward - other)) / 2)
            shifts.append(abs(reward - before) / sd)
            prompts.append(pairs[i][0].prompt)
        found[name] = {
            "flips": share(flips, prompts),
            "shift": float(np.mean(shifts)) if shifts else None,
            "mean_change": float(
                np.mean([r - rewards[i, s] for (i, s, _), r in zip(rows, after, strict=True)])
            )
            / sd
            if rows
            else None,
        }
    return found


def changing(judge: Judge, pairs: Sequence[Pair], seed: int) -> dict[str, Any]:
    """The preferred text against itself with one word changed; a tie counts half."""
    found = {}
    for name, edit in CHANGING.items():
        rng = random.Random(f"{seed}/{name}")
        rows = [
            (pair[0], Text(pair[0].prompt, new))
            for pair in pairs
            if (new := edit(pair[0].text, rng)) is not None and judge.fits(Text(pair[0].prompt, new))
        ]
        flat = iter(judge.rewards([t for row in rows for t in row]))
        drops = []
        for _ in rows:
            before, after = next(flat), next(flat)
            drops.append(0.5 if before == after else float(before > after))
        found[name] = share(drops, [row[0].prompt for row in rows])
    return found


def accuracy(judge: Judge, pairs: Sequence[Pair]) -> dict[str, Any]:
    rewards = np.array(judge.rewards([t for pair in pairs for t in pair])).reshape(-1, 2)
    right = [0.5 if a == b else float(a > b) for a, b in rewards]
    return share(right, [pair[0].prompt for pair in pairs])


# --- Contrast --------------------------------------------------------------------------------------------------------


def contrasts_of(run: RunDirectory, pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs (q1, a1), (q2, a2): from the file that the config names, or each prompt with the most similar other one."""
    if run.config.get("input"):
        path = Path(run.config["input"])
        return read_contrasts(path if path.is_absolute() else run.path / path)
    best: dict[str, Text] = {}
    for chosen, _ in pairs:
        best.setdefault(chosen.prompt[-1].content, chosen)
    found = []
    for words, text in best.items():
        others = {other: other for other in best if other.casefold() != words.casefold()}
        nearest = process.extractOne(words, others, scorer=fuzz.token_sort_ratio, score_cutoff=ALIKE)
        if nearest is not None and best[nearest[0]].text != text.text:
            found.append((text, best[nearest[0]]))
    return found


def read_contrasts(path: Path) -> list[Pair]:
    """Raises Problem naming the line at fault."""
    if not path.is_file():
        raise Problem(
            f"There is no file {path}.", 'Write lines {"prompt_1", "answer_1", "prompt_2", "answer_2"}.'
        )
    with path.open(encoding="utf-8") as file:
        return [
            (Text((Message("user", one),), first), Text((Message("user", two),), second))
            for one, first, two, second in contrasts.read(file, path.name)
        ]


def contrast(judge: Judge, given: Sequence[Pair]) -> dict[str, Any]:
    """C_res and C_ins."""
    rows = [
        (one, Text(one.prompt, other.text), Text(other.prompt, one.text))
        for one, other in given
        if all(judge.fits(t) for t in (one, Text(one.prompt, other.text), Text(other.prompt, one.text)))
    ]
    rewards = np.array(judge.rewards([t for row in rows for t in row])).reshape(-1, 3)
    prompts = [row[0].prompt for row in rows]
    return {
        "response": share([float(own > wrong) for own, wrong, _ in rewards], prompts),
        "instruction": share([float(own > elsewhere) for own, _, elsewhere in rewards], prompts),
    }


if __name__ == "__main__":
    execute(consistency)
