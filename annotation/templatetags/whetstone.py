"""Filters and tags that any page may use: {% load whetstone %}."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.safestring import SafeString

from annotation.rendering.markdown import render_markdown
from annotation.rendering.plots import short

register = template.Library()


@register.filter
def markdown(text: str) -> SafeString:
    """Untrusted markdown as safe HTML."""
    return render_markdown(text or "")


@register.filter
def number(value: Any) -> str:
    """A number with sensible digits; a dash where there is none."""
    return short(None if value is None or value == "" else float(value))


@register.filter
def percent(value: Any, digits: int = 0) -> str:
    """0.734 → 73 %."""
    return "–" if value is None or value == "" else f"{float(value) * 100:.{digits}f} %"


@register.filter
def lookup(mapping: Any, key: Any) -> Any:
    """`{{ labels|lookup:response.id }}`; an empty text when there is nothing under the key."""
    return mapping.get(key, "") if hasattr(mapping, "get") else ""
