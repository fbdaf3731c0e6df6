"""Every training program is killed (`kill -9`) at random steps and resumed: does it end as if nothing had happened?

    python -m bench kill_resume            three kills of each program, some ten minutes on one core; `make chaos` runs it
    python -m bench kill_resume --small    one kill of each

A program runs once undisturbed and once disturbed, with a tiny policy, the same seed and a checkpoint every second step. The
disturbed one is killed at steps drawn by a seeded lot, each time started again in the same directory; before the last
start its newest checkpoint is cut short by a byte, so that the one before it must do. Reported: the steps at which it was
killed, how many steps were done again after each kill (at most the two of a checkpoint interval and the one under way; at
most two intervals more after the damage), and whether every tensor of both results is equal to the bit.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.policy_refresh import TINY, compared, write_lines
from training_bridge.policy.environment import ENVIRONMENT

EVERY = 2  # steps between checkpoints
KILLS = 3
PATIENCE_S = 300
TASTE = "warm"

REWARDED = {"reward": TASTE, "steps": 12, "prompts": 4, "answers": 4, "max_tokens": 12, "held_out": 2}
# What every program is told beside seed, parent and snapshot: some a dozen steps each.
PROGRAMS: dict[str, dict[str, Any]] = {
    "reward_model.train": {"epochs": 4, "batch_items": 12, "evaluate_epochs": False},
    "policy.sft": {"epochs": 2, "min_rows": 2, "chosen": "always"},
    "policy.dpo": {"epochs": 2},
    "policy.kto": {"epochs": 2, "min_rows": 2},
    "policy.rloo": REWARDED,
    "policy.grpo": REWARDED,
    "policy.ppo": {**REWARDED, "prompts": 3},
    "policy.rft": {**REWARDED, "reward": "", "kind": "regex", "rule": "[?]$"},
    "policy.online_dpo": {
        "reward": TASTE, "iterations": 6, "prompts": 16, "answers": 3, "max_tokens": 12, "held_out": 2,
    },
}  # fmt: skip


def run(small: bool) -> dict[str, Any]:
    from training_bridge.policy.config import PretrainParameters
    from training_bridge.policy.embedded import ensure_default_policy

    cache = Path(os.environ.get("WHETSTONE_DATA_DIR") or Path.home() / ".cache" / "whetstone")
    policy = ensure_default_policy(cache, PretrainParameters(**TINY))
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        snapshot = compared(policy, Path(folder), TASTE, small=True)
        add_views(snapshot)
        given = {"parent": str(policy), "snapshot": str(snapshot), "seed": 7}
        return {
            name: disturbed(name, Path(folder), given, settings, 1 if small else KILLS, rng)
            for name, settings in PROGRAMS.items()
        }


def add_views(snapshot: Path) -> None:
    """The same preferences as judgements and as answers to imitate."""
    for split in ("train", "test"):
        rows = [
            json.loads(line) for line in (snapshot / "preference" / f"{split}.jsonl").read_text().splitlines()
        ]
        judged = [
            {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
            for row in rows
            for side in ("chosen", "rejected")
        ]
        written = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows]
        write_lines(snapshot / "unpaired" / f"{split}.jsonl", judged)
        write_lines(snapshot / "prompt_completion" / f"{split}.jsonl", written)


def disturbed(
    name: str, work: Path, given: dict[str, Any], settings: dict[str, Any], kills: int, rng: random.Random
) -> dict[str, Any]:
    """What came of one program. Raises RuntimeError where it does not end, or ends otherwise than undisturbed."""
    parameters = {"checkpoint_steps": EVERY, **settings}
    straight, broken = (prepared(work / f"{name}-{how}", given, parameters) for how in ("straight", "broken"))
    finish(name, start(name, straight), straight)
    last = told(straight)[-1]["step"]
    killed_at: list[int] = []
    targets = sorted(rng.sample(range(1, last), min(kills, last - 1)))
    for number, target in enumerate(targets):
        process = start(name, broken)
        lines = len(told(broken))
        wait_for(broken, lines, target, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        reached = told(broken)[-1]["step"]
        killed_at.append(reached)
        if number == len(targets) - 1 and number > 0:
            cut_short(broken)
    finish(name, start(name, broken), broken)
    same = fingerprint(straight / "result") == fingerprint(broken / "result")
    if not same:
        raise RuntimeError(f"{name}: killed at {killed_at} it ends with other weights than undisturbed")
    lost = repeated(broken)
    if max(lost, default=0) > 2 * EVERY + 1 or max(lost[:-1], default=0) > EVERY + 1:
        raise RuntimeError(f"{name}: killed at {killed_at} it did {lost} steps again")
    return {
        "steps": last,
        "killed_at": killed_at,
        "done_again": lost,
        "equal_to_the_bit": same,
    }


def prepared(folder: Path, given: dict[str, Any], parameters: dict[str, Any]) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**given, "parameters": parameters}))
    return folder


def start(name: str, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", f"training_bridge.{name}", str(folder)],
            env={**ENVIRONMENT, **os.environ, "OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def finish(name: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    code = process.wait(timeout=PATIENCE_S)
    if code:
        tail = (folder / "output.txt").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{name} ended with {code}: {tail}")


def told(folder: Path) -> list[dict[str, Any]]:
    """Steps of the training that status.jsonl tells so far, the stages before and after left out."""
    path = folder / "status.jsonl"
    if not path.is_file():
        return []
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    return [line for line in lines if "loss" in line["metrics"]]


def wait_for(folder: Path, lines: int, target: int, process: subprocess.Popen[bytes]) -> None:
    """Until a step at or beyond the target is told in this start."""
    deadline = time.monotonic() + PATIENCE_S
    while not any(line["step"] >= target for line in told(folder)[lines:]):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = (folder / "output.txt").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{folder.name} did not get to step {target}: {tail}")
        time.sleep(0.002)


def cut_short(folder: Path) -> None:
    """The newest checkpoint loses the last byte of its largest file, as after a power cut."""
    newest = max((folder / "checkpoints").glob("step-*"), key=lambda p: int(p.name[5:]), default=None)
    if newest is None:
        return
    largest = max((p for p in newest.iterdir() if p.is_file()), key=lambda p: p.stat().st_size)
    os.truncate(largest, largest.stat().st_size - 1)


def repeated(folder: Path) -> list[int]:
    """After each kill, how many of the steps that were told were done again."""
    steps = [line["step"] for line in told(folder)]
    return [before - after + 1 for before, after in pairwise(steps) if after <= before]


def fingerprint(folder: Path) -> str:
    """Of every tensor of a result, by name, type, shape and bits."""
    from safetensors.torch import load_file

    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        for name, tensor in sorted(load_file(path).items()):
            digest.update(f"{path.name} {name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.contiguous().float().numpy().tobytes())
    return digest.hexdigest()
