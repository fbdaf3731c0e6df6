"""Runs: what there is, start one, one of them while it goes and afterwards."""

from __future__ import annotations

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
from training_bridge.models import Run
from training_bridge.views.common import flat, fragment, is_number, shown
from training_bridge.views.forms import InputsForm, show_refusal

CURVES = 4


@page
def runs(request: HttpRequest) -> HttpResponse:
    """Every run of my campaigns, newest first."""
    context = {
        "campaigns": selectors.campaigns_for(request.user),
        "shown": shown(request, selectors.runs_for(request.user)),
        "methods": methods.all_methods(),
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
        return render(
            request, "training_bridge/choose_method.html", {"campaign": campaign, "methods": listed.values()}
        )
    method = listed[name]
    posted = request.POST if request.method == "POST" else None
    start: dict[str, Any] = {}
    if clone is not None and clone.method == name and clone.campaign_id == campaign.pk:
        start = {**{given: getattr(clone, f"{given}_id") for given in method.inputs}, "seed": clone.seed}
    inputs = InputsForm(posted, method=method, campaign=campaign, initial=start or None)
    initial = method.parameters.model_validate(clone.config) if start and clone else None
    config = settings_form(method.parameters, posted, prefix="config", initial=initial)  # type: ignore[type-var]
    if posted is not None and inputs.is_valid() and config.is_valid():
        given = {k: v for k, v in inputs.cleaned_data.items() if k != "seed" and v is not None}
        try:
            run = services.start_run(
                campaign=campaign,
                actor=request.user,  # type: ignore[arg-type]
                method=name,
                config=config.settings.model_dump() if config.settings else {},
                seed=inputs.cleaned_data["seed"],
                **given,
            )
        except Invalid as refused:
            show_refusal(inputs, refused)
        else:
            return redirect("run", run.pk)
    context = {"campaign": campaign, "method": method, "inputs": inputs, "config": config, "clone": clone}
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
def cancel_run(request: HttpRequest, run_id: Any) -> HttpResponse:
    found = selectors.run_for(request.user, run_id)
    services.cancel_run(run=found, actor=request.user)  # type: ignore[arg-type]
    return redirect("run", found.pk)


def _context(found: Run) -> dict[str, Any]:
    method = methods.all_methods().get(found.method)
    return {
        "run": found,
        "job": found,
        "method": method,
        "progress": selectors.progress_of(found),
        "live_url": reverse("run_live", args=[found.pk]),
        "curves": curves(found),
        "numbers": flat(found.metrics),
        "parameters": parameters(found, method),
        "attributes": methods.attributes_of(found).rows(),
        "checkpoints": found.checkpoints.all(),
    }


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
    """A plot for each number that the program told at least twice, the first few of them; the loss comes first."""
    names = [n for n in {k: None for p in found.curve for k in p} if n not in ("step", "stage")]
    names.sort(key=lambda n: (n != "loss", "loss" not in n))
    drawn: list[Any] = []
    for name in names:
        stages: dict[str, list[tuple[float, float]]] = {}
        for point in found.curve:
            if is_number(point.get(name)):
                stages.setdefault(point.get("stage") or "", []).append((point["step"], point[name]))
        series = [plots.Series(stage or name, points) for stage, points in stages.items() if len(points) > 1]
        if series and len(drawn) < CURVES:
            drawn.append(
                plots.line(
                    series, title=name.replace("_", " "), x_label=_("step"), y_label=name.replace("_", " ")
                )
            )
    return drawn
