"""Models: reward models and policies, how good each is and what it rewards."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation import access
from annotation.errors import Invalid, NotFound
from annotation.items.models import Response
from annotation.rendering import plots
from annotation.views.pages import page
from training_bridge import selectors, services
from training_bridge.methods import all_methods
from training_bridge.models import Checkpoint, Run
from training_bridge.views import findings
from training_bridge.views.common import dig, fragment, interval, is_number, shown
from training_bridge.views.forms import TextForm, show_refusal

STEPS = 5  # shades of the heat map, either way


@page
def models(request: HttpRequest) -> HttpResponse:
    """Every reward model and policy of my campaigns, newest first."""
    rows = shown(request, selectors.checkpoints_for(request.user))
    live = {c.pk: selectors.live_policy(c) for c in selectors.campaigns_for(request.user)}
    context = {"shown": rows, "live": {p.policy_id for p in live.values() if p}}
    return render(request, "training_bridge/models.html", context)


@page
def model(request: HttpRequest, checkpoint_id: int) -> HttpResponse:
    found = selectors.checkpoint_for(request.user, checkpoint_id)
    context: dict[str, Any] = {"model": found, "ancestors": selectors.ancestors(found)}
    context["artifact_place"] = settings.ARTIFACT_PLACE if found.is_kept else ""
    if found.kind == Checkpoint.Kind.POLICY:
        campaigns = selectors.campaigns_for(request.user)
        context["campaigns"] = (
            campaigns if found.campaign_id is None else [c for c in campaigns if c.pk == found.campaign_id]
        )
        context["rounds"] = found.rounds.select_related("campaign").filter(campaign__in=campaigns)
        context["promotions"] = [
            {"campaign": c, "live": selectors.live_policy(c)} for c in context["campaigns"]
        ]
        return render(request, "training_bridge/policy.html", context)
    context |= {"form": TextForm(), **_quality(found)}
    context["evaluations"] = [
        {"method": method, "runs": runs} for method, runs in evaluations_of(found).items()
    ]
    context["heats"] = (
        Run.objects.filter(method="score", reward_model=found)
        .order_by("-created_at")
        .only("pk", "status", "created_at")[:10]
    )
    return render(request, "training_bridge/reward_model.html", context)


def evaluations_of(found: Checkpoint) -> dict[Any, list[Run]]:
    """Methods that look at a reward model, in their order, each with its newest runs on this one."""
    by_method: dict[Any, list[Run]] = {
        m: [] for name, m in all_methods().items() if name in findings.names() and m.is_listed
    }
    names = {m.name: m for m in by_method}
    runs = Run.objects.filter(Q(reward_model=found) | Q(compared_with=found), method__in=names)
    for run in runs.order_by("-created_at").only("pk", "method", "status", "created_at")[:60]:
        if len(by_method[names[run.method]]) < 5:
            by_method[names[run.method]].append(run)
    return by_method


@page(methods=["POST"])
def promote(request: HttpRequest, checkpoint_id: int, slug: str) -> HttpResponse:
    campaign = access.campaign_for_researcher(request.user, slug)
    found = selectors.checkpoint_for(request.user, checkpoint_id)
    services.promote(campaign=campaign, policy=found, actor=request.user)  # type: ignore[arg-type]
    return redirect("model", found.pk)


@page(methods=["POST"])
def undo_promotion(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = access.campaign_for_researcher(request.user, slug)
    promotion = services.undo_promotion(campaign=campaign, actor=request.user)  # type: ignore[arg-type]
    return redirect("model", promotion.policy_id)


# --- How good a reward model is --------------------------------------------------------------------------------------


def _quality(found: Checkpoint) -> dict[str, Any]:
    """Plots and tables from the evaluation that its run left; what is missing there is left out here."""
    metrics = found.run.metrics if found.run else None
    evaluation = dig(metrics, "evaluation") or {}
    pairs = evaluation.get("pairs") or {}
    rows = [
        (label, *numbers)
        for label, data in (
            (_("this model"), pairs.get("accuracy")),
            (_("length alone"), pairs.get("length_baseline")),
            (_("two people agree"), dig(pairs, "humans", "labelers")),
            (_("model on the same pairs"), dig(pairs, "humans", "model")),
            *(
                (_("from %(type)s") % {"type": kind}, data)
                for kind, data in (pairs.get("types") or {}).items()
            ),
        )
        if (numbers := interval(data))
    ]
    context: dict[str, Any] = {
        "evaluation": evaluation,
        "pairs": pairs,
        "accuracy": interval(pairs.get("accuracy")),
    }
    if rows:
        context["accuracy_plot"] = plots.intervals(
            rows,
            title=_("Agreement with held-out preferences"),
            x_label=_("share agreed with"),
            reference=0.5,
            note=_(
                # xgettext:no-python-format
                "Prompts that it was not trained on; 95 % intervals over prompts. The dashed line is a coin toss."
            ),
        )
    context["groups"] = groups(evaluation)
    points = dig(evaluation, "calibration", "curve") or []
    curve = [
        (p["confidence"], p["accuracy"], p["n"]) for p in points if {"confidence", "accuracy", "n"} <= set(p)
    ]
    if curve:
        context["calibration_plot"] = plots.calibration(curve, title=_("Calibration on held-out preferences"))
    histogram = dig(evaluation, "reward", "histogram") or {}
    edges, counts = histogram.get("edges") or [], histogram.get("counts") or {}
    if len(edges) > 1 and all(len(c) == len(edges) - 1 for c in counts.values()):
        middles = [(a + b) / 2 for a, b in pairwise(edges)]
        names = {"chosen": _("preferred"), "rejected": _("not preferred")}
        series = [
            plots.Series(names.get(n, n), list(zip(middles, c, strict=True))) for n, c in counts.items()
        ]
        context["reward_plot"] = plots.line(
            series, title=_("Rewards of held-out texts"), x_label=_("reward"), y_label=_("texts")
        )
    labelers = _labelers(evaluation.get("labelers"))
    if labelers:
        context["labelers"] = labelers
        dots = [(r["name"], r["log_beta"], r["low"], r["high"]) for r in labelers if r["low"] is not None][
            :40
        ]
        context["labelers_plot"] = plots.intervals(
            dots,
            title=_("Reliability of labelers"),
            x_label=_("log rationality"),
            reference=0.0,
            note=_("0 is the average labeler."),
        )
    return context


def groups(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Tables of accuracy and calibration by type, by group of labelers, where people agree, with length out of the way."""
    pairs = evaluation.get("pairs") or {}
    calibrations = dig(evaluation, "calibration", "types") or {}
    halves = {"more_reliable": _("more reliable half"), "less_reliable": _("less reliable half")}
    kinds = {
        "human": _("people"),
        "simulated": _("simulated labelers"),
        "ai": _("AI judges"),
        "proxy": _("stated rewards"),
    }
    by_kind = dig(pairs, "labeler_groups", "kinds") or {}
    by_half = dig(pairs, "labeler_groups", "reliability") or {}
    tables = [
        (
            _("By feedback type"),
            "",
            [(kind, entry, calibrations.get(kind)) for kind, entry in (pairs.get("types") or {}).items()],
        ),
        (
            _("By group of labelers"),
            _("Halves by the reliability that was learned together with the reward."),
            [(kinds.get(name, name), entry, entry) for name, entry in by_kind.items()]
            + [(halves.get(name, name), entry, entry) for name, entry in by_half.items()],
        ),
        (
            _("Where people agree"),
            # xgettext:no-python-format
            _(
                "Pairs that several people judged, against their majority: no model can agree with people who do not agree."
            ),
            [
                # xgettext:no-python-format
                (_("80 % of them and more say the same"), dig(pairs, "agreement", "high"), None),
                (_("fewer do"), dig(pairs, "agreement", "low"), None),
                (_("two people agree"), dig(pairs, "humans", "labelers"), None),
                (_("model on the same pairs"), dig(pairs, "humans", "model"), None),
            ],
        ),
        (
            _("With length out of the way"),
            _(
                "Length-controlled: the mean of the two rows below it; always preferring the longer text is worth a half."
            ),
            [
                (_("length-controlled"), pairs.get("length_controlled"), None),
                (_("longer one preferred"), pairs.get("longer_preferred"), None),
                (_("shorter one preferred"), pairs.get("shorter_preferred"), None),
                # xgettext:no-python-format
                (_("alike in length (10 %)"), pairs.get("alike_in_length"), None),
            ],
        ),
    ]
    found = []
    for title, note, entries in tables:
        rows = [
            {
                "name": name,
                "value": numbers[0],
                "low": numbers[1],
                "high": numbers[2],
                "n": entry["n"],
                "ece": dig(more, "ece"),
            }
            for name, entry, more in entries
            if isinstance(entry, dict) and entry.get("n") and (numbers := interval(entry))
        ]
        if rows:
            has_ece = any(is_number(row["ece"]) for row in rows)
            found.append({"title": title, "note": note, "rows": rows, "has_ece": has_ece})
    return found


