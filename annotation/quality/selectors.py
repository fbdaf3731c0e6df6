"""How well labelers agree, what the group thinks, where eyes are needed.

Everything is asked of the feedback types: `distance` and `consensus`. What AI judges say is left out unless it is asked
for, and late answers do not count here either.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from django.db import connection
from django.db.models import CharField, F
from django.db.models.functions import MD5, Cast

from annotation.campaigns.models import Campaign
from annotation.items.models import Item
from annotation.people.models import PEOPLE, Membership, Role, User
from annotation.quality.agreement import MAX_ITEMS, QuestionAgreement, agreement
from annotation.rollups.selectors import Work, work_of_labelers
from annotation.submissions.models import Feedback, Submission
from feedback_types import registry
from feedback_types.base import FeedbackType

__all__ = [
    "PEOPLE", "Consensus", "LabelerReport", "OwnScore", "QuestionAgreement", "agreement", "consensus",
    "labeler_reports", "own_score",
]  # fmt: skip

OWN_ITEMS, FEWEST_COMPARED = 300, 20


@dataclass(frozen=True)
class Consensus:
    """What the group says to one question about one target of an item; `spread` is the mean distance of two answers."""

    question: str
    type: str
    target: int | None
    answers: int
    payload: Any
    spread: float | None


@dataclass(frozen=True)
class LabelerReport:
    """One labeler in one campaign. `closeness` is 1 - mean distance to what others said about the same things."""

    user: User
    is_suspended: bool
    answers: int
    late: int
    revised: int
    skipped: int
    flagged: int
    median_active_s: float | None
    closeness: float | None
    compared: int
    last_at: dt.datetime | None


@dataclass(frozen=True)
class _Said:
    labeler_id: int
    item_id: int
    target: int | None
    question: str
    type: FeedbackType
    payload: Any


def consensus(item: Item, *, kinds: Sequence[str] = PEOPLE) -> list[Consensus]:
    """What the group says about one item, for each question and target that somebody answered."""
    groups: dict[tuple[str, int | None], list[_Said]] = defaultdict(list)
    for said in _answers(item.campaign, kinds, item_ids=[item.pk]):
        groups[said.question, said.target].append(said)
    found = []
    for (question, target), answers in groups.items():
        payloads = [said.payload for said in answers]
        kind = answers[0].type
        found.append(
            Consensus(
                question, kind.slug, target, len(payloads), kind.consensus(payloads), _spread(kind, payloads)
            )
        )
    return found


def labeler_reports(campaign: Campaign) -> list[LabelerReport]:
    """One report for each labeler who was ever a member or answered, most answers first."""
    work = work_of_labelers(campaign.pk)
    memberships = {
        m.user_id: m
        for m in Membership.objects.filter(campaign=campaign, role=Role.LABELER).select_related("user")
    }
    answered = {labeler for labeler, own in work.items() if own.answers}
    people = {u.pk: u for u in User.objects.filter(pk__in=answered | set(memberships))}
    lasts = _last_answers(campaign, answered)
    durations: dict[int, list[int]] = defaultdict(list)
    recent = Submission.objects.filter(campaign=campaign, active_ms__isnull=False).order_by("-submitted_at")
    for labeler_id, active_ms in recent.values_list("labeler_id", "active_ms")[:20_000]:
        durations[labeler_id].append(active_ms or 0)
    closeness = _closeness(_answers(campaign, PEOPLE, at_least=2))
    reports = []
    for user_id, user in people.items():
        own = work.get(user_id, Work())
        near = closeness.get(user_id, [])
        membership = memberships.get(user_id)
        reports.append(
            LabelerReport(
                user=user,
                is_suspended=membership is None or membership.suspended_at is not None,
                answers=own.answers,
                late=own.late,
                revised=own.revised,
                skipped=own.skipped,
                flagged=own.flagged,
                median_active_s=statistics.median(durations[user_id]) / 1000 if durations[user_id] else None,
                closeness=sum(near) / len(near) if near else None,
                compared=len(near),
                last_at=lasts.get(user_id),
            )
        )
    return sorted(reports, key=lambda r: (-r.answers, r.user.username))


@dataclass(frozen=True)
class OwnScore:
    """How close one labeler is to the others, from 0 to 1, with a 95 % interval; None before enough is there to compare."""

    closeness: float | None
    low: float | None
    high: float | None
    compared: int


def own_score(labeler: User, campaign: Campaign) -> OwnScore:
    """Over the labeler's latest items that others answered too. Nothing is told below 20 comparisons: a mean over a few
    would tell what a certain person said."""
    mine = Submission.objects.filter(
        labeler=labeler, campaign=campaign, revision=0, status=Submission.Status.COUNTED, item__counted__gte=2
    )
    items = list(mine.order_by("-submitted_at").values_list("item_id", flat=True)[:OWN_ITEMS])
    near = _closeness(_answers(campaign, PEOPLE, item_ids=items)).get(labeler.pk, [])
    if len(near) < FEWEST_COMPARED:
        return OwnScore(None, None, None, len(near))
    mean, spread = statistics.fmean(near), statistics.stdev(near) / len(near) ** 0.5
    return OwnScore(mean, max(0.0, mean - 1.96 * spread), min(1.0, mean + 1.96 * spread), len(near))


# --- Helpers ---------------------------------------------------------------------------------------------------------


def _answers(
    campaign: Campaign, kinds: Sequence[str], *, at_least: int = 1, item_ids: Sequence[int] | None = None
) -> Iterator[_Said]:
    """Counted answers in their latest revision, of all items or of a stable random sample of them."""
    if item_ids is None:
        items = Item.objects.filter(campaign=campaign, counted__gte=at_least)
        items = items.annotate(shuffled=MD5(Cast(F("pk"), CharField()))).order_by("shuffled")
        item_ids = list(items.values_list("pk", flat=True)[:MAX_ITEMS])
    rows = Feedback.objects.filter(
        submission__campaign=campaign,
        submission__item_id__in=item_ids,
        submission__superseded_by=None,
        submission__status=Submission.Status.COUNTED,
        submission__labeler_kind__in=kinds,
    ).order_by("id")
    for labeler_id, item_id, target, question, slug, version, payload in rows.values_list(
        "submission__labeler_id", "submission__item_id", "target_id", "question", "type", "version", "payload"
    ):
        kind = registry.get(slug)
        yield _Said(labeler_id, item_id, target, question, kind, kind.load(payload, version))


def _spread(kind: FeedbackType, payloads: Sequence[Any]) -> float | None:
    distances = [kind.distance(a, b) for a, b in combinations(payloads, 2)]
    return sum(distances) / len(distances) if distances else None


def _closeness(answers_given: Iterable[_Said]) -> dict[int, list[float]]:
    """labeler id -> 1 - distance to each answer of somebody else about the same thing."""
    units: dict[tuple[str, str, int, int | None], list[_Said]] = defaultdict(list)
    for said in answers_given:
        units[said.question, said.type.slug, said.item_id, said.target].append(said)
    near: dict[int, list[float]] = defaultdict(list)
    for answers in units.values():
        for a, b in combinations(answers, 2):
            if a.labeler_id != b.labeler_id:
                value = 1 - a.type.distance(a.payload, b.payload)
                near[a.labeler_id].append(value)
                near[b.labeler_id].append(value)
    return near


def _last_answers(campaign: Campaign, labelers: Collection[int]) -> dict[int, dt.datetime]:
    """When each labeler last answered: one look into the index for each."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT l, (SELECT submitted_at FROM annotation_submission WHERE labeler_id = l AND campaign_id = %s"
            "           ORDER BY submitted_at DESC LIMIT 1) FROM unnest(%s::bigint[]) l",
            [campaign.pk, list(labelers)],
        )
        return dict(cursor.fetchall())
