"""Runs side by side: what kind of learning each is, the settings in which they differ, their curves and numbers."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from annotation.errors import Invalid
from annotation.rendering import plots
from annotation.views.pages import page
from training_bridge import methods, selectors
from training_bridge.models import Run
from training_bridge.views.common import flat, is_number
from training_bridge.views.runs import AT_ONCE, curve_names, curve_plot, parameters

MOST = 6  # as many as the plots have colours
NUMBERS = 60


@page
def compare_runs(request: HttpRequest) -> HttpResponse:
    """`?run=<id>&run=<id>`: two to six runs, of any campaigns that the person researches in."""
    asked = list(dict.fromkeys(request.GET.getlist("run")))
    if len(asked) < 2 or len(asked) > MOST:
        raise Invalid(
            _("Choose two to %(n)d runs to compare; %(have)d were chosen.") % {"n": MOST, "have": len(asked)}
        )
    found = [selectors.run_for(request.user, _uuid(one)) for one in asked]
    named = [{"run": r, "name": name_of(r), "label": label_of(r)} for r in found]
    drawn = curves(found)
    settings, numbers = rows([settings_of(r) for r in found]), rows([flat(r.metrics) for r in found])
    context = {
        "runs": named,
        "facts": rows([[(_("State"), r.get_status_display()), *given(r)] for r in found]),
        "attributes": rows([methods.attributes_of(r).rows() for r in found]),
        "curves": drawn[:AT_ONCE],
        "further_curves": drawn[AT_ONCE:],
        # A setting tells two runs apart if both have it; a number is compared if both have it.
        "settings": [row for row in settings if row["shared"] and row["differs"]],
        "further_settings": [row for row in settings if not (row["shared"] and row["differs"])],
        "numbers": [row for row in numbers if row["shared"]],
        "further_numbers": [row for row in numbers if not row["shared"]][:NUMBERS],
    }
    return render(request, "training_bridge/compare_runs.html", context)


def _uuid(raw: str) -> uuid.UUID:
    try:
        return uuid.UUID(raw)
    except ValueError:
        raise Invalid(_("%(name)s is no number of a run.") % {"name": repr(raw[:60])}) from None


def label_of(run: Run) -> str:
    method = methods.all_methods().get(run.method)
    return str(method.label) if method else run.method


def name_of(run: Run) -> str:
    return f"{label_of(run)} {run.short}"


def given(run: Run) -> list[tuple[str, Any]]:
    """What a run was given, by the names of the form."""
    inputs = methods.Inputs.of(run)
    facts: list[tuple[str, Any]] = []
    for name, label in methods.INPUTS.items():
        value = getattr(inputs, name)
        if value is not None:
            asked = f"{value} · {run.endpoint_model}" if name == "endpoint" else ""
            facts.append((str(label), asked or getattr(value, "short", None) or str(value)))
    took = (run.finished_at - run.started_at).total_seconds() if run.finished_at and run.started_at else None
    return [
        *facts,
        (_("Seed"), run.seed),
        (_("Code"), run.code_revision[:12]),
        (_("Time of the last attempt, s"), None if took is None else f"{took:,.0f}"),
    ]


def settings_of(run: Run) -> list[tuple[str, Any]]:
    return [(row["title"], row["value"]) for row in parameters(run, methods.all_methods().get(run.method))]


def rows(columns: Sequence[Sequence[tuple[Any, Any]]]) -> list[dict[str, Any]]:
    """One row for each name that any column has, in the order in which they are met; those that differ come first."""
    names = list(dict.fromkeys(str(name) for column in columns for name, _value in column))
    values = [{str(name): value for name, value in column} for column in columns]
    found = []
    for name in names:
        cells = [value.get(name) for value in values]
        found.append(
            {
                "name": name,
                "cells": cells,
                "differs": len({str(c) for c in cells}) > 1,
                "shared": sum(name in value for value in values) > 1,
            }
        )
    return sorted(found, key=lambda row: not row["differs"])


def curves(found: Sequence[Run]) -> list[Any]:
    """A plot for each number that two of the runs told, one line a run."""
    drawn = []
    for name in curve_names(found):
        series = []
        for run in found:
            points = [(p["step"], p[name]) for p in run.curve if is_number(p.get(name))]
            if len(points) > 1:
                series.append(plots.Series(name_of(run), points))
        if len(series) > 1:
            drawn.append(curve_plot(name, series))
    return drawn
