"""What each method of learning makes of the same feedback: every one from the default policy, before and after.

    python -m bench methods            about forty minutes on one core; a line on standard error as each is done
    python -m bench methods --small    a tiny policy, to see that it runs

Synthetic people with one taste (warm answers; the embedded policy is as often warm as curt) give three kinds of feedback
on the same 200 training prompts, at a reward of six times the taste: a comparison of two answers each, a judgement good or
bad of the first answer each, and, to 60 of them, an answer of their own, which is always to their taste. Each method learns
from the kind it reads, with its own defaults; those that need a reward model get one trained on the comparisons. Then the
policy answers 141 prompts that nobody trained on.

Reported for each: the taste before and after, the change, and the difference from SFT on the preferred answers, each with a
95 % interval over prompts; the win rate judged by the taste; KL(new || old) in nats per response; the share of answers that
are well formed; seconds of CPU and of the clock, peak memory (RSS).
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.policy_refresh import SCALE, TINY, compared, well_formed, write_lines
from training_bridge.policy.environment import ENVIRONMENT

TASTE = "warm"
DEMONSTRATIONS = 60
BASELINE = "sft, preferred answers"
# name: program, settings, settings of the small run
ARMS: Mapping[str, tuple[str, dict[str, Any]]] = {
    BASELINE: ("sft", {"chosen": "always"}),
    "sft, 60 demonstrations": ("sft", {"chosen": "never"}),
    "dpo": ("dpo", {}),
    "kto, 200 judgements": ("kto", {"pairs": "never"}),
    "kto, preferences": ("kto", {"pairs": "always"}),
    "online dpo": ("online_dpo", {}),
    "rloo": ("rloo", {}),
    "grpo": ("grpo", {}),
    "ppo": ("ppo", {}),
    "dpo, lora": ("dpo", {"adapter": "lora"}),
    "dpo, dora": ("dpo", {"adapter": "dora"}),
    "dpo, soft prompt": ("dpo", {"adapter": "prompt"}),
}
REWARDED = ("online_dpo", "rloo", "grpo", "ppo")
SMALL = {
    "sft": {"epochs": 1, "min_rows": 2},
    "dpo": {"epochs": 1},
    "kto": {"epochs": 1, "min_rows": 2},
    "online_dpo": {"iterations": 1, "prompts": 8, "max_tokens": 16},
    "rloo": {"steps": 1, "max_tokens": 16, "held_out": 2},
    "grpo": {"steps": 1, "max_tokens": 16, "held_out": 2},
    "ppo": {"steps": 1, "max_tokens": 16, "held_out": 2},
}


def run(small: bool) -> dict[str, Any]:
    from training_bridge.policy.config import PretrainParameters
    from training_bridge.policy.embedded import ensure_default_policy

    cache = Path(os.environ.get("WHETSTONE_DATA_DIR") or Path.home() / ".cache" / "whetstone")
    policy = ensure_default_policy(cache, PretrainParameters(**TINY) if small else None)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        snapshot = compared(policy, work, TASTE, small)
        shared = {"parent": str(policy), "snapshot": str(snapshot), "seed": 1}
        judge_and_write(snapshot, small)
        reward = work / "reward"
        results["reward model"] = program(
            "reward_model.train", reward, shared, {"epochs": 1} if small else {}
        )
        tell("reward model", results["reward model"])
        for name, (module, settings) in ARMS.items():
            given = dict(shared)
            if module in REWARDED:
                given["reward_model"] = str(reward / "result")
            place = work / name.replace(" ", "-")
            cost = program(f"policy.{module}", place, given, {**settings, **(SMALL[module] if small else {})})
            results[name] = {**judged(policy, work, place, name, small), **cost}
            tell(name, results[name])
    return results


def judged(policy: Path, work: Path, place: Path, name: str, small: bool) -> dict[str, Any]:
    """The new policy against the old one, and against the baseline of the arms."""
    held_out = work / "snapshot" / "held-out.jsonl"
    parameters = {"tastes": [TASTE], "n": 2, "max_tokens": 16 if small else 128}
    found = {}
    baseline = work / BASELINE.replace(" ", "-") / "result"
    for other, directory in (("old", policy), *([] if name == BASELINE else [("sft", baseline)])):
        config = {
            "parent": str(place / "result"),
            "baseline": str(directory),
            "seed": 1,
            "input": str(held_out),
        }
        program("policy.evaluate", place / f"against-{other}", config, parameters)
        found[other] = json.loads((place / f"against-{other}" / "metrics.json").read_text())
    old = found["old"]
    return {
        "taste": old["tastes"][TASTE],
        "over_sft": found["sft"]["tastes"][TASTE]["difference"] if "sft" in found else None,
        "win_rate": old["win_rate"][TASTE],
        "kl_per_response": old["kl"]["per_response"],
        "well_formed": {side: well_formed(old["samples"], side) for side in ("old", "new")},
        "words": {side: old["diversity"][side]["words"] for side in ("old", "new")},
    }


def judge_and_write(snapshot: Path, small: bool) -> None:
    """The other two kinds of feedback on the prompts that were compared: judgements, and answers of their own."""
    from training_bridge.policy import corpus
    from training_bridge.policy.tastes import TASTES

    rng, score = random.Random(3), TASTES[TASTE].score
    prompts = {
        p["id"]: p for p in map(json.loads, (snapshot / "native" / "prompts.jsonl").read_text().splitlines())
    }
    judgements: dict[str, list[Any]] = {"train": [], "test": []}
    for line in (snapshot / "native" / "responses.jsonl").read_text().splitlines():
        row = json.loads(line)
        prompt = prompts[row["prompt"]]
        if row["id"] % 2 == 0:
            is_good = rng.random() < 1 / (1 + 2.718281828 ** (-SCALE * (score(row["text"]) - 0.5)))
            completion = [{"role": "assistant", "content": row["text"]}]
            judgements[prompt["split"]].append(
                {"prompt": prompt["messages"], "completion": completion, "label": is_good}
            )
    of_prompt = {asked: subject for subject in corpus.subjects() for asked in subject.train}
    written: dict[str, list[Any]] = {"train": [], "test": []}
    for prompt in list(prompts.values()):
        if prompt["split"] == "train" and len(written["train"]) >= (4 if small else DEMONSTRATIONS):
            continue
        style = corpus.Style(
            "warm", rng.random() < 0.6, rng.random() < 0.5, rng.random() < 0.4, rng.random() < 0.5
        )
        text = corpus.compose(of_prompt[prompt["messages"][0]["content"]], style, rng)
        written[prompt["split"]].append(
            {"prompt": prompt["messages"], "completion": [{"role": "assistant", "content": text}]}
        )
    for view, rows in (("unpaired", judgements), ("prompt_completion", written)):
        for split, lines in rows.items():
            write_lines(snapshot / view / f"{split}.jsonl", lines)


def program(name: str, folder: Path, given: dict[str, Any], parameters: dict[str, Any]) -> dict[str, float]:
    """Run one program; seconds of CPU and of the clock, and the most memory it held, in MB."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**given, "parameters": parameters}))
    began = time.monotonic()
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", f"training_bridge.{name}", str(folder)],
            env={**ENVIRONMENT, **os.environ},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = (folder / "output.txt").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{name} ended with {process.returncode}: {tail}")
    return {
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "wall_s": round(time.monotonic() - began, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
    }


def tell(name: str, found: dict[str, Any]) -> None:
    print(json.dumps({name: found}, ensure_ascii=False), file=sys.stderr, flush=True)
