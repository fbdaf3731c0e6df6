"""Rounds: did the policy get better, and how do we know; and the two buttons that close the loop."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation import access
from annotation.items.models import Item
from annotation.rendering import plots
from annotation.views.pages import page
from training_bridge import selectors, services
from training_bridge.models import Round
from training_bridge.services import rounds as round_services
from training_bridge.views.common import dig, fragment, interval

SAMPLES = 6
REWARD_MODEL = "reward_model"


@page
def rounds(request: HttpRequest) -> HttpResponse:
    """Every round of my campaigns; a campaign without one is invited to begin."""
    found = list(selectors.rounds_for(request.user))
    begun = {r.campaign_id for r in found}
    context = {
        "rounds": [{"round": r, "win": predicted(r.evidence)} for r in found],
        "begun": [c for c in selectors.campaigns_for(request.user) if c.pk in begun],
        "to_begin": [c for c in selectors.campaigns_for(request.user) if c.pk not in begun],
    }
    return render(request, "training_bridge/rounds.html", context)


@page(methods=["POST"])
def begin(request: HttpRequest, slug: str) -> HttpResponse:
    """The first round of a campaign."""
    campaign = access.campaign_for_researcher(request.user, slug)
    found = round_services.current_round(campaign, request.user)  # type: ignore[arg-type]
    return redirect("round", slug, found.number)


@page
def one_round(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    return render(request, "training_bridge/round.html", _context(request, slug, number))


@page
def round_live(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The buttons and the runs behind them, while they go; when nothing is under way any more the page is loaded again."""
    context = _context(request, slug, number, full=False)
    return fragment(request, "training_bridge/_round_live.html", context, finished=not context["is_busy"])


@page(methods=["POST"])
def train_reward(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    found = selectors.round_for(request.user, slug, number)
    services.train_reward(round_=found, actor=request.user)  # type: ignore[arg-type]
    return redirect("round", slug, number)


@page(methods=["POST"])
def refresh_policy(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    found = selectors.round_for(request.user, slug, number)
    method = request.POST.get("method", round_services.USUAL_REFRESH)
    services.refresh_policy(round_=found, actor=request.user, method=method)  # type: ignore[arg-type]
    return redirect("round", slug, number)


def by_judge(evidence: Any, name: str) -> dict[str, Any]:
    """A part of the comparison by judge: the reward model first, then tastes."""
    found = dig(evidence, name)
    judges = found if isinstance(found, dict) else {}
    return dict(sorted(judges.items(), key=lambda entry: (entry[0] != REWARD_MODEL, entry[0])))


def predicted(evidence: Any) -> tuple[float, float, float] | None:
    """The win rate of the new policy as the reward model judges it."""
    return interval(dig(evidence, "win_rate", REWARD_MODEL))


def _context(request: HttpRequest, slug: str, number: int, *, full: bool = True) -> dict[str, Any]:
    found = selectors.round_for(request.user, slug, number)
    steps = [
        (_("reward model"), found.reward_run),
        (_("new policy"), found.refresh_run),
        (_("its answers"), found.sample_run),
        (_("answers of the old policy"), found.baseline_run),
        (_("comparison of the two"), found.evaluate_run),
    ]
    refresh = list(round_services.refresh_methods().values())
    is_training = found.reward_run is not None and not found.reward_run.is_finished
    context: dict[str, Any] = {
        "round": found,
        "campaign": found.campaign,
        "steps": [
            {"label": label, "run": run, "progress": selectors.progress_of(run)}
            for label, run in steps
            if run is not None
        ],
        "is_training": is_training,
        "is_refreshing": round_services.is_refreshing(found),
        "reward_model": round_services.reward_model_of(found),
        "new_policy": round_services.new_policy_of(found),
        "next": round_services.next_round(found),
        "refresh_methods": refresh,
        "live_url": reverse("round_live", args=[slug, number]),
    }
    context["is_busy"] = context["is_training"] or context["is_refreshing"]
    return context | _evidence(found, context) if full else context


def _evidence(found: Round, context: dict[str, Any]) -> dict[str, Any]:
    """Who wins: by the reward model on held-out prompts, and by the next round's labelers, who saw no names."""
    rows: list[tuple[str, float, float, float]] = []
    for judge, entry in by_judge(found.evidence, "win_rate").items():
        numbers = interval(entry)
        if numbers:
            name = (
                _("by the reward model") if judge == REWARD_MODEL else _("by “%(judge)s”") % {"judge": judge}
            )
            rows.append((name, *numbers))
    following: Round | None = context["next"]
    judged = None
    if following is not None and following.policy is not None and following.policy.parent is not None:
        judged = selectors.win_rate(following, following.policy, following.policy.parent)
        if judged.value is not None and judged.low is not None and judged.high is not None:
            rows.append((_("by labelers"), judged.value, judged.low, judged.high))
    evidence: dict[str, Any] = {
        "predicted": predicted(found.evidence),
        "judged": judged,
        "evidence": found.evidence or {},
    }
    if rows:
        evidence["win_plot"] = plots.intervals(
            rows,
            title=_("Win rate of the new policy against the old one"),
            x_label=_("share of wins, a tie counting half"),
            reference=0.5,
            x_range=(0, 1),
            # xgettext:no-python-format
            note=_("95 % intervals over prompts. Right of the dashed line the new policy is better."),
        )
    evidence["reward_plot"] = reward_plot(found.evidence or {})
    evidence["samples"] = samples(following, found) or held_out_samples(found.evidence)
    return evidence


def reward_plot(evidence: dict[str, Any]) -> Any:
    """Rewards before and after, as the comparison left them: common edges and a count for each policy."""
    histogram = dig(evidence, "rewards", REWARD_MODEL, "histogram") or {}
    edges, counts = histogram.get("edges") or [], histogram.get("counts") or {}
    if len(edges) < 2 or not counts or any(len(c) != len(edges) - 1 for c in counts.values()):
        return None
    middles = [(a + b) / 2 for a, b in pairwise(edges)]
    names = {"old": _("old policy"), "new": _("new policy")}
    series = [plots.Series(names.get(n, n), list(zip(middles, c, strict=True))) for n, c in counts.items()]
    return plots.line(
        series, title=_("Rewards before and after"), x_label=_("reward"), y_label=_("responses")
    )


def samples(following: Round | None, found: Round) -> list[dict[str, Any]]:
    """Both policies' answers to the same prompts, side by side: the first items of the next round."""
    if following is None or following.policy is None:
        return []
    items = (
        Item.objects.filter(campaign=found.campaign, round_number=following.number)
        .select_related("prompt")
        .prefetch_related("responses")
        .order_by("pk")[:SAMPLES]
    )
    rows = []
    for item in items:
        new = [r for r in item.responses.all() if r.checkpoint_id == following.policy_id]
        old = [r for r in item.responses.all() if r.checkpoint_id != following.policy_id]
        if new and old:
            rows.append(
                {"prompt": item.prompt.messages[-1]["content"], "old": old[0].text, "new": new[0].text}
            )
    return rows


def held_out_samples(evidence: Any) -> list[dict[str, Any]]:
    """The same from the comparison on held-out prompts, while there is no next round."""
    rows = dig(evidence, "samples")
    return [
        {"prompt": row["prompt"][-1]["content"], "old": row["old"], "new": row["new"]}
        for row in (rows if isinstance(rows, list) else [])[:SAMPLES]
        if {"prompt", "old", "new"} <= set(row)
    ]
