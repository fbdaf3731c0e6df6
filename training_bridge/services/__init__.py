"""Writes of this app, one function for each use case; pages, API, commands and tasks all call these."""

from training_bridge.services.checkpoints import promote, undo_promotion
from training_bridge.services.pushes import execute_push, start_push
from training_bridge.services.rounds import on_run_finished, open_round, refresh_policy, train_reward
from training_bridge.services.runs import (
    cancel_run,
    claim_run,
    finish_run,
    requeue_stale_runs,
    resume_run,
    set_priority,
    start_run,
)
from training_bridge.services.snapshots import build_snapshot, take_snapshot

__all__ = [
    "build_snapshot",
    "cancel_run",
    "claim_run",
    "execute_push",
    "finish_run",
    "on_run_finished",
    "open_round",
    "promote",
    "refresh_policy",
    "requeue_stale_runs",
    "resume_run",
    "set_priority",
    "start_push",
    "start_run",
    "take_snapshot",
    "train_reward",
    "undo_promotion",
]
