"""Answers in steps: what a reward makes of each step under STARC-VAL, EPIC and DARD.

A step is a stretch of the text between two cuts; a context is a prompt with the beginning of an answer. From every
context the reference policy goes on several times. All rewards see the same continuations, so equal rewards are at
distance 0 however few there are.

    VAL    mean reward of texts continued from s a, less that of texts continued from s; at the end of a text its own reward
    EPIC   r(s, a) + E[r(s a, A) - r(s, A)], A a step taken from any answer to any prompt: text that stands where it does not
           belong, which is what EPIC's definition asks for
    DARD   r(s, a) + E[r(s a, A'') - r(s, A) - r(s A, A')], A, A' and A'' steps of the continuations: text that can follow

where r(s, a) = score(s a) - score(s), and a whole text has its final reward and no step after it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from training_bridge.evaluation.answers import Asked, sample
from training_bridge.evaluation.config import DistanceParameters
from training_bridge.evaluation.judges import StepJudge, Text
from training_bridge.policy.generation import Request, Sampler
from training_bridge.programs import RunDirectory

FORMS = ("val", "epic", "dard")


@dataclass
class Context:
    """A prompt with the beginning of an answer, and what may follow it."""

    beginning: Text
    ends: bool  # the beginning is a whole answer
    width: int = 0  # code points of a step of this answer
    followed: list[str] = field(default_factory=list)  # whole texts that the policy made of it
    strange: list[str] = field(default_factory=list)  # it with a step from anywhere


@dataclass
class Stepped:
    """One answer: its contexts from the bare prompt to the whole text."""

    prompt: int  # which cluster it belongs to
    contexts: list[Context]


def cut(text: str, steps: int) -> list[int]:
    """Code points at which a text is cut into at most so many steps, at spaces, from 0 to its length.

    >>> cut("one two three four", 2)
    [0, 7, 18]
    """
    spaces = [i for i, c in enumerate(text) if c.isspace() and 0 < i < len(text)]
    places = {0, len(text)}
    for k in range(1, steps):
        goal = len(text) * k / steps
        if spaces:
            places.add(min(spaces, key=lambda i: (abs(i - goal), i)))
    return sorted(places)


def step_through(
    run: RunDirectory,
    settings: DistanceParameters,
    asked: Sequence[Asked],
    judges: Sequence[StepJudge],
    sampler: Sampler,
    seed: int,
) -> list[Stepped]:
    """Some answers to each prompt, cut into steps, with continuations by the policy.

    Left out: answers of one word, and what a judge or the policy cannot read.
    """
    rng = random.Random(f"{seed}/steps")
    everywhere: list[str] = []
    answers = []
    for number, row in enumerate(asked):
        for text in rng.sample(row.texts, min(settings.stepped, len(row.texts))):
            places = cut(text.text, settings.steps)
            everywhere += [text.text[a:b] for a, b in itertools.pairwise(places)]
            width = max(1, len(text.text) // settings.steps)
            contexts = [
                Context(Text(text.prompt, text.text[:place]), place == len(text.text), width)
                for place in places
            ]
            rooms = [sampler.room(c.beginning.prompt, c.beginning.text) for c in contexts if not c.ends]
            if len(places) > 2 and min(rooms) >= 1:
                answers.append(Stepped(number, contexts))
    open_ = [(i, c) for i, answer in enumerate(answers) for c in answer.contexts if not c.ends]
    requests = [
        Request(f"steps/{i}/{len(c.beginning.text)}/{k}", c.beginning.prompt, c.beginning.text)
        for i, c in open_
        for k in range(settings.continuations)
    ]
    texts = iter(sample(sampler, requests, settings, run, seed))
    for _, context in open_:
        made = [next(texts) for _ in range(settings.continuations)]
        begun = context.beginning
        context.followed = [joined(begun.text, text) for text in made]
        context.strange = [
            joined(begun.text, rng.choice(everywhere).strip()) for _ in range(settings.continuations)
        ]

    def readable(context: Context) -> bool:
        texts = [Text(context.beginning.prompt, t) for t in (*context.followed, *context.strange)]
        return all(judge.fits(text) for judge in judges for text in texts)

    return [answer for answer in answers if all(readable(c) for c in answer.contexts)]


def joined(begun: str, further: str) -> str:
    """A beginning with its continuation, a space between two words."""
    if begun and further and not begun[-1].isspace() and further[0].isalnum():
        return f"{begun} {further}"
    return begun + further


def forms_of(judge: StepJudge, answers: Sequence[Stepped]) -> dict[str, list[list[float]]]:
    """Name of a form -> for each answer the canonical value of each of its steps."""
    texts: list[Text] = []
    offsets: list[list[int]] = []
    whole: list[Text] = []
    for answer in answers:
        for context in answer.contexts:
            begun = context.beginning
            if context.ends:
                whole.append(begun)
                continue
            for text in context.followed:
                whole.append(Text(begun.prompt, text))
                texts.append(Text(begun.prompt, text))
                offsets.append(following(begun.text, text, context.width))
            for text in context.strange:
                texts.append(Text(begun.prompt, text))
                offsets.append([len(text)])
    finals, scores = iter(judge.rewards(whole)), iter(judge.scores(texts, offsets))
    found: dict[str, list[list[float]]] = {name: [] for name in FORMS}
    for answer in answers:
        expected: list[float] = []
        one_on: list[float] = []
        two_on: list[float] = []
        strange_on: list[float] = []
        for context in answer.contexts:
            if context.ends:
                end = next(finals)
                for row in (expected, one_on, two_on, strange_on):
                    row.append(end)
                continue
            expected.append(float(np.mean([next(finals) for _ in context.followed])))
            steps = [next(scores) for _ in context.followed]
            one_on.append(float(np.mean([s[0] for s in steps])))
            two_on.append(float(np.mean([s[1] for s in steps])))
            strange_on.append(float(np.mean([next(scores)[0] for _ in context.strange])))
        # score(s a) - score(s) cancels against r(s a, A) and r(s, A): only what stands further on is left.
        found["val"].append(list(np.diff(expected)))
        found["epic"].append(list(np.diff(strange_on)))
        found["dard"].append([b - a for a, b in zip(two_on, one_on[1:], strict=False)])
    return found


def following(begun: str, text: str, width: int) -> list[int]:
    """Where the first and the second step after a beginning end, in code points: at a space, or at the end of the text."""
    ends = []
    place = len(begun)
    for _ in range(2):
        goal = place + width
        space = next((i for i in range(goal, len(text)) if text[i].isspace()), len(text))
        place = min(space, len(text))
        ends.append(place)
    return ends
