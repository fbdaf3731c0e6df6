"""Filters and tags that any page may use: {% load whetstone %}."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from annotation.ledger.currencies import MICRO, digits, text
from annotation.rendering.markdown import render_markdown
from annotation.rendering.plots import short
from annotation.views.navigation import navigation

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
def money(micros: Any, currency: str) -> str:
    """1_250_000, "EUR" → 1.25 EUR; a dash where there is no amount. Whole coins, or hundredths of them below ten."""
    if micros is None or micros == "" or not currency:
        return "–"
    amount, coin = round(micros), MICRO // 10 ** digits(currency)
    step = max(1, coin // 100) if abs(amount) < 10 * coin else coin
    exact = round(amount / step) * step
    whole, _point, behind = text(abs(exact), currency).partition(".")
    return f"{'−' if exact < 0 else ''}{int(whole):,}{'.' + behind if behind else ''} {currency}"


@register.filter
def hours(ms: Any) -> str:
    """Milliseconds as hours: 5_400_000 → 1.5."""
    return "–" if ms is None or ms == "" else f"{ms / 3_600_000:,.1f}"


@register.filter
def span(hours: Any) -> str:
    """Hours as a length of time that one can plan with: 0.4 → 24 min, 30 → 30 h, 100 → 4.2 days."""
    if hours is None or hours == "":
        return "–"
    if hours < 1:
        return _("%(n)d min") % {"n": max(1, round(hours * 60))}
    if hours < 48:
        return _("%(n)d h") % {"n": round(hours)}
    return _("%(n)s days") % {"n": f"{hours / 24:,.1f}" if hours < 480 else f"{hours / 24:,.0f}"}


@register.filter
def lookup(mapping: Any, key: Any) -> Any:
    """`{{ labels|lookup:response.id }}`; an empty text when there is nothing under the key."""
    return mapping.get(key, "") if hasattr(mapping, "get") else ""


@register.filter
def in_words(value: Any) -> str:
    """A value of a setting as people read it: yes and no, a dash for nothing, a list by commas."""
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@register.simple_tag
def source_of(text: str) -> SafeString:
    """The exact text of a response for scripts, as inert JSON."""
    encoded = json.dumps({"text": text}, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        encoded = encoded.replace(character, f"\\u{ord(character):04x}")
    return mark_safe(f'<script type="application/json" class="response-source">{encoded}</script>')


@register.simple_tag(takes_context=True, name="navigation")
def navigation_tag(context: Any) -> list[dict[str, object]]:
    """`{% navigation as entries %}`: what stands in the top bar for this person."""
    request = context.get("request")
    return navigation(request) if request is not None and hasattr(request, "user") else []


@register.filter
def last_message(prompt: Any) -> str:
    """The last message of a prompt, for lists."""
    return str(prompt.messages[-1]["content"]) if prompt.messages else ""


@register.simple_tag
def campaign_link(campaign: Any) -> SafeString:
    """The campaign's name, linked to its own page where this installation has one."""
    try:
        return format_html('<a href="{}">{}</a>', reverse("campaign", args=[campaign.slug]), campaign.name)
    except NoReverseMatch:
        return format_html("{}", campaign.name)
