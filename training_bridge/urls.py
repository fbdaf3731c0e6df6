"""Pages for researchers, and their part of the API."""

from __future__ import annotations

from django.urls import path

from training_bridge import api
from training_bridge.views import compare, data, lineage, models, progress, rounds, runs

urlpatterns = [
    path("data/", data.data, name="data"),
    path("data/<uuid:snapshot_id>/", data.snapshot, name="snapshot"),
    path("data/<uuid:snapshot_id>/live/", data.snapshot_live, name="snapshot_live"),
    path("data/<uuid:snapshot_id>/push/", data.push_snapshot, name="push_snapshot"),
    path("data/<uuid:snapshot_id>/push/live/", data.push_live, name="push_live"),
    path("data/<uuid:snapshot_id>/download/", data.download, name="snapshot_download"),
    path("data/<uuid:snapshot_id>/as/<slug:name>/<slug:split>/", data.exchange, name="snapshot_exchange"),
    path("data/<uuid:snapshot_id>/answers/", lineage.answers, name="snapshot_answers"),
    path("data/<uuid:snapshot_id>/answers/<int:event_id>/", lineage.answer, name="snapshot_answer"),
    path("data/<uuid:snapshot_id>/compare/<uuid:other_id>/", data.compare, name="compare_snapshots"),
    path("campaigns/<slug:slug>/data/new/", data.new_snapshot, name="new_snapshot"),
    path("runs/", runs.runs, name="runs"),
    path("runs/<uuid:run_id>/", runs.run, name="run"),
    path("runs/<uuid:run_id>/live/", runs.run_live, name="run_live"),
    path("runs/<uuid:run_id>/cancel/", runs.cancel_run, name="cancel_run"),
    path("runs/<uuid:run_id>/resume/", runs.resume_run, name="resume_run"),
    path("runs/<uuid:run_id>/priority/", runs.set_run_priority, name="set_run_priority"),
    path("runs/compare/", compare.compare_runs, name="compare_runs"),
    path("campaigns/<slug:slug>/runs/new/", runs.new_run, name="new_run"),
    path("models/", models.models, name="models"),
    path("models/<int:checkpoint_id>/", models.model, name="model"),
    path("models/<int:checkpoint_id>/lineage/", lineage.lineage, name="lineage"),
    path("models/<int:checkpoint_id>/score/", models.score, name="score"),
    path("models/<int:checkpoint_id>/score/<int:response_id>/", models.score_response, name="score_response"),
    path("models/<int:checkpoint_id>/heat/<uuid:run_id>/", models.heat, name="heat"),
    path("models/<int:checkpoint_id>/heat/<uuid:run_id>/live/", models.heat_live, name="heat_live"),
    path("campaigns/<slug:slug>/models/<int:checkpoint_id>/promote/", models.promote, name="promote"),
    path("campaigns/<slug:slug>/models/undo/", models.undo_promotion, name="undo_promotion"),
    path("rounds/", rounds.rounds, name="rounds"),
    path("campaigns/<slug:slug>/rounds/", progress.progress, name="progress"),
    path("campaigns/<slug:slug>/rounds/begin/", rounds.begin, name="begin_rounds"),
    path("campaigns/<slug:slug>/rounds/<int:number>/", rounds.one_round, name="round"),
    path("campaigns/<slug:slug>/rounds/<int:number>/live/", rounds.round_live, name="round_live"),
    path("campaigns/<slug:slug>/rounds/<int:number>/train/", rounds.train_reward, name="train_reward"),
    path("campaigns/<slug:slug>/rounds/<int:number>/refresh/", rounds.refresh_policy, name="refresh_policy"),
    *api.urlpatterns,
]
