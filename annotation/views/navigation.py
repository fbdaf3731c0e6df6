"""What stands in the top bar: the pages that a person's roles open, in the order of the work.

The entries of other apps are named as strings; one that is not installed is left out.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from annotation.people.models import Membership, Role

EVERYONE = frozenset(Role.values)
STAFF = frozenset({Role.ADMIN, Role.REVIEWER, Role.RESEARCHER})
RESEARCH = frozenset({Role.ADMIN, Role.RESEARCHER})


class Entry(NamedTuple):
    url_name: str
    label: str | Promise
    roles: frozenset[str]


ENTRIES = (
    Entry("home", _("Home"), EVERYONE),
    Entry("my_work", _("My work"), frozenset({Role.LABELER})),
    Entry("campaigns", _("Campaigns"), STAFF),
    Entry("data", _("Data"), RESEARCH),
    Entry("runs", _("Runs"), RESEARCH),
    Entry("models", _("Models"), RESEARCH),
    Entry("rounds", _("Rounds"), RESEARCH),
    Entry("endpoints", _("Endpoints"), frozenset({Role.ADMIN})),
)


def navigation(request: HttpRequest) -> list[dict[str, object]]:
    """Entries for the top bar; the one whose section is open is marked."""
    user = request.user
    if not user.is_authenticated:
        return []
    roles = set(
        Membership.objects.filter(user_id=user.pk, suspended_at=None)
        .values_list("role", flat=True)
        .distinct()
    )
    if user.is_superuser:
        roles |= {Role.ADMIN}
    entries: list[dict[str, object]] = []
    path = _section(request.path)
    for entry in ENTRIES:
        url = _address(entry.url_name)
        if url and (entry.url_name == "home" or roles & entry.roles):
            is_current = path == url or (url != "/" and path.startswith(url))
            entries.append({"url": url, "label": entry.label, "is_current": is_current})
    return entries


def _section(path: str) -> str:
    """The address itself, or the one that a campaign's page belongs to: /campaigns/x/rounds/2/ is about rounds."""
    parts = path.split("/")
    if len(parts) > 4 and parts[1] == "campaigns" and any(parts[3] == entry.url_name for entry in ENTRIES):
        return _address(parts[3]) or path
    return path


@cache
def _address(url_name: str) -> str | None:
    try:
        return reverse(url_name)
    except NoReverseMatch:
        return None  # an app that is not installed brings no page
