"""Published sets of human feedback that can be answered again: one module a source, found by listing.

A module ends with `SETS`, its `RealSet`s; adding one touches no other file.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from annotation.replay.sets.base import Case, RealSet, Said, answers_on

SETS: dict[str, RealSet] = {
    real.name: real
    for module in sorted(m.name for m in iter_modules(__path__))
    for real in getattr(import_module(f"{__name__}.{module}"), "SETS", ())
}

__all__ = ["SETS", "Case", "RealSet", "Said", "answers_on"]
