"""What a service says when it cannot do what was asked: shown alike by pages and API.

A refusal names the field, the place, the rule and the remedy. `code` is for programs, `message` for people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _


class Refused(Exception):
    """Base of all refusals; `status` is the HTTP status, `fields` maps field names to sentences, `extra` is for programs."""

    status = 422
    code = "invalid"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        fields: Mapping[str, Sequence[str]] | None = None,
        extra: Mapping[str, Any] | None = None,
    ):
        super().__init__(message)
        self.message = str(message)
        self.code = code or self.code
        self.fields = {name: [str(e) for e in es] for name, es in (fields or {}).items()}
        self.extra = dict(extra or {})


class Invalid(Refused):
    """The input breaks a rule."""


class NotFound(Refused):
    """There is no such object for this person; a foreign object looks the same as a missing one."""

    status, code = 404, "not_found"


class Forbidden(Refused):
    """The object is known to the person, the act is not allowed."""

    status, code = 403, "forbidden"


class Conflict(Refused):
    """The state has changed meanwhile."""

    status, code = 409, "conflict"


class Stale(Refused):
    """Somebody else changed a campaign first; `extra["diff"]` says what this person wanted beside what holds now."""

    status, code = 412, "stale"

    def __init__(self, *, yours: Mapping[str, Any], now: Mapping[str, Any], version: int, your_version: int):
        diff = {name: {"yours": yours[name], "now": now[name]} for name in yours if yours[name] != now[name]}
        super().__init__(
            _("Somebody else changed the campaign while you did. Look at the difference and save again."),
            extra={"diff": diff, "version": version, "your_version": your_version},
        )


class Gone(Refused):
    """It was valid once."""

    status, code = 410, "gone"


class TooLarge(Refused):
    status, code = 413, "too_large"


class NotNow(Refused):
    """Something that it needs does not answer; later it may."""

    status, code = 503, "unavailable"


class TooMany(Refused):
    """A limit was reached; `extra["retry_after_s"]` says when to come back."""

    status, code = 429, "too_many"
