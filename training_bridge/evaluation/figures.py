"""Figures of docs/evaluation.md: a small world with a known truth, and a real data set, through every evaluation.

    python -m training_bridge.evaluation.figures DIR
        synthetic people who like warm answers, on the embedded policy
    python -m training_bridge.evaluation.figures DIR --data DATA
        also comparisons by people: rows {"prompt", "responses", "chosen"}, such as a part of hh_helpful

DIR keeps what was made; what is there already is not made again. Minutes on one core. Each line names the run directory, so
that every number can be looked up in its metrics.json.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from feedback_types import registry
from feedback_types.base import Message, Screen, ShownResponse, SyntheticLabeler
from training_bridge.exports.split import split_of
from training_bridge.loop.people import taste_reward
from training_bridge.policy import corpus
from training_bridge.policy.embedded import ensure_default_policy
from training_bridge.programs import speak_plainly

ROOT = Path(__file__).resolve().parents[2]
TEST_PERCENT = 30
LITTLE = 40  # prompts whose answers the hastily trained reward model sees
COMPARISON = {"strengths": 1, "ties": False, "both_bad": False}


# --- Snapshots -------------------------------------------------------------------------------------------------------


class SnapshotWriter:
    """The native files of a snapshot, without a database."""

    def __init__(self) -> None:
        self.prompts: list[dict[str, Any]] = []
        self.responses: list[dict[str, Any]] = []
        self.feedback: list[dict[str, Any]] = []

    def screen(self, messages: Sequence[Mapping[str, str]], texts: Sequence[str]) -> Screen:
        """A prompt with its responses; the split follows from the prompt."""
        number = len(self.prompts) + 1
        split = split_of(messages, TEST_PERCENT)
        self.prompts.append({"id": number, "messages": list(messages), "split": split})
        shown = []
        for text in texts:
            self.responses.append({"id": len(self.responses) + 1, "prompt": number, "text": text})
            shown.append(ShownResponse(len(self.responses), text))
        return Screen(tuple(Message(m["role"], m["content"]) for m in messages), tuple(shown))

    def say(
        self, screen: Screen, kind: str, settings: Any, target: int | None, payload: Any, labeler: str
    ) -> None:
        feedback_type = registry.get(kind)
        number = len(self.feedback) + 1
        self.feedback.append(
            {
                "id": number, "submission": f"s{number}", "campaign": 1, "item": self.prompts[-1]["id"], "round": 1,
                "prompt": self.prompts[-1]["id"], "responses": [r.id for r in screen.responses], "question": kind,
                "type": kind, "version": feedback_type.version, "target": target, "payload": payload.dump(),
                "choice_set": feedback_type.choice_set(screen, settings, payload),
                "settings": settings.model_dump(mode="json"), "required": True, "labeler": labeler,
                "labeler_kind": "simulated" if labeler.startswith("p") else "human", "status": "counted", "revision": 0,
                "split": self.prompts[-1]["split"], "active_ms": 1000, "total_ms": 1000,
                "submitted_at": "2026-01-01T00:00:00.000000Z",
            }
        )  # fmt: skip

    def write(self, folder: Path) -> Path:
        native = folder / "native"
        native.mkdir(parents=True, exist_ok=True)
        files = {}
        for name in ("feedback", "prompts", "responses"):
            path = native / f"{name}.jsonl"
            with path.open("w", encoding="utf-8") as file:
                for row in getattr(self, name):
                    file.write(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n")
            files[f"native/{name}.jsonl"] = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        (folder / "manifest.json").write_text(json.dumps({"format": 1, "files": files}, sort_keys=True))
        return folder


def people(taste: str, n: int, careless: int) -> dict[str, SyntheticLabeler]:
    """Labelers of one taste and of differing care; the last ones answer without looking."""
    betas = np.geomspace(0.5, 2.0, n)
    return {
        f"p{i}": SyntheticLabeler(taste_reward(taste), beta=b if i < n - careless else 0.0, lapse=0.03)
        for i, b in enumerate(betas)
    }


def synthetic_snapshot(
    folder: Path, answers: Iterable[Mapping[str, Any]], prompts: Mapping[str, Any], taste: str
) -> Path:
    """Every prompt's answers in pairs, each pair judged by two of ten people; and what mattered, marked by one."""
    crowd, rng = people(taste, 10, 2), np.random.default_rng(0)
    by_prompt: dict[str, list[str]] = {}
    for row in answers:
        by_prompt.setdefault(row["id"], []).append(row["text"])
    writer, turn = SnapshotWriter(), 0
    # What is asked about a pair, and how many people are asked.
    asked = [
        (slug, registry.get(slug).settings(raw), n)
        for slug, raw, n in (("comparison", COMPARISON, 2), ("importance", {}, 1))
    ]
    for key, texts in by_prompt.items():
        for a in range(0, len(texts) - 1, 2):
            screen = writer.screen(prompts[key], texts[a : a + 2])
            for k in range(2):
                name = list(crowd)[turn % len(crowd)]
                turn += 1
                for slug, settings, n in asked:
                    for target, payload in (
                        registry.get(slug).simulate(screen, settings, crowd[name], rng) if k < n else ()
                    ):
                        writer.say(screen, slug, settings, target, payload, name)
    return writer.write(folder)


