"""A person is gone: rows, drafts, streams, reports, consents, sessions, sign-in attempts, lines of logs, and their key.

    erase_person(user=lena, actor=lena)

What stays is an account without a name, so that what the person did for others (a campaign, guidelines, an audit row) keeps
its author; and a line in the list of erasures, a file beside the database: after an older backup was restored,
`manage.py replay_erasures` erases everybody in it again. The line holds an account's number and the hash of a key that no
longer exists, and nothing else of the person.

Whoever keeps copies (snapshots) hears of it by the signal `person_erased`, inside the transaction.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.dispatch import Signal
from django.utils.translation import gettext as _

from annotation.adjudication.models import Adjudication, AnswerError, ErrorTally, Recount
from annotation.assignment import order, queue
from annotation.assignment.models import Assignment, LabelerCursor
from annotation.campaigns.models import GuidelinesAcknowledged
from annotation.consents.models import ConsentAct, Erasure
from annotation.consents.services import lock
from annotation.endpoints.models import Endpoint
from annotation.errors import Conflict
from annotation.generation.models import Generation
from annotation.gold.models import GoldScore, GoldTally
from annotation.items.models import Item, Response
from annotation.people.models import (
    ApiToken,
    AuditEvent,
    Invitation,
    Membership,
    PersonErasure,
    Role,
    SignInLink,
    User,
)
from annotation.people.selectors import accepted_by
from annotation.people.services import MAX_NOTE, record_audit
from annotation.qualification.models import Qualification
from annotation.submissions.models import Feedback
from annotation.transactions import in_transaction

TOMBSTONE = "[This text was erased at the request of the person who wrote it.]"
NUMBERED = re.compile(
    r"[a-z_]+[: ][0-9a-f-]+"
)  # a target of the audit that names no person: "user:17", "snapshot 3f…"
SHORTEST = 4  # of a name that is looked for in logs; a shorter one would take other words with it

# kwargs: user, pseudonyms {campaign id: pseudonym}, responses [ids of texts that are no more], decisions [ids of
# adjudications that are empty now: the person's own, and those that took over the person's answer]
person_erased = Signal()


@in_transaction
def erase_person(*, user: User, actor: User | None, note: bool = True) -> PersonErasure:
    """Everything of this person is gone when this returns; what the disk keeps of it follows after the commit.

    Args: note: write the line in the list of erasures; False when the list is replayed.
    Raises Conflict `last_admin` for the only admin of a campaign, `erased_already` for somebody who is gone.
    """
    user = User.objects.select_for_update().get(pk=user.pk)
    if is_erased(user):
        raise Conflict(_("This person was erased already."), code="erased_already")
    _refuse_last_admin(user)
    lock(user.pk)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('whetstone.erasure', 'on', true)")
    campaigns = _hold_still(user)
    pseudonyms = {pk: user.pseudonym(pk) for pk in sorted(campaigns)}
    names = _names(user)
    key_sha256 = hashlib.sha256(user.pseudonym_key.encode()).hexdigest()
    responses = _erase_texts(user)
    decisions = _erase_decisions(user)
    counts = _erase_answers(user)
    _erase_account(user)
    _scrub_audit(names)
    _scrub_notes(user, names)
    erasure = PersonErasure.objects.create(user=user, texts=len(responses), requested_by=actor, **counts)
    record_audit(
        actor=actor,
        action="person.erase",
        target=f"user:{user.pk}",
        after={**counts, "texts": len(responses)},
    )
    person_erased.send(
        sender=User, user=user, pseudonyms=pseudonyms, responses=responses, decisions=decisions
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('whetstone.erasure', '', true)")
    if note:
        _note(settings.ERASURE_LIST, {"user": user.pk, "key_sha256": key_sha256})
    transaction.on_commit(lambda: scrub_logs(names))
    return erasure


def _hold_still(user: User) -> set[int]:
    """Waits for answers on their way and lets none begin, in the queue's order of locks; the campaigns that know the person
    by what they said."""
    list(LabelerCursor.objects.select_for_update().filter(labeler_id=user.pk).order_by("campaign_id"))
    held = Assignment.objects.select_for_update(of=("self",)).filter(labeler=user).order_by("pk")
    settled = Adjudication.objects.filter(reviewer=user).values_list("campaign_id", flat=True)
    return {*held.values_list("campaign_id", flat=True), *settled}


def is_erased(user: User) -> bool:
    return not user.pseudonym_key


def _refuse_last_admin(user: User) -> None:
    """A campaign keeps an admin, as when a role is taken away; and so does the site."""
    if (
        user.is_superuser
        and not User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk).exists()
    ):
        raise Conflict(
            _("This is the only administrator of the site; make somebody else one first."), code="last_admin"
        )
    for membership in Membership.objects.filter(user=user, role=Role.ADMIN, suspended_at=None).select_related(
        "campaign"
    ):
        others = Membership.objects.filter(campaign=membership.campaign, role=Role.ADMIN, suspended_at=None)
        if not others.exclude(user=user).exists():
            raise Conflict(
                _("%(campaign)s has no other admin; make somebody else one first.")
                % {"campaign": membership.campaign.name},
                code="last_admin",
            )


def _erase_answers(user: User) -> dict[str, int]:
    """Submissions with their feedback, assignments with drafts, skips and reports, streams; places go back to the queue."""
    items = sorted(Assignment.objects.filter(labeler=user).values_list("item_id", flat=True))
    queue.lock_items(items)
    streams = Generation.objects.filter(Q(asked_by=user) | Q(assignment__labeler=user))
    Generation.objects.filter(continues__in=streams).exclude(pk__in=streams).update(continues=None)
    streams.update(continues=None)
    streams.delete()
    drafts = Assignment.objects.filter(labeler=user, draft__isnull=False).count()
    GoldScore.objects.filter(labeler=user).delete()
    GoldTally.objects.filter(labeler_id=user.pk).delete()
    GuidelinesAcknowledged.objects.filter(labeler=user).delete()
    Qualification.objects.filter(labeler=user).delete()
    answers = Feedback.objects.filter(submission__labeler=user).delete()[0]
    submissions = _delete_submissions(user)
    Assignment.objects.filter(labeler=user).delete()
    LabelerCursor.objects.filter(labeler_id=user.pk).delete()
    queue.recount(items)
    order.refill(items)
    return {"submissions": submissions, "answers": answers, "drafts": drafts}


def _erase_decisions(user: User) -> list[int]:
    """Decisions in the person's words stay as empty rows, so that what superseded them still does; items are open again.
    Their ids."""
    AnswerError.objects.filter(submission__labeler=user).delete()
    ErrorTally.objects.filter(labeler_id=user.pk).delete()
    emptied = Adjudication.objects.filter(Q(chosen__labeler=user) | Q(reviewer=user))
    decisions = list(emptied.values_list("pk", flat=True))
    items = sorted(set(emptied.values_list("item_id", flat=True)))
    Recount.objects.bulk_create(Recount(item_id=item_id) for item_id in items)
    emptied.update(answers=[], reason="", chosen=None)
    return decisions


def _delete_submissions(user: User) -> int:
    """In one statement, so that a correction and what it corrects go together."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM annotation_submission WHERE labeler_id = %s", [user.pk])
        return cursor.rowcount


