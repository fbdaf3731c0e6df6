"""A reward model on a file in RewardBench's format: evaluation/rewardbench.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from training_bridge.evaluation.config import RewardBenchParameters
from training_bridge.methods.base import Inputs, Method
from training_bridge.models import Run

ENDINGS = (".jsonl", ".parquet")


def names() -> list[str]:
    """Files there are; a run names one of them and never a path."""
    folder = settings.BENCHMARK_DIR
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(p.name for p in found if p.suffix in ENDINGS and p.is_file())


def there_is(parameters: Any, inputs: Inputs) -> Iterator[str]:
    if parameters.file not in (have := names()):
        yield _("There is no %(name)s in the server's BENCHMARK_DIR; there are: %(names)s.") % {
            "name": parameters.file,
            "names": ", ".join(have) or _("none"),
        }


def input_of(run: Run, directory: Path) -> dict[str, Any]:
    if run.config["file"] not in names():
        return {}  # the program says that it has no input
    return {"input": str(settings.BENCHMARK_DIR / run.config["file"])}


method = Method(
    name="rewardbench",
    order=64,
    label=gettext_lazy("RewardBench"),
    purpose=gettext_lazy(
        "How often does a reward model prefer the right answer of a benchmark? For files in RewardBench's format."
    ),
    program="training_bridge.evaluation.rewardbench",
    parameters=RewardBenchParameters,
    needs=("reward_model",),
    check=there_is,
    write_inputs=input_of,
)
