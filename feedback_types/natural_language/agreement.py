"""How far apart two comments on one response are: what they judge, never how they word it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from feedback_types import distances
from feedback_types.judgements import Label
from feedback_types.natural_language.schema import Aspect, NaturalLanguagePayload


def distance(a: NaturalLanguagePayload, b: NaturalLanguagePayload) -> float:
    """The mean over the parts that both were asked, each nominal, from 0 (same) to 1 (opposite).

    Verdict; aspects: the share of those that either named with another polarity, or that only one named; revisions that
    both saw: the share of which only one found better than the original.
    """
    found: list[float] = []
    if a.verdict is not None and b.verdict is not None:
        found.append(distances.nominal(a.verdict, b.verdict))
    first, second = ({aspect.name: aspect.polarity for aspect in p.aspects} for p in (a, b))
    if named := first.keys() | second.keys():
        found.append(sum(distances.nominal(first.get(n), second.get(n)) for n in named) / len(named))
    seen, other = ({shown.text: shown.accepted for shown in p.refinements_shown} for p in (a, b))
    if both := seen.keys() & other.keys():
        found.append(sum(distances.nominal(seen[text], other[text]) for text in both) / len(both))
    return sum(found) / len(found) if found else 0.0


def consensus(payloads: Sequence[NaturalLanguagePayload]) -> NaturalLanguagePayload:
    """The comment nearest to all others, with the middle verdict (of two middles the lower), the aspects that more than
    half named with one polarity, and each revision as more than half of those who saw it judged."""
    ordered = sorted(payloads, key=lambda p: p.model_dump_json())
    nearest = min(ordered, key=lambda p: sum(distance(p, other) for other in ordered))
    said = [p.verdict for p in payloads if p.verdict is not None]
    votes = Counter((aspect.name, aspect.polarity) for p in payloads for aspect in p.aspects)
    named = sorted(aspect for aspect, count in votes.items() if 2 * count > len(payloads))
    return nearest.model_copy(
        update={
            "verdict": distances.lower_median(said) if said else None,
            "aspects": tuple(Aspect(name=name, polarity=polarity) for name, polarity in named),
            "refinements_shown": tuple(
                shown.model_copy(update={"accepted": _mostly_better(payloads, shown.text)})
                for shown in nearest.refinements_shown
            ),
        }
    )


def _mostly_better(payloads: Sequence[NaturalLanguagePayload], text: str) -> bool:
    votes = [shown.accepted for p in payloads for shown in p.refinements_shown if shown.text == text]
    return 2 * sum(votes) > len(votes)


def labels(payload: NaturalLanguagePayload, aspects: Sequence[str]) -> Mapping[str, Label]:
    """The verdict, and for each aspect of the campaign -1, 1, or 0 where it was not named."""
    said = {aspect.name: aspect.polarity for aspect in payload.aspects}
    found = {f"aspect:{name}": Label(said.get(name, 0)) for name in aspects}
    return found if payload.verdict is None else {"verdict": Label(payload.verdict), **found}


def goodness(answers: Sequence[tuple[int | None, NaturalLanguagePayload]]) -> dict[int, float]:
    """Verdicts on whole responses; a comment on a turn or a stretch says nothing of the whole."""
    return {
        target: float(p.verdict)
        for target, p in answers
        if target is not None and p.verdict is not None and p.turn is None and p.start is None
    }
