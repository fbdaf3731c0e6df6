"""Tiny models, run directories and a snapshot, as the policy programs' tests have them."""

from tests.training_bridge.policy.conftest import (
    one_thread,
    other_dir,
    policy,
    policy_dir,
    run_in,
    snapshot,
    write_lines,
)

__all__ = ["one_thread", "other_dir", "policy", "policy_dir", "run_in", "snapshot", "write_lines"]
