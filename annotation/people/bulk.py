"""Many people at once: from a list comes one invitation for each of them, or none at all.

    rows = read_list(b"note,role,languages\nanna@example.org,labeler,en de\n", skills=campaign.skills)
    made = invite_many(actor=adam, campaign=campaign, people=rows, days=14)      # [Made(invitation, token), …]

They are invitations and not accounts: nobody learns who has an account here, and nobody gets a role without saying yes.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import secrets
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from annotation.campaigns.models import Campaign
from annotation.errors import Invalid, TooLarge
from annotation.items.jsonl import Errors, RowError
from annotation.items.readers.base import Row
from annotation.items.readers.csv_table import sniff, wrong_width
from annotation.items.staging import refuse_if_wrong
from annotation.people import selectors
from annotation.people.models import Invitation, Role, User
from annotation.people.services import (
    MAX_DAYS,
    MAX_NOTE,
    check_range,
    language_rule,
    record_audit,
    sha256_of,
    skill_rule,
)
from annotation.rendering.cells import csv_row
from annotation.transactions import in_transaction

COLUMNS = ("note", "role", "languages", "skills")
MAX_PEOPLE = 1_000
MAX_BYTES = 1024**2
SHOWN_ERRORS = 50
BREAKING = ("Cc", "Cs", "Zl", "Zp")  # categories of characters that no line of text has


class Person(NamedTuple):
    """Somebody who is to be invited, as the invitation will say it."""

    note: str
    role: str
    languages: list[str]
    skills: list[str]


class Made(NamedTuple):
    """An invitation with its `state`, and the token that is shown this once."""

    invitation: Invitation
    token: str


@in_transaction
def invite_many(*, actor: User, campaign: Campaign, people: Sequence[Row], days: int = 14) -> list[Made]:
    """An invitation for one use for each row, in the order of the rows: all of them, or none. One audit row in all.

    Args:
        people: rows of {note, role, languages, skills}; `note` must be there, `role` is labeler unless it says otherwise,
            `languages` and `skills` are lists, and what a labeler's membership will have.
    Raises Invalid: `extra["errors"]` has the first 50 as {line, field, rule, remedy}, `extra["total"]` counts them all.
    """
    check_range("days", days, 1, MAX_DAYS)
    _check_number(len(people))
    found = _read(people, Campaign.objects.values_list("skills", flat=True).get(pk=campaign.pk))
    tokens = [secrets.token_urlsafe(32) for _person in found]
    made = Invitation.objects.bulk_create(
        Invitation(
            campaign=campaign,
            **person._asdict(),
            token_sha256=sha256_of(token),
            expires_at=Now() + dt.timedelta(days=days),
            created_by=actor,
        )
        for person, token in zip(found, tokens, strict=True)
    )
    roles = sorted({person.role for person in found})
    record_audit(
        actor=actor,
        campaign=campaign,
        action="invitation.import",
        target=campaign.slug,
        after={"count": len(found), "roles": roles, "days": days},
    )
    stored = selectors.invitations(campaign).in_bulk([invitation.pk for invitation in made])
    return [Made(stored[one.pk], token) for one, token in zip(made, tokens, strict=True)]


def rows_of(people: Any) -> list[Row]:
    """Rows from a list of objects; numbered from 1. Raises Invalid for anything else."""
    if not isinstance(people, list):
        raise _unusable(_("Write a list of objects."))
    wrong = RowError("", _("not an object"), _("Write {…} for each row."))
    return [
        Row(n, one, None) if isinstance(one, dict) else Row(n, None, wrong) for n, one in enumerate(people, 1)
    ]


def read_list(raw: bytes, *, skills: Collection[str]) -> list[Row]:
    """Rows from a CSV with a header, or from notes alone, one on each line; numbered as a spreadsheet does, header included.

    Args: skills: the campaign's, to tell one of two words from two.
    Raises Invalid for what is no such list, TooLarge beyond 1 MB. What is wrong with a row stays with the row.
    """
    if len(raw) > MAX_BYTES:
        message = _("The list is larger than %(n)d MB; split it.") % {"n": MAX_BYTES // 1024**2}
        raise TooLarge(message, fields={"people": [message]})
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = _("Byte %(at)d is not UTF-8; it looks like Latin-1. Save the list as UTF-8.")
        raise _unusable(message % {"at": error.start + 1}) from error
    table = list(_table(text))
    if not table:
        raise _unusable(_("The list has no rows."))
    names = [cell.lower() for cell in table[0][1]]
    if not set(names) & set(COLUMNS):
        if len(names) > 1:
            raise _unusable(
                _(
                    "The first line must name the columns: %(names)s. Or write one note on each line and nothing else."
                )
                % {"names": ", ".join(COLUMNS)}
            )
        names, table = ["note"], [(0, []), *table]
    _check_header(names)
    _check_number(len(table) - 1)
    return [_row(number, names, cells, skills) for number, cells in table[1:]]


def links_file(made: Iterable[tuple[Invitation, str]]) -> bytes:
    """(invitation, link) as a CSV for a spreadsheet, with a byte order mark; no cell is a formula."""
    rows = [(one.note, one.role, one.expires_at.isoformat(), link) for one, link in made]
    return b"\xef\xbb\xbf" + b"".join(csv_row(row) for row in [("note", "role", "expires_at", "link"), *rows])


# --- Reading a list --------------------------------------------------------------------------------------------------


def _table(text: str) -> Iterable[tuple[int, list[str]]]:
    """(row number, cells) of every row that is not blank."""
    cells = csv.reader(io.StringIO(text, newline=""), delimiter=sniff(text.encode()), strict=True)
    number = 0
    try:
        for number, row in enumerate(cells, 1):
            if any(cell.strip() for cell in row):
                yield number, [cell.strip(" \t") for cell in row]
    except csv.Error as error:
        raise _unusable(
            _("After row %(n)d: not valid CSV (%(what)s). Write quotes inside a quoted cell twice.")
            % {"n": number, "what": error}
        ) from error


def _check_header(names: list[str]) -> None:
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        raise _unusable(
            _("There is no column “%(name)s”; columns are %(names)s.")
            % {"name": unknown[0][:60], "names": ", ".join(COLUMNS)}
        )
    if "note" not in names or len(set(names)) != len(names):
        raise _unusable(_("Name each column once, and one of them note."))


def _row(number: int, names: list[str], cells: list[str], skills: Collection[str]) -> Row:
    if len(cells) != len(names):
        return Row(number, None, wrong_width(len(cells), len(names)))
    values: dict[str, Any] = dict(zip(names, cells, strict=True))
    if "role" in values:
        values["role"] = values["role"].lower()
    if "languages" in values:
        values["languages"] = values["languages"].replace(";", " ").split()
    if "skills" in values:
        values["skills"] = _split_skills(values["skills"], skills)
    return Row(number, values)


def _split_skills(cell: str, known: Collection[str]) -> list[str]:
    """Between semicolons or spaces; a skill that has spaces itself is found as it is."""
    found: list[str] = []
    for piece in filter(None, (piece.strip() for piece in cell.split(";"))):
        words = piece.split()
        found += words if piece not in known and all(word in known for word in words) else [piece]
    return found


# --- Checking rows ---------------------------------------------------------------------------------------------------


def _read(rows: Sequence[Row], skills: Sequence[str]) -> list[Person]:
    """Raises Invalid with what is wrong with them, if anything is."""
    errors, seen = Errors(), dict[str, int]()
    people: list[Person] = []
    for row in rows:
        try:
            people.append(_person(row, skills, seen))
        except RowError as error:
            errors.add(row.number, error.field, error.rule, error.remedy)
    del errors.shown[SHOWN_ERRORS:]
    refuse_if_wrong(errors, len(rows), "row")
    return people


def _person(row: Row, known: Sequence[str], seen: dict[str, int]) -> Person:
    """Args: seen: notes that came before, with their rows; this one is added. Raises RowError naming the column."""
    if row.error is not None or row.values is None:
        raise row.error or RowError("", _("not an object"), _("Write {…} for each row."))
    if unknown := sorted(row.values.keys() - set(COLUMNS)):
        raise RowError(
            unknown[0][:60], _("unknown field"), _("Fields are %(fields)s.") % {"fields": ", ".join(COLUMNS)}
        )
    note = _note(row.values.get("note", ""))
    before = seen.setdefault(note.casefold(), row.number)
    if before != row.number:
        raise RowError("note", _("the same as in row %(n)d") % {"n": before}, _("Invite each person once."))
    role = row.values.get("role", "")
    if role == "":
        role = Role.LABELER.value
    if role not in Role.values:
        raise RowError(
            "role", _("no such role"), _("Choose one of: %(roles)s.") % {"roles": ", ".join(Role.values)}
        )
    languages = _texts(row.values, "languages", role)
    if rule := language_rule(languages):
        raise RowError("languages", _("not a list of language codes"), rule)
    skills = _texts(row.values, "skills", role)
    if rule := skill_rule(skills, known):
        raise RowError("skills", _("the campaign has no such skill"), rule)
    return Person(note, role, sorted({code.lower() for code in languages}), sorted(set(skills)))


def _note(value: Any) -> str:
    if not isinstance(value, str):
        raise RowError("note", _("not a text"), _("Write it in quotes."))
    value = value.strip(" \t")
    if any(unicodedata.category(character) in BREAKING for character in value):
        raise RowError(
            "note", _("holds a line break or another control character"), _("Write it on one line.")
        )
    if not value.strip() or len(value) > MAX_NOTE:
        raise RowError(
            "note",
            _("not a text of 1 to %(n)d characters") % {"n": MAX_NOTE},
            _("Write a name or an address by which you know the person."),
        )
    return value


def _texts(values: dict[str, Any], name: str, role: str) -> list[str]:
    found = values.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise RowError(name, _("not a list of texts"), _('Write a JSON list: ["one", "two"].'))
    if found and role != Role.LABELER:
        raise RowError(name, _("only labelers are given items"), _("Leave it empty for other roles."))
    return found


def _check_number(n: int) -> None:
    if not 1 <= n <= MAX_PEOPLE:
        raise _unusable(_("A list has 1 to %(most)d people, this one %(n)d.") % {"most": MAX_PEOPLE, "n": n})


def _unusable(message: str) -> Invalid:
    return Invalid(message, fields={"people": [message]})
