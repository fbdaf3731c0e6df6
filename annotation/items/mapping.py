"""Which column of a file is what: a row of any format becomes the fields that every import knows.

mapping = guess(["question", "answer_a", "answer_b", "topic"], rows)
mapping.fields({"question": "…", "answer_a": "…", "answer_b": "…"})       # {"prompt": "…", "responses": ["…", "…"]}
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping as Pairs
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _

from annotation.errors import Invalid
from annotation.items.jsonl import MAX_RESPONSES, RowError, strict_json

ONE = (
    "prompt",
    "system",
    "response_list",
    "id",
    "language",
    "skills",
    "priority",
    "split_group",
    "gold",
)  # one column each
MANY = ("responses", "metadata")  # several
PROMPTS = ("prompt", "question", "instruction", "query", "input", "messages", "text")
LISTS = ("responses", "answers", "candidates", "completions", "outputs")
SINGLES = ("response", "answer", "completion", "output")
NAMES = {
    "system": ("system", "system_prompt"),
    "id": ("id", "external_id", "record_id", "task_id", "uid", "uuid"),
    "language": ("language", "lang"),
    "skills": ("skills",),
    "priority": ("priority",),
    "split_group": ("split_group", "group"),
    "gold": ("gold",),
}
NUMBERED = re.compile(r"(response|answer|output|completion|candidate|text|model)[ _-]?([a-z]|\d{1,2})")


@dataclass(frozen=True)
class Mapping:
    """Names of columns; empty where there is none. Either `responses`, one column for each, or `response_list`."""

    prompt: str = ""
    system: str = ""
    responses: tuple[str, ...] = ()
    response_list: str = ""
    id: str = ""
    language: str = ""
    skills: str = ""
    priority: str = ""
    split_group: str = ""
    gold: str = ""
    metadata: tuple[str, ...] = ()
    names_sources: bool = False  # a response's source is the name of its column

    def dump(self) -> dict[str, Any]:
        said = {name: value for name, value in asdict(self).items() if value}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}

    def fields(self, row: Pairs[str, Any]) -> dict[str, Any]:
        """The row as `jsonl.parse_row` takes it. Raises RowError naming the column."""
        found: dict[str, Any] = {}
        if (prompt := row.get(self.prompt)) is not None:
            found["prompt"] = prompt
        if self.system and row.get(self.system):
            messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
            found["prompt"] = [{"role": "system", "content": row[self.system]}, *(messages or [])]
        if self.response_list:
            found["responses"] = _list(row.get(self.response_list), self.response_list)
        else:
            found["responses"] = [
                {"content": text, "source": name} if self.names_sources else text
                for name, text in self.given(row)
            ]
        for name in ("id", "language", "split_group"):
            column = getattr(self, name)
            if column and row.get(column) not in (None, ""):
                found[name] = row[column]
        if self.skills and row.get(self.skills) not in (None, ""):
            found["skills"] = _list(row[self.skills], self.skills)
        if self.priority and row.get(self.priority) not in (None, ""):
            found["priority"] = _whole(row[self.priority], self.priority)
        if self.gold and row.get(self.gold) not in (None, ""):
            found["gold"] = _object(row[self.gold], self.gold)
        if self.metadata and (kept := self._metadata(row)):
            found["metadata"] = kept
        return found

    def given(self, row: Pairs[str, Any]) -> list[tuple[str, Any]]:
        """(column, text) of the responses that the row has; an empty cell is none."""
        return [
            (name, _text(row[name], name)) for name in self.responses if row.get(name) not in (None, "", [])
        ]

    def named(self, error: RowError, row: Pairs[str, Any]) -> RowError:
        """The error with the name of the column that it is about."""
        field, _open, rest = error.field.partition("[")
        column = {"prompt": self.prompt, "responses": self.response_list or ", ".join(self.responses)}.get(
            field, getattr(self, field, "") if field in ONE else ""
        )
        if field == "responses" and rest and not self.response_list:
            number = rest.partition("]")[0]
            given = self.given(row)
            column = given[int(number)][0] if number.isdigit() and int(number) < len(given) else column
        elif field == "prompt" and rest.startswith("0]") and self.system and row.get(self.system):
            column = self.system
        elif field.split(".")[0] == "gold":
            column = self.gold + field.removeprefix("gold")
        return RowError(column or error.field, error.rule, error.remedy)

    def _metadata(self, row: Pairs[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name in self.metadata:
            value = row.get(name)
            if value is None:
                continue
            _refuse_nan(value, name)
            if name == "metadata" and isinstance(value, dict):
                kept |= value
            else:
                kept[name] = value
        return kept


def guess(columns: Sequence[str], rows: Sequence[Pairs[str, Any]]) -> Mapping:
    """What the names of the columns suggest; for a person to look at."""
    lower = {name.strip().lower(): name for name in reversed(columns)}
    first = rows[0] if rows else {}
    prompt = next((lower[name] for name in PROMPTS if name in lower), columns[0] if columns else "")
    lists = next((lower[n] for n in LISTS if n in lower and isinstance(first.get(lower[n]), list)), "")
    responses: tuple[str, ...] = ()
    if not lists:
        numbered: dict[str, list[tuple[int | str, str]]] = {}
        for name, column in lower.items():
            if (match := NUMBERED.fullmatch(name)) and column != prompt:
                place = int(match[2]) if match[2].isdigit() else match[2]
                numbered.setdefault(match[1], []).append((place, column))
        if "chosen" in lower and "rejected" in lower:
            responses = (lower["chosen"], lower["rejected"])
        elif numbered:
            most = max(numbered.values(), key=len)
            responses = tuple(
                column for _place, column in sorted(most, key=lambda pair: str(pair[0]).zfill(3))
            )
        else:
            responses = tuple(lower[name] for name in SINGLES if name in lower and lower[name] != prompt)[:1]
    single: dict[str, Any] = {
        name: next((lower[n] for n in known if n in lower), "") for name, known in NAMES.items()
    }
    if not any(_is_object(row.get(single["gold"])) for row in rows):
        single["gold"] = ""  # another thing of that name
    metadata = (lower["metadata"],) if "metadata" in lower else ()
    return Mapping(
        prompt=prompt, responses=responses[:MAX_RESPONSES], response_list=lists, metadata=metadata, **single
    )


def read(given: Any, columns: Sequence[str] | None = None) -> Mapping:
    """A mapping from JSON. Raises Invalid naming the field: an unknown one, or a column that the file does not have."""
    if not isinstance(given, dict):
        raise Invalid(_("The mapping was refused."), fields={"mapping": [_("Write {…}.")]})
    errors: dict[str, list[str]] = {}
    clean: dict[str, Any] = {}
    for name, value in given.items():
        if name == "names_sources":
            if not isinstance(value, bool):
                errors[name] = [_("true or false.")]
            clean[name] = value
        elif name in ONE:
            if not isinstance(value, str):
                errors[name] = [_("Name one column.")]
            clean[name] = value
        elif name in MANY:
            if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
                errors[name] = [_("Write a list of columns.")]
            else:
                clean[name] = tuple(dict.fromkeys(v for v in value if v))
        else:
            known = ", ".join((*ONE, *MANY, "names_sources"))
            errors[str(name)[:60]] = [_("Unknown field; known: %(known)s.") % {"known": known}]
    for name, value in clean.items():
        if columns is None or name in errors or name == "names_sources":
            continue
        for column in value if isinstance(value, tuple) else (value,):
            if column and column not in columns:
                errors[name] = [_("The file has no column %(name)s.") % {"name": column[:60]}]
    if not clean.get("prompt"):
        errors.setdefault("prompt", [_("Say which column is the prompt.")])
    if clean.get("responses") and clean.get("response_list"):
        errors["response_list"] = [_("Either one column for each response, or one column with a list.")]
    if len(clean.get("responses", ())) > MAX_RESPONSES:
        errors["responses"] = [_("At most %(n)d.") % {"n": MAX_RESPONSES}]
    if errors:
        raise Invalid(_("The mapping was refused; mend the marked fields."), fields=errors)
    return Mapping(**clean)


def _text(value: Any, column: str) -> Any:
    """A response as text; of a list of messages the last one, if it is the assistant's."""
    if isinstance(value, list):
        last = value[-1]
        if not isinstance(last, dict) or last.get("role") != "assistant" or "content" not in last:
            raise RowError(
                column,
                _("neither a text nor messages that end with the assistant"),
                _("Choose a column of texts."),
            )
        return last["content"]
    return value


def _list(value: Any, column: str) -> Any:
    """A list; in a table of texts it is written as JSON."""
    if isinstance(value, str):
        try:
            value = strict_json(value)
        except RowError as error:
            raise RowError(column, _("not a list"), _('Write a JSON list: ["one", "two"].')) from error
    return [] if value is None else value


def _object(value: Any, column: str) -> Any:
    """An object; in a table of texts it is written as JSON."""
    if isinstance(value, str):
        try:
            return strict_json(value)
        except RowError as error:
            raise RowError(column, error.rule, error.remedy) from error
    return value


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, str) and value.lstrip().startswith("{"))


def _whole(value: Any, column: str) -> int:
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,6}", value.strip(), re.ASCII):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise RowError(column, _("not a whole number"), _("Write digits, or leave the cell empty."))


def _refuse_nan(value: Any, where: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise RowError(
            where, _("%(text)s is not a valid JSON number") % {"text": value}, _("Use null or leave it out.")
        )
    if isinstance(value, dict):
        for inner in value.values():
            _refuse_nan(inner, where)
    elif isinstance(value, list):
        for inner in value:
            _refuse_nan(inner, where)
