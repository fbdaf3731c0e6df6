"""Reads items from a stream of JSON lines, strictly, in bounded memory; gzip is unpacked on the way.

    {"id": "q-17", "prompt": "My bike has a flat tyre. What now?",
     "responses": [{"content": "Patch the tube.", "source": "policy-1"}, "Walk."], "metadata": {"topic": "bikes"},
     "language": "en", "skills": ["cycling"], "priority": 5, "split_group": "bikes",
     "gold": {"answers": [[{"question": "better", "target": null, "payload": {…}}]], "explanation": "It says how."}}

`prompt` is a text or a list of messages that ends with the user; all but `prompt` and `responses` may be missing. Only
labelers who read `language` and have all of `skills` are given the item; `priority` is for the strategy of that name;
prompts of one `split_group` are trained on together, or tested on together; with `gold` the item stands aside, and the
responses are called 1, 2, … in it.
Nothing is guessed: a key twice, NaN, a number too long for anybody, a NUL character or another encoding is an error that
names line, field, rule and remedy.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from django.utils.translation import gettext as _

from annotation.errors import Invalid, TooLarge
from annotation.gold import answers as gold_answers
from annotation.items.models import Purpose
from annotation.items.unpacking import MAX_UNPACKED_BYTES, Readable, chunks, unreadable
from annotation.people.services import LANGUAGE
from feedback_types.base import Message, Question, Screen, ShownResponse

MAX_LINE_BYTES = 4 * 1024 * 1024
MAX_TEXT = 500_000
MAX_RESPONSES = 64
MAX_MESSAGES = 500
MAX_METADATA_BYTES = 64 * 1024
MAX_DIGITS = 18
SHOWN_ERRORS = 100
ROLES = ("system", "user", "assistant")
KEYS = frozenset(
    {"id", "prompt", "responses", "metadata", "language", "skills", "priority", "split_group", "gold"}
)
GOLD_KEYS = frozenset({"answers", "explanation", "purpose"})
MAX_GOLD_BYTES = 64 * 1024
MAX_PRIORITY = 1000


class RowError(ValueError):
    """One thing wrong with one row."""

    def __init__(self, field: str, rule: str, remedy: str):
        super().__init__(field, rule, remedy)
        self.field, self.rule, self.remedy = field, rule, remedy


class ParsedResponse(NamedTuple):
    text: str
    sha256: str
    source: str


class ParsedItem(NamedTuple):
    line: int
    external_id: str | None
    messages: bytes  # JSON
    prompt_sha256: str
    responses: tuple[ParsedResponse, ...]
    metadata: bytes | None
    language: str | None = None  # None: not said, as with the others
    skills: tuple[str, ...] | None = None
    priority: int | None = None
    split_group: str = ""  # none: the prompt's own hash decides
    gold: bytes | None = (
        None  # JSON: purpose, and what `gold.answers.read` gives, the responses called 1, 2, …
    )


@dataclass
class Errors:
    """The first hundred errors, and how many there are in all."""

    shown: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    only_duplicates: bool = True

    def add(self, line: int, field: str, rule: str, remedy: str, *, is_duplicate: bool = False) -> None:
        self.total += 1
        self.only_duplicates &= is_duplicate
        if len(self.shown) < SHOWN_ERRORS:
            self.shown.append({"line": line, "field": field, "rule": rule, "remedy": remedy})


# --- Lines -----------------------------------------------------------------------------------------------------------


def lines(stream: Readable, *, max_bytes: int = MAX_UNPACKED_BYTES) -> Iterator[tuple[int, bytes]]:
    """(number, bytes) of every line that is not blank. Raises Invalid for another kind of file, TooLarge beyond limits."""
    number, rest = 0, b""
    for chunk in chunks(stream, max_bytes):
        if number == 0 and not rest:
            _check_kind(chunk)
        if not rest and chunk.isspace():  # a bomb of line breaks must not cost a step for each of them
            number += chunk.count(b"\n")
            continue
        pieces = (rest + chunk).split(b"\n")
        rest = pieces.pop()
        for piece in pieces:
            number += 1
            if len(piece) > MAX_LINE_BYTES:
                raise _line_too_long(number)
            if piece and not piece.isspace():
                yield number, piece
        if len(rest) > MAX_LINE_BYTES:
            raise _line_too_long(number + 1)
    if rest and not rest.isspace():
        yield number + 1, rest


def _check_kind(head: bytes) -> None:
    """Says what a file is that is not JSON lines, if it can be told."""
    if head.startswith(b"PK\x03\x04"):
        raise unreadable(
            _("The file is a zip archive. Unpack it and send the JSON lines in it, gzipped if you like.")
        )
    if head.startswith(b"PAR1"):
        raise unreadable(_("The file is Parquet. Convert it to JSON lines first."))
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"["):
        raise unreadable(_("The file is one JSON list. Write one object on each line instead."))
    if text and not text.startswith(b"{"):
        first = text.split(b"\n", 1)[0][:200]
        hint = (
            "" if b"," not in first and b";" not in first and b"\t" not in first else _(" It looks like CSV.")
        )
        raise unreadable(_("Line 1 is not a JSON object; write one object on each line.") + hint)


def _line_too_long(number: int) -> TooLarge:
    message = _("Line %(line)d is longer than %(n)d MB; check that each object ends with a line break.") % {
        "line": number,
        "n": MAX_LINE_BYTES // 1024**2,
    }
    return TooLarge(message, fields={"file": [message]})


# --- One row ---------------------------------------------------------------------------------------------------------


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        name = next(k for k, _value in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        raise RowError(name[:60], _("duplicate key"), _("Write each key once."))
    return found


def _no_constant(text: str) -> Any:
    raise RowError(
        "", _("%(text)s is not a valid JSON number") % {"text": text}, _("Use null or leave it out.")
    )


def _short_int(text: str) -> int:
    if len(text) > MAX_DIGITS + text.startswith("-"):
        raise RowError("", _("number too long: %(n)d digits") % {"n": len(text)}, _("Write it as text."))
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or len(text) > 400:
        raise RowError("", _("number too large"), _("Write it as text."))
    return value


decoder = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_int=_short_int, parse_float=_finite
)


def strict_json(text: str) -> Any:
    """JSON without duplicate keys, NaN or endless numbers. Raises RowError."""
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        raise RowError(
            "",
            _("not valid JSON: %(what)s at character %(at)d") % {"what": error.msg, "at": error.pos + 1},
            _("Mend the line."),
        ) from error
    except RecursionError as error:
        raise RowError("", _("nested too deeply"), _("Flatten the object.")) from error


def parse_line(
    number: int,
    raw: bytes,
    arity: tuple[int, int] | None,
    skills: Collection[str] = (),
    questions: Sequence[Question] = (),
) -> ParsedItem:
    """One item from one line. Raises RowError.

    Args:
        arity: fewest and most responses that the campaign's questions take, or None before there are questions.
        skills: the campaign's list, of which an item may ask for some.
        questions: the campaign's, by which an expected answer is read.
    """
    return parse_row(number, object_of(raw), arity, skills, questions)


def object_of(raw: bytes) -> dict[str, Any]:
    """The JSON object of one line. Raises RowError."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise RowError(
            "",
            _("not UTF-8; looks like Latin-1 at byte %(at)d") % {"at": error.start + 1},
            _("Save the file as UTF-8."),
        ) from error
    row = strict_json(text)
    if not isinstance(row, dict):
        raise RowError("", _("not an object"), _("Write {…} on each line."))
    return row


