"""Whether a reward model judges what a text says: evaluation/consistency.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_lazy

from training_bridge.evaluation import contrasts
from training_bridge.evaluation.config import ConsistencyParameters
from training_bridge.methods.base import Inputs, Method
from training_bridge.models import Run
from training_bridge.programs import Problem

FILE = "contrasts.jsonl"


def readable(parameters: Any, inputs: Inputs) -> Iterator[str]:
    try:
        for _ in contrasts.read(parameters.contrasts.splitlines(), FILE):
            pass
    except Problem as problem:
        yield str(problem)


def write_contrasts(run: Run, directory: Path) -> dict[str, Any]:
    """contrasts.jsonl, where pairs were given."""
    given = run.config.get("contrasts") or ""
    if not given.strip():
        return {}
    (directory / FILE).write_text(given, encoding="utf-8")
    return {"input": FILE}


method = Method(
    name="consistency",
    order=68,
    label=gettext_lazy("Consistency of a reward model"),
    purpose=gettext_lazy(
        "Rewrites held-out answers: does a reward model change its mind where the meaning stays, and see where it changes?"
    ),
    program="training_bridge.evaluation.consistency",
    parameters=ConsistencyParameters,
    needs=("reward_model", "snapshot"),
    check=readable,
    write_inputs=write_contrasts,
)
