"""Where a model comes from, down to the screens that people saw."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from annotation.adjudication import selectors as adjudication
from annotation.submissions.selectors import form_data_of, summaries_of
from annotation.views.assets import bundle_urls
from annotation.views.contexts import screen_context
from annotation.views.pages import page
from training_bridge import selectors
from training_bridge.exports.rows import rows_from
from training_bridge.lineage import Trace, ancestry, state_of, trace

ON_A_PAGE = 50


@page
def lineage(request: HttpRequest, checkpoint_id: int) -> HttpResponse:
    """Every model, run and snapshot on the way back."""
    found = selectors.checkpoint_for(request.user, checkpoint_id)
    mine = set(selectors.campaigns_for(request.user).values_list("pk", flat=True))
    context = {"model": found, "steps": ancestry(found), "mine": mine}
    return render(request, "training_bridge/lineage.html", context)


@page
def answers(request: HttpRequest, snapshot_id: Any) -> HttpResponse:
    """The events of a snapshot, from a submission on."""
    found = selectors.snapshot_for(request.user, snapshot_id)
    begin = _uuid(request.GET.get("from", ""))
    rows = rows_from(selectors.files_of(found), begin, ON_A_PAGE + 1)
    context = {
        "snapshot": found,
        "rows": rows[:ON_A_PAGE],
        "begin": begin,
        "following": rows[ON_A_PAGE]["submission"] if len(rows) > ON_A_PAGE else "",
    }
    return render(request, "training_bridge/answers.html", context)


@page
def answer(request: HttpRequest, snapshot_id: Any, event_id: int) -> HttpResponse:
    """One event with the screen that it was given on, made again from what is stored."""
    found = selectors.snapshot_for(request.user, snapshot_id)
    selectors.files_of(found)
    traced = trace(found, event_id)
    summaries, filled_in = _said(traced)
    context = {
        "snapshot": found,
        "state": state_of(found),
        "trace": traced,
        "summaries": summaries,
        "assets": bundle_urls(),
        **screen_context(traced.asked.questions, traced.screen, initial=filled_in),
    }
    return render(request, "training_bridge/answer.html", context)


def _said(traced: Trace) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """Everything that was said on the screen, in words and as form fields."""
    if traced.adjudication is not None:
        return adjudication.summaries_of(traced.adjudication), adjudication.form_data_of(traced.adjudication)
    assert traced.submission is not None  # one of the two
    return summaries_of(traced.submission), form_data_of(traced.submission)


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text)) if text else ""
    except ValueError:
        return ""
