"""BIG-Bench Mistake: people find the first mistake in chains of thought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotation.replay.sets.base import UNKNOWN, Case, RealSet, Said, question
from annotation.replay.sets.steps import first_error, joined

BY_PEOPLE = "human"


def _chain(row: Mapping[str, Any]) -> Case:
    """The steps become lines (paragraphs where a step has lines of its own); what rules labelled is left out."""
    text, _ends = joined(row["steps"])
    said, refused = [], []
    if row["labelled_by"] == BY_PEOPLE:
        said = [Said(UNKNOWN, {"steps": first_error(row["steps"], row["first_error_step"])})]
    else:
        refused = ["labelled by rules, not by a person"]
    return Case(row["id"], row["prompt"], [{"content": text, "source": row["source"]}], said, refused)


SETS = [
    RealSet(
        "bigbench_mistake",
        "BIG-Bench Mistake: the first mistake",
        [question("steps", "inter_temporal", "Which step is the first wrong one?", neutral=False)],
        ["bigbench_mistake/steps.jsonl.gz"],
        _chain,
    ),
]