def _labelers(data: Any) -> list[dict[str, Any]]:
    """Most reliable first."""
    rows = []
    for name, entry in (data or {}).items():
        log_beta, error = entry.get("log_beta"), entry.get("log_beta_se")
        known = is_number(log_beta) and is_number(error)
        rows.append(
            {
                "name": name,
                "events": entry.get("events"),
                "log_beta": log_beta,
                "beta": entry.get("beta"),
                "lapse": entry.get("lapse"),
                "agreed": dig(entry, "held_out", "value"),
                "low": log_beta - 1.96 * error if known else None,
                "high": log_beta + 1.96 * error if known else None,
            }
        )
    return sorted(rows, key=lambda r: -(r["log_beta"] or 0))


# --- What it rewards -------------------------------------------------------------------------------------------------


@page(methods=["POST"])
def score(request: HttpRequest, checkpoint_id: int) -> HttpResponse:
    """Asks a worker for the reward of every word of a text, or of a response that is stored."""
    found = selectors.checkpoint_for(request.user, checkpoint_id)
    form = TextForm(request.POST)
    if found.kind != Checkpoint.Kind.REWARD_MODEL or found.campaign is None:
        raise NotFound(_("There is no such reward model for you."))
    if form.is_valid():
        text = {
            "messages": [{"role": "user", "content": form.cleaned_data["prompt"]}],
            "text": form.cleaned_data["text"],
        }
        try:
            run = services.start_run(
                campaign=found.campaign,
                actor=request.user,  # type: ignore[arg-type]
                method="score",
                config={"texts": [text]},
                reward_model=found,
            )
        except Invalid as refused:
            show_refusal(form, refused)
        else:
            return redirect("heat", found.pk, run.pk)
    context = {"model": found, "ancestors": selectors.ancestors(found), "form": form, **_quality(found)}
    return render(request, "training_bridge/reward_model.html", context, status=422)


