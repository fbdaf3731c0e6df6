"""How much an answer about an item would tell a reward model: what it is least sure about is worth most.

    python -m training_bridge.reward_model.uncertainty DIR

reads `config.json` ({"reward_model": {"path": …}, "input": "items.jsonl"}), whose input has lines {"id", "messages",
"texts"}, and writes `result/scores.jsonl`: {"id", "score"} in the same order, scores between 0 and 1.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import islice
from statistics import stdev
from typing import Any

from training_bridge.programs import Problem, RunDirectory, execute
from training_bridge.reward_model.config import UncertaintyParameters, parameters, source

ITEMS = 256  # that are held at once


def uncertainty(rewards: Sequence[Sequence[float]]) -> float:
    """How unsure the members are about an item, 0 to 1.

    Args: rewards: (texts, members), in nats; one member is a model that does not know how sure it is.
    Returns: for two texts or more the entropy of which is best (Bradley-Terry-Luce, the mean over the members), as a share
        of the largest there is: 1 where all texts are as good, or where the members contradict each other. For one text the
        members' standard deviation s as s / (1 + s), 0 with one member. 0 without texts.
    Source: Lewis & Gale (1994); of an ensemble, Gleave & Irving (2022).
    """
    if not rewards:
        return 0.0
    members = len(rewards[0])
    if len(rewards) == 1:
        spread = stdev(rewards[0]) if members > 1 else 0.0
        return spread / (1.0 + spread)
    best = [0.0] * len(rewards)
    for m in range(members):
        top = max(row[m] for row in rewards)
        weights = [math.exp(row[m] - top) for row in rewards]
        total = math.fsum(weights)
        best = [b + w / total / members for b, w in zip(best, weights, strict=True)]
    return -math.fsum(p * math.log(p) for p in best if p > 0) / math.log(len(rewards))


def score(run: RunDirectory) -> dict[str, Any]:
    from training_bridge.reward_model.score import Scorer, messages_of  # torch, only where it is used

    settings = parameters(UncertaintyParameters, run.config)
    path, _sha256 = source(run.config, "reward_model")
    items = run.path / (run.config.get("input") or "")
    if not items.is_file() or not items.stat().st_size:
        raise Problem("There are no open items to score.", "Import items first.")
    scorer = Scorer.load(path, pack_tokens=settings.pack_tokens)
    with items.open(encoding="utf-8") as file:
        total = sum(1 for _line in file)
    count, sum1 = 0, 0.0
    with (
        run.result() as folder,
        items.open(encoding="utf-8") as file,
        (folder / "scores.jsonl").open("w", encoding="utf-8") as output,
    ):
        while rows := [json.loads(line) for line in islice(file, ITEMS)]:
            run.stop_if_asked(lambda: None)
            texts = [(messages_of(row["messages"]), text) for row in rows for text in row["texts"]]
            rewards = iter(scorer.score_members(texts))
            for row in rows:
                value = uncertainty([next(rewards) for _text in row["texts"]])
                output.write(json.dumps({"id": row["id"], "score": value}) + "\n")
                count, sum1 = count + 1, sum1 + value
            run.report(step=count, steps=total, stage="score", metrics={"mean": sum1 / count})
    return {"items": count, "mean": sum1 / count}


if __name__ == "__main__":
    execute(score)
