"""Synthetic people with a known taste, who sign in and answer forms like anybody else.

A person's reward of a text is `scale × (taste(text) − 0.5)`, so two answers at the opposite ends of the taste differ by
`scale` nats at rationality 1. How they answer is each feedback type's own law (`FeedbackType.simulate`).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from feedback_types import registry
from feedback_types.base import Answer, Message, Question, Screen, ShownResponse, SyntheticLabeler
from feedback_types.protocol import to_form_data
from training_bridge.loop.browser import Browser, Page, PageError, json_of
from training_bridge.policy.tastes import TASTES

READING_WORDS_PER_S = 4.0  # the pace science.md assumes
SCALE = 6.0
ITEM = "data-assignment"  # the mark of the form with an item


def taste_reward(
    taste: str, scale: float = SCALE
) -> Callable[[tuple[Message, ...], str, int | None, str], float]:
    """The truth of one taste: a score for every prefix of a text, the same for every head."""
    score = TASTES[taste].score

    def value(prompt: tuple[Message, ...], text: str, offset: int | None, head: str) -> float:
        return scale * (score(text if offset is None else text[:offset]) - 0.5)

    return value


@dataclass
class Person:
    """One synthetic labeler: an account, a law, and the seconds that their work would have taken.

    optional: share of screens on which a question that is not required is answered.
    seconds: by question key; "reading" is the time for the texts themselves.
    """

    username: str
    password: str
    law: SyntheticLabeler
    rng: np.random.Generator
    optional: float = 1.0
    is_careless: bool = False
    screens: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))


def crowd(
    taste: str, n: int, *, seed: int, password: str, careless: int = 0, optional: float = 1.0
) -> list[Person]:
    """`n` people of one taste and of differing care; the last `careless` of them answer without looking."""
    rng = np.random.default_rng(seed)
    people = []
    for number in range(n):
        is_careless = number >= n - careless
        beta = 1e-3 if is_careless else float(np.exp(rng.normal(0.0, 0.3)))
        law = SyntheticLabeler(taste_reward(taste), beta=beta, lapse=0.02, rewrite=rewriter(taste))
        own = np.random.default_rng([seed, number])
        people.append(Person(f"synthetic-{number + 1}", password, law, own, optional, is_careless))
    return people


def rewriter(taste: str) -> Callable[[tuple[Message, ...], str], Sequence[str]]:
    """Candidate rewrites of a text: each sentence left out, and a sentence of the taste put in front or at the end."""
    additions = {
        "warm": "I am so glad you asked!",
        "concrete": "It takes about 20 minutes.",
        "gives_reason": "That is because it works well.",
        "offers_more": "Would you like to hear more?",
    }

    def rewrite(prompt: tuple[Message, ...], text: str) -> list[str]:
        sentences = [s + "." for s in text.rstrip(".!? ").split(". ")] if ". " in text else [text]
        several = len(sentences) > 1
        shorter = (
            [" ".join(sentences[:i] + sentences[i + 1 :]) for i in range(len(sentences))] if several else []
        )
        added = [f"{additions[taste]} {text}", f"{text} {additions[taste]}"] if taste in additions else []
        return [candidate for candidate in [*added, *shorter] if candidate.strip() and candidate != text]

    return rewrite


def read_screen(page: Page) -> tuple[tuple[Question, ...], Screen]:
    """What a labeling page asks, and about what: from the same markup that its scripts read.

    The prompt is left out: these people judge the text.
    """
    shown: list[ShownResponse] = []
    response_id: int | None = None
    for element in page.elements:
        if element["_tag"] == "article" and "data-response" in element:
            response_id = int(element["data-response"])
        if element["_tag"] == "script" and "response-source" in element.get("class", ""):
            if response_id is None:
                raise PageError(f"{page.url}: a response text outside a response")
            shown.append(ShownResponse(response_id, json_of(element)["text"]))
    questions = []
    for element in page.having("data-question"):
        if "data-type" not in element:
            continue
        feedback_type = registry.get(element["data-type"])
        settings = feedback_type.settings(json.loads(element["data-settings"]))
        required = element.get("data-required", "true") == "true"
        questions.append(Question(element["data-question"], feedback_type, settings, required=required))
    return tuple(questions), Screen((), tuple(shown))


def answer(person: Person, page: Page) -> Page:
    """Answer one screen as this person would, and send it; returns the page that comes back."""
    questions, screen = read_screen(page)
    answers: list[Answer] = []
    person.seconds["reading"] += sum(len(r.text.split()) for r in screen.responses) / READING_WORDS_PER_S
    for question in questions:
        if not question.required and person.rng.random() >= person.optional:
            continue
        said = question.type.simulate(screen, question.settings, person.law, person.rng)
        answers += [Answer(question.key, target, payload) for target, payload in said]
        if said:
            person.seconds[question.key] += question.type.seconds(screen, question.settings)
    page = page.form(ITEM).submit(to_form_data(questions, screen, answers))
    person.screens += 1
    return page


def work(person: Person, base_url: str, path: str) -> Iterator[dict[str, float]]:
    """Sign in and answer what is at `path`, screen by screen, until nothing is left.

    Yields after each screen the seconds it took, by question.
    """
    with Browser(base_url) as browser:
        browser.sign_in(person.username, person.password)
        page = browser.get(path)
        while page.has_form(ITEM):
            before = dict(person.seconds)
            page = answer(person, page)
            yield {key: total - before.get(key, 0.0) for key, total in person.seconds.items()}
            if not page.has_form(ITEM):
                page = browser.get(path)
