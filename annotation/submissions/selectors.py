"""Answers as pages, quality and exports read them: the latest revision of each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Prefetch, QuerySet

from annotation.assignment.models import LabelerCursor
from annotation.assignment.selectors import protocol, questions_for, screen_for
from annotation.campaigns.models import Campaign
from annotation.people.models import User
from annotation.submissions.models import Feedback, Submission
from feedback_types import registry
from feedback_types.base import Answer
from feedback_types.protocol import to_form_data


def latest(campaign: Campaign) -> QuerySet[Submission]:
    """Every answer in its latest revision, late ones too."""
    return Submission.objects.filter(campaign=campaign, superseded_by=None)


def with_feedback(submissions: QuerySet[Submission]) -> QuerySet[Submission]:
    """Submissions with their feedback rows in order, in one more query."""
    return submissions.prefetch_related(Prefetch("feedback", queryset=Feedback.objects.order_by("id")))


def own_page(
    labeler: User, *, before: dt.datetime | None = None, size: int = 20
) -> tuple[list[Submission], dt.datetime | None]:
    """A page of the labeler's own answers in their latest revision, latest first, and the moment before which the list
    goes on (None: that is all). It takes the latest of each of their campaigns, so what lies behind them costs nothing."""
    ids: list[tuple[Any, Any]] = []
    theirs = LabelerCursor.objects.filter(labeler_id=labeler.pk)
    for campaign_id in theirs.values_list("campaign_id", flat=True):
        mine = Submission.objects.filter(labeler=labeler, campaign_id=campaign_id, superseded_by=None)
        if before is not None:
            mine = mine.filter(submitted_at__lt=before)
        ids += mine.order_by("-submitted_at").values_list("submitted_at", "pk")[: size + 1]
    latest_first = sorted(ids, reverse=True)[: size + 1]
    shown = latest_first[:size]
    rows = Submission.objects.select_related("campaign", "item__prompt", "assignment__item__prompt").in_bulk(
        [pk for _at, pk in shown]
    )
    return [rows[pk] for _at, pk in shown], shown[-1][0] if len(latest_first) > size else None


def answers_of(submission: Submission) -> list[Answer]:
    """The answers as they were given, read by their types."""
    return [
        Answer(row.question, row.target_id, registry.get(row.type).load(row.payload, row.version))
        for row in submission.feedback.order_by("id")
    ]


def form_data_of(submission: Submission) -> dict[str, Any]:
    """The answers as form fields, to show the screen again with everything filled in."""
    assignment = submission.assignment
    questions = questions_for(assignment)
    asked = {q.key for q in questions}
    answers = [answer for answer in answers_of(submission) if answer.question in asked]
    return to_form_data(questions, screen_for(assignment), answers)


def summaries_of(submission: Submission) -> list[tuple[str, str]]:
    """(question, one line a reviewer reads) for each feedback row."""
    assignment = submission.assignment
    screen = screen_for(assignment)
    questions = {q.key: q for q in protocol(assignment.protocol_id).questions}
    lines = []
    for answer in answers_of(submission):
        question = questions[answer.question]
        lines.append(
            (
                question.heading,
                question.type.summary(answer.payload, screen, question.settings),
            )
        )
    return lines


def feedback_of(campaign: Campaign, *, question: str = "", types: Sequence[str] = ()) -> QuerySet[Feedback]:
    """Feedback rows of the latest revisions, with their submissions."""
    rows = Feedback.objects.filter(submission__campaign=campaign, submission__superseded_by=None)
    if question:
        rows = rows.filter(question=question)
    if types:
        rows = rows.filter(type__in=types)
    return rows.select_related("submission__labeler", "submission__item")


def group(rows: Iterable[Feedback]) -> dict[tuple[int, int | None], list[Feedback]]:
    """Feedback rows by (item, target): what several labelers said about the same thing."""
    groups: dict[tuple[int, int | None], list[Feedback]] = {}
    for row in rows:
        groups.setdefault((row.submission.item_id, row.target_id), []).append(row)
    return groups