def parse_row(
    number: int,
    row: dict[str, Any],
    arity: tuple[int, int] | None,
    skills: Collection[str] = (),
    questions: Sequence[Question] = (),
) -> ParsedItem:
    """One item from its fields, by the same rules whatever file they came from. Raises RowError."""
    unknown = row.keys() - KEYS
    if unknown:
        raise RowError(
            min(unknown)[:60],
            _("unknown field"),
            _("Fields are %(fields)s; put the rest into metadata.") % {"fields": ", ".join(sorted(KEYS))},
        )
    if "prompt" not in row:
        raise RowError("prompt", _("missing"), _("Give every row a prompt."))
    messages, normal = messages_of(row["prompt"])
    responses = responses_of(row.get("responses", []), arity)
    metadata = row.get("metadata")
    packed = None
    if metadata is not None:
        if not isinstance(metadata, dict):
            raise RowError("metadata", _("not an object"), _("Write {…} or leave it out."))
        packed = _dump(metadata, "metadata")
        if len(packed) > MAX_METADATA_BYTES:
            raise RowError(
                "metadata", _("larger than 64 kB"), _("Keep what you need to find the item again.")
            )
        if b"\\u0000" in packed:
            _refuse_nul(metadata, "metadata")
    return ParsedItem(
        number,
        external_id_of(row.get("id")),
        messages,
        normal,
        responses,
        packed,
        language_of(row.get("language")),
        skills_of(row.get("skills"), skills),
        priority_of(row.get("priority")),
        split_group_of(row.get("split_group")),
        gold_of(row.get("gold"), messages, responses, questions),
    )


