"""LAMP: three professional writers rank three versions of a paragraph by how well they are written.

The ranking is their preference. Said as a trace it trains the head of a feature of that name, and never the reward.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotation.replay.sets.base import Case, RealSet, Said, question, trace


def _ranking(row: Mapping[str, Any]) -> Case:
    """One order for each writer; a trace has no ties, so rankings with ties are left out."""
    texts = [response["content"] for response in row["responses"]]
    said, refused = [], []
    for vote in row["votes"]:
        ranks = vote["ranking"]
        if len(set(ranks)) < len(ranks):
            refused.append("two versions share a rank; a trace has no ties")
            continue
        rising = [text for _rank, text in sorted(zip(ranks, texts, strict=True), reverse=True)]
        said.append(Said(vote["labeler"], {"writing": trace(rising)}))
    return Case(row["id"], row["prompt"], row["responses"], said, refused)


SETS = [
    RealSet(
        "lamp_rankings",
        "LAMP: how well it is written",
        [
            question(
                "writing",
                "feature_trace",
                "Which is better written?",
                feature="writing quality",
                definition="How well the paragraph is written.",
            )
        ],
        ["lamp_writing/rankings.jsonl"],
        _ranking,
    ),
]
