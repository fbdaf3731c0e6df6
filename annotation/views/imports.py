"""Files on their way in: upload, say which column is what beside a live preview, follow the import.

POST /campaigns/<slug>/items/import/            keeps the file and leads on to its page
GET  /campaigns/<slug>/imports/<id>/            the mapping with a preview, or how far the import is (`?live=1`: that alone)
POST the same                                   act=preview, act=start
POST …/cancel/                                  GET …/errors.jsonl
"""

from __future__ import annotations

from typing import Any, cast

import orjson
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation import access
from annotation.campaigns.models import Campaign
from annotation.errors import NotFound, Refused
from annotation.items import imports, mapping, readers
from annotation.items.import_runs import errors_of
from annotation.items.jsonl import ParsedItem
from annotation.items.models import Import, Purpose
from annotation.items.readers.csv_table import DELIMITERS
from annotation.items.selectors import import_progress
from annotation.items.unpacking import Readable
from annotation.rendering.markdown import render_markdown
from annotation.views.assets import bundle_urls
from annotation.views.campaigns import tab_context
from annotation.views.contexts import screen_context
from annotation.views.pages import page, person
from feedback_types.base import Message, Screen, ShownResponse


class MappingForm(forms.Form):
    """Which column is what; `columns` are those of the file."""

    delimiter = forms.ChoiceField(
        label=gettext_lazy("Cells are separated by"), choices=DELIMITERS.items(), required=False
    )
    prompt = forms.ChoiceField(label=gettext_lazy("Prompt"))
    system = forms.ChoiceField(label=gettext_lazy("Instructions to the assistant"), required=False)
    responses = forms.MultipleChoiceField(
        label=gettext_lazy("Responses, a column each"), required=False, widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("An empty cell is no response."),
    )  # fmt: skip
    response_list = forms.ChoiceField(label=gettext_lazy("Or all responses in one column"), required=False)
    names_sources = forms.BooleanField(
        label=gettext_lazy("The column's name is the response's source"), required=False,
        help_text=gettext_lazy("Labelers never see it."),
    )  # fmt: skip
    id = forms.ChoiceField(label=gettext_lazy("Id of yours"), required=False)
    language = forms.ChoiceField(label=gettext_lazy("Language"), required=False)
    skills = forms.ChoiceField(label=gettext_lazy("Skills asked for"), required=False)
    priority = forms.ChoiceField(
        label=gettext_lazy("Priority"), required=False,
        help_text=gettext_lazy("Whole numbers, for the strategy of that name."),
    )  # fmt: skip
    split_group = forms.ChoiceField(
        label=gettext_lazy("Split group"), required=False,
        help_text=gettext_lazy("Prompts of one group are trained on together, or tested on together."),
    )  # fmt: skip
    gold = forms.ChoiceField(
        label=gettext_lazy("Expected answer"), required=False,
        help_text=gettext_lazy("Items whose rows have one are gold: mixed in unseen, never counted."),
    )  # fmt: skip
    metadata = forms.MultipleChoiceField(
        label=gettext_lazy("Kept with the item"), required=False, widget=forms.CheckboxSelectMultiple
    )
    update = forms.BooleanField(
        label=gettext_lazy("Rows whose id is there already replace it, if nobody has been given it"),
        required=False,
    )

    def __init__(self, data: Any, *, columns: list[str], has_delimiter: bool, **more: Any) -> None:
        super().__init__(data, **more)
        each = [(name, name) for name in columns]
        for name in (
            "prompt",
            "system",
            "response_list",
            "id",
            "language",
            "skills",
            "priority",
            "split_group",
            "gold",
        ):
            cast(forms.ChoiceField, self.fields[name]).choices = [("", "–"), *each]
        for name in ("responses", "metadata"):
            cast(forms.MultipleChoiceField, self.fields[name]).choices = each
        if not has_delimiter:
            del self.fields["delimiter"]

    def mapping(self) -> dict[str, Any]:
        """As `mapping.read` takes it; unknown columns are for it to refuse."""
        given = {name: self[name].value() for name in mapping.ONE}
        many = {name: list(self[name].value() or ()) for name in mapping.MANY}
        return {
            **{n: v or "" for n, v in given.items()},
            **many,
            "names_sources": bool(self["names_sources"].value()),
        }


@page(methods=["POST"])
def upload(request: HttpRequest, slug: str) -> HttpResponse:
    """Keeps a file of any format; its page says what it is and asks which column is what."""
    campaign = access.campaign_for_admin(request.user, slug)
    file = request.FILES.get("file")
    if file is None:
        messages.error(request, _("Choose a file first."))
        return redirect("campaign_items", slug)
    try:
        job = imports.upload(
            actor=person(request),
            campaign=campaign,
            stream=cast(Readable, file.file),
            file_name=str(file.name),
        )
    except Refused as refused:
        context = tab_context(request, campaign, "items") | {"refused": refused, "file_name": file.name}
        return render(request, "campaigns/import_refused.html", context, status=refused.status)
    return redirect("campaign_import_one", slug, job.pk)


