"""What several benchmarks are made of: screens with texts of the embedded policy's corpus, answers of synthetic labelers,
and a random network of the embedded policy's size with its tokenizer. No benchmark itself: it has no `run`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LABELERS = 12
TASTE, SCALE = "warm", 6.0


def cache() -> Path:
    return Path(os.environ.get("WHETSTONE_DATA_DIR") or Path.home() / ".cache" / "whetstone")


def random_policy() -> Path:
    """A directory with the embedded policy's architecture and tokenizer, trained for one step only."""
    from training_bridge.policy.config import PretrainParameters
    from training_bridge.policy.embedded import ensure_default_policy

    return ensure_default_policy(cache(), PretrainParameters(steps=1))


def screens(n: int, responses: int = 2, seed: int = 0) -> list[Any]:
    """`n` prompts of the corpus with that many composed answers each."""
    from feedback_types.base import Message, Screen, ShownResponse
    from training_bridge.policy.corpus import compose, draw_style, subjects

    rng = random.Random(seed)
    subject_list = subjects()
    made = []
    for number in range(n):
        subject = subject_list[number % len(subject_list)]
        texts: list[str] = []
        while len(texts) < responses:
            text = compose(subject, draw_style(rng), rng)
            if text not in texts:
                texts.append(text)
        prompt = (Message("user", f"{subject.held_out} ({number})"),)
        shown = tuple(ShownResponse(responses * number + k, text) for k, text in enumerate(texts))
        made.append(Screen(prompt, shown))
    return made


def answered(
    shown: Sequence[Any], asked: Sequence[tuple[str, Mapping[str, Any]]], seed: int = 0
) -> list[Any]:
    """Events: what one of twelve labelers with one taste says to each screen, every question of it."""
    import numpy as np
    from django.conf import settings as django

    if not django.configured:
        django.configure(USE_I18N=False)  # a type labels what it offers
    from feedback_types import registry
    from feedback_types.base import Event, SyntheticLabeler
    from training_bridge.policy.tastes import TASTES

    score = TASTES[TASTE].score

    def reward(prompt: Any, text: str, offset: int | None, head: str) -> float:
        return SCALE * (score(text if offset is None else text[:offset]) - 0.5)

    rng = np.random.default_rng(seed)
    labeler = SyntheticLabeler(reward)
    events = []
    for number, screen in enumerate(shown):
        for slug, raw in asked:
            kind = registry.get(slug)
            settings = kind.settings(dict(raw))
            for target, payload in kind.simulate(screen, settings, labeler, rng):
                events.append(
                    Event(
                        id=str(len(events)), type=slug, labeler=f"l-{number % LABELERS}", question=slug, screen=screen,
                        target=target, payload=payload, settings=settings,
                        choice_set=kind.choice_set(screen, settings), submission=str(number), item=str(number),
                    )
                )  # fmt: skip
    return events
