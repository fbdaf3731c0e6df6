"""The REST API under /api/."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from annotation.api import (
    adjudication,
    audit,
    campaigns,
    endpoints,
    feedback,
    generation,
    imports,
    items,
    labelers,
    labeling,
    ledger,
    people,
    quality,
    webhooks,
)
from annotation.api.authentication import AUTHENTICATION

app_name = "api"

urlpatterns = [
    path("me/", campaigns.Me.as_view(), name="me"),
    path("campaigns/", campaigns.Campaigns.as_view(), name="campaigns"),
    path("campaigns/<slug:slug>/", campaigns.OneCampaign.as_view(), name="campaign"),
    path("campaigns/<slug:slug>/open/", campaigns.Open.as_view(), name="open"),
    path("campaigns/<slug:slug>/pause/", campaigns.Pause.as_view(), name="pause"),
    path("campaigns/<slug:slug>/close/", campaigns.Close.as_view(), name="close"),
    path("campaigns/<slug:slug>/guidelines/", campaigns.GuidelinesVersions.as_view(), name="guidelines"),
    path(
        "campaigns/<slug:slug>/guidelines/acknowledge/",
        labeling.Acknowledge.as_view(),
        name="guidelines-acknowledge",
    ),
    path("campaigns/<slug:slug>/qualification/", labeling.QualificationView.as_view(), name="qualification"),
    path("campaigns/<slug:slug>/protocol/", campaigns.ProtocolVersions.as_view(), name="protocol"),
    path("campaigns/<slug:slug>/progress/", campaigns.Progress.as_view(), name="progress"),
    path("campaigns/<slug:slug>/agreement/", quality.Agreement.as_view(), name="agreement"),
    path("campaigns/<slug:slug>/quality/<slug:statistic>/", quality.Quality.as_view(), name="quality"),
    path("campaigns/<slug:slug>/consensus/", quality.Consensus.as_view(), name="consensus"),
    path("campaigns/<slug:slug>/audit/", audit.Audit.as_view(), name="audit"),
    path("campaigns/<slug:slug>/items/", items.Items.as_view(), name="items"),
    path("campaigns/<slug:slug>/items/import/", items.ImportItems.as_view(), name="items-import"),
    path("campaigns/<slug:slug>/items/<int:item_id>/", adjudication.OneItem.as_view(), name="item"),
    path(
        "campaigns/<slug:slug>/items/<int:item_id>/adjudications/",
        adjudication.Adjudications.as_view(),
        name="adjudications",
    ),
    path("campaigns/<slug:slug>/disagreements/", adjudication.Disagreements.as_view(), name="disagreements"),
    path("campaigns/<slug:slug>/imports/", imports.Imports.as_view(), name="imports"),
    path("campaigns/<slug:slug>/imports/<int:import_id>/", imports.OneImport.as_view(), name="import"),
    path(
        "campaigns/<slug:slug>/imports/<int:import_id>/start/",
        imports.StartImport.as_view(),
        name="import-start",
    ),
    path(
        "campaigns/<slug:slug>/imports/<int:import_id>/errors/",
        imports.ImportErrors.as_view(),
        name="import-errors",
    ),
    path("campaigns/<slug:slug>/items/<int:item_id>/assign/", items.AssignItem.as_view(), name="item-assign"),
    path("campaigns/<slug:slug>/invitations/", people.Invitations.as_view(), name="invitations"),
    path(
        "campaigns/<slug:slug>/invitations/bulk/", people.ManyInvitations.as_view(), name="invitations-bulk"
    ),
    path(
        "campaigns/<slug:slug>/invitations/<int:invitation_id>/",
        people.OneInvitation.as_view(),
        name="invitation",
    ),
    path("campaigns/<slug:slug>/items/<int:item_id>/gold/", items.MakeGold.as_view(), name="item-gold"),
    path("campaigns/<slug:slug>/labelers/", labelers.Labelers.as_view(), name="labelers"),
    path("campaigns/<slug:slug>/labelers/<str:username>/", labelers.OneLabeler.as_view(), name="labeler"),
    path("campaigns/<slug:slug>/feedback/", feedback.Feedback.as_view(), name="feedback"),
    path("campaigns/<slug:slug>/next/", labeling.Next.as_view(), name="next"),
    path("campaigns/<slug:slug>/undo/", labeling.Undo.as_view(), name="undo"),
    path("assignments/<int:assignment_id>/", labeling.OneAssignment.as_view(), name="assignment"),
    path("assignments/<int:assignment_id>/heartbeat/", labeling.Heartbeat.as_view(), name="heartbeat"),
    path("assignments/<int:assignment_id>/draft/", labeling.Draft.as_view(), name="draft"),
    path("assignments/<int:assignment_id>/submit/", labeling.Submit.as_view(), name="submit"),
    path("assignments/<int:assignment_id>/skip/", labeling.Skip.as_view(), name="skip"),
    path("assignments/<int:assignment_id>/flag/", labeling.Flag.as_view(), name="flag"),
    path("endpoints/", endpoints.Endpoints.as_view(), name="endpoints"),
    path("endpoints/<int:endpoint_id>/", endpoints.OneEndpoint.as_view(), name="endpoint"),
    path("endpoints/<int:endpoint_id>/try/", endpoints.Try.as_view(), name="endpoint-try"),
    path("campaigns/<slug:slug>/webhooks/", webhooks.Webhooks.as_view(), name="webhooks"),
    path("campaigns/<slug:slug>/webhooks/<int:webhook_id>/", webhooks.OneWebhook.as_view(), name="webhook"),
    path("campaigns/<slug:slug>/webhooks/<int:webhook_id>/try/", webhooks.Try.as_view(), name="webhook-try"),
    path(
        "campaigns/<slug:slug>/webhooks/<int:webhook_id>/rotate/",
        webhooks.Rotate.as_view(),
        name="webhook-rotate",
    ),
    path(
        "campaigns/<slug:slug>/webhooks/<int:webhook_id>/deliveries/",
        webhooks.Deliveries.as_view(),
        name="deliveries",
    ),
    path(
        "campaigns/<slug:slug>/webhooks/<int:webhook_id>/deliveries/<int:delivery_id>/again/",
        webhooks.SendAgain.as_view(),
        name="delivery-again",
    ),
    path("campaigns/<slug:slug>/live/", generation.Live.as_view(), name="live"),
    path("campaigns/<slug:slug>/candidates/", generation.Batches.as_view(), name="candidates"),
    path("assignments/<int:assignment_id>/generate/", generation.Generate.as_view(), name="generate"),
    path("generations/<uuid:generation_id>/", generation.OneGeneration.as_view(), name="generation"),
    path("generations/<uuid:generation_id>/stop/", generation.Stop.as_view(), name="generation-stop"),
    path("campaigns/<slug:slug>/terms/", ledger.Terms.as_view(), name="terms"),
    path("campaigns/<slug:slug>/costs/", ledger.Costs.as_view(), name="costs"),
    path("campaigns/<slug:slug>/ledger/", ledger.Ledger.as_view(), name="ledger"),
    path("campaigns/<slug:slug>/payouts/", ledger.Payouts.as_view(), name="payouts"),
    path(
        "campaigns/<slug:slug>/payouts/<int:payout_id>/file/", ledger.PayoutFile.as_view(), name="payout-file"
    ),
    path(
        "campaigns/<slug:slug>/payouts/<int:payout_id>/undo/", ledger.UndoPayout.as_view(), name="payout-undo"
    ),
    path("schema/", SpectacularAPIView.as_view(authentication_classes=AUTHENTICATION), name="schema"),
    path(
        "docs/",
        SpectacularSwaggerView.as_view(url_name="api:schema", authentication_classes=AUTHENTICATION),
        name="docs",
    ),
]
