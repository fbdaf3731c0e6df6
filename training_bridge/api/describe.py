"""Rows as the API tells them."""

from __future__ import annotations

from typing import Any

from training_bridge import endpoints
from training_bridge.models import Checkpoint, Push, Round, Run, Snapshot


def snapshot_json(found: Snapshot) -> dict[str, Any]:
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
        "mirrored_at": found.mirrored_at,
        "unmirrored_at": found.unmirrored_at,
        "mirror_error": found.mirror_error,
    }


def push_json(found: Push) -> dict[str, Any]:
    told = ("repository", "hub", "private", "status", "progress", "url", "commit", "error", "advice")
    times = ("created_at", "finished_at")
    return {"id": str(found.pk), **{name: getattr(found, name) for name in (*told, *times)}}


def run_json(found: Run) -> dict[str, Any]:
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
        "endpoint": endpoints.told(found.endpoint, found.endpoint_model),
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


def checkpoint_json(found: Checkpoint) -> dict[str, Any]:
    return {
        "id": found.pk,
        "kind": found.kind,
        "name": found.name,
        "sha256": found.sha256,
        "run": found.run_id and str(found.run_id),
        "parent": found.parent_id,
        "lineage": found.lineage,
        "created_at": found.created_at,
        "mirrored_at": found.mirrored_at,
        "mirror_error": found.mirror_error,
    }


def round_json(found: Round) -> dict[str, Any]:
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
