"""Runs: what there is, start one, one of them while it goes and afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation import access
from annotation.errors import Invalid
from annotation.rendering import plots
from annotation.views.pages import page
from feedback_types.settings_form import settings_form
from training_bridge import methods, selectors, services
from training_bridge.methods.attributes import NOT_ASKED
from training_bridge.models import Run
from training_bridge.views import methods as about
from training_bridge.views.common import flat, fragment, is_number, shown
from training_bridge.views.findings import sections_of
from training_bridge.views.forms import InputsForm, RunFilterForm, show_refusal

QUEUE = 20  # of the queue that are shown
# What one looks at first, in this order; whatever else a program tells follows.
CURVES = ("loss", "reward", "kl", "accuracy", "held_out_accuracy", "tokens", "entropy", "margin")
AT_ONCE = 6  # curves that are open; the others unfold


@page
def runs(request: HttpRequest) -> HttpResponse:
    """Every run of my campaigns, newest first; what waits stands above, in the order of the queue."""
    mine = selectors.runs_for(request.user)
    form = RunFilterForm(request.GET, campaigns=selectors.campaigns_for(request.user))
    context = {
        "campaigns": selectors.campaigns_for(request.user),
        "queue": mine.filter(status=Run.Status.QUEUED).order_by("-priority", "created_at", "pk")[:QUEUE],
        "shown": shown(request, form.apply(mine)),
        "form": form,
        "query": form.query(),
        "methods": methods.all_methods(),
        "priorities": Run.Priority.choices,
    }
    return render(request, "training_bridge/runs.html", context)


@page(methods=["GET", "HEAD", "POST"])
def new_run(request: HttpRequest, slug: str) -> HttpResponse:
    """Choose a method, its inputs and settings; `?clone=` starts from those of another run."""
    campaign = access.campaign_for_researcher(request.user, slug)
    listed = {name: m for name, m in methods.all_methods().items() if m.is_listed}
    clone = selectors.run_for(request.user, request.GET["clone"]) if "clone" in request.GET else None
    name = request.POST.get("method") or request.GET.get("method") or (clone.method if clone else "")
    if name not in listed:
        context = {
            "campaign": campaign,
            "groups": about.groups(listed.values()),
            "table": about.table(listed.values()),
        }
        return render(request, "training_bridge/choose_method.html", context)
    method = listed[name]
    preset = method.preset(request.POST.get("preset") or request.GET.get("preset") or "")
    posted = request.POST if request.method == "POST" else None
    start: dict[str, Any] = {}
    if clone is not None and clone.method == name and clone.campaign_id == campaign.pk:
        start = {
            **{given: getattr(clone, f"{given}_id") for given in method.inputs},
            "seed": clone.seed,
            "priority": clone.priority,
        }
        if clone.endpoint_id:
            start["parent"] = f"endpoint-{clone.endpoint_id}"
    endpoints = access.endpoints_for_runs(request.user, campaign)
    inputs = InputsForm(posted, method=method, campaign=campaign, endpoints=endpoints, initial=start or None)
    initial: Any = None
    if start and clone:
        initial, preset = method.parameters.model_validate(clone.config), None
    else:
        initial = method.parameters.model_validate(dict(preset.values)) if preset else None
    files = request.FILES if posted is not None else None
    config = settings_form(method.parameters, posted, files, prefix="config", initial=initial)
    if posted is not None and inputs.is_valid() and config.is_valid():
        try:
            run = services.start_run(
                campaign=campaign,
                actor=request.user,  # type: ignore[arg-type]
                method=name,
                config=config.settings.model_dump() if config.settings else {},
                seed=inputs.cleaned_data["seed"],
                priority=inputs.cleaned_data["priority"],
                **inputs.given(),
            )
        except Invalid as refused:
            show_refusal(inputs, refused)
        else:
            return redirect("run", run.pk)
    context = {
        "campaign": campaign,
        "method": method,
        "inputs": inputs,
        "config": config,
        "clone": clone,
        "preset": preset,
        "presets": about.offered(method, preset, inputs.first()),
        "worker_gb": about.worker_gb(),
    }
    status = 422 if posted is not None else 200
    return render(request, "training_bridge/new_run.html", context, status=status)


@page
def run(request: HttpRequest, run_id: Any) -> HttpResponse:
    """Is it learning; how good is it; what was it given."""
    found = selectors.run_for(request.user, run_id)
    return render(request, "training_bridge/run.html", _context(found))


@page
def run_live(request: HttpRequest, run_id: Any) -> HttpResponse:
    found = selectors.run_for(request.user, run_id)
    return fragment(request, "training_bridge/_run_live.html", _context(found), finished=found.is_finished)


@page(methods=["POST"])
def resume_run(request: HttpRequest, run_id: Any) -> HttpResponse:
    found = selectors.run_for(request.user, run_id)
    services.resume_run(run=found, actor=request.user)  # type: ignore[arg-type]
    return redirect("run", found.pk)


@page(methods=["POST"])
def set_run_priority(request: HttpRequest, run_id: Any) -> HttpResponse:
    found = selectors.run_for(request.user, run_id)
    raw = request.POST.get("priority", "")
    priority: Any = int(raw) if raw in {str(value) for value in Run.Priority.values} else raw
    services.set_priority(run=found, actor=request.user, priority=priority)  # type: ignore[arg-type]
    return redirect("runs")


@page(methods=["POST"])
def cancel_run(request: HttpRequest, run_id: Any) -> HttpResponse:
    found = selectors.run_for(request.user, run_id)
    services.cancel_run(run=found, actor=request.user)  # type: ignore[arg-type]
    return redirect("run", found.pk)


def _context(found: Run) -> dict[str, Any]:
    method = methods.all_methods().get(found.method)
    drawn = curves(found)
    return {
        "run": found,
        "job": found,
        "method": method,
        "progress": selectors.progress_of(found),
        "live_url": reverse("run_live", args=[found.pk]),
        "curves": drawn[:AT_ONCE],
        "further_curves": drawn[AT_ONCE:],
        "samples": samples(found),
        "can_resume": found.status in (Run.Status.CANCELLED, Run.Status.FAILED),
        "numbers": flat(found.metrics),
        "findings": sections_of(found),
        "parameters": parameters(found, method),
        "attributes": asked(methods.attributes_of(found)),
        "checkpoints": found.checkpoints.all(),
    }


def asked(attributes: methods.Attributes) -> list[tuple[Any, Any]]:
    """What kind of learning it is; nothing for a run that learns nothing."""
    return attributes.rows() if set(attributes.codes().values()) != {NOT_ASKED} else []


def parameters(found: Run, method: methods.Method | None) -> list[dict[str, Any]]:
    """The run's settings with their titles; those that differ from the default are marked."""
    fields = method.parameters.model_fields if method else {}
    rows = []
    for name, value in found.config.items():
        info = fields.get(name)
        is_changed = (
            info is not None
            and not info.is_required()
            and info.get_default(call_default_factory=True) != value
        )
        rows.append(
            {"name": name, "title": (info and info.title) or name, "value": value, "is_changed": is_changed}
        )
    return rows


