"""What a comment is offered beside its words: verdicts, aspects, revisions; and what each of these choices is about.

The answer is one choice from the product of all parts: a verdict, each aspect (not said, bad, good), and for each revision
shown whether it is better than the original. The words themselves are chosen from a set nobody can list; they have no law.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from django.utils.translation import gettext as _

from feedback_types.base import Event, Screen, ShownResponse
from feedback_types.natural_language import aspects
from feedback_types.natural_language.schema import (
    OVERALL,
    Aspect,
    NaturalLanguagePayload,
    NaturalLanguageSettings,
)
from feedback_types.segments import VERSION, segment_ends

POLARITIES: tuple[int | None, int, int] = (None, -1, 1)  # not said, bad, good


def verdicts(settings: NaturalLanguageSettings) -> list[tuple[int, str, str]]:
    """(value, label, key) of each verdict on offer, from bad to good."""
    options = [(-1, _("Bad"), "n"), (0, _("Neutral"), "m"), (1, _("Good"), "y")]
    return {"off": [], "two": [options[0], options[2]], "three": options}[settings.verdict]


def original(screen: Screen) -> ShownResponse:
    """The first response of the import (ids rise in its order), which the others revise."""
    return min(screen.responses, key=lambda response: response.id)


def revisions(screen: Screen, settings: NaturalLanguageSettings) -> list[ShownResponse]:
    """Revised versions that came with the item, in the order of the import."""
    if settings.refinements != "responses":
        return []
    first = original(screen)
    texts = {first.text}
    found = []
    for response in sorted(screen.responses, key=lambda r: r.id):
        if response.text not in texts:
            texts.add(response.text)
            found.append(response)
    return found


def turns(screen: Screen) -> list[tuple[int, str]]:
    """(message number in the prompt, text) of each earlier turn of the policy."""
    return [(n, m.content) for n, m in enumerate(screen.prompt) if m.role == "assistant"]


def suggest(text: str, verdict: int | None, settings: NaturalLanguageSettings) -> list[Aspect]:
    known = {name: aspects.keywords_of(name, settings.keywords) for name in settings.aspects}
    return aspects.suggest(text, verdict, known)


def choice_set(
    screen: Screen, settings: NaturalLanguageSettings, payload: NaturalLanguagePayload | None = None
) -> dict[str, Any]:
    offered: dict[str, Any] = {
        "about": settings.about,
        "verdict": [{"value": value, "label": label} for value, label, _key in verdicts(settings)],
        "criterion": settings.criterion,
        "aspects": list(settings.aspects),
        "polarities": [-1, 1],
        "suggested": [a.dump() for a in payload.suggested] if payload else [],
        "suggestion_rule": aspects.VERSION,
        "languages": list(settings.languages),
        "refinements": settings.refinements,
    }
    if settings.about == "turn":
        offered["turns"] = [n for n, _text in turns(screen)]
    if settings.about == "span":
        offered["segmentation"] = VERSION
        offered["sentence_ends"] = {str(r.id): segment_ends(r.text) for r in screen.responses}
    return offered


@dataclass(frozen=True)
class Part:
    """One of the choices that come with a comment.

    kind: "verdict", "aspect" or "refinement"; name: of the aspect; head: the score it is about.
    levels: how many options; chosen: which of them, from 0 (worst verdict; not said; the original is as good).
    suggested: of an aspect, whether the page suggested it. text, by_model: of a refinement.
    """

    kind: str
    head: str
    levels: int
    chosen: int
    name: str = ""
    suggested: bool = False
    text: str = ""
    by_model: bool = False


def parts(event: Event) -> list[Part]:
    """The choices of an answer, in a fixed order, under the choice set it was given with."""
    payload: NaturalLanguagePayload = event.payload
    offered = event.choice_set or choice_set(event.screen, event.settings, payload)
    found: list[Part] = []
    values = [option["value"] for option in offered["verdict"]]
    if values and payload.verdict is not None:
        head = verdict_head(offered["criterion"])
        found.append(Part("verdict", head, len(values), values.index(payload.verdict)))
    said = {aspect.name: aspect.polarity for aspect in payload.aspects}
    suggested = {aspect["name"] for aspect in offered["suggested"]}
    for name in offered["aspects"]:
        level = POLARITIES.index(said.get(name))
        found.append(Part("aspect", f"aspect/{name}", 3, level, name, name in suggested))
    found += [
        Part("refinement", "reward", 2, int(r.accepted), text=r.text, by_model=r.source != "person")
        for r in payload.refinements_shown
    ]
    return found


def verdict_head(criterion: str) -> str:
    return "reward" if criterion.casefold() == OVERALL else f"attribute/{criterion}"


def assemble(
    payload: NaturalLanguagePayload, chosen: Sequence[Part], offered: Mapping[str, Any]
) -> NaturalLanguagePayload:
    """The same comment with these choices beside it."""
    refined = [part for part in chosen if part.kind == "refinement"]
    verdict = next((offered["verdict"][p.chosen]["value"] for p in chosen if p.kind == "verdict"), None)
    said = [(p.name, POLARITIES[p.chosen]) for p in chosen if p.kind == "aspect"]
    return payload.model_copy(
        update={
            "verdict": verdict,
            "aspects": tuple(Aspect(name=n, polarity=1 if v == 1 else -1) for n, v in said if v is not None),
            "refinements_shown": tuple(
                shown.model_copy(update={"accepted": bool(part.chosen)})
                for shown, part in zip(payload.refinements_shown, refined, strict=True)
            ),
        }
    )


def answers(event: Event) -> list[NaturalLanguagePayload]:
    """Every answer of the choice set, beside the same words; the given one as it is."""
    offered = event.choice_set or choice_set(event.screen, event.settings, event.payload)
    given = parts(event)
    found: list[NaturalLanguagePayload] = []
    for combination in product(*(range(part.levels) for part in given)):
        if all(part.chosen == level for part, level in zip(given, combination, strict=True)):
            found.append(event.payload)
        else:
            chosen = [replace(p, chosen=k) for p, k in zip(given, combination, strict=True)]
            found.append(assemble(event.payload, chosen, offered))
    return found
