"""The researchers' part of the REST API: snapshots, runs, models and rounds, through the same services as the pages."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import path
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers as s
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api.base import ApiView
from annotation.api.pagination import KeysetPagination
from annotation.api.schemas import page_of
from annotation.errors import Invalid, NotFound
from training_bridge import methods, selectors, services
from training_bridge.exports import compare as comparison
from training_bridge.exports import feed
from training_bridge.exports.files import line
from training_bridge.exports.filters import Filters
from training_bridge.lineage import ancestry, trace
from training_bridge.models import Checkpoint, Round, Run, Snapshot
from training_bridge.views import data


class SnapshotSchema(s.Serializer):
    id = s.UUIDField()
    campaign = s.CharField()
    status = s.ChoiceField(Snapshot.Status.choices)
    sha256 = s.CharField(help_text="The SHA-256 of manifest.json: the name to cite.")
    filters = s.JSONField()
    counts = s.JSONField(allow_null=True)
    views = s.JSONField(allow_null=True)
    progress = s.JSONField(allow_null=True)
    error = s.CharField()
    advice = s.CharField()
    erased_at = s.DateTimeField(
        allow_null=True, help_text="When a person who was in it was erased, and its files with them."
    )
    successor = s.UUIDField(allow_null=True, help_text="The snapshot without that person.")
    supersedes = s.CharField(allow_null=True, help_text="The SHA-256 of the one that it takes the place of.")
    created_at = s.DateTimeField()
    completed_at = s.DateTimeField(allow_null=True)


class NewSnapshotSchema(s.Serializer):
    filters = s.JSONField(
        required=False,
        help_text="rounds, questions, types, labelers, labelers_excluded, labeler_kinds, submitted_from, submitted_until, "
        "agreement_at_least (0 to 1), include_late, test_percent",
    )


class RunSchema(s.Serializer):
    id = s.UUIDField()
    campaign = s.CharField()
    method = s.CharField()
    status = s.ChoiceField(Run.Status.choices)
    priority = s.ChoiceField(Run.Priority.choices)
    config = s.JSONField()
    seed = s.IntegerField()
    code_revision = s.CharField()
    snapshot = s.CharField(allow_null=True, help_text="SHA-256 of the snapshot, or its id while it is built.")
    parent = s.IntegerField(allow_null=True)  # type: ignore[assignment]
    baseline = s.IntegerField(allow_null=True)
    reward_model = s.IntegerField(allow_null=True)
    compared_with = s.IntegerField(allow_null=True)
    attempt = s.IntegerField()
    progress = s.JSONField(allow_null=True)
    metrics = s.JSONField(allow_null=True)
    error = s.CharField()
    advice = s.CharField()
    snapshot_erased_at = s.DateTimeField(
        allow_null=True, help_text="Set when it was trained on answers of a person who was erased since."
    )
    checkpoints = s.ListField(child=s.IntegerField())
    created_at = s.DateTimeField()
    started_at = s.DateTimeField(allow_null=True)
    finished_at = s.DateTimeField(allow_null=True)


class NewRunSchema(s.Serializer):
    method = s.CharField()
    config = s.JSONField(required=False)
    seed = s.IntegerField(required=False, default=0)
    priority = s.ChoiceField(Run.Priority.choices, required=False, default=0)
    snapshot = s.UUIDField(required=False)
    parent = s.IntegerField(required=False)  # type: ignore[assignment]
    baseline = s.IntegerField(required=False)
    reward_model = s.IntegerField(required=False)
    compared_with = s.IntegerField(required=False)
    prompts_from = s.IntegerField(required=False, help_text="Number of a round.")


class RunDetailSchema(RunSchema):
    attributes = s.JSONField(help_text="What kind of learning it is: the survey's table 2.")
    curve = s.JSONField(help_text="Numbers by step, thinned: step, stage, loss, …")
    samples = s.JSONField(help_text="Answers that the policy gave on the way: step, prompt, text, reward.")
    log_tail = s.CharField()


class PrioritySchema(s.Serializer):
    priority = s.ChoiceField(Run.Priority.choices)


class MethodSchema(s.Serializer):
    name = s.CharField()
    label = s.CharField()  # type: ignore[assignment]
    purpose = s.CharField()
    needs = s.ListField(child=s.CharField())
    may_take = s.ListField(child=s.CharField())
    makes = s.CharField()
    attributes = s.JSONField()
    presets = s.ListField(
        child=s.JSONField(),
        help_text="name, label, purpose, and the values of settings that differ from the defaults.",
    )
    config = s.JSONField(help_text="JSON schema of the settings.")


class CheckpointSchema(s.Serializer):
    id = s.IntegerField()
    kind = s.ChoiceField(Checkpoint.Kind.choices)
    name = s.CharField()
    sha256 = s.CharField()
    run = s.UUIDField(allow_null=True)
    parent = s.IntegerField(allow_null=True)  # type: ignore[assignment]
    lineage = s.JSONField()
    created_at = s.DateTimeField()


class RoundSchema(s.Serializer):
    campaign = s.CharField()
    number = s.IntegerField()
    policy = s.IntegerField(allow_null=True)
    snapshot = s.UUIDField(allow_null=True)
    reward_run = s.UUIDField(allow_null=True)
    refresh_run = s.UUIDField(allow_null=True)
    sample_run = s.UUIDField(allow_null=True)
    baseline_run = s.UUIDField(allow_null=True)
    evaluate_run = s.UUIDField(allow_null=True)
    evidence = s.JSONField(allow_null=True)
    created_at = s.DateTimeField()


class RefreshSchema(s.Serializer):
    method = s.CharField(required=False, default="dpo")
    config = s.JSONField(required=False)


class NewestFirst(KeysetPagination):
    """Newest first, by time; the cursor of a list is no cursor of another."""

    ordering = "-created_at"

    def _is_ours(self, cursor: Any) -> bool:
        try:
            return super()._is_ours(cursor) and (
                cursor.position is None or parse_datetime(cursor.position) is not None
            )
        except ValueError:
            return False


def newest(view: ApiView, request: Request, queryset: QuerySet[Any], describe: Any) -> Response:
    paginator = NewestFirst()
    rows = paginator.pages(queryset, request, view)
    return paginator.get_paginated_response([describe(row) for row in rows])


def _user(request: Request) -> Any:
    return request.user


def _snapshot(found: Snapshot) -> dict[str, Any]:
    manifest = found.manifest or {}
    return {
        "id": str(found.pk),
        "campaign": found.campaign.slug,
        "status": found.status,
        "sha256": found.sha256,
        "filters": manifest.get("filters", found.filters),
        "counts": manifest.get("counts"),
        "views": manifest.get("views"),
        "progress": found.progress,
        "error": found.error,
        "advice": found.advice,
        "erased_at": found.erased_at,
        "successor": str(successor.pk) if (successor := found.successor) else None,
        "supersedes": manifest.get("supersedes"),
        "created_at": found.created_at,
        "completed_at": found.completed_at,
    }


def _run(found: Run) -> dict[str, Any]:
    return {
        "id": str(found.pk),
        "campaign": found.campaign.slug,
        "method": found.method,
        "status": found.status,
        "priority": found.priority,
        "config": found.config,
        "seed": found.seed,
        "code_revision": found.code_revision,
        "snapshot": (found.snapshot.sha256 or str(found.snapshot.pk)) if found.snapshot else None,
        "parent": found.parent_id,
        "baseline": found.baseline_id,
        "reward_model": found.reward_model_id,
        "compared_with": found.compared_with_id,
        "attempt": found.attempt,
        "progress": found.progress,
        "metrics": found.metrics,
        "error": found.error,
        "advice": found.advice,
        "snapshot_erased_at": found.snapshot.erased_at if found.snapshot else None,
        "checkpoints": [c.pk for c in found.checkpoints.all()],
        "created_at": found.created_at,
        "started_at": found.started_at,
        "finished_at": found.finished_at,
    }


def _checkpoint(found: Checkpoint) -> dict[str, Any]:
    return {
        "id": found.pk,
        "kind": found.kind,
        "name": found.name,
        "sha256": found.sha256,
        "run": found.run_id and str(found.run_id),
        "parent": found.parent_id,
        "lineage": found.lineage,
        "created_at": found.created_at,
    }


def _round(found: Round) -> dict[str, Any]:
    runs = ("reward_run", "refresh_run", "sample_run", "baseline_run", "evaluate_run")
    ids = {name: getattr(found, f"{name}_id") for name in ("snapshot", *runs)}
    return {
        "campaign": found.campaign.slug,
        "number": found.number,
        "policy": found.policy_id,
        **{name: value and str(value) for name, value in ids.items()},
        "evidence": found.evidence,
        "created_at": found.created_at,
    }


class Snapshots(ApiView):
    scopes = {"GET": "read", "POST": "research"}
    paginated = ("GET",)

    @extend_schema(
        operation_id="snapshots_list", responses=page_of("Snapshot", SnapshotSchema), tags=["snapshots"]
    )
    def get(self, request: Request, slug: str) -> Response:
        """Snapshots of a campaign, newest first."""
        campaign = access.campaign_for_researcher(request.user, slug)
        return newest(self, request, campaign.snapshots.select_related("campaign"), _snapshot)

    @extend_schema(
        operation_id="snapshot_take",
        request=NewSnapshotSchema,
        responses={202: SnapshotSchema},
        tags=["snapshots"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Takes a snapshot of what labelers have said until now; it is built by a worker."""
        campaign = access.campaign_for_researcher(request.user, slug)
        filters = Filters.read(self.body(request, "filters").get("filters"))
        return Response(
            _snapshot(services.take_snapshot(campaign=campaign, actor=_user(request), filters=filters)),
            status=202,
        )


