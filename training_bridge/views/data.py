"""Snapshots: what there is, take one, one of them, download it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation import access
from annotation.errors import Conflict, Gone, Invalid
from annotation.rendering import plots
from annotation.views.pages import page
from training_bridge import selectors, services
from training_bridge.exports.archive import Archive, parse_range
from training_bridge.exports.cards import chosen_filters, plain
from training_bridge.models import Snapshot
from training_bridge.views.common import fragment, shown
from training_bridge.views.forms import SnapshotForm, show_refusal


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
            snapshot = services.take_snapshot(campaign=campaign, actor=_user(request), filters=form.filters())
        except Invalid as refused:
            show_refusal(form, refused)
        else:
            return redirect("snapshot", snapshot.pk)
    status = 422 if form.errors else 200
    return render(
        request,
        "training_bridge/new_snapshot.html",
        {"campaign": campaign, "form": form, "labelers": selectors.pseudonyms_of(campaign)},
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


def _context(found: Snapshot) -> dict[str, Any]:
    context: dict[str, Any] = {
        "snapshot": found,
        "job": found,
        "progress": selectors.progress_of(found),
        "live_url": reverse("snapshot_live", args=[found.pk]),
        "runs": found.runs.order_by("-created_at")[:20],
    }
    manifest = found.manifest
    if manifest:
        kinds = [(slug, row["rows"]) for slug, row in manifest["counts"]["types"].items()]
        context |= {
            "manifest": manifest,
            "counts": manifest["counts"],
            "size": sum(file["bytes"] for file in manifest["files"].values()),
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
    if found.status != Snapshot.Status.COMPLETE:
        raise Conflict(_("This snapshot is not complete yet."))
    if not (found.path / "manifest.json").is_file():
        raise Gone(_("The files of this snapshot are gone from the disk; take it again."))
    etag = f'"{found.sha256}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers={"ETag": etag})
    archive = Archive(found.path, f"whetstone-{found.short}")
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
    if not connection.in_atomic_block:
        connection.close()  # or it would be held for as long as the download takes
    pieces = archive.read(first, last)
    if request.method == "HEAD":
        return HttpResponse(status=status, headers=headers)
    return StreamingHttpResponse(
        _async(pieces) if hasattr(request, "scope") else pieces, status=status, headers=headers
    )


async def _async(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Under ASGI a plain iterator would be collected whole before the first byte is sent."""
    following = sync_to_async(lambda: next(pieces, None), thread_sensitive=False)
    while (piece := await following()) is not None:
        yield piece


def _user(request: HttpRequest) -> Any:
    return request.user
