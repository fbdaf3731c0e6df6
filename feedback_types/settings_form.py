"""A Django form for the settings of any type, made from the fields of its pydantic class.

    form = settings_form(CritiqueSettings, data, prefix="questions-0", initial=settings)
    if form.is_valid():
        form.settings  # a CritiqueSettings

int and float become number fields with their range, bool a box, Literal and Enum a select, a list of choices boxes, a list
of text a text area with one entry a line. The pydantic class has the last word: what it refuses appears beside the field.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin

from django import forms
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from feedback_types.base import InvalidPayload, Settings

S = TypeVar("S", bound=Settings)
MULTILINE = {"multiline": True}  # json_schema_extra of a text of several lines
FROM_FILE = {"multiline": True, "file": True}  # of one that may also be uploaded


class Lines(forms.CharField):
    """A list of text, one entry a line; blank lines do not count."""

    widget = forms.Textarea

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.widget.attrs.setdefault("rows", 4)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, (list, tuple)) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or []) != self.to_python(data)


class TextOrFile(forms.Textarea):
    """A text area, and a file that is read in its place. What is no UTF-8 is seen as such by whoever reads the text."""

    needs_multipart_form = True

    def __init__(self, longest: int):
        super().__init__(attrs={"rows": 4})
        self.longest = longest

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        uploaded = files.get(f"{name}-file") if files else None
        if uploaded is None:
            return super().value_from_datadict(data, files, name)
        return uploaded.read(4 * self.longest + 4).decode("utf-8-sig", errors="replace")

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        area = super().render(name, value, attrs, renderer)
        words = gettext("or a file")
        return format_html(
            '{}<label class="small">{} <input type="file" name="{}-file" accept=".jsonl,.json,.txt"></label>',
            area,
            words,
            name,
        )


class SettingsForm(forms.Form, Generic[S]):
    """Fields are added by `settings_form`."""

    settings_class: type[S]
    settings: S | None = None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        optional = {name for name, info in self.settings_class.model_fields.items() if _is_optional(info)}
        raw = {
            name: value for name, value in cleaned.items() if not (name in optional and value in (None, ""))
        }
        for name in optional - set(raw):
            raw[name] = None
        try:
            self.settings = self.settings_class.model_validate(raw)
        except ValidationError as error:
            for where, messages in InvalidPayload.from_pydantic(error).errors.items():
                field, _dot, entry = where.partition(".")
                for message in messages:
                    if field in self.fields:
                        self.add_error(field, f"{self._entry(field, entry, cleaned)}{message}")
                    else:
                        self.add_error(None, message)
        return cleaned

    @staticmethod
    def _entry(field: str, entry: str, cleaned: Mapping[str, Any]) -> str:
        """The entry of a list that is at fault, to stand before the message."""
        values = cleaned.get(field)
        if entry.isdecimal() and isinstance(values, list) and int(entry) < len(values):
            return f"{values[int(entry)]}: "
        return ""


def settings_form(
    settings_class: type[S],
    data: Mapping[str, Any] | None = None,
    files: Mapping[str, Any] | None = None,
    *,
    initial: S | None = None,
    prefix: str | None = None,
) -> SettingsForm[S]:
    """A form for these settings, bound when `data` is given, filled from `initial` or from the defaults."""
    fields = {name: _field(name, info) for name, info in settings_class.model_fields.items()}
    form_class = type(
        f"{settings_class.__name__}Form", (SettingsForm,), {**fields, "settings_class": settings_class}
    )
    form: SettingsForm[S] = form_class(
        data, files, prefix=prefix, initial=to_initial(initial or settings_class())
    )
    return form


def to_initial(settings: Settings) -> dict[str, Any]:
    """Form data (unprefixed) that the form reads back to the same settings."""
    raw = settings.model_dump(mode="json")
    return {name: "" if value is None else value for name, value in raw.items()}


def to_data(settings: Settings, prefix: str = "") -> dict[str, Any]:
    """What a browser would post for these settings."""
    data: dict[str, Any] = {}
    for name, info in type(settings).model_fields.items():
        field, value = _field(name, info), to_initial(settings)[name]
        key = f"{prefix}-{name}" if prefix else name
        if isinstance(field, forms.BooleanField):
            if value:
                data[key] = "on"
        elif isinstance(field, forms.MultipleChoiceField):
            data[key] = [str(v) for v in value]
        else:
            data[key] = str(field.prepare_value(value))
    return data


def _is_optional(info: FieldInfo) -> bool:
    return _is_union(info.annotation) and NoneType in get_args(info.annotation)


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)


def _plain(annotation: Any) -> Any:
    """The annotation without Annotated and without "or None"."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if _is_union(annotation):
        rest = [a for a in get_args(annotation) if a is not NoneType]
        if len(rest) == 1:
            return _plain(rest[0])
    return annotation


def _choices(annotation: Any) -> list[tuple[Any, Any]] | None:
    """(value, words) of a Literal or an Enum; None for everything else."""
    if get_origin(annotation) is Literal:
        return [(value, str(value).replace("_", " ")) for value in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return [
            (member.value, str(getattr(member, "label", member.value)).replace("_", " "))
            for member in annotation
        ]
    return None


def _limit(info: FieldInfo, *names: str) -> Any:
    return next((getattr(m, name) for m in info.metadata for name in names if hasattr(m, name)), None)


def _field(name: str, info: FieldInfo) -> forms.Field:
    words: dict[str, Any] = {"label": info.title or name, "help_text": info.description or ""}
    annotation = _plain(info.annotation)
    needed = not _is_optional(info)
    choices = _choices(annotation)
    coerce: Any
    if choices is not None:
        if not needed:
            choices = [("", _("none")), *choices]
        coerce = type(choices[-1][0])
        return forms.TypedChoiceField(
            choices=choices, coerce=coerce, empty_value=None, required=needed, **words
        )
    if annotation is bool:
        return forms.BooleanField(required=False, **words)
    if annotation in (int, float):
        low, high = _limit(info, "ge", "gt"), _limit(info, "le", "lt")
        kind = forms.IntegerField if annotation is int else forms.FloatField
        return kind(min_value=low, max_value=high, required=needed, **words)
    if annotation is str:
        longest = _limit(info, "max_length")
        if (info.json_schema_extra or {}) == MULTILINE:
            words["widget"] = forms.Textarea(attrs={"rows": 4})
        elif info.json_schema_extra == FROM_FILE:
            words["widget"] = TextOrFile(longest or 1_000_000)
        return forms.CharField(max_length=longest, required=False, empty_value="", **words)
    if get_origin(annotation) in (list, tuple):
        inside = _plain(get_args(annotation)[0])
        choices = _choices(inside)
        if choices is not None:
            coerce = type(choices[0][0])
            return forms.TypedMultipleChoiceField(
                choices=choices,
                coerce=coerce,
                required=False,
                widget=forms.CheckboxSelectMultiple,
                **words,
            )
        if inside is str:
            return Lines(required=False, **words)
    raise TypeError(f"No form field is known for the setting {name!r} of type {info.annotation!r}.")
