"""What several of these pages need: lists in pages, fragments that poll until a job is done, numbers that may be missing."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from annotation.rendering import plots

ON_A_PAGE = 30
TONES = {
    "succeeded": "good",
    "complete": "good",
    "failed": "bad",
    "cancelled": "warn",
    "running": "info",
    "building": "info",
}


def shown(request: HttpRequest, queryset: QuerySet[Any]) -> Any:
    return Paginator(queryset, ON_A_PAGE).get_page(request.GET.get("page"))


def fragment(request: HttpRequest, template: str, context: dict[str, Any], *, finished: bool) -> HttpResponse:
    """A part of a page that asks for itself again; when the job is finished the whole page is loaded once more."""
    response = render(request, template, context)
    if finished:
        response["HX-Refresh"] = "true"
    return response


def dig(data: Any, *path: str) -> Any:
    """A value deep in metrics, None where a key is missing: runs of other versions say less or more."""
    for name in path:
        if not isinstance(data, dict):
            return None
        data = data.get(name)
    return data


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def interval(data: Any) -> tuple[float, float, float] | None:
    """(value, low, high) of {"value", "low", "high"}; None if any is missing."""
    found = [dig(data, name) for name in ("value", "low", "high")]
    return (
        None if not all(is_number(v) for v in found) else (float(found[0]), float(found[1]), float(found[2]))
    )


def flat(data: Any, prefix: str = "", limit: int = 120) -> list[tuple[str, Any]]:
    """Every plain number and short text of nested metrics, by its path; lists are told by their length."""
    rows: list[tuple[str, Any]] = []
    for name, value in sorted(data.items()) if isinstance(data, dict) else []:
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            rows += flat(value, f"{path} › ")
        elif isinstance(value, list):
            rows.append((path, _("%(n)d entries") % {"n": len(value)}))
        elif value is not None and len(str(value)) <= 80:
            rows.append((path, plots.short(value) if isinstance(value, float) else value))
    return rows[:limit]
