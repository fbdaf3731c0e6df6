"""ConvexDA and RewardFusion on real comparisons: does a reward model keep its mind where only the wording changes?

    OMP_NUM_THREADS=1 python -m bench augmentation --data DIR            some ten minutes on one core
    OMP_NUM_THREADS=1 python -m bench augmentation --data DIR --small    does it run

Reward models learn from the same short decisions of `tulu1_human_eval` (`real_methods.py` says which), with and without
copies of the answers that have slips of the pen, from a small network that has read the dialogues once. Then held-out
answers are rewritten (`evaluation/consistency.py`): how often the preferred side changes though the meaning stays, and how
far rewards move, in sd of the answers to a prompt; with and without the mean over near texts.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from bench.methods import tell
from bench.real_methods import decisions, from_scratch, program, write_snapshot

SHOWN = ("typos", "lower_case", "spacing", "contractions", "phrases", "longer")


def run(small: bool, data: Path) -> dict[str, Any]:
    from bench.real_sets import start_django

    start_django()
    found = decisions(data)
    every = found["learn"] + found["judge"]
    learned, held_out = every[: 30 if small else None], found["compare"][: 10 if small else None]
    results: dict[str, Any] = {"decisions": {"learned": len(learned), "held_out": len(held_out)}}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        policy, _ = from_scratch(learned, held_out, work / "policy", 1)
        given = {
            "parent": str(policy),
            "snapshot": str(write_snapshot(learned, held_out, work / "snapshot")),
            "seed": 1,
        }
        for name, augment in (("plain", False), ("with slips", True)):
            place = work / name.replace(" ", "-")
            settings = {"epochs": 1 if small else 3, "augment": augment, "evaluate_epochs": False}
            cost = program("reward_model.train", "train", place, given, settings)
            judged = work / f"{place.name}-judged"
            program(
                "evaluation.consistency",
                "consistency",
                judged,
                {**given, "reward_model": str(place / "result")},
                {"fusion": True},
            )
            metrics = json.loads((judged / "metrics.json").read_text())
            results[name] = {
                "accuracy": metrics["fusion"]["accuracy"],
                "keeping": {k: told(metrics["keeping"][k]) for k in SHOWN},
                "keeping, fused": {k: told(metrics["fusion"]["keeping"][k]) for k in SHOWN},
                "neighbours": round(metrics["fusion"]["neighbours"], 2),
                **cost,
            }
            tell(name, results[name])
    return results


def told(row: dict[str, Any]) -> dict[str, Any]:
    return {"flips": row["flips"], "shift": row["shift"]}
