"""A synthetic labeler who comments by the law of `likelihood.py`, with numpy alone.

Which aspects the words name is chance: the law takes the words, and so the suggestions, as given.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from feedback_types.base import Event, Screen, SyntheticLabeler
from feedback_types.natural_language import offer
from feedback_types.natural_language.schema import NaturalLanguagePayload, NaturalLanguageSettings, Refinement
from feedback_types.segments import segment_ends, segments

# Starting values of what is learned beside the reward; see likelihood.py for what each means.
INITIAL: dict[str, Any] = {
    "verdict_middle": 0.0,
    "verdict_step": 1.0,
    "shift": 0.0,
    "silence": 1.0,
    "suggestion": 2.0,
    "reluctance": 0.0,
    "blur_model": -1.5,
    "blur_person": -3.0,
}
MOST_SHOWN = 2


def simulate(
    screen: Screen, settings: NaturalLanguageSettings, labeler: SyntheticLabeler, rng: np.random.Generator
) -> list[tuple[int | None, NaturalLanguagePayload]]:
    responses = [offer.original(screen)] if settings.refinements == "responses" else list(screen.responses)
    return [(r.id, _comment(screen, settings, r.id, labeler, rng)) for r in responses]


def _comment(
    screen: Screen,
    settings: NaturalLanguageSettings,
    target: int,
    labeler: SyntheticLabeler,
    rng: np.random.Generator,
) -> NaturalLanguagePayload:
    law = {name: float(labeler.parameters.get(name, value)) for name, value in INITIAL.items()}
    named = [name for name in settings.aspects if rng.random() < 0.5]
    words = f"About {', '.join(named)}." if named else "I say what I think."
    verdict = offer.verdicts(settings)[0][0] if settings.verdict != "off" else None
    payload = NaturalLanguagePayload(
        text=words,
        language=settings.languages[0],
        verdict=verdict,
        suggested=tuple(offer.suggest(words, None, settings)),
        refinements_shown=tuple(_shown(screen, settings, target, labeler, rng)),
        **_place(screen, settings, target, rng),
    )
    offered = offer.choice_set(screen, settings, payload)
    blank = Event("", "natural_language", "", "", screen, target, payload, settings, offered)
    careless = labeler.beta == 0 or rng.random() < labeler.lapse
    chosen = []
    for part in offer.parts(blank):
        level = int(rng.integers(part.levels)) if careless else _choose(blank, part, labeler, law, rng)
        chosen.append(replace(part, chosen=level))
    return offer.assemble(payload, chosen, offered)


def _place(
    screen: Screen, settings: NaturalLanguageSettings, target: int, rng: np.random.Generator
) -> dict[str, Any]:
    """What the comment is about: any sentence, any turn."""
    if settings.about == "span":
        text = screen.response(target).text
        spans = [(s, e) for s, e in segments(text, segment_ends(text)) if text[s:e].strip()]
        if spans:
            start, end = spans[rng.integers(len(spans))]
            return {"start": start, "end": end}
    if settings.about == "turn" and (earlier := offer.turns(screen)) and rng.random() < 0.5:
        return {"turn": earlier[rng.integers(len(earlier))][0]}
    return {}


def _shown(
    screen: Screen,
    settings: NaturalLanguageSettings,
    target: int,
    labeler: SyntheticLabeler,
    rng: np.random.Generator,
) -> list[Refinement]:
    if settings.refinements == "responses":
        return [
            Refinement(text=r.text, source=settings.revised_by, accepted=False)
            for r in offer.revisions(screen, settings)
        ]
    if settings.refinements == "policy" and labeler.rewrite is not None:
        text = screen.response(target).text
        drafts = [d for d in dict.fromkeys(labeler.rewrite(screen.prompt, text)) if d.strip() and d != text]
        some = rng.permutation(len(drafts))[:MOST_SHOWN]
        return [Refinement(text=drafts[n], source="policy", accepted=False) for n in some]
    return []


def _choose(
    event: Event, part: offer.Part, labeler: SyntheticLabeler, law: dict[str, float], rng: np.random.Generator
) -> int:
    if part.kind == "refinement":
        blur = law["blur_model"] if part.by_model else law["blur_person"]
        if rng.random() < _s(blur):
            return int(rng.integers(2))
        prompt, text = event.screen.prompt, event.screen.response(event.target).text
        gain = labeler.value(prompt, part.text, None, "reward") - labeler.value(prompt, text, None, "reward")
        return int(rng.random() < _s(labeler.beta * gain))
    score = labeler.beta * _score(event, part.head, labeler)
    if part.kind == "aspect":
        lift = law["suggestion"] if part.suggested else 0.0
        if rng.random() >= _s(lift - law["silence"] - law["reluctance"]):
            return 0
        return 2 if rng.random() < _s(score) else 1
    half = math.log1p(math.exp(law["verdict_step"])) / 2 if part.levels == 3 else 0.0
    middle = law["verdict_middle"] + law["shift"]
    cuts = np.array([middle - half, middle + half][: part.levels - 1])
    return int(np.sum(score + rng.logistic() > cuts))


def _score(event: Event, head: str, labeler: SyntheticLabeler) -> float:
    """Of what the comment is about: the score at its end, less that at the start of a span."""
    payload, prompt = event.payload, event.screen.prompt
    if payload.turn is not None:
        return labeler.value(prompt[: payload.turn], prompt[payload.turn].content, None, head)
    text = event.screen.response(event.target).text
    if payload.start is None:
        return labeler.value(prompt, text, None, head)
    return labeler.value(prompt, text, payload.end, head) - labeler.value(prompt, text, payload.start, head)


def _s(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -500 else 0.0