def real_snapshot(folder: Path, path: Path) -> Path:
    """Comparisons of people as rows {"prompt", "responses", "chosen"}; ties are left out."""
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")
    writer, feedback_type = SnapshotWriter(), registry.get("comparison")
    settings = feedback_type.settings(COMPARISON)
    with opened as file:
        for line in file:
            row = json.loads(line)
            texts = [r["content"] for r in row["responses"]]
            if row["chosen"] is None or len(texts) != 2 or texts[0] == texts[1]:
                continue
            screen = writer.screen(row["prompt"], texts)
            strength = 1 if row["chosen"] == 0 else -1
            stored = {
                "items": [r.id for r in screen.responses], "ranks": [1, 2] if strength > 0 else [2, 1],
                "strength": strength, "both_bad": False, "aspect": None,
            }  # fmt: skip
            payload = feedback_type.load(stored, feedback_type.version)
            writer.say(screen, "comparison", settings, None, payload, row.get("labeler") or "crowd")
    return writer.write(folder)


# --- Runs ------------------------------------------------------------------------------------------------------------


def run(folder: Path, program: str, **config: Any) -> dict[str, Any]:
    """Metrics of a program in a directory; a run that is done is not done again. Exits where a program refuses."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "metrics.json").is_file():
        (folder / "config.json").write_text(json.dumps(config, default=str))
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "passive",
        }
        command = [sys.executable, "-m", program, str(folder)]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        if done.returncode:
            raise SystemExit(f"{folder}: {done.stderr.decode()[-2000:]}")
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return metrics


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def write_prompts(path: Path, texts: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    prompts = {str(i): [{"role": "user", "content": text}] for i, text in enumerate(texts)}
    with path.open("w", encoding="utf-8") as file:
        for key, messages in prompts.items():
            file.write(json.dumps({"id": key, "messages": messages}) + "\n")
    return prompts


def train(folder: Path, snapshot: Path, policy: Path, *, seed: int = 0, **parameters: Any) -> Path:
    found = run(
        folder, "training_bridge.reward_model.train", seed=seed, snapshot={"path": snapshot}, parent={"path": policy},
        parameters={"evaluate_epochs": False, **parameters},
    )  # fmt: skip
    pairs, error = found["evaluation"]["pairs"], found["evaluation"]["calibration"]["ece"]
    print(
        f"{folder.name}: accuracy {shown(pairs['accuracy'])} on {pairs['accuracy']['n']} held-out pairs, ECE {error:.3f}"
    )
    return folder / "result"


def shown(data: Mapping[str, Any] | None) -> str:
    if not data or data.get("value") is None:
        return "–"
    return f"{data['value']:.3f} ({data['low']:.3f}–{data['high']:.3f})"


# --- The figures -----------------------------------------------------------------------------------------------------


def distances(home: Path, name: str, **config: Any) -> None:
    found = run(home / name, "training_bridge.evaluation.distance", **config)
    print(f"{name}: {found['answers']} answers to {found['prompts']} prompts")
    for pair in found["distances"]:
        cells = ", ".join(f"{form} {shown(pair[form])}" for form in ("centred_return", "val", "epic", "dard"))
        print(f"  {' – '.join(pair['between'])}: {cells}")


def overoptimisation(home: Path, name: str, model: Path, policy: Path, *, gold: str) -> None:
    found = run(
        home / name, "training_bridge.evaluation.overoptimisation", reward_model={"path": model},
        parent={"path": policy}, parameters={"answers": 64, "max_tokens": 64, "prompts": 60, "gold": gold},
    )  # fmt: skip
    print(f"{name}: gold is {found['gold']}, best of {found['n']}")
    for way, curve in found["curves"].items():
        peak = curve["peak"]
        print(
            f"  {way}: proxy {shown(curve['proxy'][-1])}, gold {shown(curve['gold'][-1])} at the largest n,"
        )
        print(f"    gold peaks at n = {peak['n']} ({peak['low']}–{peak['high']}), too far: {peak['is_over']}")
    for way, entry in found["against"].items():
        print(f"  {way} over one member, gold: {shown(entry)}")


def consistency(home: Path, name: str, model: Path, snapshot: Path) -> None:
    found = run(
        home / name, "training_bridge.evaluation.consistency", reward_model={"path": model},
        snapshot={"path": snapshot}, parameters={"fusion": True},
    )  # fmt: skip
    print(f"{name}: {found['pairs']} pairs")
    for rule, entry in found["keeping"].items():
        if entry["flips"]["n"]:
            fused = found["fusion"]["keeping"][rule]["flips"]
            print(
                f"  {rule}: flips {shown(entry['flips'])}, shift {entry['shift']:.2f} sd; fused {shown(fused)}"
            )
    for rule, entry in {**found["changing"], **found["contrast"]}.items():
        print(f"  {rule}: {shown(entry)} of {entry['n']}")
    both = found["fusion"]["accuracy"]
    print(
        f"  accuracy plain {shown(both['plain'])}, fused {shown(both['fused'])};"
        f" {found['fusion']['neighbours']:.1f} neighbours"
    )


def inspection(home: Path, name: str, model: Path, snapshot: Path) -> None:
    found = run(
        home / name,
        "training_bridge.evaluation.inspection",
        reward_model={"path": model},
        snapshot={"path": snapshot},
    )
    print(f"{name}: {found['marked_texts']} held-out texts with marks, chance {found['chance']:.3f}")
    for way, entry in found["overlap"].items():
        told = found["objectives"][way]
        numbers = ", ".join(f"{k} {v:.3f}" for k, v in told.items())
        print(f"  {way}: shared {entry['share']:.3f}, over chance {shown(entry['over_chance'])}; {numbers}")


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training_bridge.evaluation.figures", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--data", type=Path, help="comparisons of people, JSON lines, gzipped or not")
    options = parser.parse_args(argv)
    speak_plainly()
    home: Path = options.directory.resolve()
    home.mkdir(parents=True, exist_ok=True)
    policy = ensure_default_policy(home / "cache")
    prompts = write_prompts(
        home / "prompts.jsonl", corpus.prompts("train")[:300] + corpus.prompts("held_out")
    )
    run(
        home / "answers", "training_bridge.policy.sample", parent={"path": policy}, seed=1,
        input=home / "prompts.jsonl", parameters={"n": 4, "max_tokens": 64},
    )  # fmt: skip
    answers = list(lines(home / "answers" / "result" / "responses.jsonl"))
    warm = synthetic_snapshot(home / "warm", answers, prompts, "warm")
    short = synthetic_snapshot(home / "short", answers, prompts, "short")
    one = train(home / "rm-warm", warm, policy)
    other = train(home / "rm-warm-other-seed", warm, policy, seed=1)
    brief = train(home / "rm-short", short, policy)
    common = {"reward_model": {"path": one}, "parent": {"path": policy}, "snapshot": {"path": warm}}
    asked = {"max_tokens": 64, "prompts": 60}
    distances(
        home, "distance-seeds", **common, compared_with={"path": other},
        parameters={**asked, "tastes": ["warm", "short"]},
    )  # fmt: skip
    distances(home, "distance-people", **common, compared_with={"path": brief}, parameters=asked)
    many = train(home / "rm-ensemble", warm, policy, ensemble=8)
    overoptimisation(home, "best-of-n-taste", many, policy, gold="warm")
    overoptimisation(home, "best-of-n-short", many, policy, gold="short")
    little = synthetic_snapshot(home / "little", answers[: 4 * LITTLE], prompts, "warm")
    hasty = train(home / "rm-little", little, policy, ensemble=8, epochs=20, min_events=10)
    overoptimisation(home, "best-of-n-little", hasty, policy, gold="warm")
    consistency(home, "consistency-warm", one, warm)
    inspection(home, "inspection-warm", one, warm)
    if options.data:
        real = real_snapshot(home / "real", options.data)
        consistency(home, "consistency-real", train(home / "rm-real", real, policy), real)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
