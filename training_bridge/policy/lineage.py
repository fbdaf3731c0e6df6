"""`whetstone.json` of a policy directory: what it was made from, by which code, with which settings.

    {"kind": "policy", "method": "dpo", "seed": 1, "parameters": {…}, "parent": {"path": …, "sha256": …},
     "snapshot": {"sha256": …}, "reward_model": {…}, "code_revision": "3f9a0c2", "versions": {"torch": "2.13.0", …}}

No paths of this machine but those of the inputs' names, and no time of day: the same run makes the same file.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from training_bridge.programs import RunDirectory, write_json

PACKAGES = ("torch", "transformers", "tokenizers", "trl", "peft", "whetstone")
INPUTS = ("snapshot", "parent", "baseline", "reward_model")


def write_lineage(folder: Path, run: RunDirectory, *, kind: str, settings: BaseModel, **facts: Any) -> None:
    config = run.config
    write_json(
        folder / "whetstone.json",
        {
            "kind": kind,
            "method": config.get("method", ""),
            "seed": int(config.get("seed") or 0),
            "parameters": settings.model_dump(mode="json"),
            "code_revision": config.get("code_revision", ""),
            "versions": versions(),
            **{name: identity(config[name]) for name in INPUTS if config.get(name)},
            **facts,
        },
    )


def identity(given: Any) -> dict[str, str]:
    """An input by its hash where it has one, else by its name (a hub id, a folder)."""
    if not isinstance(given, Mapping):
        return {"name": Path(str(given)).name}
    if given.get("sha256"):
        return {"sha256": str(given["sha256"])}
    return {"name": str(given.get("path") or "").removeprefix(str(Path.home()))}


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ""  # run from a checkout, or an extra that is not installed
    return found
