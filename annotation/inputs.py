"""Rules that hold for input wherever it comes in: what is a text, what is the key of a request."""

from __future__ import annotations

import uuid
from typing import Any, TypeGuard

from django.utils.translation import gettext as _

from annotation.errors import Invalid
from feedback_types.base import unstorable


def is_text(value: Any) -> TypeGuard[str]:
    """Whether it is a text that the database and a browser keep as it is."""
    return isinstance(value, str) and not unstorable(value)


def request_key(value: Any, field: str = "idempotency_key") -> uuid.UUID:
    """The UUID that makes a request sent twice count once. Raises Invalid naming the field."""
    found = _uuid(value)
    if found is None:
        raise Invalid(
            _("The key of a request must be a UUID."),
            fields={field: [_("Send a UUID, drawn once for this request.")]},
        )
    return found


def object_id(value: Any, field: str) -> uuid.UUID:
    """The UUID of something that is there already. Raises Invalid naming the field."""
    found = _uuid(value)
    if found is None:
        raise Invalid(_("An id was not understood."), fields={field: [_("Send a UUID.")]})
    return found


def _uuid(value: Any) -> uuid.UUID | None:
    try:
        return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
    except ValueError:
        return None