def _erase_texts(user: User) -> list[int]:
    """A tombstone in the place of what the person wrote as a candidate; items with one are in nobody's queue any more."""
    written = Response.objects.filter(source_name=user.username).exclude(source=Response.Source.POLICY)
    ids = list(written.values_list("pk", flat=True))
    if ids:
        items = sorted(Item.objects.filter(responses__in=ids).values_list("pk", flat=True).distinct())
        queue.lock_items(items)
        queue.withdraw(items)
        Item.objects.filter(pk__in=items, withdrawn_at=None).update(withdrawn_at=Now())
        Response.objects.filter(pk__in=ids).update(
            text=TOMBSTONE,
            n_codepoints=len(TOMBSTONE),
            sha256=hashlib.sha256(TOMBSTONE.encode()).hexdigest(),
            source_name="",
            sampling=None,
        )
    return ids


def _erase_account(user: User) -> None:
    """What is left is a number that nobody can sign in as."""
    for model in (ConsentAct, Erasure, SignInLink, ApiToken, Membership):
        model.objects.filter(user=user).delete()
    Endpoint.objects.filter(created_by=user, is_shared=False, removed_at=None).update(
        name="", sealed_key="", is_active=False, removed_at=Now()
    )
    for session in Session.objects.iterator():
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            session.delete()
    with connection.cursor() as cursor:
        for table, column, value in (
            ("account_emailaddress", "user_id", user.pk),
            ("mfa_authenticator", "user_id", user.pk),
            ("axes_accessattempt", "username", user.username),
            ("axes_accesslog", "username", user.username),
            ("axes_accessfailurelog", "username", user.username),
        ):
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
            if cursor.fetchone()[0]:
                if table == "account_emailaddress":
                    cursor.execute(
                        "DELETE FROM account_emailconfirmation WHERE email_address_id IN"
                        " (SELECT id FROM account_emailaddress WHERE user_id = %s)",
                        [user.pk],
                    )
                cursor.execute(f"DELETE FROM {table} WHERE {column} = %s", [value])
    user.username, user.email, user.first_name, user.last_name = f"erased-{user.pk}", "", "", ""
    user.pseudonym_key = ""  # destroyed: from now on no pseudonym leads to anybody
    user.language, user.last_login, user.is_active = "", None, False
    user.is_superuser = user.is_staff = False
    user.set_unusable_password()
    user.save()


