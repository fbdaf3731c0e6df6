"""Snapshots: what there is, take one, one of them, download it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from annotation import access
from annotation.errors import Conflict, Invalid, NotFound
from annotation.rendering import plots
from annotation.views.pages import page, person
from training_bridge import selectors, services
from training_bridge.exports import compare as comparison
from training_bridge.exports.archive import Archive, parse_range
from training_bridge.exports.cards import chosen_filters, plain
from training_bridge.exports.exchange import EXCHANGES, SPLITS
from training_bridge.models import Push, Snapshot
from training_bridge.views.common import fragment, shown
from training_bridge.views.forms import PushForm, SnapshotForm, show_refusal

ROWS_SHOWN = 50  # of a comparison


@page
def data(request: HttpRequest) -> HttpResponse:
    """Every snapshot of my campaigns, newest first."""
    context = {
        "campaigns": selectors.campaigns_for(request.user),
        "shown": shown(request, selectors.snapshots_for(request.user)),
    }
    return render(request, "training_bridge/data.html", context)


@page(methods=["GET", "HEAD", "POST"])
def new_snapshot(request: HttpRequest, slug: str) -> HttpResponse:
    """Choose what goes in, and take it."""
    campaign = access.campaign_for_researcher(request.user, slug)
    form = SnapshotForm(request.POST or None, campaign=campaign)
    if request.method == "POST" and form.is_valid():
        try:
            snapshot = services.take_snapshot(
                campaign=campaign, actor=person(request), filters=form.filters()
            )
        except Invalid as refused:
            show_refusal(form, refused)
        else:
            return redirect("snapshot", snapshot.pk)
    status = 422 if form.errors else 200
    return render(
        request,
        "training_bridge/new_snapshot.html",
        {
            "campaign": campaign,
            "form": form,
            "labelers": selectors.pseudonyms_of(campaign),
            "reviewers": selectors.reviewers_of(campaign),
        },
        status=status,
    )


@page
def snapshot(request: HttpRequest, snapshot_id: Any) -> HttpResponse:
    """What is in it, where it comes from, can I cite it."""
    found = selectors.snapshot_for(request.user, snapshot_id)
    return render(request, "training_bridge/snapshot.html", _context(found))


@page
def snapshot_live(request: HttpRequest, snapshot_id: Any) -> HttpResponse:
    found = selectors.snapshot_for(request.user, snapshot_id)
    context = {
        "job": found,
        "progress": selectors.progress_of(found),
        "live_url": reverse("snapshot_live", args=[found.pk]),
    }
    return fragment(request, "training_bridge/_job.html", context, finished=found.is_finished)


@sensitive_post_parameters("token")
@page(methods=["POST"])
def push_snapshot(request: HttpRequest, snapshot_id: Any) -> HttpResponse:
    """Puts it on the hub of this site; a worker uploads it."""
    found = selectors.snapshot_for(request.user, snapshot_id)
    form = PushForm(request.POST)
    if form.is_valid():
        try:
            services.start_push(snapshot=found, actor=person(request), **form.cleaned_data)
        except (Invalid, Conflict) as refused:
            show_refusal(form, refused)
        else:
            return redirect(f"{reverse('snapshot', args=[found.pk])}#hub")
    context = _context(found) | {"push_form": form}
    return render(request, "training_bridge/snapshot.html", context, status=422)


@page
def push_live(request: HttpRequest, snapshot_id: Any) -> HttpResponse:
    """How far the upload is."""
    found = selectors.snapshot_for(request.user, snapshot_id)
    push = selectors.push_of(found)
    if push is None:
        raise NotFound(_("This snapshot was not put on a hub."))
    return fragment(request, "training_bridge/_job.html", _push(push), finished=push.is_finished)


def _push(push: Push) -> dict[str, Any]:
    return {
        "job": push,
        "progress": selectors.progress_of(push),
        "live_url": reverse("push_live", args=[push.snapshot_id]),
    }


def _context(found: Snapshot) -> dict[str, Any]:
    push = selectors.push_of(found)
    is_open = push is not None and not push.is_finished
    context: dict[str, Any] = {
        "snapshot": found,
        "job": found,
        "progress": selectors.progress_of(found),
        "live_url": reverse("snapshot_live", args=[found.pk]),
        "others": selectors.others_of(found) if found.manifest and not found.erased_at else (),
        "successor": found.successor,
        "runs": found.runs.order_by("-created_at")[:20],
        # One that went well stands among the others.
        "push": _push(push) if push and push.status != Push.Status.SUCCEEDED else None,
        "is_pushing": is_open,
        "can_push": not found.erased_at and not is_open,
        "pushed": found.pushes.filter(status=Push.Status.SUCCEEDED).order_by("-created_at")[:10],
        "push_form": PushForm(),
        "hub": settings.HF_ENDPOINT,
        "artifact_place": settings.ARTIFACT_PLACE,
    }
    manifest = found.manifest
    if manifest:
        kinds = [(slug, row["rows"]) for slug, row in manifest["counts"]["types"].items()]
        context |= {
            "manifest": manifest,
            "counts": manifest["counts"],
            "size": sum(file["bytes"] for file in manifest["files"].values()),
            "citation": {name: text.decode() for name, text in selectors.citation_of(found).items()},
            "exchanges": [e for e in EXCHANGES.values() if e.is_in(manifest)],
            "chosen": {name: plain(value) for name, value in chosen_filters(manifest["filters"]).items()},
            "agreement_plot": plots.intervals(
                [(q, r["alpha"], r["low"], r["high"]) for q, r in manifest.get("agreement", {}).items()],
                title=_("Agreement"),
                x_label=_("Krippendorff's alpha"),
                reference=0.0,
            ),
            "plot": plots.bars(kinds, title=_("Answers by type"), y_label=_("answers")),
        }
    return context


@page
def download(request: HttpRequest, snapshot_id: Any) -> HttpResponse:
    """The snapshot as a tar."""
    return stream(request, selectors.snapshot_for(request.user, snapshot_id))


def stream(request: HttpRequest, found: Snapshot) -> Any:
    """Sends the tar while it is made; honours Range and If-None-Match, because the bytes never change."""
    files = selectors.packed(found)
    cited = selectors.citation_of(found)
    etag = f'"{hashlib.sha256(found.sha256.encode() + b"".join(cited.values())).hexdigest()}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers={"ETag": etag})
    archive = Archive(files, f"whetstone-{found.short}", cited)
    first, last, status = 0, archive.size - 1, 200
    headers = {
        "Content-Type": "application/x-tar",
        "Content-Disposition": f'attachment; filename="whetstone-{found.campaign.slug}-{found.short}.tar"',
        "Content-Encoding": "identity",
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Cache-Control": "private, no-cache",
    }
    asked = request.headers.get("Range", "")
    if asked and request.headers.get("If-Range", etag) == etag:
        try:
            given = parse_range(asked, archive.size)
        except ValueError:
            return HttpResponse(status=416, headers={"Content-Range": f"bytes */{archive.size}"})
        if given:
            (first, last), status = given, 206
            headers["Content-Range"] = f"bytes {first}-{last}/{archive.size}"
    headers["Content-Length"] = str(last - first + 1)
    pieces = archive.read(first, last)
    if request.method == "HEAD":
        return HttpResponse(status=status, headers=headers)
    return StreamingHttpResponse(pieces, status=status, headers=headers)


def streamed(pieces: Iterator[bytes], content_type: str, name: str = "") -> Any:
    """Sends what an iterator makes, as it is made."""
    headers = {"Content-Type": content_type, "Cache-Control": "private, no-cache"}
    if name:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return StreamingHttpResponse(pieces, headers=headers)


@page
def exchange(request: HttpRequest, snapshot_id: Any, name: str, split: str) -> HttpResponse:
    """The snapshot in the columns of another program."""
    return send_exchange(request, selectors.snapshot_for(request.user, snapshot_id), name, split)


def send_exchange(request: HttpRequest, found: Snapshot, name: str, split: str) -> Any:
    """Made while it is sent. Raises NotFound for a format, a split or a view that is not there."""
    directory = selectors.files_of(found)
    chosen = EXCHANGES.get(name)
    if chosen is None or split not in SPLITS or not chosen.is_in(found.manifest or {}):
        raise NotFound(_("This snapshot cannot be had in that form."))
    file = f"{found.campaign.slug}-{found.short}-{name}-{split}.{chosen.suffix}"
    return streamed(chosen.rows(directory, split), chosen.content_type, file)


@page
def compare(request: HttpRequest, snapshot_id: Any, other_id: Any) -> HttpResponse:
    """What is in the second snapshot and not in the first, what is gone, what changed, and why."""
    before, after = (selectors.snapshot_for(request.user, pk) for pk in (snapshot_id, other_id))
    found = comparison.compare(selectors.files_of(before), selectors.files_of(after))
    asked = [(q, pair[0] or {}, pair[1] or {}) for q, pair in found["agreement"].items()]
    context = {
        "before": before,
        "after": after,
        "found": found,
        "filters": {name: [plain(value) for value in pair] for name, pair in found["filters"].items()},
        "shown": found["rows"][:ROWS_SHOWN],
        "more": len(found["rows"][ROWS_SHOWN:]) + found["rows_left_out"],
        "counts": list(found["counts"].items()),  # a template would take its key "items" for the method
        "agreement": asked,
        "labelers_changed": {n: pair for n, pair in found["labelers"].items() if pair[0] != pair[1]},
        "plot": plots.intervals(
            [
                (f"{q} · {side}", a.get("alpha"), a.get("low"), a.get("high"))
                for q, old, new in asked
                for side, a in ((_("before"), old), (_("after"), new))
            ],
            title=_("Agreement"),
            x_label=_("Krippendorff's alpha"),
            reference=0.0,
        ),
    }
    return render(request, "training_bridge/compare_snapshots.html", context)
