"""What a new version of the questions no longer offers, though somebody may have answered it.

Nothing is taken away: each answer keeps the version that it was given under, is read by it, and is marked. An admin is told
before publishing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection

from annotation.campaigns.models import Campaign
from feedback_types.base import Question

LATEST = (
    10_000  # answers that are looked at: the latest ones, so that it costs the same in a campaign of millions
)


@dataclass(frozen=True)
class Retired:
    """One thing that is offered no longer. `setting` is "" for a whole question (or another type under its name)."""

    question: str
    setting: str
    values: list[Any]
    answers: int = 0  # to that question, among the campaign's latest 10,000 screens

    def dump(self) -> dict[str, Any]:
        return asdict(self)


def retired(campaign: Campaign, before: Sequence[Question], after: Sequence[Question]) -> list[Retired]:
    """What `after` takes away from `before` and how many answers there are; what nobody answered is left out."""
    lost = list(_lost(before, after))
    counts = _answers(campaign, sorted({r.question for r in lost}))
    return [
        Retired(r.question, r.setting, r.values, counts[r.question]) for r in lost if counts.get(r.question)
    ]


def _lost(before: Sequence[Question], after: Sequence[Question]) -> Any:
    by_key = {q.key: q for q in after}
    for old in before:
        new = by_key.get(old.key)
        if new is None or new.type.slug != old.type.slug:
            yield Retired(old.key, "", [old.type.slug])
            continue
        settings = new.settings.model_dump(mode="json")
        for name, value in old.settings.model_dump(mode="json").items():
            if gone := _gone(value, settings.get(name)):
                yield Retired(old.key, name, gone)


def _gone(old: Any, new: Any) -> list[Any]:
    """Values that could be said before: those that a list lost, what lies above a number that was lowered, what was on."""
    if isinstance(old, list):
        kept = new if isinstance(new, list) else []
        return [value for value in old if value not in kept]
    if isinstance(old, bool):
        return [True] if old and not new else []
    if isinstance(old, int | float) and isinstance(new, int | float) and new < old:
        return [old]
    return []


def _answers(campaign: Campaign, keys: list[str]) -> dict[str, int]:
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT f.question, count(*) FROM (
              SELECT id FROM annotation_submission WHERE campaign_id = %s ORDER BY submitted_at DESC LIMIT %s) s
            JOIN annotation_feedback f ON f.submission_id = s.id WHERE f.question = ANY(%s) GROUP BY 1
            """,
            [campaign.pk, LATEST, keys],
        )
        return dict(cursor.fetchall())