@page(methods=["GET", "HEAD", "POST"])
def one(request: HttpRequest, slug: str, import_id: int) -> HttpResponse:
    """The mapping page of a file that waits or was refused; how far it is, once it was started."""
    campaign, job = _found(request, slug, import_id)
    tab = tab_context(request, campaign, "items")
    if job.status not in (Import.Status.UPLOADED, Import.Status.FAILED):
        return _state(request, job, tab)
    if (
        "live" in request.GET and job.status == Import.Status.FAILED
    ):  # it was followed until it ended: the whole page
        return HttpResponse(headers={"HX-Refresh": "true"})
    try:
        delimiter = request.POST.get("delimiter", "")
        if delimiter and delimiter != job.options.get("delimiter"):  # other columns: another page
            imports.change_options(job=job, options={"delimiter": delimiter})
            return (
                HttpResponse(headers={"HX-Refresh": "true"})
                if request.headers.get("HX-Request")
                else redirect("campaign_import_one", slug, job.pk)
            )
        found = imports.sample(job)
    except Refused as refused:
        context = tab | {"refused": refused, "file_name": job.file_name, "job": job}
        return render(request, "campaigns/import_refused.html", context, status=refused.status)
    problem: Refused | None = None
    form = _form(request, job, found)
    asked: dict[str, Any] = form.mapping() if request.method == "POST" else dict(job.mapping)
    if request.method == "POST" and request.POST.get("act") == "start":
        try:
            imports.start(
                actor=person(request),
                job=job,
                mapping=asked,
                update=bool(form["update"].value()),
            )
            return redirect("campaign_import_one", slug, job.pk)
        except Refused as refused:
            problem = refused
    context = (
        tab
        | _preview(request, job, found, asked)
        | {
            "job": job,
            "form": form,
            "columns": found.columns,
            "found": found,
            "reader": readers.get(job.format),
            "problem": problem,
            "assets": bundle_urls(),
        }
    )
    template = "campaigns/_import_preview.html" if "preview" in request.GET else "campaigns/import.html"
    return render(request, template, context, status=problem.status if problem else 200)


@page(methods=["POST"])
def cancel(request: HttpRequest, slug: str, import_id: int) -> HttpResponse:
    """Nothing of it will be there."""
    _campaign, job = _found(request, slug, import_id)
    imports.cancel(actor=person(request), job=job)
    return redirect("campaign_items", slug)


@page
def errors(request: HttpRequest, slug: str, import_id: int) -> Any:
    """Every error as a line of JSON."""
    _campaign, job = _found(request, slug, import_id)
    name = f"import-{job.pk}-errors.jsonl"
    return StreamingHttpResponse(
        errors_of(job),
        content_type="application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


# --- Contexts --------------------------------------------------------------------------------------------------------


def _form(request: HttpRequest, job: Import, found: imports.Sample) -> MappingForm:
    initial = {**job.mapping, "update": job.update, "delimiter": job.options.get("delimiter") or ""}
    return MappingForm(
        request.POST if request.method == "POST" else None,
        columns=list(found.columns),
        has_delimiter="delimiter" in readers.get(job.format).options,
        initial=initial,
    )


def _preview(
    request: HttpRequest, job: Import, found: imports.Sample, asked: dict[str, Any]
) -> dict[str, Any]:
    """What would come of the first rows, one item at a time on the labelers' own screen."""
    try:
        seen = imports.preview(job, imports.read_mapping(asked, found))
    except Refused as refused:
        return {"seen": None, "refused": refused, "unit": found.unit, "item": None}
    number = request.POST.get("show", "0")
    at = min(int(number), len(seen.items) - 1) if number in ("0", "1", "2") and seen.items else 0
    questions = job.campaign.protocol.questions if job.campaign.protocol else ()
    context: dict[str, Any] = {"seen": seen, "unit": found.unit, "at": at, "item": None, "plain": None}
    if seen.items:
        screen = _screen(seen.items[at])
        if questions:
            context |= screen_context(questions, screen)
        if (expected := seen.items[at].gold) is not None:
            context["aside"] = Purpose(orjson.loads(expected)["purpose"]).label
        context["plain"] = {
            "prompt": [(m.role, render_markdown(m.content)) for m in screen.prompt],
            "responses": [render_markdown(r.text) for r in screen.responses],
        }
    return context


def _screen(parsed: ParsedItem) -> Screen:
    return Screen(
        tuple(Message(m["role"], m["content"]) for m in orjson.loads(parsed.messages)),
        tuple(ShownResponse(n + 1, r.text) for n, r in enumerate(parsed.responses)),
    )


def _state(request: HttpRequest, job: Import, tab: dict[str, Any]) -> HttpResponse:
    context = tab | {"job": job, "progress": import_progress(job)}
    template = "campaigns/_import_state.html" if "live" in request.GET else "campaigns/import_state.html"
    return render(request, template, context)


def _found(request: HttpRequest, slug: str, import_id: int) -> tuple[Campaign, Import]:
    campaign = access.campaign_for_admin(request.user, slug)
    job = Import.objects.filter(pk=import_id, campaign=campaign).first() if import_id < 2**63 else None
    if job is None:
        raise NotFound(_("There is no such import."))
    job.campaign = campaign
    return campaign, job
