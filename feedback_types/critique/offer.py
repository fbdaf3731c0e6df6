"""What a critique offers: the questions about one response with their options, and the keys that choose them.

The answer is one choice from the product of all parts: a verdict, a grade for each criterion, each tag or not, and for each
sentence each category of mark or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from string import ascii_lowercase
from typing import Any

from django.utils.translation import gettext as _

from feedback_types.base import Event, Screen
from feedback_types.critique.schema import OVERALL, CritiquePayload, CritiqueSettings, Mark
from feedback_types.segments import VERSION, segment_ends, segments

TAKEN = set("usxgrdeb")  # keys of the page and of other types


def verdicts(settings: CritiqueSettings) -> list[tuple[int, str, str]]:
    """(value, label, key) of each verdict on offer, from bad to good."""
    options = [(-1, _("Bad"), "n"), (0, _("Neutral"), "m"), (1, _("Good"), "y")]
    return {"off": [], "two": [options[0], options[2]], "three": options}[settings.verdict]


def grade_keys(settings: CritiqueSettings) -> list[str]:
    return [str(grade % 10) for grade in range(1, settings.grades + 1)]


def letters(settings: CritiqueSettings) -> dict[tuple[str, str], str]:
    """("tag" or "category", name) -> the key that chooses it: a letter of its name if one is free, else any."""
    free = [
        c for c in ascii_lowercase if c not in TAKEN | {key for _value, _label, key in verdicts(settings)}
    ]
    found: dict[tuple[str, str], str] = {}
    for what, names in (("tag", settings.tags), ("category", settings.categories)):
        for name in names:
            key = next((c for c in name.casefold() if c in free), free[0])
            free.remove(key)
            found[what, name] = key
    return found


def choice_set(screen: Screen, settings: CritiqueSettings) -> dict[str, Any]:
    grades = (
        [{"value": grade, "label": str(grade)} for grade in range(1, settings.grades + 1)]
        if settings.criteria
        else []
    )
    offered: dict[str, Any] = {
        "verdict": [{"value": value, "label": label} for value, label, _key in verdicts(settings)],
        "criteria": list(settings.criteria),
        "grades": grades,
        "tags": list(settings.tags),
        "categories": list(settings.categories),
    }
    if settings.categories:
        offered["segmentation"] = VERSION
        offered["sentence_ends"] = {str(r.id): segment_ends(r.text) for r in screen.responses}
    return offered


@dataclass(frozen=True)
class Part:
    """One of the choices that a critique consists of.

    kind: "verdict", "rating", "tag" or "span"; name: criterion, tag or category; head: the score it is about.
    end: code point at which that score is read, None for the end of the text; segment: of a "span", its sentence.
    levels: how many options; chosen: which of them, from 0 (worst, or not marked).
    """

    kind: str
    name: str
    head: str
    levels: int
    chosen: int
    end: int | None = None
    segment: tuple[int, int] = (0, 0)


def parts(event: Event) -> list[Part]:
    """The choices an answer consists of, in a fixed order, under the choice set it was given with."""
    offered = event.choice_set or choice_set(event.screen, event.settings)
    payload: CritiquePayload = event.payload
    found: list[Part] = []
    values = [option["value"] for option in offered["verdict"]]
    if values and payload.verdict is not None:
        found.append(Part("verdict", "", "reward", len(values), values.index(payload.verdict)))
    for name in offered["criteria"]:
        if name in payload.ratings:
            found.append(
                Part("rating", name, rating_head(name), len(offered["grades"]), payload.ratings[name] - 1)
            )
    found += [Part("tag", name, f"tag/{name}", 2, int(name in payload.tags)) for name in offered["tags"]]
    if offered["categories"]:
        for start, end in sentences(event.screen, event.target, offered):
            for name in offered["categories"]:
                marked = any(m.category == name and m.start < end and start < m.end for m in payload.spans)
                found.append(Part("span", name, f"span/{name}", 2, int(marked), end, (start, end)))
    return found


def rating_head(criterion: str) -> str:
    return "reward" if criterion.casefold() == OVERALL else f"attribute/{criterion}"


def sentences(screen: Screen, target: int | None, offered: Mapping[str, Any]) -> list[tuple[int, int]]:
    """(start, end) of each sentence that can be marked: blank ones cannot."""
    text = screen.response(target).text
    return [
        (start, end)
        for start, end in segments(text, offered["sentence_ends"][str(target)])
        if text[start:end].strip()
    ]


def assemble(chosen: Sequence[Part], offered: Mapping[str, Any]) -> CritiquePayload:
    """The payload that says these choices; a marked sentence becomes a mark over the whole of it."""
    verdict = next((offered["verdict"][p.chosen]["value"] for p in chosen if p.kind == "verdict"), None)
    return CritiquePayload(
        verdict=verdict,
        grades=len(offered["grades"]) or 7,
        ratings={p.name: p.chosen + 1 for p in chosen if p.kind == "rating"},
        tags=tuple(p.name for p in chosen if p.kind == "tag" and p.chosen),
        spans=tuple(
            Mark(start=p.segment[0], end=p.segment[1], category=p.name)
            for p in chosen
            if p.kind == "span" and p.chosen
        ),
    )


def answers(event: Event) -> list[CritiquePayload]:
    """Every answer of the choice set, the given one in its own words."""
    offered = event.choice_set or choice_set(event.screen, event.settings)
    given = parts(event)
    found: list[CritiquePayload] = []
    for combination in product(*(range(part.levels) for part in given)):
        if all(part.chosen == level for part, level in zip(given, combination, strict=True)):
            found.append(event.payload)
        else:
            found.append(
                assemble([replace(p, chosen=k) for p, k in zip(given, combination, strict=True)], offered)
            )
    return found
