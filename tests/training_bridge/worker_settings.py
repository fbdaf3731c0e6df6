"""Settings of a worker that a test starts: those of the tests, with the test's own directories."""

import os
from pathlib import Path

from tests.settings import *  # noqa: F403

SNAPSHOT_DIR = Path(os.environ["TEST_ROOT"]) / "snapshots"
RUN_DIR = Path(os.environ["TEST_ROOT"]) / "runs"
CHECKPOINT_DIR = Path(os.environ["TEST_ROOT"]) / "checkpoints"
