"""What the browser sends for a critique of one response.

Fields: `verdict`, `rating_0`, `rating_1`, … in the order of the criteria, `tags`, `spans` and `done`. Marks are
lines of text, so that the form works without scripts: `12-40 2 factual` (start, end, severity, category; what the
script writes) or `2 factual: the exact words` (severity may be left out).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from pydantic import ValidationError

from feedback_types.base import AnswerForm, InvalidPayload, Screen
from feedback_types.critique import offer
from feedback_types.critique.schema import OVERALL, CritiquePayload, CritiqueSettings, Mark

BY_OFFSET = re.compile(r"(\d{1,9})-(\d{1,9})\s+([1-3])\s+(\S.*)")
BY_WORDS = re.compile(r"(?:([1-3])\s+)?([^:]+?)\s*:\s*(\S.*)")


class CritiqueForm(AnswerForm):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        settings: CritiqueSettings = self.settings
        self.letters = offer.letters(settings)
        self.letter = self.screen.letter(self.target) if self.target is not None else ""
        if settings.verdict != "off":
            options = [(str(value), label) for value, label, _key in offer.verdicts(settings)]
            self.fields["verdict"] = forms.ChoiceField(
                label=_("Verdict"), choices=options, required=False, widget=forms.RadioSelect
            )
        for i, name in enumerate(settings.criteria):
            grades = [(str(grade), str(grade)) for grade in range(1, settings.grades + 1)]
            label = _("Overall") if name.casefold() == OVERALL else name
            self.fields[f"rating_{i}"] = forms.ChoiceField(
                label=label, choices=grades, required=False, widget=forms.RadioSelect
            )
        if settings.tags:
            self.fields["tags"] = forms.MultipleChoiceField(
                label=_("Tags"),
                choices=[(t, t) for t in settings.tags],
                required=False,
                widget=forms.CheckboxSelectMultiple,
            )
        if settings.categories:
            self.fields["spans"] = forms.CharField(
                label=_("Marks"),
                required=False,
                max_length=40_000,
                widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
            )
        if settings.only_marks:
            self.fields["done"] = forms.BooleanField(label=_("Nothing more to mark"), required=False)

    # For the template

    def verdict_options(self) -> Iterator[tuple[forms.boundfield.BoundWidget, str]]:
        keys = [key for _value, _label, key in offer.verdicts(self.settings)]
        yield from zip(self["verdict"], keys, strict=True)

    def ratings(self) -> Iterator[tuple[forms.BoundField, list[tuple[forms.boundfield.BoundWidget, str]]]]:
        for i in range(len(self.settings.criteria)):
            field = self[f"rating_{i}"]
            yield field, list(zip(field, offer.grade_keys(self.settings), strict=True))

    def tag_options(self) -> Iterator[tuple[forms.boundfield.BoundWidget, str]]:
        for name, widget in zip(self.settings.tags, self["tags"], strict=True):
            yield widget, self.letters["tag", name]

    def category_options(self) -> Iterator[tuple[str, str]]:
        for name in self.settings.categories:
            yield name, self.letters["category", name]

    @property
    def is_bare(self) -> bool:
        """One scale and nothing else: it needs no name."""
        return not self.settings.only_marks and len(self.fields) == 1


def parse(
    cleaned: Mapping[str, Any], screen: Screen, settings: CritiqueSettings, target: int | None
) -> CritiquePayload | None:
    verdict = cleaned.get("verdict") or ""
    ratings = {name: cleaned.get(f"rating_{i}") or "" for i, name in enumerate(settings.criteria)}
    tags = cleaned.get("tags") or []
    written = (cleaned.get("spans") or "").strip()
    if not (verdict or any(ratings.values()) or tags or written or cleaned.get("done")):
        return None
    errors: dict[str, list[str]] = {}
    if settings.verdict != "off" and not verdict:
        errors["verdict"] = [_("Say whether this response is good.")]
    for i, (name, grade) in enumerate(ratings.items()):
        if not grade:
            errors[f"rating_{i}"] = [_("Grade this response on %(criterion)s too.") % {"criterion": name}]
    marks: list[Mark] = []
    try:
        marks = read_marks(written, screen.response(target).text, settings)
    except InvalidPayload as error:
        errors.update(error.errors)
    if errors:
        raise InvalidPayload(errors)
    try:
        return CritiquePayload(
            verdict=int(verdict) if verdict else None,
            grades=settings.grades,
            ratings={name: int(grade) for name, grade in ratings.items()},
            tags=tuple(tags),
            spans=tuple(marks),
        )
    except ValidationError as error:
        raise InvalidPayload.from_pydantic(error) from error


def read_marks(written: str, text: str, settings: CritiqueSettings) -> list[Mark]:
    """Marks from their lines. Raises InvalidPayload with the number of the line."""
    names = {name.casefold(): name for name in settings.categories}
    marks: list[Mark] = []
    errors: list[str] = []
    for number, line in enumerate(written.splitlines(), start=1):
        line = line.strip()
        if not line:
            continue
        where = {"line": number, "names": ", ".join(settings.categories)}
        if found := BY_OFFSET.fullmatch(line):
            start, end, severity, category = int(found[1]), int(found[2]), int(found[3]), found[4]
        elif found := BY_WORDS.fullmatch(line):
            start, severity, category = text.find(found[3]), int(found[1] or 1), found[2]
            end = start + len(found[3])
            if start < 0:
                errors.append(
                    _("Line %(line)d: these words are not in the response; copy them exactly.") % where
                )
                continue
        else:
            errors.append(
                _("Line %(line)d: write a category, a colon and the words as they stand in the response.")
                % where
            )
            continue
        if category.casefold() not in names:
            errors.append(_("Line %(line)d: name one of the categories: %(names)s.") % where)
        elif not start < end <= len(text):
            errors.append(_("Line %(line)d: the mark lies outside the response.") % where)
        else:
            marks.append(Mark(start=start, end=end, category=names[category.casefold()], severity=severity))
    if errors:
        raise InvalidPayload({"spans": errors})
    return marks


def to_form(payload: CritiquePayload, settings: CritiqueSettings) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if payload.verdict is not None:
        data["verdict"] = str(payload.verdict)
    for i, name in enumerate(settings.criteria):
        if name in payload.ratings:
            data[f"rating_{i}"] = str(payload.ratings[name])
    if payload.tags:
        data["tags"] = list(payload.tags)
    if payload.spans:
        data["spans"] = "\n".join(f"{m.start}-{m.end} {m.severity} {m.category}" for m in payload.spans)
    if settings.only_marks:
        data["done"] = "on"
    return data


def validate(
    payload: CritiquePayload, screen: Screen, settings: CritiqueSettings, target: int | None
) -> None:
    """Rules that need the text or the settings. Raises InvalidPayload."""
    text = screen.response(target).text
    errors: dict[str, list[str]] = {}
    offered = [value for value, _label, _key in offer.verdicts(settings)]
    if offered and payload.verdict not in offered:
        errors["verdict"] = [_("Choose one of: %(values)s.") % {"values": ", ".join(map(str, offered))}]
    if not offered and payload.verdict is not None:
        errors["verdict"] = [_("This question asks for no verdict; leave it empty.")]
    if settings.criteria and payload.grades != settings.grades:
        errors["grades"] = [_("There are %(n)d grades here; send that number.") % {"n": settings.grades}]
    if set(payload.ratings) != set(settings.criteria):
        errors["ratings"] = [
            _("Grade exactly these: %(names)s.") % {"names": ", ".join(settings.criteria) or "–"}
        ]
    if unknown := set(payload.tags) - set(settings.tags):
        errors["tags"] = [
            _("These tags are not on offer: %(names)s.") % {"names": ", ".join(sorted(unknown))}
        ]
    wrong = []
    for mark in payload.spans:
        if mark.category not in settings.categories:
            wrong.append(_("The category %(name)s is not on offer.") % {"name": mark.category})
        elif mark.end > len(text):
            wrong.append(
                _("The response has %(n)d characters; a mark ends there at the latest.") % {"n": len(text)}
            )
        elif not text[mark.start : mark.end].strip():
            wrong.append(_("A mark covers only white space; mark some words."))
    if wrong:
        errors["spans"] = wrong
    if errors:
        raise InvalidPayload(errors)
