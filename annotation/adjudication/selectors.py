"""Which items are worth a reviewer's eyes, and what was decided about one."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from django.db.models import Q, QuerySet

from annotation.adjudication.models import DEFAULT_CATEGORIES, Adjudication, Disagreement, ErrorTally
from annotation.assignment.models import Assignment
from annotation.assignment.selectors import order_for, protocol
from annotation.campaigns.models import Campaign
from annotation.items.models import Item, ItemResponse
from annotation.people.models import PEOPLE, User
from annotation.submissions.models import Feedback, Submission
from feedback_types import registry
from feedback_types.base import Answer, Message, Question, Screen, ShownResponse
from feedback_types.protocol import asked_with, to_form_data

ORDERS = {"value": "value", "disagreement": "spread"}
MOST_ANSWERS = 45  # of one item to one question about one target that are compared; beyond, the first ones


@dataclass(frozen=True)
class Apart:
    """How far the answers to one item are apart: the widest question, and how many answers there are."""

    answers: int
    spread: float
    question: str


@dataclass(frozen=True)
class Settled:
    """The final word on an item, read by its types."""

    adjudication: Adjudication
    answers: list[Answer]


@dataclass(frozen=True)
class ErrorCounts:
    """Errors of one labeler that reviewers found: category -> how many, those that the campaign no longer offers too."""

    labeler: User
    overruled: int
    counts: dict[str, int] = field(default_factory=dict)


def queue_of(
    campaign: Campaign, *, by: str = "value", after: tuple[float, int] | None = None
) -> QuerySet[Disagreement]:
    """Items that are not settled, those most worth a look first; continued after (value or spread, item id)."""
    column = ORDERS[by]
    rows = Disagreement.objects.filter(
        campaign_id=campaign.pk, is_settled=False, spread__gt=0, item__withdrawn_at=None, item__held_at=None
    )
    if after is not None:
        score, item_id = after
        rows = rows.filter(
            Q(**{f"{column}__lt": score}) | Q(**{column: score, "item_id__gt": item_id}),
            **{f"{column}__lte": score},
        )
    return rows.select_related("item__prompt").order_by(f"-{column}", "item_id")


def place_of(row: Disagreement, by: str) -> str:
    """Where the queue goes on after a row: `0.75:1234`."""
    return f"{getattr(row, ORDERS[by])!r}:{row.item_id}"


def place(text: str) -> tuple[float, int] | None:
    """What `place_of` wrote; None for anything else."""
    score, _colon, item_id = text.partition(":")
    if not item_id.isascii() or not item_id.isdigit() or len(item_id) > 18:
        return None
    try:
        value = float(score)
    except ValueError:
        return None
    return (value, int(item_id)) if math.isfinite(value) else None


def apart(item_ids: Sequence[int]) -> dict[int, Apart]:
    """How far people's counted answers are apart, afresh from the answers, for items that have any.

    A pass over these items' answers: what it costs does not depend on how many other items there are.
    """
    said: dict[int, dict[tuple[str, str, int | None], list[Any]]] = defaultdict(lambda: defaultdict(list))
    screens: dict[int, set[Any]] = defaultdict(set)
    rows = Feedback.objects.filter(
        submission__item_id__in=item_ids,
        submission__superseded_by=None,
        submission__status=Submission.Status.COUNTED,
        submission__labeler_kind__in=PEOPLE,
        type__in=registry.folders(),
    ).order_by("id")
    for item_id, submission_id, question, slug, version, target, payload in rows.values_list(
        "submission__item_id", "submission_id", "question", "type", "version", "target_id", "payload"
    ):
        screens[item_id].add(submission_id)
        answers = said[item_id][question, slug, target]
        if len(answers) < MOST_ANSWERS:
            answers.append(registry.get(slug).load(payload, version))
    found = {}
    for item_id, units in said.items():
        widest, where = 0.0, ""
        for (question, slug, _target), payloads in units.items():
            gaps = [registry.get(slug).distance(a, b) for a, b in combinations(payloads, 2)]
            mean = sum(gaps) / len(gaps) if gaps else 0.0
            if mean > widest:
                widest, where = mean, question
        found[item_id] = Apart(len(screens[item_id]), widest, where)
    return found


def current(item: Item) -> Adjudication | None:
    """The adjudication that holds now."""
    return (
        Adjudication.objects.filter(item=item, superseded_by=None)
        .select_related("reviewer", "chosen__labeler")
        .first()
    )


def settled(item: Item) -> Settled | None:
    """The final word on an item; None where there is none, or where it was erased with the person who gave it."""
    adjudication = current(item)
    if adjudication is None or not adjudication.answers:
        return None
    return Settled(adjudication, answers_of(adjudication))


def answers_of(adjudication: Adjudication) -> list[Answer]:
    """What a reviewer decided, read by its types."""
    return [
        Answer(row["question"], row["target"], registry.get(row["type"]).load(row["payload"], row["version"]))
        for row in adjudication.answers
    ]


def form_data_of(adjudication: Adjudication) -> dict[str, Any]:
    """What a reviewer decided, as form fields of the screen that it was decided on."""
    questions = questions_of(adjudication.protocol_id)
    asked = {q.key for q in questions}
    answers = [answer for answer in answers_of(adjudication) if answer.question in asked]
    return to_form_data(questions, screen_of(adjudication.item, adjudication.response_order), answers)


def summaries_of(adjudication: Adjudication) -> list[tuple[str, str]]:
    """(question, one line a reviewer reads) for each answer."""
    screen = screen_of(adjudication.item, adjudication.response_order)
    questions = {q.key: q for q in protocol(adjudication.protocol_id).questions}
    return [
        (q.heading, q.type.summary(answer.payload, screen, q.settings))
        for answer in answers_of(adjudication)
        if (q := questions.get(answer.question)) is not None
    ]


def history(item: Item) -> list[Adjudication]:
    """Every adjudication of an item, latest first, with the errors it named."""
    return list(
        Adjudication.objects.filter(item=item)
        .select_related("reviewer", "chosen__labeler", "protocol")
        .prefetch_related("errors")
        .order_by("-id")
    )


def protocol_id_of(item: Item) -> int | None:
    """The questions that a reviewer answers about an item: those of the latest answer, else the campaign's."""
    latest = (
        Assignment.objects.filter(item=item, state=Assignment.State.SUBMITTED)
        .order_by("-id")
        .values_list("protocol_id", flat=True)
        .first()
    )
    return latest or item.campaign.protocol_id


