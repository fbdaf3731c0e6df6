"""What templates are fed with; page and fragment, screen and preview get the same."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from annotation.assignment.models import Assignment, FlagReason, SkipReason
from annotation.assignment.selectors import guidelines, protocol, questions_for, screen_for
from annotation.campaigns.models import Campaign
from annotation.generation.selectors import live_of, why_not
from annotation.rendering import render_markdown
from feedback_types.base import Question, Screen
from feedback_types.protocol import forms, prefix, shows_responses

TURNS_SHOWN = 3  # the last turns of a dialogue; the earlier ones are folded
LONG_INSTRUCTIONS = 400  # in characters; longer ones are folded too


def screen_context(
    questions: Sequence[Question],
    screen: Screen,
    *,
    data: Mapping[str, Any] | None = None,
    initial: Mapping[str, Any] | None = None,
    errors: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """`item`, `screen` and `labels` for `label/_item.html`, without an assignment: enough for a preview.

    Args:
        data: what was posted, to show it again with its errors.
        initial: full form field names to values, from a draft or an earlier answer.
        errors: sentences by full field name, as InvalidPayload carries them.
    """
    labels = {response.id: letter(position) for position, response in enumerate(screen.responses)}
    messages = [
        {
            "number": n,
            "role": m.role,
            "label": _role(m.role),
            "text": m.content,
            "html": render_markdown(m.content),
        }
        for n, m in enumerate(screen.prompt)
    ]
    opening = 0  # what the assistant was told before the dialogue stays in sight
    while opening < len(messages) - 1 and messages[opening]["role"] == "system":
        opening += 1
    last = max(opening, len(messages) - TURNS_SHOWN)
    is_raw = any(q.type.needs_raw_text(q.settings) for q in questions)
    item = {
        "instructions": [
            {**m, "is_long": len(str(m["text"])) > LONG_INSTRUCTIONS} for m in messages[:opening]
        ],
        "earlier": messages[opening:last],
        "messages": messages[last:],
        "is_raw": is_raw,
        "responses": [
            {"id": r.id, "label": labels[r.id], "text": r.text, "html": render_markdown(r.text)}
            for r in (screen.responses if shows_responses(questions) else ())
        ],
        "questions": [_question(q, screen, data, initial, errors or {}) for q in questions],
        "skip_reasons": SkipReason.choices,
        "flag_reasons": FlagReason.choices,
        "urls": dict.fromkeys(("submit", "draft", "heartbeat", "skip", "flag", "undo", "here"), ""),
    }
    return {"item": item, "screen": screen, "labels": labels}


def assignment_context(
    assignment: Assignment,
    campaign: Campaign,
    *,
    data: Mapping[str, Any] | None = None,
    initial: Mapping[str, Any] | None = None,
    errors: Mapping[str, Sequence[str]] | None = None,
    revises: uuid.UUID | None = None,
    screen: Screen | None = None,
) -> dict[str, Any]:
    """The screen of an assignment: its draft filled in unless something else is given. Nothing in it names a source."""
    asked = protocol(assignment.protocol_id)
    told = guidelines(assignment.guidelines_id)
    draft = assignment.draft if initial is None and data is None else None
    context = screen_context(
        questions_for(assignment),
        screen or screen_for(assignment),
        data=data,
        initial=initial if initial is not None else draft,
        errors=errors,
    )
    own = (campaign.slug, assignment.pk)
    generating = any(q.type.generates(q.settings) for q in questions_for(assignment))
    context["item"] |= {
        "why_not": why_not(live_of(campaign.pk)) if generating else "",
        "assignment_id": assignment.pk,
        "idempotency_key": str(uuid.uuid4()),
        "protocol_version": asked.number,
        "guidelines_version": told.number,
        "revises": revises,
        "has_draft": any((draft or {}).values()),
        "is_sensitive": bool((assignment.item.metadata or {}).get("sensitive")),
        "errors": list((errors or {}).get("__all__", [])),
        "urls": {
            "submit": reverse("label_submit", args=own),
            "draft": reverse("label_draft", args=own),
            "heartbeat": reverse("label_heartbeat", args=own),
            # With the question's key in its place; empty where nothing on the screen generates.
            "generate": reverse("label_generate", args=[*own, "QUESTION"]) if generating else "",
            "skip": reverse("label_skip", args=own),
            "flag": reverse("label_flag", args=own),
            "undo": reverse("label_undo", args=[campaign.slug]),
            "here": reverse("label", args=[campaign.slug]),
        },
    }
    context |= {"campaign": campaign, "guidelines": told}
    return context


def letter(position: int) -> str:
    """A, B, … in the order shown."""
    return chr(ord("A") + position)


def _question(
    question: Question,
    screen: Screen,
    data: Mapping[str, Any] | None,
    initial: Mapping[str, Any] | None,
    errors: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    bound = forms(question, screen, data, initial)
    names = {question.key, *(prefix(question, form.target) for form in bound)}
    own = [e for name, es in errors.items() if name in names for e in es]
    # Rules that the form does not know (they need several fields or the settings) are shown with the question.
    for form in bound:
        shown = {
            f"{prefix(question, form.target)}-{field}" for field in (form.errors if data is not None else {})
        }
        start = f"{prefix(question, form.target)}-"
        own += [e for name, es in errors.items() if name.startswith(start) and name not in shown for e in es]
    return {
        "question": question,
        "title": question.heading,
        "settings_json": question.settings.model_dump_json(),
        "forms": bound,
        "keys": question.type.keys(question.settings),
        "template": question.type.template_name,
        "errors": list(dict.fromkeys(own)),
    }


def _role(role: str) -> str:
    return {
        "user": pgettext("who speaks in a prompt", "Person"),
        "assistant": pgettext("who speaks in a prompt", "Assistant"),
        "system": _("Instructions to the assistant"),
    }.get(role, role)
