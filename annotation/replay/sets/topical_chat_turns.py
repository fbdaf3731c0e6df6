"""Topical-Chat: two people talk, and each rates every turn of the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotation.replay.sets.base import Case, RealSet, question
from annotation.replay.sets.steps import dialogue

# Poor and not good; passable; good and excellent.
LABELS = {1: -1, 2: -1, 3: 0, 4: 1, 5: 1, None: None}


def _conversation(row: Mapping[str, Any]) -> Case:
    """Who begins is the user and rates the other, who is the assistant; a turn that was not rated has no label.

    The ratings that the second person gave are about the user of this dialogue and are not said here.
    """
    told = row["turns"][: len(row["turns"]) // 2 * 2]
    turns = [
        (user["text"], assistant["text"], LABELS[assistant["partner_rating"]])
        for user, assistant in zip(told[::2], told[1::2], strict=True)
    ]
    return dialogue(row["id"], turns, "turns", "Topical-Chat")


SETS = [
    RealSet(
        "topical_chat_turns",
        "Topical-Chat: each turn of the other person",
        [
            question(
                "turns",
                "inter_temporal",
                "How good is each turn?",
                unit="turn",
                stop_at_error=False,
                unsure=True,
            )
        ],
        ["topical_chat/conversations.jsonl.gz"],
        _conversation,
    ),
]