def curves(found: Run) -> list[Any]:
    """A plot for each number that the program told at least twice; those that one looks at first come first."""
    drawn: list[Any] = []
    for name in curve_names([found]):
        stages: dict[str, list[tuple[float, float]]] = {}
        for point in found.curve:
            if is_number(point.get(name)):
                stages.setdefault(point.get("stage") or "", []).append((point["step"], point[name]))
        series = [plots.Series(stage or name, points) for stage, points in stages.items() if len(points) > 1]
        if series:
            drawn.append(curve_plot(name, series))
    return drawn


def curve_names(runs: Iterable[Run]) -> list[str]:
    names = {k: None for r in runs for p in r.curve for k in p if k not in ("step", "stage")}
    order = {name: place for place, name in enumerate(CURVES)}
    return sorted(names, key=lambda n: order.get(n, len(order)))


def curve_plot(name: str, series: Sequence[plots.Series]) -> Any:
    label = name.replace("_", " ").replace("/", " · ")
    return plots.line(series, title=label, x_label=_("step"), y_label=label)


def samples(found: Run) -> list[dict[str, Any]]:
    """Prompt by prompt, what the policy answered at each step that was kept."""
    by_prompt: dict[str, list[dict[str, Any]]] = {}
    for row in found.samples:
        by_prompt.setdefault(row["prompt"], []).append(row)
    return [
        {"prompt": prompt, "answers": sorted(rows, key=lambda r: r["step"])}
        for prompt, rows in by_prompt.items()
    ]
