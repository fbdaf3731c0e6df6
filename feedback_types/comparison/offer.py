"""What a comparison offers: the options on the screen, in words and as the choice set that is stored with the answer.

{"kind": "pair", "responses": [17, 12], "strengths": 3, "ties": true, "both_bad": true, "aspect": null,
 "options": [{"value": 3, "label": "A is much better"}, …, {"value": "none", "label": "Both are bad"}], "size": 8}
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product
from math import comb, factorial
from typing import Any

from django.utils.translation import gettext as _

from feedback_types.base import Screen
from feedback_types.comparison.schema import ComparisonPayload, ComparisonSettings, Kind, pair_ranks

NONE = "none"  # the option "none is good"


def kind(screen: Screen, settings: ComparisonSettings) -> Kind:
    if settings.mode == "auto":
        return "pair" if len(screen.responses) == 2 else "ranking"
    return settings.mode


def strengths(settings: ComparisonSettings) -> list[int]:
    """Strengths on offer for a pair, from "the first is much better" to "the second is much better"."""
    return [k for k in range(settings.strengths, -settings.strengths - 1, -1) if k or settings.ties]


def strength_label(strength: int, degrees: int) -> str:
    """A strength in words, when `degrees` of better are told apart."""
    if strength == 0:
        return _("A and B are equally good")
    better = "A" if strength > 0 else "B"
    if degrees == 1:
        return _("%(better)s is better") % {"better": better}
    return {
        1: _("%(better)s is slightly better"),
        2: _("%(better)s is clearly better"),
        3: _("%(better)s is much better"),
    }[abs(strength)] % {"better": better}


def none_label(n: int) -> str:
    return _("Both are bad") if n == 2 else _("None is good")


def choice_set(screen: Screen, settings: ComparisonSettings) -> dict[str, Any]:
    which, n = kind(screen, settings), len(screen.responses)
    options: list[dict[str, Any]] = []
    if which == "pair":
        options = [{"value": k, "label": strength_label(k, settings.strengths)} for k in strengths(settings)]
        size = len(options)
    else:
        options = [
            {"value": response.id, "label": screen.letter(response.id)} for response in screen.responses
        ]
        size = n if which == "best" else weak_orders(n) if settings.ties else factorial(n)
    if settings.both_bad:
        options.append({"value": NONE, "label": none_label(n)})
    return {
        "kind": which,
        "responses": [response.id for response in screen.responses],
        "strengths": settings.strengths,
        "ties": settings.ties and which != "best",
        "both_bad": settings.both_bad,
        "aspect": settings.aspect or None,
        "options": options,  # of a ranking: what is put in order
        "size": size + settings.both_bad,  # how many different answers could be given
    }


@cache
def weak_orders(n: int) -> int:
    """In how many ways n things can be ordered when ties are allowed (1, 1, 3, 13, 75, 541, …)."""
    return 1 if n == 0 else sum(comb(n, k) * weak_orders(n - k) for k in range(1, n + 1))


def answers(offered: Mapping[str, Any]) -> list[ComparisonPayload]:
    """Every answer of a choice set."""
    items, n, aspect = offered["responses"], len(offered["responses"]), offered["aspect"]
    found: list[ComparisonPayload] = []
    if offered["kind"] == "pair":
        for option in offered["options"]:
            if option["value"] != NONE:
                found.append(_payload(items, pair_ranks(option["value"]), option["value"], aspect=aspect))
    elif offered["kind"] == "best":
        found += [
            _payload(items, [1 if i == best else None for i in range(n)], aspect=aspect) for best in range(n)
        ]
    else:
        for ranks in product(range(1, n + 1), repeat=n):
            groups = len(set(ranks))
            if max(ranks) == groups and (offered["ties"] or groups == n):
                found.append(_payload(items, list(ranks), aspect=aspect))
    if offered["both_bad"]:
        found.append(none_good(items, offered["kind"], aspect))
    return found


def none_good(items: list[int], which: Kind, aspect: str | None) -> ComparisonPayload:
    return _payload(items, [1] * len(items), 0 if which == "pair" else None, aspect=aspect, both_bad=True)


def _payload(
    items: list[int],
    ranks: list[int | None],
    strength: int | None = None,
    *,
    aspect: str | None,
    both_bad: bool = False,
) -> ComparisonPayload:
    return ComparisonPayload(
        items=tuple(items), ranks=tuple(ranks), strength=strength, both_bad=both_bad, aspect=aspect
    )
