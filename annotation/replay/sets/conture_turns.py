"""ConTurE: how each turn of a chatbot strikes people, by the majority of three raters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotation.replay.sets.base import Case, RealSet, question
from annotation.replay.sets.steps import dialogue


def _dialog(row: Mapping[str, Any]) -> Case:
    """Impressions 0, 1, 2 are bad, okay, good; who rated is not said."""
    turns = [(turn["user"], turn["assistant"], turn["impression"] - 1) for turn in row["turns"]]
    return dialogue(row["id"], turns, "turns", "ConTurE")


SETS = [
    RealSet(
        "conture_turns",
        "ConTurE: each turn of a chatbot",
        [question("turns", "inter_temporal", "How good is each turn?", unit="turn", stop_at_error=False)],
        ["conture/dialogs.jsonl"],
        _dialog,
    ),
]
