"""An export of Label Studio (JSON): tasks whose `data` holds what was shown.

    [{"id": 7, "data": {"prompt": "…", "answer1": "…", "answer2": "…"}, "annotations": [{"result": […]}], "predictions": []}]

The fields of `data` are the columns, beside the task's own id. Annotations are answers of people that this project knows
nothing about: no lease, no screen, no order shown. They are not imported as answers; their number is told, and they may be
kept with the item as metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.items.readers.base import Reader, Source
from annotation.items.readers.json_list import ListSource, first_object

TASK, ANNOTATIONS, META = "task_id", "annotations", "meta"


class Tasks(ListSource):
    def values(self, found: dict[str, Any]) -> dict[str, Any]:
        data, annotations = found.get("data"), found.get("annotations") or []
        values = dict(data) if isinstance(data, dict) else {}
        values.setdefault(TASK, found.get("id"))
        if isinstance(annotations, list) and annotations:
            self.ignored["annotations"] += len(annotations)
            values.setdefault(ANNOTATIONS, annotations)
        if isinstance(predictions := found.get("predictions"), list):
            self.ignored["predictions"] += len(predictions)
        if found.get("meta"):
            values.setdefault(META, found["meta"])
        return values


class LabelStudio(Reader):
    slug, label, order = "label_studio", gettext_lazy("Label Studio export"), 40

    def recognises(self, path: Path, head: bytes) -> bool:
        first = first_object(head) if head.lstrip().startswith(b"[") else {}
        return isinstance(first.get("data"), dict) and "id" in first

    def open(self, path: Path, options: Mapping[str, Any]) -> Source:
        return Tasks(path)

    def notes(self, columns: list[str]) -> list[str]:
        return [
            _(
                "Annotations and predictions in the file are not imported as answers: an answer here belongs to a lease and"
                " to what was on the screen. Their number is told, and annotations may be kept with the item as metadata."
            )
        ]


reader = LabelStudio()
