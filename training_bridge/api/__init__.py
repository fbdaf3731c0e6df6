"""The researchers' part of the API: snapshots, runs, models, rounds."""

from __future__ import annotations

from django.urls import path

from training_bridge.api import data, rounds, runs

urlpatterns = [
    path("api/campaigns/<slug:slug>/snapshots/", data.Snapshots.as_view(), name="api-snapshots"),
    path("api/campaigns/<slug:slug>/events/", data.Events.as_view(), name="api-events"),
    path("api/snapshots/<uuid:snapshot_id>/", data.OneSnapshot.as_view(), name="api-snapshot"),
    path("api/snapshots/<uuid:snapshot_id>/pushes/", data.Pushes.as_view(), name="api-snapshot-pushes"),
    path("api/snapshots/<uuid:snapshot_id>/download/", data.Download.as_view(), name="api-snapshot-download"),
    path(
        "api/snapshots/<uuid:snapshot_id>/as/<slug:name>/<slug:split>/",
        data.Exchange.as_view(),
        name="api-snapshot-exchange",
    ),
    path(
        "api/snapshots/<uuid:snapshot_id>/compare/<uuid:other_id>/",
        data.Compare.as_view(),
        name="api-snapshots-compare",
    ),
    path(
        "api/snapshots/<uuid:snapshot_id>/compare/<uuid:other_id>/rows/",
        data.CompareRows.as_view(),
        name="api-snapshots-compare-rows",
    ),
    path(
        "api/snapshots/<uuid:snapshot_id>/answers/<int:event_id>/",
        data.SnapshotAnswer.as_view(),
        name="api-snapshot-answer",
    ),
    path(
        "api/checkpoints/<int:checkpoint_id>/lineage/", data.Lineage.as_view(), name="api-checkpoint-lineage"
    ),
    path("api/methods/", runs.Methods.as_view(), name="api-methods"),
    path("api/campaigns/<slug:slug>/runs/", runs.Runs.as_view(), name="api-runs"),
    path("api/campaigns/<slug:slug>/endpoints/", runs.RunEndpoints.as_view(), name="api-run-endpoints"),
    path("api/runs/<uuid:run_id>/", runs.OneRun.as_view(), name="api-run"),
    path("api/runs/<uuid:run_id>/cancel/", runs.CancelRun.as_view(), name="api-run-cancel"),
    path("api/runs/<uuid:run_id>/resume/", runs.ResumeRun.as_view(), name="api-run-resume"),
    path("api/campaigns/<slug:slug>/checkpoints/", rounds.Checkpoints.as_view(), name="api-checkpoints"),
    path(
        "api/campaigns/<slug:slug>/checkpoints/<int:checkpoint_id>/promote/",
        rounds.Promote.as_view(),
        name="api-checkpoint-promote",
    ),
    path(
        "api/campaigns/<slug:slug>/checkpoints/undo/",
        rounds.UndoPromotion.as_view(),
        name="api-promotion-undo",
    ),
    path("api/campaigns/<slug:slug>/rounds/", rounds.Rounds.as_view(), name="api-rounds"),
    path("api/campaigns/<slug:slug>/rounds/<int:number>/", rounds.OneRound.as_view(), name="api-round"),
    path(
        "api/campaigns/<slug:slug>/rounds/<int:number>/train-reward/",
        rounds.TrainReward.as_view(),
        name="api-round-train-reward",
    ),
    path(
        "api/campaigns/<slug:slug>/rounds/<int:number>/refresh-policy/",
        rounds.RefreshPolicy.as_view(),
        name="api-round-refresh-policy",
    ),
]
