"""An item whose answer is known: marked on its page: right is what the reviewer decided, what the group says, or one answer.

POST /campaigns/<slug>/items/<id>/gold/     source=decision, consensus or an answer's id, purpose, explanation, also=on
"""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from annotation import access
from annotation.adjudication.selectors import settled
from annotation.errors import Invalid, NotFound, Refused
from annotation.gold.answers import expected_of, screen_of
from annotation.gold.selectors import consensus_answers
from annotation.gold.services import make_gold
from annotation.items.models import Item, Purpose
from annotation.items.selectors import items_of
from annotation.submissions.models import Submission
from annotation.submissions.selectors import answers_of
from annotation.views.pages import page
from feedback_types.base import Answer, Question


@page(methods=["POST"])
def make(request: HttpRequest, slug: str, item_id: int) -> HttpResponse:
    """Sets the item aside; with `also`, what was expected so far stays right."""
    campaign = access.campaign_for_reviewer(request.user, slug)
    item = items_of(campaign).filter(pk=item_id).first() if item_id < 2**63 else None
    if item is None:
        raise NotFound(_("There is no such item in this campaign."))
    try:
        right = [_answers(item, request.POST.get("source", ""))]
        if request.POST.get("also") == "on":
            right = [_plain(answers) for answers in (item.gold_answers or {}).get("acceptable", [])] + right
        made = make_gold(
            actor=request.user,
            item=item,
            answers=right,
            explanation=request.POST.get("explanation", ""),
            purpose=request.POST.get("purpose", ""),
        )
    except Refused as refused:
        if isinstance(refused, NotFound):
            raise
        sentences = [refused.message, *(e for es in refused.fields.values() for e in es)]
        messages.error(request, " ".join(sentences))
    else:
        messages.success(
            request,
            _("The item is gold now. Labelers get it among the others, and are not told.")
            if made.purpose == Purpose.GOLD
            else _("The item is for practice now."),
        )
    return redirect("campaign_item", slug, item_id)


def expected_context(item: Item) -> dict[str, Any]:
    """`expected` of an item that stands aside: each way to be right in lines, and the explanation."""
    if item.purpose == Purpose.WORK:
        return {"expected": None}
    known = expected_of(item)
    questions = _questions(item)
    screen = screen_of(item)
    ways = []
    for answers in known.acceptable:
        asked = [(questions[said.question], said) for said in answers if said.question in questions]
        ways.append([(q.heading, q.type.summary(said.payload, screen, q.settings)) for q, said in asked])
    return {"expected": {"ways": ways, "explanation": known.explanation}}


def _questions(item: Item) -> dict[str, Question]:
    protocol = item.campaign.protocol
    return {q.key: q for q in (protocol.questions if protocol else ())}


def _answers(item: Item, source: str) -> list[dict[str, Any]]:
    """What the group says, or what one answer says, in today's questions."""
    if source == "consensus":
        found = consensus_answers(item)
    elif source == "decision":
        decided = settled(item)
        found = [] if decided is None else _said(decided.answers)
    else:
        try:
            wanted = uuid.UUID(source)
        except ValueError:
            raise Invalid(_("Choose which answer is right."), fields={"source": [_("Choose one.")]}) from None
        submission = Submission.objects.filter(pk=wanted, item=item).first()
        if submission is None:
            raise NotFound(_("There is no such answer to this item."))
        found = _said(answers_of(submission))
    return [row for row in found if row["question"] in _questions(item)]


def _said(answers: list[Answer]) -> list[dict[str, Any]]:
    return [{"question": a.question, "target": a.target, "payload": a.payload.dump()} for a in answers]


def _plain(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in ("question", "target", "payload")} for row in answers]
