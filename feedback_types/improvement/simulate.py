"""A synthetic labeler who edits by the law of `likelihood.py`, with numpy alone: where, then what, then "is it better?"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from feedback_types.base import Message, SyntheticLabeler
from feedback_types.improvement.diff import word_ops
from feedback_types.improvement.schema import Draft, ImprovementPayload, ImprovementSettings, cuts, touched
from feedback_types.segments import segment_ends, segments

MOST_REWRITES = 4
AGAIN = 0.3  # how often a labeler who said "no" tries once more


def improve(
    prompt: tuple[Message, ...],
    text: str,
    settings: ImprovementSettings,
    labeler: SyntheticLabeler,
    rng: np.random.Generator,
) -> ImprovementPayload:
    """One edit. Cuts are offered as the campaign says; else half of the edits take a rewrite shown, half are own words."""
    ends = segment_ends(text)
    careless = labeler.beta == 0 or rng.random() < labeler.lapse
    beta = 0.0 if careless else labeler.beta
    values = np.array(
        [labeler.value(prompt, text, end, "reward") for end in [0, *ends[:-1], None][: len(ends) + 1]]
    )

    def reward(candidate: str) -> float:
        return labeler.value(prompt, candidate, None, "reward")

    def pick(utilities: Sequence[float]) -> int:
        weight = np.exp(beta * (np.array(utilities) - max(utilities)))
        return int(rng.choice(len(weight), p=weight / weight.sum()))

    shown = cuts(text, ends) if settings.suggestions == "cuts" else []
    place: tuple[int, ...] = ()
    if shown:
        picked = pick([reward(candidate) for candidate in shown])
        drafts = [_draft(text, shown[picked], picked)]
    else:
        places = list(combinations(range(len(ends)), 2 if len(ends) > 2 and rng.random() < 0.2 else 1)) or [
            ()
        ]
        place = places[pick([-float(np.diff(values)[list(where)].sum()) for where in places])]
        candidates = _rewrites(prompt, text, ends, place, labeler)
        picked = pick([reward(candidate) for candidate in candidates])
        drafts = [_draft(text, candidates[picked], None)]
        if place and (rng.random() < 0.5 or touched(ends, drafts[0].ops) != set(place)):
            shown = candidates
            drafts = [_draft(text, candidates[picked], picked)]
        else:
            place = ()
        drafts += [
            _draft(text, other, None) for other in candidates if not shown and other != candidates[picked]
        ][:1]

    kept: list[Draft] = []
    for number, draft in enumerate(drafts):
        better = rng.random() < 1 / (
            1 + math.exp(min(500.0, -beta * (reward(draft.edited_text) - values[-1])))
        )
        kept.append(draft)
        if better or number + 1 == len(drafts) or rng.random() >= AGAIN:
            break
    last = kept[-1]
    return ImprovementPayload(
        edited_text=last.edited_text,
        ops=last.ops,
        intervened_at=last.ops[0].start,
        segments=tuple(ends),
        suggestions_shown=tuple(shown),
        suggested_for=place,
        picked=last.picked,
        refused=tuple(kept[:-1]),
        confirm_better=bool(better),
        keystrokes=sum(len(op.text) + 1 for op in last.ops),
        edit_ms=1000 * len(last.ops),
    )


def _rewrites(
    prompt: tuple[Message, ...],
    text: str,
    ends: Sequence[int],
    place: Sequence[int],
    labeler: SyntheticLabeler,
) -> list[str]:
    """Whole texts with the sentences of `place` rewritten; without a rewrite they are taken out, or a word is added."""
    spans = segments(text, ends)
    known = [list(labeler.rewrite(prompt, text[slice(*spans[n])])) for n in place] if labeler.rewrite else []
    rewritten = [_with(text, spans, place, variants) for variants in zip(*known, strict=False)]
    for found in (rewritten, [_with(text, spans, place, [""] * len(place))], [f"{text} Yes."]):
        usable = [candidate for candidate in dict.fromkeys(found) if candidate.strip() and candidate != text]
        if usable:
            return usable[:MOST_REWRITES]
    raise AssertionError("A longer text is always another one.")


def _with(text: str, spans: Sequence[tuple[int, int]], place: Sequence[int], variants: Sequence[str]) -> str:
    """The text with each sentence of `place` replaced, its closing white space kept."""
    parts, at = [], 0
    for number, variant in zip(place, variants, strict=True):
        start, end = spans[number]
        space = text[start:end][len(text[start:end].rstrip()) :]
        parts += [text[at:start], variant.rstrip() + space if variant else ""]
        at = end
    return "".join([*parts, text[at:]])


def _draft(original: str, edited: str, picked: int | None) -> Draft:
    return Draft(edited_text=edited, ops=tuple(word_ops(original, edited)), picked=picked)
