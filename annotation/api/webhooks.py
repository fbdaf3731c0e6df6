"""Webhooks: list, make, read, change, try, rotate, remove; the log, and a message sent again. A secret is shown once."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api import describe, schemas
from annotation.api.base import ApiView, person
from annotation.webhooks import selectors, services


class Webhooks(ApiView):
    scopes = {"GET": "manage", "POST": "manage"}
    paginated = ("GET",)

    @extend_schema(
        operation_id="webhooks_list",
        responses=schemas.page_of("Webhook", schemas.Webhook),
        tags=["webhooks"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """The webhooks of a campaign, oldest first."""
        campaign = access.campaign_for_admin(request.user, slug)
        return self.page(request, selectors.webhooks_of(campaign), describe.webhook)

    @extend_schema(
        operation_id="webhook_create",
        request=schemas.NewWebhook,
        responses={201: schemas.WebhookWithSecret},
        tags=["webhooks"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Keeps an address; the answer has the secret that signs, which is never given again."""
        campaign = access.campaign_for_admin(request.user, slug)
        data = self.body(request, *services.CHANGEABLE, required=["url", "kinds"])
        made, secret = services.create_webhook(actor=person(request), campaign=campaign, **data)
        return Response({**describe.webhook(made), "secret": secret}, status=201)


class OneWebhook(ApiView):
    scope = "manage"

    @extend_schema(operation_id="webhook_read", responses=schemas.Webhook, tags=["webhooks"])
    def get(self, request: Request, slug: str, webhook_id: int) -> Response:
        """One webhook."""
        return Response(describe.webhook(access.webhook_for_admin(request.user, slug, webhook_id)))

    @extend_schema(
        operation_id="webhook_change",
        request=schemas.WebhookChanges,
        responses=schemas.Webhook,
        tags=["webhooks"],
    )
    def patch(self, request: Request, slug: str, webhook_id: int) -> Response:
        """Changes address, events, or whether it is on. What waits goes to the new address."""
        found = access.webhook_for_admin(request.user, slug, webhook_id)
        changes = self.body(request, *services.CHANGEABLE)
        return Response(
            describe.webhook(services.change_webhook(actor=person(request), webhook=found, changes=changes))
        )

    @extend_schema(operation_id="webhook_remove", responses={204: None}, tags=["webhooks"])
    def delete(self, request: Request, slug: str, webhook_id: int) -> Response:
        """Nothing is sent there any more, and its secret is destroyed."""
        found = access.webhook_for_admin(request.user, slug, webhook_id)
        services.remove_webhook(actor=person(request), webhook=found)
        return Response(status=204)


class Try(ApiView):
    scope = "manage"

    @extend_schema(operation_id="webhook_try", request=None, responses=schemas.Delivery, tags=["webhooks"])
    def post(self, request: Request, slug: str, webhook_id: int) -> Response:
        """Sends a message of the kind `webhook.test` now, and says what came of it."""
        found = access.webhook_for_admin(request.user, slug, webhook_id)
        self.body(request)
        return Response(describe.delivery(services.try_webhook(actor=person(request), webhook=found)))


class Rotate(ApiView):
    scope = "manage"

    @extend_schema(
        operation_id="webhook_rotate", request=None, responses=schemas.WebhookWithSecret, tags=["webhooks"]
    )
    def post(self, request: Request, slug: str, webhook_id: int) -> Response:
        """A new secret, in this answer alone; the one before it signs too for another day."""
        found = access.webhook_for_admin(request.user, slug, webhook_id)
        self.body(request)
        secret = services.rotate_secret(actor=person(request), webhook=found)
        now = access.webhook_for_admin(request.user, slug, webhook_id)
        return Response({**describe.webhook(now), "secret": secret})


class Deliveries(ApiView):
    scope = "manage"
    paginated = ("GET",)

    @extend_schema(
        operation_id="deliveries_list",
        responses=schemas.page_of("Delivery", schemas.Delivery),
        tags=["webhooks"],
    )
    def get(self, request: Request, slug: str, webhook_id: int) -> Response:
        """The log, newest first; messages that are over leave it after a month."""
        found = access.webhook_for_admin(request.user, slug, webhook_id)
        return self.page(request, selectors.deliveries_of(found), describe.delivery, ordering="-id")


class SendAgain(ApiView):
    scope = "manage"

    @extend_schema(
        operation_id="delivery_send_again",
        request=None,
        responses={202: schemas.Delivery},
        tags=["webhooks"],
    )
    def post(self, request: Request, slug: str, webhook_id: int, delivery_id: int) -> Response:
        """Sends a message once more, under the same id."""
        found = access.webhook_for_admin(request.user, slug, webhook_id)
        self.body(request)
        again = services.send_again(actor=person(request), webhook=found, delivery_id=delivery_id)
        return Response(describe.delivery(again), status=202)