def gold_of(
    value: Any, messages: bytes, responses: Sequence[ParsedResponse], questions: Sequence[Question]
) -> bytes | None:
    """What is expected of the item, read by the same code as what a reviewer sets; None where nothing is."""
    if value is None:
        return None
    if not isinstance(value, dict) or "answers" not in value or not value.keys() <= GOLD_KEYS:
        raise RowError(
            "gold",
            _("not an expected answer"),
            _('Write {"answers": [[{"question", "target", "payload"}]], "explanation", "purpose"}.'),
        )
    if not questions:
        raise RowError("gold", _("the campaign asks nothing yet"), _("Choose its questions first."))
    purpose = value.get("purpose", Purpose.GOLD.value)
    if purpose not in (Purpose.GOLD, Purpose.PRACTICE):
        raise RowError("gold.purpose", _("neither gold nor practice"), _("Leave it out for gold."))
    screen = Screen(
        tuple(Message(m["role"], m["content"]) for m in orjson.loads(messages)),
        tuple(ShownResponse(n, response.text) for n, response in enumerate(responses, start=1)),
    )
    try:
        read = gold_answers.read(questions, [screen], value["answers"], value.get("explanation", ""))
    except Invalid as error:
        name, sentences = next(iter(error.fields.items()))
        raise RowError(
            f"gold.{name}"[:200],
            " ".join(sentences).rstrip(".。"),
            _(
                "Answer as labelers do by the API, with the responses called 1, 2, … as they stand in the row."
            ),
        ) from error
    packed = orjson.dumps({**read, "purpose": purpose})
    if len(packed) > MAX_GOLD_BYTES:
        raise RowError("gold", _("larger than 64 kB"), _("Shorten the expected answer."))
    return packed


def split_group_of(value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > 200:
        raise RowError(
            "split_group", _("not a text of at most %(n)d characters") % {"n": 200}, _("Shorten it.")
        )
    _check_text(value, "split_group")
    return value.strip()


def language_of(value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or len(value) > 10 or not LANGUAGE.fullmatch(value)):
        raise RowError(
            "language",
            _("not a language code of at most 10 characters"),
            _("Write it like en, zh-Hant or pt-BR."),
        )
    return value


def skills_of(value: Any, known: Collection[str]) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(skill, str) for skill in value):
        raise RowError("skills", _("not a list of texts"), _("Write a list of the campaign's skills."))
    unknown = [skill for skill in value if skill not in known]
    if unknown:
        raise RowError(
            "skills",
            _("the campaign has no skill “%(skill)s”") % {"skill": unknown[0][:40]},
            _("It has: %(skills)s.") % {"skills": ", ".join(known)}
            if known
            else _("Name its skills in the campaign's settings first."),
        )
    return tuple(sorted(set(value)))


def priority_of(value: Any) -> int | None:
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_PRIORITY
    ):
        raise RowError(
            "priority",
            _("not a whole number from -%(n)d to %(n)d") % {"n": MAX_PRIORITY},
            _("Write 0 for an ordinary item, more for an urgent one."),
        )
    return value


