"""OneStopEnglish: one article in three reading levels, written by teachers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from annotation.replay.sets.base import UNKNOWN, Case, RealSet, Said, question, trace

LEVELS = {"elementary": 0, "intermediate": 1, "advanced": 2}


def _article(row: Mapping[str, Any]) -> Case:
    """The order in which the teachers wrote the versions. Levels at the ends were not given."""
    versions: Sequence[Mapping[str, Any]] = sorted(row["trace"], key=lambda version: LEVELS[version["level"]])
    texts = [version["text"] for version in versions]
    responses = [{"content": v["text"], "source": f"teacher ({v['level']})"} for v in versions]
    prompt = [{"role": "user", "content": row["title"]}]
    return Case(row["id"], prompt, responses, [Said(UNKNOWN, {"difficulty": trace(texts)})])


SETS = [
    RealSet(
        "onestop_english",
        "OneStopEnglish: three reading levels",
        [
            question(
                "difficulty",
                "feature_trace",
                "Which is harder to read?",
                feature="reading difficulty",
                definition="How much English a reader needs to understand the text.",
            )
        ],
        ["onestop_english/traces.jsonl.gz"],
        _article,
    ),
]
