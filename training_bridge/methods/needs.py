"""How much data a method needs: sentences that say need N, have M."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from training_bridge.methods.base import Inputs


def enough_events(parameters: Any, inputs: Inputs) -> Iterator[str]:
    """A complete snapshot says how many answers it has; one still being built is checked by the program."""
    if inputs.snapshot is None or inputs.snapshot.manifest is None:
        return
    counts = inputs.snapshot.manifest["counts"]
    have = sum(row["train"] for row in counts["types"].values())
    if have < parameters.min_events:
        yield _("Not enough data: need %(need)d answers for training, have %(have)d.") % {
            "need": parameters.min_events,
            "have": have,
        }


def rows_of(inputs: Inputs, view: str) -> int | None:
    """Training rows of a view of the snapshot; None while it is still being built (then the program checks)."""
    if inputs.snapshot is None or inputs.snapshot.manifest is None:
        return None
    found = inputs.snapshot.manifest["views"].get(view)
    return found["rows"]["train"] if found else 0


def enough_pairs(parameters: Any, inputs: Inputs) -> Iterator[str]:
    have = rows_of(inputs, "preference")
    if have is not None and have < parameters.min_pairs:
        yield _("Not enough data: need %(need)d preferences for training, have %(have)d.") % {
            "need": parameters.min_pairs,
            "have": have,
        }


def enough_to_imitate(parameters: Any, inputs: Inputs) -> Iterator[str]:
    written, preferred = rows_of(inputs, "prompt_completion"), rows_of(inputs, "preference")
    if written is None or preferred is None:
        return
    have = written + (preferred if _counts(parameters.chosen, written) else 0)
    if have < parameters.min_rows:
        yield _(
            "Not enough data: need %(need)d answers to imitate, have %(written)d that people wrote or edited and "
            "%(preferred)d that they preferred."
        ) % {"need": parameters.min_rows, "written": written, "preferred": preferred}


def enough_judged(parameters: Any, inputs: Inputs) -> Iterator[str]:
    judged, preferences = rows_of(inputs, "unpaired"), rows_of(inputs, "preference")
    if judged is None or preferences is None:
        return
    have = judged + (2 * preferences if _counts(parameters.pairs, judged) else 0)
    if have < parameters.min_rows:
        yield _(
            "Not enough data: need %(need)d judged answers, have %(judged)d judged by themselves and %(pairs)d preferences."
        ) % {"need": parameters.min_rows, "judged": judged, "pairs": preferences}


def enough_prompts(inputs: Inputs, need: int) -> Iterator[str]:
    """Prompts to answer. How many of them are on the training side and leave room for an answer the program checks."""
    if inputs.snapshot is None or inputs.snapshot.manifest is None:
        return
    have = inputs.snapshot.manifest["counts"]["prompts"]
    if have < need:
        yield _("Not enough data: need %(need)d prompts to answer, have %(have)d.") % {
            "need": need,
            "have": have,
        }


def _counts(how: str, others: int) -> bool:
    return how == "always" or (how == "without_others" and not others)
