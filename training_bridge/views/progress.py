"""A campaign's rounds in one line: did each policy get better, how far did it move, what became of length and variety?"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from annotation import access
from annotation.rendering import plots
from annotation.views.pages import page
from training_bridge import selectors
from training_bridge.models import Round
from training_bridge.views.common import dig, interval, is_number
from training_bridge.views.rounds import predicted


@page
def progress(request: HttpRequest, slug: str) -> HttpResponse:
    """Each round's new policy against the one it came from, by people and by the reward model."""
    campaign = access.campaign_for_researcher(request.user, slug)
    rounds = list(selectors.rounds_for(request.user).filter(campaign=campaign).order_by("number"))
    rows = [row_of(found, following(found, rounds)) for found in rounds]
    told = [row for row in rows if row["judged"] or row["predicted"] or row["kl"] is not None]
    context = {"campaign": campaign, "rows": told, "plots": drawn(told)}
    return render(request, "training_bridge/progress.html", context)


def following(found: Round, rounds: list[Round]) -> Round | None:
    return next((r for r in rounds if r.number == found.number + 1), None)


def row_of(found: Round, after: Round | None) -> dict[str, Any]:
    """What is known about the policy that a round made; its labelers are those of the round after it."""
    judged = None
    if after is not None and after.policy is not None and after.policy.parent is not None:
        judged = selectors.win_rate(after, after.policy, after.policy.parent)
    by_people = None
    if judged is not None and judged.value is not None and judged.low is not None and judged.high is not None:
        by_people = (judged.value, judged.low, judged.high)
    evidence = found.evidence or {}

    def number(*path: str) -> float | None:
        value = dig(evidence, *path)
        return float(value) if is_number(value) else None

    return {
        "round": found,
        "judged": by_people,
        "items": judged.items if judged is not None else None,
        "predicted": predicted(evidence),
        "ties": number("win_rate", "reward_model", "ties"),
        "kl": interval(dig(evidence, "kl", "per_response")),
        "words": (number("diversity", "old", "words"), number("diversity", "new", "words")),
        "variety": (number("diversity", "old", "distinct_2"), number("diversity", "new", "distinct_2")),
    }


def drawn(rows: list[dict[str, Any]]) -> list[Any]:
    """Win rates and divergence over the rounds; a single round is told by the table alone."""
    if len(rows) < 2:
        return []

    def series(name: Any, key: str) -> plots.Series:
        points = [plots.Point(row["round"].number, *row[key]) for row in rows if row[key]]
        return plots.Series(str(name), points)

    wins = [series(_("by labelers"), "judged"), series(_("by the reward model"), "predicted")]
    found = []
    if any(s.points for s in wins):
        found.append(
            plots.line(
                [s for s in wins if s.points],
                title=_("Win rate of each round's new policy"),
                x_label=_("round"),
                whole_x=True,
                y_label=_("share of wins, a tie counting half"),
                y_range=(0, 1),
                reference=0.5,
                note=_("Against the policy it came from. Where the two part, believe the labelers."),
            )
        )
    moved = series(_("divergence"), "kl")
    if moved.points:
        found.append(
            plots.line(
                [moved],
                title=_("How far each policy moved"),
                x_label=_("round"),
                whole_x=True,
                y_label=_("nats a response, from the one before"),
            )
        )
    return found
