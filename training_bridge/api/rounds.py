"""Models and rounds by the API."""

from __future__ import annotations

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api.base import ApiView
from annotation.api.schemas import page_of
from annotation.errors import Invalid
from training_bridge import selectors, services
from training_bridge.api.describe import checkpoint_json, round_json
from training_bridge.api.lists import user_of
from training_bridge.api.schemas import (
    CheckpointSchema,
    RefreshSchema,
    RoundSchema,
)
from training_bridge.models import Checkpoint


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
        return self.page(request, found, checkpoint_json)


class Promote(ApiView):
    scope = "research"

    @extend_schema(
        operation_id="checkpoint_promote", request=None, responses=CheckpointSchema, tags=["models"]
    )
    def post(self, request: Request, slug: str, checkpoint_id: int) -> Response:
        """Makes a policy the live one of a campaign. 409 if it is live already."""
        campaign = access.campaign_for_researcher(request.user, slug)
        self.body(request)
        found = selectors.checkpoint_for(request.user, checkpoint_id)
        services.promote(campaign=campaign, policy=found, actor=user_of(request))
        return Response(checkpoint_json(found))


class UndoPromotion(ApiView):
    scope = "research"

    @extend_schema(operation_id="promotion_undo", request=None, responses=CheckpointSchema, tags=["models"])
    def post(self, request: Request, slug: str) -> Response:
        """Goes back to the policy that was live before, which it answers with. 409 if there was none."""
        campaign = access.campaign_for_researcher(request.user, slug)
        self.body(request)
        promotion = services.undo_promotion(campaign=campaign, actor=user_of(request))
        return Response(checkpoint_json(promotion.policy))


class Rounds(ApiView):
    scope = "read"

    @extend_schema(operation_id="rounds_list", responses=RoundSchema(many=True), tags=["rounds"])
    def get(self, request: Request, slug: str) -> Response:
        """Rounds of a campaign, first first."""
        campaign = access.campaign_for_researcher(request.user, slug)
        return Response(
            [round_json(r) for r in campaign.rounds.select_related("campaign").order_by("number")[:1000]]
        )


class OneRound(ApiView):
    scope = "read"

    @extend_schema(operation_id="round_read", responses=RoundSchema, tags=["rounds"])
    def get(self, request: Request, slug: str, number: int) -> Response:
        """One round with the evidence that its policy got better."""
        return Response(round_json(selectors.round_for(request.user, slug, number)))


class TrainReward(ApiView):
    scope = "research"

    @extend_schema(
        operation_id="round_train_reward", request=None, responses={202: RoundSchema}, tags=["rounds"]
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Takes a snapshot and trains a reward model on it."""
        found = selectors.round_for(request.user, slug, number)
        self.body(request)
        return Response(round_json(services.train_reward(round_=found, actor=user_of(request))), status=202)


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
        refreshed = services.refresh_policy(
            round_=found, actor=user_of(request), method=method, config=config
        )
        return Response(round_json(refreshed), status=202)
