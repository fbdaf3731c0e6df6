"""What an evaluation found, for the page of its run: one module for each method that has something to show.

A module is called like its method and has `sections(run) -> list[Section]`, made from the run's metrics. Adding one is
adding a file; numbers that are missing in a run of another version are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from training_bridge.models import Run


@dataclass(frozen=True)
class Table:
    """Rows of text; the first column names the row, the others are right-aligned numbers unless `is_text`."""

    title: Any
    head: Sequence[Any]
    rows: Sequence[Sequence[Any]]
    is_text: bool = False


@dataclass(frozen=True)
class Section:
    """A heading, what the numbers mean, and figures (SVG with its own table) or tables."""

    title: Any
    words: Any = ""
    figures: Sequence[Any] = ()
    tables: Sequence[Table] = field(default_factory=tuple)


def in_order(entries: Mapping[str, Any], names: Iterable[str]) -> list[tuple[str, Any]]:
    """Entries in the order of these names, others after them: the database keeps none."""
    known = [name for name in names if name in entries]
    return [(name, entries[name]) for name in [*known, *sorted(set(entries) - set(known))]]


def names() -> set[str]:
    """Methods that have something to show."""
    return {found.name for found in iter_modules(__path__)}


def sections_of(run: Run) -> list[Section]:
    """Nothing while the run has no metrics, or for a method without a module."""
    if not run.metrics or run.method not in names():
        return []
    found: list[Section] = import_module(f"{__name__}.{run.method}").sections(run)
    return found
