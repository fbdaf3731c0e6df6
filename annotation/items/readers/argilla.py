"""Records of Argilla (records.json, alone or in the folder that its data sets are exported to).

    [{"id": "r-1", "fields": {"prompt": "…", "answer": "…"}, "metadata": {"topic": "bikes"},
      "suggestions": {"quality": {"value": "good", "score": 0.9}},
      "responses": {"quality": [{"value": "bad", "user_id": "…"}]}}]

The fields are the columns, beside the record's own id and its metadata. Suggestions, responses and vectors are counted and
left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.items.readers.base import Reader, Source
from annotation.items.readers.json_list import ListSource, first_object

RECORDS = "records.json"
RECORD, METADATA = "record_id", "metadata"
LEFT_OUT = ("suggestions", "responses", "vectors")


class Records(ListSource):
    def values(self, found: dict[str, Any]) -> dict[str, Any]:
        fields = found.get("fields")
        values = dict(fields) if isinstance(fields, dict) else {}
        values.setdefault(RECORD, found.get("external_id") or found.get("id"))
        if isinstance(found.get("metadata"), dict) and found["metadata"]:
            values.setdefault(METADATA, found["metadata"])
        for name in LEFT_OUT:
            if isinstance(found.get(name), dict | list):
                self.ignored[name] += len(found[name])
        return values


class Argilla(Reader):
    slug, label, order = "argilla", gettext_lazy("Argilla records"), 41

    def recognises(self, path: Path, head: bytes) -> bool:
        if path.is_dir():
            return (path / RECORDS).is_file()
        first = first_object(head) if head.lstrip().startswith(b"[") else {}
        return isinstance(first.get("fields"), dict)

    def open(self, path: Path, options: Mapping[str, Any]) -> Source:
        return Records(path / RECORDS if path.is_dir() else path)

    def notes(self, columns: list[str]) -> list[str]:
        return [_("Suggestions, responses and vectors in the file are counted and left out.")]


reader = Argilla()
