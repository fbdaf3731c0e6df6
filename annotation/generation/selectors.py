"""Reads: what may generate in a campaign, and what was generated."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from annotation.assignment.models import Assignment
from annotation.campaigns.models import Campaign
from annotation.generation.models import Generation, Live


def live_of(campaign_id: int) -> Live:
    """Who answers the pages of a campaign; a row that is not stored says that nobody does."""
    found = Live.objects.select_related("endpoint").filter(pk=campaign_id).first()
    return found or Live(campaign_id=campaign_id)


def why_not(live: Live) -> str:
    """Why nothing can be generated, in a sentence for the labeler; "" when it can (as far as is known before asking)."""
    if live.source == Live.Source.OFF:
        return _("No live policy answers in this campaign.")
    if live.endpoint is not None and not live.endpoint.is_active:
        return _("The endpoint that answers in this campaign is switched off.")
    return ""


def untrue(assignment: Assignment, claimed: Mapping[str, str]) -> str:
    """What is wrong with an answer's claims about generations (id -> text or its beginning), in a sentence; "" if nothing.

    A row that has not ended yet has no text to compare with; whose it is is known all the same.
    """
    if not claimed:
        return ""
    rows = {
        str(row.pk): row
        for row in Generation.objects.filter(assignment=assignment, pk__in=_uuids(claimed)).only(
            "prefix", "text", "state"
        )
    }
    for name, text in claimed.items():
        row = rows.get(name)
        if row is None:
            return _("The answer names a generation that is not of this screen.")
        if row.state != Generation.State.RUNNING and not (row.prefix + row.text).startswith(text):
            return _("The answer says another text than the policy wrote.")
    return ""


def generations_of(campaign: Campaign) -> QuerySet[Generation]:
    return Generation.objects.filter(campaign=campaign).order_by("-created_at")


def spans(previous: Generation | None, prefix: str) -> list[dict[str, Any]]:
    """Who wrote which part of a prefix: up to the first change whoever wrote it before, from there on a person."""
    if previous is None:
        return [_span("person", 0, len(prefix))] if prefix else []
    before = previous.prefix + previous.text
    same = next((n for n, (a, b) in enumerate(zip(before, prefix, strict=False)) if a != b), None)
    same = min(len(before), len(prefix)) if same is None else same
    kept = [_span(s["by"], s["start"], min(s["end"], same)) for s in previous.spans if s["start"] < same]
    return kept + ([_span("person", same, len(prefix))] if len(prefix) > same else [])


def _span(by: str, start: int, end: int) -> dict[str, Any]:
    return {"by": by, "start": start, "end": end}


def _uuids(names: Iterable[str]) -> list[uuid.UUID]:
    found = []
    for name in names:
        try:
            found.append(uuid.UUID(name))
        except ValueError:
            continue
    return found
