"""What the browser sends: marks as lines of text, so that the form works without scripts.

`12-40 ++` (start, end; what the script writes) or `++ the exact words`: one to three of `+` (helped), `-` (hurt) or `*`
(mattered, where the direction is not asked), as many as it mattered. `p2 12-40 +` lies in message 2 of the prompt, counted
from 0; words are looked for in the response first, then in the prompt from its end. `done`: nothing is left to mark.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.utils.translation import gettext as _
from pydantic import ValidationError

from feedback_types.base import AnswerForm, InvalidPayload, Message, Screen
from feedback_types.importance import offer
from feedback_types.importance.schema import ImportancePayload, ImportanceSettings, Mark

BY_OFFSET = re.compile(r"(?:p(\d{1,4})\s+)?(\d{1,9})-(\d{1,9})\s+(\+{1,3}|-{1,3}|\*{1,3})")
BY_WORDS = re.compile(r"(\+{1,3}|-{1,3}|\*{1,3})\s*(\S.*)")
SIGNS = {"+": 1, "-": -1, "*": 0}
LETTERS = {sign: letter for letter, sign in SIGNS.items()}


class ImportanceForm(AnswerForm):
    marks = forms.CharField(
        required=False,
        strip=False,
        max_length=40_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    done = forms.BooleanField(required=False)

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.letter = self.screen.letter(cast(int, self.target))
        self.fields["done"].label = _("Nothing more to mark")
        places = offer.segments_of(self.screen, self.settings, self.target)
        self.pairs = offer.pairs(len(places["segments"])) if self.settings.mode == "best_worst" else 0
        self.asks_done = not self.pairs

    # For the template

    @property
    def ends(self) -> str:
        """Sentence ends of everything that can be marked, as JSON: {"r": [...], "p0": [...], ...}."""
        found = offer.segments_of(self.screen, self.settings, self.target)
        ends = {f"p{turn}": list(each) for turn, each in enumerate(found["prompt_segments"])}
        if self.settings.where != "prompt":
            ends["r"] = list(found["segments"])
        return json.dumps(ends)

    @property
    def messages(self) -> list[tuple[int, Message, str]]:
        """(number, message, exact text as JSON: a page shows every line end alike) of a prompt that can be marked."""
        if self.settings.where == "response":
            return []
        return [(n, message, json.dumps(message.content)) for n, message in enumerate(self.screen.prompt)]


def parse(
    cleaned: Mapping[str, Any], screen: Screen, settings: ImportanceSettings, target: int | None
) -> ImportancePayload | None:
    written = cleaned["marks"].strip()
    if not written and not cleaned["done"]:
        return None
    marks = read_marks(written, offer.texts(screen, settings, target), settings)
    try:
        return ImportancePayload(
            explains=settings.explains or None,
            mode=settings.mode,
            marks=tuple(marks),
            **offer.segments_of(screen, settings, target),
        )
    except ValidationError as error:
        raise InvalidPayload({"marks": InvalidPayload.from_pydantic(error).errors.popitem()[1]}) from error


def read_marks(
    written: str, texts: Mapping[tuple[str, int], str], settings: ImportanceSettings
) -> list[Mark]:
    """Marks from their lines. Raises InvalidPayload with the number of the line."""
    marks: list[Mark] = []
    errors: list[str] = []
    known = "+ -" if settings.signed else "*"
    for number, line in enumerate(written.splitlines(), start=1):
        line = line.strip()
        if not line:
            continue
        where = {"line": number, "signs": known}
        if found := BY_OFFSET.fullmatch(line):
            place = ("response", -1) if found[1] is None else ("prompt", int(found[1]))
            start, end, sign = int(found[2]), int(found[3]), found[4]
        elif found := BY_WORDS.fullmatch(line):
            sign = found[1]
            place = next((p for p in sorted(texts, reverse=True) if found[2] in texts[p]), ("", -1))
            if not place[0]:
                errors.append(_("Line %(line)d: these words are not in the text; copy them exactly.") % where)
                continue
            start = texts[place].find(found[2])
            end = start + len(found[2])
        else:
            errors.append(
                _("Line %(line)d: write one of %(signs)s, a space, and the words as they stand in the text.")
                % where
            )
            continue
        if place not in texts or not start < end <= len(texts[place]):
            errors.append(_("Line %(line)d: the mark lies outside the text that can be marked.") % where)
        elif sign[0] not in known:
            errors.append(_("Line %(line)d: use one of these signs here: %(signs)s.") % where)
        else:
            turn = None if place[0] == "response" else place[1]
            marks.append(
                Mark.model_validate(
                    {
                        "where": place[0],
                        "turn": turn,
                        "start": start,
                        "end": end,
                        "sign": SIGNS[sign[0]],
                        "weight": len(sign) if offer.asks_weight(settings) else 1,
                    }
                )
            )
    if errors:
        raise InvalidPayload({"marks": errors})
    return marks


def to_form(payload: ImportancePayload) -> dict[str, Any]:
    lines = [
        f"{f'p{m.turn} ' if m.turn is not None else ''}{m.start}-{m.end} {LETTERS[m.sign] * m.weight}"
        for m in payload.marks
    ]
    return {"marks": "\n".join(lines), "done": "on"}


def validate(
    payload: ImportancePayload, screen: Screen, settings: ImportanceSettings, target: int | None
) -> None:
    """Rules that need the texts or the settings. Raises InvalidPayload."""
    errors: dict[str, list[str]] = {}
    if payload.explains != (settings.explains or None):
        errors["explains"] = [
            _("These marks explain %(key)s; say so.") % {"key": settings.explains}
            if settings.explains
            else _("These marks explain no single question; leave it empty.")
        ]
    if payload.mode != settings.mode:
        errors["mode"] = [_("This question asks for %(mode)s; send that.") % {"mode": settings.mode}]
    expected = offer.segments_of(screen, settings, target)
    for field in ("segments", "prompt_segments"):
        if getattr(payload, field) != expected[field]:
            errors[field] = [_("These are not the sentence ends of the text; read them from the choice set.")]
    texts = offer.texts(screen, settings, target)
    signs = (1, -1) if settings.signed else (0,)
    wrong = []
    for mark in payload.marks:
        text = texts.get(mark.place)
        if text is None:
            wrong.append(_("A mark lies in a text that cannot be marked here."))
        elif mark.end > len(text):
            wrong.append(
                _("The text has %(n)d characters; a mark ends there at the latest.") % {"n": len(text)}
            )
        elif not text[mark.start : mark.end].strip():
            wrong.append(_("A mark covers only white space; mark some words."))
        if mark.sign not in signs:
            wrong.append(
                _("Give each mark one of these signs: %(signs)s.") % {"signs": ", ".join(map(str, signs))}
            )
        if mark.weight > 1 and not offer.asks_weight(settings):
            wrong.append(_("This question does not ask how much a mark mattered; send weight 1."))
    if not wrong and "segments" not in errors and payload.mode == "best_worst":
        wrong = _ends_wrong(payload)
    if wrong:
        errors["marks"] = wrong
    if errors:
        raise InvalidPayload(errors)


def _ends_wrong(payload: ImportancePayload) -> list[str]:
    n = offer.pairs(len(payload.segments))
    said = [level[0] for level in offer.levels(payload) if level is not None]
    whole = len(said) == len(payload.marks)
    if whole and said.count(1) == n and said.count(-1) == n:
        return []
    return [_("Mark %(n)d different sentences as the best and %(n)d as the worst.") % {"n": n}]
