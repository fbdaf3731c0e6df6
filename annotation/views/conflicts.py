"""Two admins at once: what you changed, what somebody else saved meanwhile, and which of the two to keep.

A form carries what its fields held when it was opened (`base`). A field that only one of the two changed is that one's; a
field that both changed is asked about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from annotation.campaigns.models import Campaign
from annotation.people.models import AuditEvent
from annotation.people.selectors import audit_trail
from annotation.rendering.changes import Line, line_changes

LONG = 120  # characters; longer values, and those of several lines, are compared line by line


@dataclass(frozen=True)
class Row:
    """One field. `keeps` is "yours", "theirs", or "ask" where both changed it; `lines` leads from theirs to yours."""

    name: str
    base: Any
    theirs: Any
    yours: Any
    keeps: str
    lines: list[Line] = field(default_factory=list)


def base_of(posted: Mapping[str, Any]) -> dict[str, Any]:
    """What the form was opened with; nothing if that cannot be read, and then every difference is asked about."""
    try:
        base = json.loads(posted.get("base") or "{}")
    except ValueError:
        return {}
    return base if isinstance(base, dict) else {}


def chosen(values: dict[str, Any], posted: Mapping[str, Any]) -> dict[str, Any]:
    """The values, with theirs in the place of those that the admin chose to leave alone (`keep-overlap=theirs`)."""
    base = base_of(posted)
    return {
        name: base[name] if posted.get(f"keep-{name}") == "theirs" and name in base else value
        for name, value in values.items()
    }


def compare(base: Mapping[str, Any], theirs: Mapping[str, Any], yours: Mapping[str, Any]) -> list[Row]:
    """The fields that differ, those to be asked about first."""
    missing = object()
    rows = []
    for name, mine in yours.items():
        now, seen = theirs[name], base.get(name, missing)
        if mine == now and now == seen:
            continue
        if mine == now and seen is missing:
            continue
        keeps = "theirs" if mine in (seen, now) else "yours" if now == seen else "ask"
        text = isinstance(mine, str) and isinstance(now, str)
        is_long = text and (len(mine) > LONG or len(now) > LONG or "\n" in mine or "\n" in now)
        lines = line_changes(now, mine) if is_long and mine != now and keeps != "theirs" else []
        if is_long and keeps == "theirs":
            lines = line_changes(seen if isinstance(seen, str) else "", now)
        rows.append(Row(name, None if seen is missing else seen, now, mine, keeps, lines))
    return sorted(rows, key=lambda row: ("ask", "yours", "theirs").index(row.keeps))


def last_change(campaign: Campaign) -> AuditEvent | None:
    """Who saved last, and when."""
    return audit_trail(campaign).exclude(actor=None).first()
