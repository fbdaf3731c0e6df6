"""What a webhook can be told of: the events, when each is sent, and what is in it. Page, API and docs are made from this.

    {"type": "submission.created", "timestamp": "2026-11-27T09:30:00.123456Z",
     "data": {"campaign": "everyday-answers", "item": 17, "submission": "0193…", "url": "https://…/api/campaigns/…"}}

A message names things and says where to ask for them; no text and no person is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Event:
    """One kind: its name, when it is sent, the fields besides `campaign`, and where the API tells more."""

    name: str
    when: str | Promise
    fields: tuple[str, ...] = ()
    path: str = "/api/campaigns/{campaign}/"


FEEDBACK = "/api/campaigns/{campaign}/feedback/?item={item}"

EVENTS = (
    Event("campaign.opened", _("The campaign was opened, or opened again.")),
    Event("campaign.paused", _("The campaign was paused.")),
    Event("campaign.closed", _("The campaign was closed.")),
    Event(
        "import.finished",
        _("A file of items was imported, all of it."),
        ("items", "updated", "unchanged"),
        "/api/campaigns/{campaign}/items/",
    ),
    Event(
        "submission.created",
        _("A labeler sent an answer, which counts or came late."),
        ("item", "submission", "status"),
        FEEDBACK,
    ),
    Event(
        "submission.revised",
        _("A labeler corrected an answer."),
        ("item", "submission", "supersedes", "revision", "status"),
        FEEDBACK,
    ),
    Event(
        "item.completed",
        _("An answer was the last one that its item needed."),
        ("item", "submission"),
        FEEDBACK,
    ),
    Event("flag.created", _("A labeler reported an item."), ("item", "flag", "reason")),
    Event(
        "snapshot.taken",
        _("A snapshot is complete and can be downloaded."),
        ("snapshot", "sha256"),
        "/api/snapshots/{snapshot}/",
    ),
    Event(
        "run.finished",
        _("A run ended: it succeeded, failed or was cancelled."),
        ("run", "method", "status"),
        "/api/runs/{run}/",
    ),
    Event(
        "checkpoint.promoted",
        _("A policy went live, or an earlier one went live again."),
        ("checkpoint", "undoes"),
        "/api/checkpoints/{checkpoint}/lineage/",
    ),
    Event(
        "round.opened",
        _("A round began; the one before it is over."),
        ("round",),
        "/api/campaigns/{campaign}/rounds/{round}/",
    ),
)
KINDS = {event.name: event for event in EVENTS}
# Sent by the test button alone; nobody subscribes to it.
TEST = Event("webhook.test", _("Somebody pressed the test button."))


def body(kind: str, timestamp: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The message as it is sent; `data` is what `emit` was given, with the campaign's slug."""
    event = TEST if kind == TEST.name else KINDS[kind]
    path = event.path.format_map({name: quote(str(value), safe="") for name, value in data.items()})
    return {"type": kind, "timestamp": timestamp, "data": {**data, "url": settings.PUBLIC_URL + path}}
