"""Methods and runs by the API."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api.base import ApiView
from annotation.api.schemas import page_of
from annotation.endpoints.models import Endpoint
from annotation.errors import Invalid, NotFound
from training_bridge import endpoints, methods, selectors, services
from training_bridge.api.describe import run_json
from training_bridge.api.lists import newest, user_of
from training_bridge.api.schemas import (
    MethodSchema,
    NewRunSchema,
    PrioritySchema,
    RunDetailSchema,
    RunEndpointSchema,
    RunSchema,
)
from training_bridge.models import Run


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


class RunEndpoints(ApiView):
    scope = "read"

    @extend_schema(
        operation_id="run_endpoints_list",
        responses=RunEndpointSchema(many=True),
        tags=["runs"],
        filters=False,
    )
    def get(self, request: Request, slug: str) -> Response:
        """Endpoints that may answer in your runs of this campaign."""
        campaign = access.campaign_for_researcher(request.user, slug)
        found = access.endpoints_for_runs(request.user, campaign)
        return Response([endpoints.told(endpoint, endpoint.model) for endpoint in found])


class Runs(ApiView):
    scopes = {"GET": "read", "POST": "research"}
    paginated = ("GET",)

    @extend_schema(operation_id="runs_list", responses=page_of("Run", RunSchema), tags=["runs"])
    def get(self, request: Request, slug: str) -> Response:
        """Runs of a campaign, newest first."""
        campaign = access.campaign_for_researcher(request.user, slug)
        runs = campaign.runs.select_related("campaign", "snapshot", "endpoint").prefetch_related(
            "checkpoints"
        )
        return newest(self, request, runs, run_json)

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
            actor=user_of(request),
            method=str(body["method"]),
            config=config,
            seed=seed,
            priority=body.get("priority", Run.Priority.NORMAL),
            **inputs,
        )
        return Response(run_json(run), status=202)


def _input(user: Any, campaign: Any, name: str, value: Any) -> Any:
    """The object that an input names; a foreign one is as good as a missing one."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63
    try:
        if name == "snapshot":
            return selectors.snapshot_for(user, s.UUIDField().to_internal_value(value))
        if is_number and name == "endpoint":
            return access.endpoints_for_runs(user, campaign).get(pk=value)
        if is_number and name == "prompts_from":
            return selectors.round_for(user, campaign.slug, value)
        if is_number:
            return selectors.checkpoint_for(user, value)
    except (NotFound, s.ValidationError, Endpoint.DoesNotExist):
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
        return Response({**run_json(found), "attributes": attributes, **further})

    @extend_schema(operation_id="run_prioritise", request=PrioritySchema, responses=RunSchema, tags=["runs"])
    def patch(self, request: Request, run_id: Any) -> Response:
        """Moves a queued run up or down in the queue."""
        found = selectors.run_for(request.user, run_id)
        body = self.body(request, required=["priority"])
        run = services.set_priority(run=found, actor=user_of(request), priority=body["priority"])
        return Response(run_json(run))


class ResumeRun(ApiView):
    scope = "research"

    @extend_schema(operation_id="run_resume", request=None, responses={202: RunSchema}, tags=["runs"])
    def post(self, request: Request, run_id: Any) -> Response:
        """Queues a run again that was stopped or failed; it goes on from its newest whole checkpoint."""
        run = selectors.run_for(request.user, run_id)
        self.body(request)
        return Response(run_json(services.resume_run(run=run, actor=user_of(request))), status=202)


class CancelRun(ApiView):
    scope = "research"

    @extend_schema(operation_id="run_cancel", request=None, responses=RunSchema, tags=["runs"])
    def post(self, request: Request, run_id: Any) -> Response:
        """Stops a run; one that is running saves and leaves."""
        run = selectors.run_for(request.user, run_id)
        self.body(request)
        return Response(run_json(services.cancel_run(run=run, actor=user_of(request))))