def external_id_of(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip() or len(value) > 200:
        raise RowError(
            "id", _("not a text of 1 to 200 characters"), _("Leave it out or give each row its own.")
        )
    _check_text(value, "id")
    return value


def messages_of(prompt: Any) -> tuple[bytes, str]:
    if isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    elif not isinstance(prompt, list) or not prompt or len(prompt) > MAX_MESSAGES:
        raise RowError(
            "prompt", _("neither a text nor a list of messages"), _("Write a text or [{role, content}, …].")
        )
    for n, message in enumerate(prompt):
        where = "prompt" if len(prompt) == 1 else f"prompt[{n}]"
        if (
            not isinstance(message, dict)
            or message.keys() != {"role", "content"}
            or message["role"] not in ROLES
        ):
            raise RowError(
                where, _("not a message"), _("Write {role: system, user or assistant; content: text}.")
            )
        _check_text(message["content"], where)
    if prompt[-1]["role"] != "user":
        raise RowError("prompt", _("does not end with the user"), _("The last message must be the user's."))
    return orjson.dumps(prompt), prompt_hash(prompt)


def prompt_hash(messages: list[dict[str, str]]) -> str:
    """SHA-256 of the messages without differences that no reader would see: it decides the split, and finds duplicates."""
    normal = "\x1e".join(
        f"{m['role']}\x1f{' '.join(unicodedata.normalize('NFKC', m['content']).casefold().split())}"
        for m in messages
    )
    return hashlib.sha256(normal.encode()).hexdigest()


def responses_of(raw: Any, arity: tuple[int, int] | None) -> tuple[ParsedResponse, ...]:
    if not isinstance(raw, list):
        raise RowError("responses", _("not a list"), _("Write a list of texts or {content, source} objects."))
    fewest, most = arity or (0, MAX_RESPONSES)
    if not fewest <= len(raw) <= most:
        needs = (
            _("needs exactly %(n)d") % {"n": fewest}
            if fewest == most
            else _("needs %(fewest)d to %(most)d") % {"fewest": fewest, "most": most}
        )
        raise RowError(
            "responses",
            f"{needs} ({len(raw)} given)",
            _("Give as many responses as the campaign's questions take."),
        )
    parsed = []
    for n, response in enumerate(raw):
        where, source = f"responses[{n}]", ""
        if isinstance(response, dict):
            if not response.keys() <= {"content", "source"} or "content" not in response:
                raise RowError(where, _("not a response"), _("Write a text or {content, source}."))
            source = response.get("source") or ""
            if not isinstance(source, str) or len(source) > 200:
                raise RowError(
                    f"{where}.source",
                    _("not a text of at most 200 characters"),
                    _("Name the model or person."),
                )
            if source:
                _check_text(source, f"{where}.source")
            response = response["content"]
        parsed.append(ParsedResponse(response, _check_text(response, where), source))
    return tuple(parsed)


def _check_text(text: Any, where: str) -> str:
    """SHA-256 of a usable text."""
    if not isinstance(text, str):
        raise RowError(where, _("not a text"), _("Write it in quotes."))
    if not text or text.isspace():
        raise RowError(where, _("empty"), _("Write some text or leave the row out."))
    if len(text) > MAX_TEXT:
        raise RowError(where, _("longer than %(n)d characters") % {"n": MAX_TEXT}, _("Shorten it."))
    if "\x00" in text:
        raise RowError(where, _("NUL character"), _("Remove it."))
    try:
        return hashlib.sha256(text.encode()).hexdigest()
    except UnicodeEncodeError as error:
        raise RowError(
            where,
            _("half a surrogate pair at character %(at)d") % {"at": error.start + 1},
            _("Write whole characters."),
        ) from error


def _refuse_nul(value: Any, where: str) -> None:
    if isinstance(value, str) and "\x00" in value:
        raise RowError(where, _("NUL character"), _("Remove it."))
    if isinstance(value, dict):
        for key, inner in value.items():
            _refuse_nul(key, where)
            _refuse_nul(inner, f"{where}.{key}"[:60])
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            _refuse_nul(inner, f"{where}[{n}]"[:60])


def _dump(value: Any, where: str) -> bytes:
    try:
        return orjson.dumps(value)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise RowError(
            where, _("cannot be stored"), _("Use plain text, numbers and lists, not nested too deeply.")
        ) from error