@page(methods=["POST"])
def score_response(request: HttpRequest, checkpoint_id: int, response_id: int) -> HttpResponse:
    found = selectors.checkpoint_for(request.user, checkpoint_id)
    response = (
        Response.objects.select_related("prompt")
        .filter(pk=response_id, prompt__campaign=found.campaign)
        .first()
    )
    if found.kind != Checkpoint.Kind.REWARD_MODEL or found.campaign is None or response is None:
        raise NotFound(_("There is no such response for you."))
    run = services.start_run(
        campaign=found.campaign,
        actor=request.user,  # type: ignore[arg-type]
        method="score",
        config={"texts": [{"messages": response.prompt.messages, "text": response.text}]},
        reward_model=found,
    )
    return redirect("heat", found.pk, run.pk)


@page
def heat(request: HttpRequest, checkpoint_id: int, run_id: Any) -> HttpResponse:
    """The text with the reward of every token, as soon as the worker has it."""
    return render(request, "training_bridge/heat.html", _heat(request, checkpoint_id, run_id))


@page
def heat_live(request: HttpRequest, checkpoint_id: int, run_id: Any) -> HttpResponse:
    context = _heat(request, checkpoint_id, run_id)
    return fragment(request, "training_bridge/_job.html", context, finished=context["job"].is_finished)


def _heat(request: HttpRequest, checkpoint_id: int, run_id: Any) -> dict[str, Any]:
    found = selectors.checkpoint_for(request.user, checkpoint_id)
    run = selectors.run_for(request.user, run_id)
    if run.reward_model_id != found.pk or run.method != "score":
        raise NotFound(_("There is no such picture of this model."))
    texts = run.config.get("texts") or []
    scores = dig(run.metrics, "scores") or []
    return {
        "model": found,
        "run": run,
        "job": run,
        "progress": selectors.progress_of(run),
        "live_url": reverse("heat_live", args=[found.pk, run.pk]),
        "maps": [
            {
                "messages": t["messages"],
                "reward": s.get("reward"),
                "spans": spans(t["text"], s.get("tokens") or []),
            }
            for t, s in zip(texts, scores, strict=False)
        ],
    }


def spans(text: str, tokens: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The text cut at the tokens, each with its class: heat-p1 … heat-p5 adds reward, heat-n1 … heat-n5 takes it away."""
    most = max((abs(t["reward"]) for t in tokens if is_number(t.get("reward"))), default=0.0) or 1.0
    found = []
    for token in tokens:
        reward = float(token["reward"]) if is_number(token.get("reward")) else 0.0
        level = min(STEPS, round(abs(reward) / most * STEPS))
        css = f"heat-{'p' if reward > 0 else 'n'}{level}" if level else ""
        found.append({"text": text[token["start"] : token["end"]], "reward": reward, "css": css})
    return found