def _names(user: User) -> list[str]:
    """What the person is called, longest first."""
    names = {user.username, user.email, user.get_full_name(), user.first_name, user.last_name}
    return sorted((name for name in names if len(name) >= SHORTEST), key=len, reverse=True)


def _scrub_audit(names: list[str]) -> None:
    """Audit rows stay, without the name: wherever it stood in a target or in a value."""
    for name in names:
        quoted = json.dumps(name, ensure_ascii=False)[1:-1]
        found = AuditEvent.objects.filter(
            Q(target__contains=name) | Q(before__icontains=quoted) | Q(after__icontains=quoted)
        )
        for event in found:
            if not NUMBERED.fullmatch(event.target):
                event.target = _without(event.target, name)
            event.before, event.after = _without(event.before, name), _without(event.after, name)
            event.save(update_fields=["target", "before", "after"])


def _scrub_notes(user: User, names: list[str]) -> None:
    """Invitations stay, without what somebody wrote on them to know the person by."""
    accepted_by(user).update(note="")
    for name in names:
        for invitation in Invitation.objects.filter(note__icontains=name):
            note = re.sub(_whole(name).pattern, "erased", invitation.note, flags=re.IGNORECASE)
            Invitation.objects.filter(pk=invitation.pk).update(note=note[:MAX_NOTE])


def _without(value: Any, name: str) -> Any:
    """JSON with the name taken out of its texts; what things are called (keys) stays, even if somebody is called so."""
    if isinstance(value, str):
        return _whole(name).sub("erased", value)
    if isinstance(value, dict):
        return {key: _without(inner, name) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, name) for inner in value]
    return value


def _whole(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")


# --- Logs, and the list of erasures ----------------------------------------------------------------------------------


def scrub_logs(names: list[str], folder: Path | None = None) -> int:
    """Puts x over names in the log files below the data directory, in place: whoever is writing goes on. How many."""
    done = 0
    patterns = [re.compile(rb"(?<![\w])" + re.escape(name.encode()) + rb"(?![\w])") for name in names]
    for path in sorted((folder or settings.DATA_DIR / "logs").glob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        with open(path, "r+b") as file:
            place = 0
            for line in iter(file.readline, b""):
                clean = line
                for pattern in patterns:
                    clean = pattern.sub(lambda found: b"x" * len(found.group()), clean)
                following = place + len(line)
                if clean != line:
                    file.seek(place)
                    file.write(clean)
                    file.seek(following)
                    done += 1
                place = following
    return done


def _note(path: Path, entry: dict[str, Any]) -> None:
    """Adds a line and has it on the disk before the erasure is acknowledged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as file:
        file.write(json.dumps(entry, sort_keys=True).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True)
class Replayed:
    """One line of the list: `erased` now, `already` gone, `missing` from this database, or `other`: the number is
    somebody else's here, who is left alone."""

    user_id: int
    what: str


def replay(path: Path) -> Iterator[Replayed]:
    """Erases everybody in a list again. Raises ValueError naming a line that cannot be read, before anybody is touched."""
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
            entries.append((int(entry["user"]), str(entry["key_sha256"])))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}, line {number}: {error!r}") from error
    for user_id, key_sha256 in dict.fromkeys(entries):
        user = User.objects.filter(pk=user_id).first()
        if user is None:
            yield Replayed(user_id, "missing")
        elif is_erased(user):
            yield Replayed(user_id, "already")
        elif hashlib.sha256(user.pseudonym_key.encode()).hexdigest() != key_sha256:
            yield Replayed(user_id, "other")
        else:
            erase_person(user=user, actor=None, note=False)
            yield Replayed(user_id, "erased")
