"""Reads a JSON body strictly: UTF-8, no duplicate keys, no NaN, no NUL, not more than five megabytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

from annotation.errors import TooLarge
from annotation.inputs import is_text
from annotation.items.jsonl import RowError, strict_json

MAX_BYTES = 5 * 1024 * 1024


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        _name, _semicolon, parameters = (media_type or "").partition(";")
        charset = parameters.strip().lower().removeprefix("charset=").strip('"')
        if parameters and charset not in ("utf-8", "utf8"):
            raise UnsupportedMediaType(media_type or "", _("Send JSON in UTF-8."))
        raw = stream.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise TooLarge(_("The request is larger than %(n)d MB.") % {"n": MAX_BYTES // 1024**2})
        if not raw.strip():
            return {}
        try:
            data = strict_json(raw.decode())
        except UnicodeDecodeError as error:
            raise ParseError(_("The body is not UTF-8.")) from error
        except RowError as error:
            where = f"{error.field}: " if error.field else ""
            raise ParseError(f"{where}{error.rule}. {error.remedy}") from error
        if b"\\u" in raw:
            _refuse_broken_text(data, "")
        return data


class RawParser(BaseParser):
    """Leaves the body alone: the view reads `request.stream`, so that a large file is never held in memory."""

    media_type = "*/*"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return stream


def _refuse_broken_text(value: Any, where: str) -> None:
    if isinstance(value, str):
        if not is_text(value):
            raise ParseError(_("%(where)s: NUL or broken character; remove it.") % {"where": where or "body"})
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_broken_text(key, where)
            _refuse_broken_text(inner, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            _refuse_broken_text(inner, f"{where}[{n}]")
