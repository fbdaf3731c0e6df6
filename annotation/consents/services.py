"""A person agrees, withdraws, has their observed answers erased; old ones lose their detail by themselves.

    grant(user=lena, slug="implicit_signals", version=1)
    withdraw(user=lena, slug="implicit_signals")        # nothing is recorded from now on
    erase(user=lena, slug="implicit_signals")           # what was recorded is gone; an Erasure stands in its place

Answers are never changed or deleted otherwise: a trigger lets exactly the rows of one feedback type through, and only in
a transaction that names the type (migration 0004).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext as _

from annotation.assignment.models import Assignment
from annotation.consents.models import ConsentAct, ConsentText, Erasure
from annotation.consents.selectors import given
from annotation.errors import Conflict, NotFound
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.submissions.models import Feedback
from annotation.transactions import in_transaction
from feedback_types import registry
from feedback_types.base import Consent

LOCK = 7_310_028  # namespace of the advisory locks that order one person's answers and withdrawals


@in_transaction
def grant(*, user: User, slug: str, version: int, source: str = ConsentAct.Source.PAGE) -> ConsentAct:
    """Records that the person agreed to the text they saw; agreeing twice is agreeing once.

    Raises NotFound for an unknown consent; Conflict `consent_changed` when the text is another version by now.
    """
    consent = _consent(slug)
    if version != consent.version:
        raise Conflict(_("This text has changed meanwhile. Read it again first."), code="consent_changed")
    lock(user.pk)
    last = _last(user, slug)
    if last is not None and last.kind == ConsentAct.Kind.GRANTED and last.version == version:
        return last
    return _act(user, consent, ConsentAct.Kind.GRANTED, source)


@in_transaction
def withdraw(*, user: User, slug: str, source: str = ConsentAct.Source.PAGE) -> ConsentAct | None:
    """Nothing is recorded under it from now on; withdrawing what was never given changes nothing and gives None."""
    consent = _consent(slug)
    lock(user.pk)
    last = _last(user, slug)
    if last is None or last.kind == ConsentAct.Kind.WITHDRAWN:
        return last
    return _act(user, consent, ConsentAct.Kind.WITHDRAWN, source)


@in_transaction
def erase(*, user: User, slug: str) -> Erasure:
    """Deletes everything of this person that was recorded under a consent, drafts too; the consent itself stays as it is.

    Snapshots taken from now on do not have it. Snapshots that exist are immutable and are not rewritten.
    """
    _consent(slug)
    lock(user.pk)
    types = _types(slug)
    gone = 0
    for kind in types:
        with _open_to_change(kind):
            gone += Feedback.objects.filter(type=kind, submission__labeler=user).delete()[0]
    drafts = _clear_drafts(user, types)
    erasure = Erasure.objects.create(user=user, consent=slug, answers=gone, drafts=drafts)
    record_audit(
        actor=user,
        action="observed.erase",
        target=f"user:{user.pk}",
        after={"consent": slug, "answers": gone, "drafts": drafts},
    )
    return erasure


@in_transaction
def condense_old(*, now: dt.datetime | None = None, limit: int = 1000) -> int:
    """Takes the detail off observed answers that are older than their type keeps it; how many. `now` is the database's."""
    changed: dict[str, int] = {}
    for kind in registry.all_types():
        if kind.keeps_days is None:
            continue
        before = (now or Now()) - dt.timedelta(days=kind.keeps_days)
        old = Feedback.objects.filter(type=kind.slug, submission__submitted_at__lt=before)
        rows = list(old.exclude(payload__contains={"condensed": True}).order_by("id")[:limit])
        with _open_to_change(kind.slug):
            for row in rows:
                row.payload = kind.condense(kind.load(row.payload, row.version)).dump()
                row.version = kind.version
                row.save(update_fields=["payload", "version"])
        if rows:
            changed[kind.slug] = len(rows)
    if changed:
        record_audit(actor=None, action="observed.condense", after={"answers": changed})
    return sum(changed.values())


def lock(user_id: int, *, shared: bool = False) -> None:
    """Until the end of the transaction: answers of one person hold it shared, a withdrawal or erasure alone, so that
    nothing is stored after a withdrawal has been acknowledged."""
    with connection.cursor() as cursor:
        mode = "_shared" if shared else ""
        cursor.execute(f"SELECT pg_advisory_xact_lock{mode}(%s, hashint8(%s))", [LOCK, user_id])


def permitted(user_id: int, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of rows to be stored, those that need no consent or whose consent the person has given; in the storing transaction."""
    needed = {row["type"]: registry.get(row["type"]).needs_consent for row in rows}
    if not any(needed.values()):
        return rows
    lock(user_id, shared=True)
    consents = given(user_id)
    return [row for row in rows if not needed[row["type"]] or needed[row["type"]] in consents]


# --- Helpers ---------------------------------------------------------------------------------------------------------


def _consent(slug: str) -> Consent:
    try:
        return registry.consents()[slug]
    except KeyError:
        raise NotFound(_("There is no such consent.")) from None


def _last(user: User, slug: str) -> ConsentAct | None:
    return ConsentAct.objects.filter(user=user, consent=slug).order_by("-id").first()


def _act(user: User, consent: Consent, kind: ConsentAct.Kind, source: str) -> ConsentAct:
    language, words = translation.get_language() or "en", consent.text()
    text, _created = ConsentText.objects.get_or_create(
        consent=consent.slug,
        version=consent.version,
        language=language,
        sha256=hashlib.sha256(words.encode()).hexdigest(),
        defaults={"text": words},
    )
    act = ConsentAct.objects.create(
        user=user, consent=consent.slug, version=consent.version, kind=kind, source=source, text=text
    )
    act.refresh_from_db()
    return act


def _types(slug: str) -> list[str]:
    return [kind.slug for kind in registry.all_types() if kind.needs_consent == slug]


@contextmanager
def _open_to_change(kind: str) -> Iterator[None]:
    """Lets rows of one feedback type through the trigger, inside the transaction that is running."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('whetstone.observed_type', %s, true)", [kind])
        yield
        cursor.execute("SELECT set_config('whetstone.observed_type', '', true)")


def _clear_drafts(user: User, types: Collection[str]) -> int:
    """Takes the fields of questions of these types out of what was typed and not sent."""
    cleared = 0
    drafted = Assignment.objects.filter(labeler=user, draft__isnull=False).select_related("protocol")
    for assignment in drafted:
        keys = [q.key for q in assignment.protocol.questions if q.type.slug in types]
        kept = {
            name: value
            for name, value in (assignment.draft or {}).items()
            if not name.startswith(tuple(f"{key}-" for key in keys))
        }
        if kept != assignment.draft:
            Assignment.objects.filter(pk=assignment.pk).update(draft=kept)
            cleared += 1
    return cleared
