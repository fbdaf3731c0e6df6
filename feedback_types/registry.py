"""Every feedback type there is: the sub-folders of this package that hold one.

>>> get("comparison").label
'Comparison'
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

import feedback_types
from feedback_types.base import Consent, FeedbackType


class UnknownType(LookupError):
    """No folder carries this name."""


def folders() -> list[str]:
    """Names of the sub-folders that hold a type, sorted; a folder is a type when it has an `__init__.py` and a
    `schema.py`."""
    names = {
        folder.name
        for root in feedback_types.__path__
        for folder in Path(root).iterdir()
        if (folder / "__init__.py").is_file() and (folder / "schema.py").is_file()
    }
    return sorted(names)


@cache
def _load(slug: str) -> FeedbackType:
    return import_module(f"feedback_types.{slug}").feedback_type


@cache  # listing folders for each of a million events would take longer than reading them
def get(slug: str) -> FeedbackType:
    """The type of this name. Raises UnknownType, which lists the names there are."""
    if slug not in folders():
        raise UnknownType(f"There is no feedback type {slug!r}; there are: {', '.join(folders())}.")
    return _load(slug)


def all_types() -> list[FeedbackType]:
    return [_load(slug) for slug in folders()]


def choices() -> list[tuple[str, str]]:
    """(slug, label) pairs for a form; a callable, so that a new folder never makes a migration."""
    return [(t.slug, str(t.label)) for t in all_types()]


@cache
def consents() -> dict[str, Consent]:
    """Every consent that the folders bring, by its slug. Raises ValueError when two bring the same one."""
    found: dict[str, Consent] = {}
    for feedback_type in all_types():
        for consent in feedback_type.consents:
            if consent.slug in found:
                raise ValueError(f"two feedback types bring the consent {consent.slug!r}")
            found[consent.slug] = consent
    return found
