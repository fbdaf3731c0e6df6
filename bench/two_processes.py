"""Two processes that share the work of a step: do they learn what one learns?

    python -m bench two_processes            each program with two CPU processes (gloo), some ten minutes
    python -m bench two_processes --small    fewer steps

Each program runs once alone, once as `torchrun --standalone --nproc_per_node 2 -m …`, where each process holds all weights
and a share of the rows, and once as `accelerate launch --use_fsdp --fsdp_version 2 --num_processes 2 -m …`, where it holds a
part of every weight as well; with a tiny policy, the same seed and the same items a step. Reported: the largest difference
between the losses that both told at a step, relative to the loss, and how far apart the weights of the results are, relative
to how far they have moved (Euclidean norms). What differs is the order in which floats are added; Adam makes much of it for
a weight whose gradient is next to nothing, such as the embedding of a rare token, so one weight alone says little.

The rows are cut to whole steps: what an epoch has left over is a smaller step in one process, while for several accelerate
fills it up with rows that were there before. For RLOO and GRPO TRL draws the answers of each process from a stream of its
own, so they are other answers than one process would give; two processes that hold all weights and two that hold parts of
them draw the same, so those are compared with each other ("spread_from_shared").
"""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.kill_resume import PROGRAMS, TASTE, add_views, finish, prepared, start, told
from bench.policy_refresh import TINY, compared
from training_bridge.policy.environment import ENVIRONMENT

TOLERATED = {"loss_apart": 1e-3, "weights_apart": 0.1}  # relative; measured: docs/policy.md
STEP = 16  # rows that every program's steps divide
LAUNCHERS = {
    "shared": ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"],
    "spread": [
        "accelerate.commands.accelerate_cli", "launch", "--use_fsdp", "--fsdp_version", "2",
        "--fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP", "--num_processes", "2", "--num_machines", "1",
        "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0",
    ],
}  # fmt: skip
SHARED = ("reward_model.train", "policy.sft", "policy.dpo", "policy.kto", "policy.online_dpo")
ANSWERING = ("policy.rloo", "policy.grpo")
VARIES = "concrete"  # a taste by which even the answers of a tiny policy differ


def run(small: bool) -> dict[str, Any]:
    from training_bridge.policy.config import PretrainParameters
    from training_bridge.policy.embedded import ensure_default_policy

    cache = Path(os.environ.get("WHETSTONE_DATA_DIR") or Path.home() / ".cache" / "whetstone")
    policy = ensure_default_policy(cache, PretrainParameters(**TINY))
    random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        snapshot = compared(policy, Path(folder), TASTE, small=True)
        add_views(snapshot)
        cut_to_whole_steps(snapshot)
        given = {"parent": str(policy), "snapshot": str(snapshot), "seed": 7}
        found = {}
        for name in SHARED:
            parameters = dict(PROGRAMS[name])
            if small and "epochs" in parameters:
                parameters["epochs"] = 1
            one = prepared(Path(folder) / f"{name}-one", given, parameters)
            finish(name, start(name, one), one)
            found[name] = {}
            for how, two in both_ways(name, Path(folder), given, parameters).items():
                found[name][how] = differences(one, two, policy)
        for name in ANSWERING:
            two = both_ways(name, Path(folder), given, {**PROGRAMS[name], "reward": VARIES})
            found[name] = {"spread_from_shared": differences(two["shared"], two["spread"], policy)}
    return found


def both_ways(name: str, work: Path, given: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Path]:
    """Runs a program with two processes by each launcher; the directories, by its name."""
    found = {}
    for how, launcher in LAUNCHERS.items():
        found[how] = prepared(work / f"{name}-{how}", given, parameters)
        finish(name, launched(launcher, name, found[how]), found[how])
    return found


def cut_to_whole_steps(snapshot: Path) -> None:
    for path in snapshot.glob("*/train.jsonl"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[: len(lines) // STEP * STEP]))


def launched(launcher: list[str], name: str, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", *launcher]
    with (folder / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [*command, "-m", f"training_bridge.{name}", str(folder)],
            env={**ENVIRONMENT, **os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def differences(one: Path, two: Path, start: Path) -> dict[str, Any]:
    ours, theirs = ([line["metrics"]["loss"] for line in told(folder)] for folder in (one, two))
    if len(ours) != len(theirs):
        raise RuntimeError(f"{one.name}: {len(ours)} steps in one process, {len(theirs)} in two")
    change = moved(one / "result", start)
    if not change:
        raise RuntimeError(f"{one.name}: nothing was learned, so nothing was compared")
    found = {
        "loss_apart": max(abs(a - b) / max(abs(a), 1e-3) for a, b in zip(ours, theirs, strict=True)),
        "weights_apart": moved(one / "result", two / "result") / change,
    }
    if any(found[what] > limit for what, limit in TOLERATED.items()):
        raise RuntimeError(f"{one.name} and {two.name} learned different things: {found}")
    return {
        "steps": len(ours),
        **found,
        "moved": change,
        "loss": [round(ours[0], 6), round(ours[-1], 6)],
    }


def moved(one: Path, two: Path) -> float:
    """The Euclidean distance between the weights that two models share."""
    from safetensors.torch import load_file

    weights, others = (load_file(folder / "model.safetensors") for folder in (one, two))
    shared = weights.keys() & others.keys()
    return math.sqrt(sum((weights[name] - others[name]).double().square().sum().item() for name in shared))
