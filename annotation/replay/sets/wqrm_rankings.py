"""Writing quality rankings: two to four people put three drafts of a brief in order, beside the scores of a learned reward.

The set names places in its list and no people (`slot1`, `slot2`, …), so a labeler here is a place. The scores of the learned
reward are no weights and no program that anybody stated: they are no proxy feedback. `proxy_hits` counts how often they
agree with the people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from annotation.replay.sets.base import Case, RealSet, Said, question
from feedback_types.base import InvalidPayload, Question, Screen


def _ranked(
    texts: Sequence[str], ranking: Sequence[int]
) -> Callable[[Screen, Question], list[tuple[int | None, Any]]]:
    """A ranking in the set's own order, said about the order that is shown; 1 is the best, equal numbers tie."""
    places = sorted(set(ranking))
    by_text = {text: places.index(rank) + 1 for text, rank in zip(texts, ranking, strict=True)}

    def payload(screen: Screen, question: Question) -> list[tuple[int | None, Any]]:
        if sorted(by_text) != sorted(r.text for r in screen.responses):
            raise InvalidPayload("The screen shows other responses than the set's.")
        return [
            (
                None,
                {
                    "items": [r.id for r in screen.responses],
                    "ranks": [by_text[r.text] for r in screen.responses],
                    "strength": None,
                    "both_bad": False,
                    "aspect": None,
                },
            )
        ]

    return payload


def _wqrm(row: Mapping[str, Any]) -> Case:
    texts = [r["content"] for r in row["responses"]]
    said = [Said(vote["labeler"], {"order": _ranked(texts, vote["ranking"])}) for vote in row["votes"]]
    return Case(row["id"], row["prompt"], row["responses"], said)


def proxy_hits(rows: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """(how often the response with the best proxy score is the people's first, rows that have one first)."""
    hits = first = 0
    for row in rows:
        if row["chosen"] is not None:
            scores = row["extra"]["proxy_scores"]
            first += 1
            hits += scores.index(max(scores)) == row["chosen"]
    return hits, first


SETS = [
    RealSet(
        "wqrm_rankings",
        "Writing quality: drafts in order",
        [question("order", "comparison", "Put the drafts in order.", mode="ranking", both_bad=False)],
        ["wqrm_rankings/comparisons.jsonl"],
        _wqrm,
    ),
]
