"""How far apart two critiques of one response are, and what the group thinks, part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from django.utils.translation import gettext as _

from feedback_types import distances
from feedback_types.critique.schema import OVERALL, CritiquePayload, CritiqueSettings, Mark
from feedback_types.judgements import Label


def distance(a: CritiquePayload, b: CritiquePayload) -> float:
    """The mean over the parts that were asked, each from 0 (same) to 1 (opposite).

    Verdict: nominal. Ratings: squared difference in units of the scale (Krippendorff's interval distance), the
    mean over criteria.
    Tags: Jaccard. Marks: 1 - F1 over code points.
    """
    found: list[float] = []
    if a.verdict is not None and b.verdict is not None:
        found.append(distances.nominal(a.verdict, b.verdict))
    shared = a.ratings.keys() & b.ratings.keys()
    if shared:
        gaps = [distances.interval(_level(a, name), _level(b, name)) for name in sorted(shared)]
        found.append(sum(gaps) / len(gaps))
    if a.tags or b.tags:
        found.append(distances.sets(a.tags, b.tags))
    if a.spans or b.spans:
        found.append(distances.spans([m.run for m in a.spans], [m.run for m in b.spans]))
    return sum(found) / len(found) if found else 0.0


def _level(payload: CritiquePayload, criterion: str) -> float:
    """A grade between 0 (worst) and 1 (best)."""
    return (payload.ratings[criterion] - 1) / (payload.grades - 1)


def consensus(payloads: Sequence[CritiquePayload]) -> CritiquePayload:
    """Middle verdict and grades (of two middles the lower), tags and stretches that more than half named; severity
    the middle one."""
    n = len(payloads)
    said = [p.verdict for p in payloads if p.verdict is not None]
    marks = distances.majority_spans([[m.run for m in p.spans] for p in payloads])
    return CritiquePayload(
        verdict=distances.lower_median(said) if said else None,
        grades=payloads[0].grades,
        ratings={
            name: distances.lower_median(p.ratings[name] for p in payloads if name in p.ratings)
            for name in payloads[0].ratings
        },
        tags=tuple(sorted(str(tag) for tag in distances.majority((p.tags for p in payloads), n))),
        spans=tuple(
            Mark(start=start, end=end, category=category, severity=_severity(payloads, start, end, category))
            for start, end, category in marks
        ),
    )


def _severity(payloads: Sequence[CritiquePayload], start: int, end: int, category: str) -> int:
    return distances.lower_median(
        m.severity
        for p in payloads
        for m in p.spans
        if m.category == category and m.start < end and start < m.end
    )


def labels(payload: CritiquePayload, settings: CritiqueSettings) -> Mapping[str, Label]:
    """The verdict, each criterion's grade, each tag (ticked or not), each category's marks. Criteria, tags and categories
    may have the same names, so they say which they are."""
    found: dict[str, Label] = {}
    if payload.verdict is not None:
        found["verdict"] = Label(payload.verdict)
    apart = partial(distances.interval, width=payload.grades - 1)
    found |= {f"grade:{name}": Label(grade, apart) for name, grade in sorted(payload.ratings.items())}
    found |= {f"tag:{tag}": Label(tag in payload.tags) for tag in settings.tags}
    for category in settings.categories:
        runs = tuple(m.run for m in payload.spans if m.category == category)
        found[f"mark:{category}"] = Label(runs, distances.spans)
    return found


def label_name(label: str) -> str:
    kind, _colon, name = label.partition(":")
    if kind == "verdict":
        return _("verdict")
    if kind == "grade":
        return name if name != OVERALL else _("overall grade")
    return _("tag “%(name)s”") % {"name": name} if kind == "tag" else _("marks “%(name)s”") % {"name": name}


def goodness(answers: Sequence[tuple[int | None, CritiquePayload]]) -> dict[int, float]:
    """How good each response was found: its overall grade, or else its verdict; responses without either are left out."""
    said = {target: p.ratings.get(OVERALL, p.verdict) for target, p in answers if target is not None}
    return {target: float(value) for target, value in said.items() if value is not None}
