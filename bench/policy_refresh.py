"""How far one refresh moves a taste: 200 comparisons by a synthetic labeler, then DPO, and RLOO against a reward model.

    python -m bench policy_refresh            two tastes, DPO and RLOO each, about ten minutes on two cores
    python -m bench policy_refresh --small    a tiny policy, to see that it runs

The embedded policy (trained first, cached in WHETSTONE_DATA_DIR or ~/.cache/whetstone) answers 200 prompts twice. A
labeler with one taste compares the two answers by the law of the comparison type, at a reward of six times the taste.
Both methods learn from these 200 answers alone; RLOO through a reward model trained on them. Old and new policy then
answer held-out prompts.

Reported: the taste before and after (mean in [0, 1]) and its change, the win rate, KL(new || old) in nats per response,
each with a 95 % interval over prompts; the share of answers that the grammar could have given; the largest change of a
taste nobody asked for; CPU seconds.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from training_bridge.policy.environment import ENVIRONMENT

COMPARISONS, HELD_OUT = 200, 40
SCALE = 6.0
TASTES = ("warm", "concrete")
TINY = {"vocabulary": 600, "width": 32, "layers": 1, "inner": 64, "steps": 3, "batch": 4}


def run(small: bool) -> dict[str, Any]:
    from training_bridge.policy.config import PretrainParameters
    from training_bridge.policy.embedded import ensure_default_policy

    cache = Path(os.environ.get("WHETSTONE_DATA_DIR") or Path.home() / ".cache" / "whetstone")
    policy = ensure_default_policy(cache, PretrainParameters(**TINY) if small else None)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for taste in TASTES[:1] if small else TASTES:
            work = Path(folder) / taste
            snapshot = compared(policy, work, taste, small)
            results[taste] = {
                "dpo": refreshed(policy, snapshot, work, taste, "dpo", small),
                "rloo": refreshed(policy, snapshot, work, taste, "rloo", small),
            }
    return results


def refreshed(
    policy: Path, snapshot: Path, work: Path, taste: str, method: str, small: bool
) -> dict[str, Any]:
    """Refresh the policy and compare it with the old one."""
    given: dict[str, Any] = {"parent": str(policy), "snapshot": str(snapshot), "seed": 1}
    settings: dict[str, Any] = {"epochs": 1, "max_length": 512} if method == "dpo" else {"steps": 2}
    cpu_s = {}
    if method == "rloo":
        reward = work / "reward"
        cpu_s["reward_model"] = program("reward_model.train", reward, given, {"epochs": 1} if small else {})
        given["reward_model"] = str(reward / "result")
    cpu_s[method] = program(f"policy.{method}", work / method, given, settings if small else {})
    judged = {**given, "parent": str(work / method / "result"), "baseline": str(policy)}
    judged["input"] = str(snapshot / "held-out.jsonl")
    parameters = {"tastes": [taste], "n": 2, "max_tokens": 16 if small else 128}
    program("policy.evaluate", work / f"{method}-compared", judged, parameters)
    found = json.loads((work / f"{method}-compared" / "metrics.json").read_text())
    others = {name: row["difference"]["value"] for name, row in found["tastes"].items() if name != taste}
    largest = max(others, key=lambda name: abs(others[name]))
    return {
        "taste": found["tastes"][taste],
        "win_rate": found["win_rate"][taste],
        "kl_per_response": found["kl"]["per_response"],
        "well_formed": {name: well_formed(found["samples"], name) for name in ("old", "new")},
        "largest_other_change": {largest: others[largest]},
        "words": {name: found["diversity"][name]["words"] for name in ("old", "new")},
        "cpu_s": cpu_s,
        "samples": [
            {"prompt": s["prompt"][0]["content"], "old": s["old"], "new": s["new"]}
            for s in found["samples"][:10]
        ],
    }


def well_formed(samples: list[dict[str, Any]], name: str) -> float:
    from training_bridge.policy.corpus import is_well_formed

    return sum(is_well_formed(s["prompt"][0]["content"], s[name]) for s in samples) / len(samples)


def compared(policy: Path, work: Path, taste: str, small: bool) -> Path:
    """A snapshot of comparisons of the policy's own answers by a labeler with one taste."""
    import numpy as np
    from django.conf import settings as django

    if not django.configured:
        django.configure(USE_I18N=False)  # a type labels what it offers
    from feedback_types import registry
    from feedback_types.base import Message, Screen, ShownResponse, SyntheticLabeler
    from training_bridge.policy.corpus import prompts
    from training_bridge.policy.tastes import TASTES as SCORES

    n = 60 if small else COMPARISONS + HELD_OUT
    asked = prompts("train")
    random.Random(0).shuffle(asked)
    asked = asked[:n]
    lines = [{"id": i, "messages": [{"role": "user", "content": text}]} for i, text in enumerate(asked)]
    sampled = work / "sample"
    write_lines(sampled / "prompts.jsonl", lines)
    program(
        "policy.sample",
        sampled,
        {"parent": str(policy), "seed": 1},
        {"n": 2, "max_tokens": 16 if small else 128},
    )
    answers: dict[int, list[str]] = {}
    for line in (sampled / "result" / "responses.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        answers.setdefault(int(row["id"]), []).append(row["text"])

    comparison = registry.get("comparison")
    settings = comparison.settings_class()
    score = SCORES[taste].score
    labeler = SyntheticLabeler(lambda prompt, text, offset, head: SCALE * (score(text) - 0.5))
    rng = np.random.default_rng(2)
    snapshot = work / "snapshot"
    preferences: dict[str, list[Any]] = {"train": [], "test": []}
    native = []
    for i, texts in answers.items():
        if len(texts) < 2:
            continue
        split = "train" if i < n - (n // 6) else "test"
        screen = Screen(
            (Message("user", asked[i]),), tuple(ShownResponse(2 * i + k, t) for k, t in enumerate(texts[:2]))
        )
        ((target, payload),) = comparison.simulate(screen, settings, labeler, rng)
        event = {
            "id": i, "type": "comparison", "version": comparison.version, "labeler": "l-1", "labeler_kind": "ai",
            "question": "better", "prompt": i, "responses": [r.id for r in screen.responses], "target": target,
            "payload": payload.dump(), "settings": settings.model_dump(mode="json"),
            "choice_set": comparison.choice_set(screen, settings), "submission": str(i), "item": i, "split": split,
            "status": "counted", "revision": 0, "round": 1,
        }  # fmt: skip
        native.append(event)
        preferences[split] += pairs(screen, payload)
    write_lines(snapshot / "native" / "feedback.jsonl", native)
    write_lines(
        snapshot / "native" / "prompts.jsonl",
        [
            {**line, "split": next((e["split"] for e in native if e["id"] == line["id"]), "test")}
            for line in lines
        ],
    )
    write_lines(
        snapshot / "native" / "responses.jsonl",
        [
            {"id": 2 * i + k, "prompt": i, "text": t}
            for i, texts in answers.items()
            for k, t in enumerate(texts[:2])
        ],
    )
    for split, rows in preferences.items():
        write_lines(snapshot / "preference" / f"{split}.jsonl", rows)
    held_out = prompts("held_out")[: 6 if small else None]
    write_lines(
        snapshot / "held-out.jsonl",
        [{"id": f"h{i}", "messages": [{"role": "user", "content": t}]} for i, t in enumerate(held_out)],
    )
    manifest = {"files": {}}
    (snapshot / "manifest.json").write_text(json.dumps(manifest))
    return snapshot


def pairs(screen: Any, payload: Any) -> list[dict[str, Any]]:
    """The preference in TRL's columns; none for a tie."""
    first, second = screen.responses
    if payload.ranks[0] == payload.ranks[1]:
        return []
    chosen, rejected = (first, second) if payload.ranks[0] == 1 else (second, first)
    return [
        {
            "prompt": [{"role": m.role, "content": m.content} for m in screen.prompt],
            "chosen": [{"role": "assistant", "content": chosen.text}],
            "rejected": [{"role": "assistant", "content": rejected.text}],
            "margin": 0.0,
        }
    ]


def program(name: str, folder: Path, given: dict[str, Any], parameters: dict[str, Any]) -> float:
    """Run one training program; returns the CPU seconds it took."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**given, "parameters": parameters}))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", f"training_bridge.{name}", str(folder)],
        env={**ENVIRONMENT, **os.environ},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1)


def write_lines(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