def questions_of(protocol_id: int) -> tuple[Question, ...]:
    """What a reviewer is asked: everything but what observes the labeler and needs their consent."""
    return asked_with(protocol(protocol_id).questions, ())


def order_of(item: Item, *, reviewer: User | None = None) -> list[int]:
    """Response ids: in the item's order, or shuffled for one reviewer, always alike."""
    ids = list(
        ItemResponse.objects.filter(item=item).order_by("position").values_list("response_id", flat=True)
    )
    return ids if reviewer is None else order_for(item.pk * 1_000_003 + reviewer.pk, ids)


def screen_of(item: Item, order: Iterable[int]) -> Screen:
    """Prompt and responses of an item in this order."""
    texts = dict(item.responses.values_list("pk", "text"))
    return Screen(
        tuple(Message(m["role"], m["content"]) for m in item.prompt.messages),
        tuple(ShownResponse(response_id, texts[response_id]) for response_id in order),
    )


def categories_of(campaign: Campaign) -> dict[str, str]:
    """What may be said of an overruled answer: stored text -> in words."""
    if campaign.error_categories:
        return {name: name for name in campaign.error_categories}
    return {key: str(words) for key, words in DEFAULT_CATEGORIES.items()}


def category_in_words(campaign: Campaign, category: str) -> str:
    """Also one that is offered no longer: what was said stays readable."""
    return categories_of(campaign).get(category) or str(DEFAULT_CATEGORIES.get(category, category))


def errors_by_labeler(
    campaign: Campaign, *, after: tuple[float, int] | None = None, size: int = 100
) -> list[ErrorCounts]:
    """What reviewers found wrong, by labeler and category, of adjudications that still hold: a page of labelers, most
    overruled first, continued after (how often, labeler id)."""
    rows = ErrorTally.objects.filter(campaign_id=campaign.pk, category="", n__gt=0)
    if after is not None:
        n, labeler_id = int(after[0]), after[1]
        rows = rows.filter(Q(n__lt=n) | Q(n=n, labeler_id__gt=labeler_id), n__lte=n)
    overruled = dict(rows.order_by("-n", "labeler_id").values_list("labeler_id", "n")[:size])
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    kinds = _errors(campaign).filter(labeler_id__in=overruled).values_list("labeler_id", "category", "n")
    for labeler_id, category, n in kinds:
        counts[labeler_id][category] = n
    people = User.objects.in_bulk(list(overruled))
    return [ErrorCounts(people[pk], n, counts[pk]) for pk, n in overruled.items()]


def errors_of(labeler: User, campaign: Campaign) -> dict[str, int]:
    """A labeler's own errors by category; empty where the campaign does not show them."""
    if not campaign.shows_errors:
        return {}
    rows = _errors(campaign).filter(labeler_id=labeler.pk)
    return dict(rows.order_by("-n", "category").values_list("category", "n"))


def _errors(campaign: Campaign) -> QuerySet[ErrorTally]:
    """Each kind by itself."""
    return ErrorTally.objects.filter(campaign_id=campaign.pk, n__gt=0).exclude(category="")
