"""Limits per person and kind of act; beyond them 429 with the time to come back.

Counted in the memory of each web process: a brake for programs gone wild, not a budget. What must hold exactly
(overlap, invitations, one answer for each key) is held by the database.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

RATES = {
    "read": "1200/min",
    "label": "3000/min",
    "change": "240/min",
    "import": "20/min",
    "anonymous": "60/min",
}


class ActThrottle(SimpleRateThrottle):
    """A view says `throttle = "label"`; without it reads and changes are told apart by the method."""

    scope = "act"

    def __init__(self) -> None:  # the rate depends on the view, so it is looked up with the request
        return None

    def allow_request(self, request: Request, view: Any) -> bool:
        kind = getattr(view, "throttle", None) or (
            "read" if request.method in ("GET", "HEAD", "OPTIONS") else "change"
        )
        self.kind = kind if request.user and request.user.is_authenticated else "anonymous"
        self.rate = {**RATES, **getattr(settings, "API_RATES", {})}[self.kind]
        self.num_requests, self.duration = self.parse_rate(self.rate)
        return super().allow_request(request, view)

    def get_cache_key(self, request: Request, view: Any) -> str:
        who = request.user.pk if request.user and request.user.is_authenticated else self.get_ident(request)
        return f"throttle:{self.kind}:{who}"

    def get_ident(self, request: Request) -> str:
        """The peer's address; a forwarded header is anybody's to write."""
        return str(request.META.get("REMOTE_ADDR", ""))
