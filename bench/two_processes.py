"""Two processes that share the work of a step: do they learn what one learns?

    python -m bench two_processes            each program under torchrun with two CPU processes (gloo), some five minutes
    python -m bench two_processes --small    fewer steps

Each program runs once alone and once as `torchrun --standalone --nproc_per_node 2 -m …`, with a tiny policy, the same
seed and the same items a step. Reported: the largest difference between the losses that both told at a step, relative to
the loss, and between the weights of the results, relative to the largest weight. What differs is the order in which floats
are added.
RLOO and GRPO are left out: TRL draws the answers of each process from a stream of its own, so they are other answers.
"""

from __future__ import annotations

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

SHARED = ("reward_model.train", "policy.sft", "policy.dpo", "policy.kto", "policy.online_dpo")


def run(small: bool) -> dict[str, Any]:
    from training_bridge.policy.config import PretrainParameters
    from training_bridge.policy.embedded import ensure_default_policy

    cache = Path(os.environ.get("WHETSTONE_DATA_DIR") or Path.home() / ".cache" / "whetstone")
    policy = ensure_default_policy(cache, PretrainParameters(**TINY))
    random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        snapshot = compared(policy, Path(folder), TASTE, small=True)
        add_views(snapshot)
        given = {"parent": str(policy), "snapshot": str(snapshot), "seed": 7}
        found = {}
        for name in SHARED:
            parameters = dict(PROGRAMS[name])
            if small and "epochs" in parameters:
                parameters["epochs"] = 1
            one, two = (prepared(Path(folder) / f"{name}-{n}", given, parameters) for n in ("one", "two"))
            finish(name, start(name, one), one)
            finish(name, torchrun(name, two), two)
            found[name] = differences(one, two)
    return found


def torchrun(name: str, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    with (folder / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [*command, "-m", f"training_bridge.{name}", str(folder)],
            env={**ENVIRONMENT, **os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def differences(one: Path, two: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    ours, theirs = ([line["metrics"]["loss"] for line in told(folder)] for folder in (one, two))
    if len(ours) != len(theirs):
        raise RuntimeError(f"{one.name}: {len(ours)} steps in one process, {len(theirs)} in two")
    weights, others = (load_file(folder / "result" / "model.safetensors") for folder in (one, two))
    if weights.keys() != others.keys():
        raise RuntimeError(f"{one.name}: one and two processes write other tensors")
    largest = max(tensor.abs().max().item() for tensor in weights.values())
    apart = max((tensor - others[name]).abs().max().item() for name, tensor in weights.items())
    return {
        "steps": len(ours),
        "loss_apart": max(abs(a - b) / max(abs(a), 1e-3) for a, b in zip(ours, theirs, strict=True)),
        "weights_apart": apart / largest,
        "loss": [round(ours[0], 6), round(ours[-1], 6)],
    }