class OneSnapshot(ApiView):
    scope = "read"

    @extend_schema(operation_id="snapshot_read", responses=SnapshotSchema, tags=["snapshots"])
    def get(self, request: Request, snapshot_id: Any) -> Response:
        """One snapshot: how far it is, and what is in it."""
        return Response(_snapshot(selectors.snapshot_for(request.user, snapshot_id)))


class Download(ApiView):
    scope = "research"

    @extend_schema(
        operation_id="snapshot_download",
        responses={
            (200, "application/x-tar"): OpenApiResponse(
                OpenApiTypes.BINARY, description="The same bytes every time."
            )
        },
        tags=["snapshots"],
    )
    def get(self, request: Request, snapshot_id: Any) -> HttpResponse:
        """The snapshot as a tar; ranges may be asked for."""
        return data.stream(request._request, selectors.snapshot_for(request.user, snapshot_id))


class Events(ApiView):
    scope = "research"
    query_parameters = ("after", "limit")

    @extend_schema(
        operation_id="events_list",
        parameters=[
            OpenApiParameter(
                "after",
                str,
                description="The cursor of the last page; empty: from the beginning.",
            ),
            OpenApiParameter("limit", int, description="Submissions, 1 to 1000; 100 if absent."),
        ],
        responses={200: OpenApiTypes.OBJECT},
        tags=["snapshots"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """What labelers say, as it comes in: {"events", "after", "more"}. Ask again with `after`: each event comes once, and
        none is lost that commits late. A correction names the submission that it supersedes."""
        campaign = access.campaign_for_researcher(request.user, slug)
        asked = request.query_params
        limit = asked.get("limit", "100")
        if not limit.isascii() or not limit.isdigit() or len(limit) > 4 or not 1 <= int(limit) <= feed.MOST:
            raise ParseError(_("limit is a whole number from 1 to %(n)d.") % {"n": feed.MOST})
        try:
            found = feed.page(campaign, after=asked.get("after", ""), limit=int(limit))
        except feed.BadCursor:
            raise ParseError(_("The cursor was altered; take it from the last answer.")) from None
        return Response({"events": found.events, "after": found.after, "more": found.more})


class Exchange(ApiView):
    scope = "research"

    @extend_schema(
        operation_id="snapshot_exchange",
        responses={
            (200, "application/x-ndjson"): OpenApiTypes.STR,
            (200, "text/csv"): OpenApiTypes.STR,
        },
        tags=["snapshots"],
    )
    def get(self, request: Request, snapshot_id: Any, name: str, split: str) -> HttpResponse:
        """The snapshot in the columns of another program (prompts, openrlhf, nemo_rl, reward_bench, open_instruct, csv), of
        the split train, test or all."""
        found = selectors.snapshot_for(request.user, snapshot_id)
        return data.send_exchange(request._request, found, name, split)


class Compare(ApiView):
    scope = "read"

    @extend_schema(operation_id="snapshots_compare", responses={200: OpenApiTypes.OBJECT}, tags=["snapshots"])
    def get(self, request: Request, snapshot_id: Any, other_id: Any) -> Response:
        """What changed from the first snapshot to the second: counts by type, labelers, prompts, settings, filters,
        guidelines, protocols, agreement of both, and the first 200 events that differ."""
        before, after = (selectors.snapshot_for(request.user, pk) for pk in (snapshot_id, other_id))
        return Response(comparison.compare(selectors.files_of(before), selectors.files_of(after)))


class CompareRows(ApiView):
    scope = "research"

    @extend_schema(
        operation_id="snapshots_compare_rows",
        responses={(200, "application/x-ndjson"): OpenApiTypes.STR},
        tags=["snapshots"],
    )
    def get(self, request: Request, snapshot_id: Any, other_id: Any) -> Any:
        """Every event that differs, one JSON object a line, while it is found."""
        before, after = (
            selectors.files_of(selectors.snapshot_for(request.user, pk)) for pk in (snapshot_id, other_id)
        )
        rows = (line(row) for row in comparison.all_rows(before, after))
        return data.streamed(request._request, rows, "application/x-ndjson")


class Lineage(ApiView):
    scope = "read"

    @extend_schema(operation_id="checkpoint_lineage", responses={200: OpenApiTypes.OBJECT}, tags=["models"])
    def get(self, request: Request, checkpoint_id: int) -> Response:
        """From a model back: every model, run and snapshot on the way. What is of campaigns that are not yours is named by
        its hash alone."""
        found = selectors.checkpoint_for(request.user, checkpoint_id)
        mine = set(selectors.campaigns_for(request.user).values_list("pk", flat=True))
        return Response({"steps": [step.dump(mine) for step in ancestry(found)]})


class SnapshotAnswer(ApiView):
    scope = "research"

    @extend_schema(operation_id="snapshot_answer", responses={200: OpenApiTypes.OBJECT}, tags=["snapshots"])
    def get(self, request: Request, snapshot_id: Any, event_id: int) -> Response:
        """One event with the screen that it was given on, and whether every hash on the way holds."""
        found = selectors.snapshot_for(request.user, snapshot_id)
        selectors.files_of(found)
        return Response(trace(found, event_id).dump())


class Methods(ApiView):
    scope = "read"

    @extend_schema(operation_id="methods_list", responses=MethodSchema(many=True), tags=["runs"])
    def get(self, request: Request) -> Response:
        """What a run can be: each method with its inputs and the schema of its settings."""
        return Response(
            [
                {
                    "name": m.name,
                    "label": str(m.label),
                    "purpose": str(m.purpose),
                    "needs": list(m.needs),
                    "may_take": list(m.may_take),
                    "makes": m.makes,
                    "attributes": {str(name): str(value) for name, value in m.attributes.rows()},
                    "presets": [
                        {
                            "name": preset.name,
                            "label": str(preset.label),
                            "purpose": str(preset.purpose),
                            "values": dict(preset.values),
                        }
                        for preset in m.presets
                    ],
                    "config": m.parameters.model_json_schema(),
                }
                for m in methods.all_methods().values()
            ]
        )


class Runs(ApiView):
    scopes = {"GET": "read", "POST": "research"}
    paginated = ("GET",)

    @extend_schema(operation_id="runs_list", responses=page_of("Run", RunSchema), tags=["runs"])
    def get(self, request: Request, slug: str) -> Response:
        """Runs of a campaign, newest first."""
        campaign = access.campaign_for_researcher(request.user, slug)
        runs = campaign.runs.select_related("campaign", "snapshot").prefetch_related("checkpoints")
        return newest(self, request, runs, _run)

    @extend_schema(operation_id="run_start", request=NewRunSchema, responses={202: RunSchema}, tags=["runs"])
    def post(self, request: Request, slug: str) -> Response:
        """Starts a run; a worker takes it up."""
        campaign = access.campaign_for_researcher(request.user, slug)
        body = self.body(request, "config", "seed", "priority", *methods.INPUTS, required=["method"])
        seed, config = body.get("seed", 0), body.get("config", {})
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise Invalid(_("The seed is not usable."), fields={"seed": [_("Give a whole number.")]})
        if not isinstance(config, dict):
            raise Invalid(
                _("The settings are not usable."),
                fields={"config": [_("Give an object of names and values.")]},
            )
        inputs = {
            name: _input(request.user, campaign, name, body[name])
            for name in methods.INPUTS
            if body.get(name) is not None
        }
        run = services.start_run(
            campaign=campaign,
            actor=_user(request),
            method=str(body["method"]),
            config=config,
            seed=seed,
            priority=body.get("priority", Run.Priority.NORMAL),
            **inputs,
        )
        return Response(_run(run), status=202)


def _input(user: Any, campaign: Any, name: str, value: Any) -> Any:
    """The object that an input names; a foreign one is as good as a missing one."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63
    try:
        if name == "snapshot":
            return selectors.snapshot_for(user, s.UUIDField().to_internal_value(value))
        if is_number and name == "prompts_from":
            return selectors.round_for(user, campaign.slug, value)
        if is_number:
            return selectors.checkpoint_for(user, value)
    except (NotFound, s.ValidationError):
        pass  # told below, like a value of the wrong kind
    raise Invalid(_("An input is not usable."), fields={name: [_("There is no such one for you.")]})


class OneRun(ApiView):
    scopes = {"GET": "read", "PATCH": "research"}

    @extend_schema(operation_id="run_read", responses=RunDetailSchema, tags=["runs"])
    def get(self, request: Request, run_id: Any) -> Response:
        """One run: how far it is, what it was given, what came of it, with its curves and samples."""
        found = selectors.run_for(request.user, run_id)
        further = {"curve": found.curve, "samples": found.samples, "log_tail": found.log_tail}
        attributes = {str(name): str(value) for name, value in methods.attributes_of(found).rows()}
        return Response({**_run(found), "attributes": attributes, **further})

    @extend_schema(operation_id="run_prioritise", request=PrioritySchema, responses=RunSchema, tags=["runs"])
    def patch(self, request: Request, run_id: Any) -> Response:
        """Moves a queued run up or down in the queue."""
        found = selectors.run_for(request.user, run_id)
        body = self.body(request, required=["priority"])
        run = services.set_priority(run=found, actor=_user(request), priority=body["priority"])
        return Response(_run(run))


class ResumeRun(ApiView):
    scope = "research"

    @extend_schema(operation_id="run_resume", request=None, responses={202: RunSchema}, tags=["runs"])
    def post(self, request: Request, run_id: Any) -> Response:
        """Queues a run again that was stopped or failed; it goes on from its newest whole checkpoint."""
        run = selectors.run_for(request.user, run_id)
        self.body(request)
        return Response(_run(services.resume_run(run=run, actor=_user(request))), status=202)


class CancelRun(ApiView):
    scope = "research"

    @extend_schema(operation_id="run_cancel", request=None, responses=RunSchema, tags=["runs"])
    def post(self, request: Request, run_id: Any) -> Response:
        """Stops a run; one that is running saves and leaves."""
        run = selectors.run_for(request.user, run_id)
        self.body(request)
        return Response(_run(services.cancel_run(run=run, actor=_user(request))))


class Checkpoints(ApiView):
    scope = "read"
    paginated = ("GET",)

    @extend_schema(
        operation_id="checkpoints_list", responses=page_of("Checkpoint", CheckpointSchema), tags=["models"]
    )
    def get(self, request: Request, slug: str) -> Response:
        """Reward models and policies that a campaign may use."""
        campaign = access.campaign_for_researcher(request.user, slug)
        found = Checkpoint.objects.filter(campaign=campaign) | Checkpoint.objects.filter(campaign=None)
        return self.page(request, found, _checkpoint)


class Rounds(ApiView):
    scope = "read"

    @extend_schema(operation_id="rounds_list", responses=RoundSchema(many=True), tags=["rounds"])
    def get(self, request: Request, slug: str) -> Response:
        """Rounds of a campaign, first first."""
        campaign = access.campaign_for_researcher(request.user, slug)
        return Response(
            [_round(r) for r in campaign.rounds.select_related("campaign").order_by("number")[:1000]]
        )


class OneRound(ApiView):
    scope = "read"

    @extend_schema(operation_id="round_read", responses=RoundSchema, tags=["rounds"])
    def get(self, request: Request, slug: str, number: int) -> Response:
        """One round with the evidence that its policy got better."""
        return Response(_round(selectors.round_for(request.user, slug, number)))


class TrainReward(ApiView):
    scope = "research"

    @extend_schema(
        operation_id="round_train_reward", request=None, responses={202: RoundSchema}, tags=["rounds"]
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Takes a snapshot and trains a reward model on it."""
        found = selectors.round_for(request.user, slug, number)
        self.body(request)
        return Response(_round(services.train_reward(round_=found, actor=_user(request))), status=202)


class RefreshPolicy(ApiView):
    scope = "research"

    @extend_schema(
        operation_id="round_refresh_policy",
        request=RefreshSchema,
        responses={202: RoundSchema},
        tags=["rounds"],
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Trains a new policy; its answers and those of the old one become the items of the next round."""
        found = selectors.round_for(request.user, slug, number)
        body = self.body(request, "method", "config")
        config = body.get("config", {})
        if not isinstance(config, dict):
            raise Invalid(
                _("The settings are not usable."),
                fields={"config": [_("Give an object of names and values.")]},
            )
        method = str(body.get("method", "dpo"))
        refreshed = services.refresh_policy(round_=found, actor=_user(request), method=method, config=config)
        return Response(_round(refreshed), status=202)


urlpatterns = [
    path("api/campaigns/<slug:slug>/snapshots/", Snapshots.as_view(), name="api-snapshots"),
    path("api/campaigns/<slug:slug>/events/", Events.as_view(), name="api-events"),
    path("api/snapshots/<uuid:snapshot_id>/", OneSnapshot.as_view(), name="api-snapshot"),
    path("api/snapshots/<uuid:snapshot_id>/download/", Download.as_view(), name="api-snapshot-download"),
    path(
        "api/snapshots/<uuid:snapshot_id>/as/<slug:name>/<slug:split>/",
        Exchange.as_view(),
        name="api-snapshot-exchange",
    ),
    path(
        "api/snapshots/<uuid:snapshot_id>/compare/<uuid:other_id>/",
        Compare.as_view(),
        name="api-snapshots-compare",
    ),
    path(
        "api/snapshots/<uuid:snapshot_id>/compare/<uuid:other_id>/rows/",
        CompareRows.as_view(),
        name="api-snapshots-compare-rows",
    ),
    path(
        "api/snapshots/<uuid:snapshot_id>/answers/<int:event_id>/",
        SnapshotAnswer.as_view(),
        name="api-snapshot-answer",
    ),
    path("api/checkpoints/<int:checkpoint_id>/lineage/", Lineage.as_view(), name="api-checkpoint-lineage"),
    path("api/methods/", Methods.as_view(), name="api-methods"),
    path("api/campaigns/<slug:slug>/runs/", Runs.as_view(), name="api-runs"),
    path("api/runs/<uuid:run_id>/", OneRun.as_view(), name="api-run"),
    path("api/runs/<uuid:run_id>/cancel/", CancelRun.as_view(), name="api-run-cancel"),
    path("api/runs/<uuid:run_id>/resume/", ResumeRun.as_view(), name="api-run-resume"),
    path("api/campaigns/<slug:slug>/checkpoints/", Checkpoints.as_view(), name="api-checkpoints"),
    path("api/campaigns/<slug:slug>/rounds/", Rounds.as_view(), name="api-rounds"),
    path("api/campaigns/<slug:slug>/rounds/<int:number>/", OneRound.as_view(), name="api-round"),
    path(
        "api/campaigns/<slug:slug>/rounds/<int:number>/train-reward/",
        TrainReward.as_view(),
        name="api-round-train-reward",
    ),
    path(
        "api/campaigns/<slug:slug>/rounds/<int:number>/refresh-policy/",
        RefreshPolicy.as_view(),
        name="api-round-refresh-policy",
    ),
]
