"""A world whose reward is known: a text is a few words, and each word is worth something wherever it stands.

Synthetic labelers answer through the types themselves (`FeedbackType.simulate`), and what they said is written as a snapshot
directory, in the format that `docs/architecture.md` states.
"""

import hashlib
import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from feedback_types import registry
from feedback_types.base import Message, Screen, ShownResponse, SyntheticLabeler

WORDS = "otter bread soap salt water time sleep hold good bad better best world sure try warm little ask rest flour".split()


@dataclass
class Question:
    key: str
    type: str
    settings: dict = field(default_factory=dict)


COMPARISON = Question("better", "comparison", {"strengths": 1, "ties": False, "both_bad": False})
RATING = Question("grade", "critique", {"criteria": ["overall"], "grades": 5})


class World:
    def __init__(self, seed: int = 0, spread: float = 1.0):
        self.rng = np.random.default_rng(seed)
        values = np.linspace(-1.5, 1.5, len(WORDS)) * spread
        self.worth = dict(zip(WORDS, self.rng.permutation(values), strict=True))

    def value(self, prompt, text, offset, head):
        """Reward of `text[:offset]`: the worth of the words that are complete."""
        seen = text if offset is None else text[:offset]
        return sum(self.worth[w] for w in seen.lower().replace(".", " ").split() if w in self.worth)

    def text(self) -> str:
        words = self.rng.choice(WORDS, size=self.rng.integers(1, 5))
        return " ".join(words) + "."

    def screens(self, n: int, responses: int = 2, first: int = 0, sentences: int = 1) -> list[Screen]:
        made = []
        for i in range(first, first + n):
            prompt = (Message("user", f"Say something about {WORDS[i % len(WORDS)]}, number {i}."),)
            texts: list[str] = []
            while len(texts) < responses:
                text = " ".join(
                    self.text().capitalize() if sentences > 1 else self.text() for _ in range(sentences)
                )
                if text not in texts:
                    texts.append(text)
            made.append(Screen(prompt, tuple(ShownResponse(10 * i + k + 1, t) for k, t in enumerate(texts))))
        return made

    def rewrite(self, prompt, text):
        """What a labeler would write in place of a sentence."""
        return [self.text().capitalize() for _ in range(3)]

    def labeler(self, beta: float = 1.0, lapse: float = 0.0, **parameters) -> SyntheticLabeler:
        return SyntheticLabeler(
            self.value, beta=beta, lapse=lapse, parameters=parameters, rewrite=self.rewrite
        )


def answer(screens, labelers, questions, *, overlap: int = 1, seed: int = 0, test_share: float = 0.25):
    """Native rows: each screen is answered by `overlap` of the labelers (name -> SyntheticLabeler) in turn."""
    rng = np.random.default_rng(seed)
    names = sorted(labelers)
    rows, turn = [], 0
    for number, screen in enumerate(screens):
        split = "test" if random.Random(f"{seed}/{number}").random() < test_share else "train"
        for _ in range(overlap):
            name = names[turn % len(names)]
            turn += 1
            shown = Screen(
                screen.prompt, tuple(screen.responses[i] for i in rng.permutation(len(screen.responses)))
            )
            for question in questions:
                feedback_type = registry.get(question.type)
                settings = feedback_type.settings(question.settings)
                for target, payload in feedback_type.simulate(shown, settings, labelers[name], rng):
                    rows.append(
                        {
                            "id": len(rows) + 1, "submission": f"s{turn}", "campaign": 1, "item": number, "round": 1,
                            "prompt": number, "responses": [r.id for r in shown.responses], "question": question.key,
                            "type": question.type, "version": feedback_type.version, "target": target,
                            "payload": payload.dump(), "choice_set": feedback_type.choice_set(shown, settings, payload),
                            "settings": settings.model_dump(mode="json"), "required": True, "labeler": name,
                            "labeler_kind": "synthetic", "status": "counted", "revision": 0, "split": split,
                            "active_ms": 1000, "total_ms": 1000, "submitted_at": "2026-01-01T00:00:00.000000Z",
                        }
                    )  # fmt: skip
    return rows


def write_snapshot(folder: Path, screens, rows) -> str:
    """A snapshot directory of these rows; returns its content address."""
    native = folder / "native"
    native.mkdir(parents=True)
    splits = {row["prompt"]: row["split"] for row in rows}
    prompts = [
        {
            "id": i,
            "messages": [{"role": m.role, "content": m.content} for m in s.prompt],
            "split": splits.get(i, "train"),
        }
        for i, s in enumerate(screens)
    ]
    responses = [
        {"id": r.id, "prompt": i, "text": r.text} for i, s in enumerate(screens) for r in s.responses
    ]
    files = {}
    for name, table in (("feedback", rows), ("prompts", prompts), ("responses", responses)):
        path = native / f"{name}.jsonl"
        lines = [
            json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n" for row in table
        ]
        path.write_text("".join(lines), encoding="utf-8")
        files[f"native/{name}.jsonl"] = {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "rows": len(table),
        }
    manifest = json.dumps({"format": 1, "files": files}, sort_keys=True).encode()
    (folder / "manifest.json").write_bytes(manifest)
    return hashlib.sha256(manifest).hexdigest()


def write_run(
    folder: Path, snapshot: Path, parent: Path, *, seed: int = 0, sha256: str = "", **parameters
) -> Path:
    """A run directory ready to be trained in."""
    folder.mkdir(parents=True)
    config = {
        "method": "reward_model", "seed": seed, "code_revision": "test",
        "snapshot": {"path": str(snapshot), "sha256": sha256},
        "parent": {"path": str(parent), "sha256": ""}, "parameters": parameters,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return folder
