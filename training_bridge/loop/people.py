"""Synthetic people with a known taste, who sign in and answer forms like anybody else.

A person's reward of a text is `scale × (taste(text) − 0.5)`, so two answers at the opposite ends of the taste differ by
`scale` nats at rationality 1. How they answer is each feedback type's own law (`FeedbackType.simulate`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from feedback_types import registry
from feedback_types.base import Answer, Message, Question, Screen, ShownResponse, SyntheticLabeler
from feedback_types.protocol import to_form_data
from training_bridge.loop.browser import Browser, Page, PageError, json_of
from training_bridge.policy.tastes import TASTES

READING_WORDS_PER_S = 4.0  # the pace science.md assumes
SCALE = 6.0


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
    """One synthetic labeler: an account, a law, and the seconds their work would have taken a person."""

    username: str
    password: str
    law: SyntheticLabeler
    rng: np.random.Generator
    seconds: float = 0.0
    answers: int = 0
    screens: int = 0
    seconds_by_type: dict[str, float] = field(default_factory=dict)


def crowd(taste: str, n: int, *, seed: int, spammers: int = 0, password: str) -> list[Person]:
    """`n` people of one taste, of differing care, the last `spammers` of them answering without looking."""
    rng = np.random.default_rng(seed)
    people = []
    for number in range(n):
        careless = number >= n - spammers
        beta = 1e-3 if careless else float(np.exp(rng.normal(0.0, 0.3)))
        law = SyntheticLabeler(taste_reward(taste), beta=beta, lapse=0.02, rewrite=rewriter(taste))
        people.append(Person(f"synthetic-{number + 1}", password, law, np.random.default_rng([seed, number])))
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
        shorter = (
            [" ".join(sentences[:i] + sentences[i + 1 :]) for i in range(len(sentences))]
            if len(sentences) > 1
            else []
        )
        added = [f"{additions[taste]} {text}", f"{text} {additions[taste]}"] if taste in additions else []
        return [candidate for candidate in [*added, *shorter] if candidate.strip() and candidate != text]

    return rewrite


def read_screen(page: Page) -> tuple[tuple[Question, ...], Screen]:
    """What a labeling page asks, and about what: from the same markup that its scripts read."""
    shown: list[ShownResponse] = []
    prompt: tuple[Message, ...] = ()
    response_id: int | None = None
    for element in page.elements:
        if "data-response" in element and element["_tag"] == "article":
            response_id = int(element["data-response"])
        if element["_tag"] == "script" and "response-source" in element.get("class", ""):
            if response_id is None:
                raise PageError(f"{page.url}: a response text outside a response")
            shown.append(ShownResponse(response_id, json_of(element)["text"]))
        if element["_tag"] == "script" and "prompt-source" in element.get("class", ""):
            prompt = tuple(Message(m["role"], m["content"]) for m in json_of(element))
    questions = []
    for element in page.having("data-question"):
        if "data-type" not in element:
            continue
        feedback_type = registry.get(element["data-type"])
        settings = feedback_type.settings(json.loads(element["data-settings"]))
        questions.append(
            Question(
                element["data-question"],
                feedback_type,
                settings,
                required=element.get("data-required", "true") == "true",
            )
        )
    return tuple(questions), Screen(prompt, tuple(shown))


def answer(person: Person, page: Page, form_id: str) -> Page:
    """Answer one screen as this person would, and send it; returns the page that comes back."""
    questions, screen = read_screen(page)
    answers: list[Answer] = []
    seconds = sum(len(r.text.split()) for r in screen.responses) / READING_WORDS_PER_S
    for question in questions:
        said = question.type.simulate(screen, question.settings, person.law, person.rng)
        answers += [Answer(question.key, target, payload) for target, payload in said]
        cost = question.type.seconds(screen, question.settings)
        person.seconds_by_type[question.type.slug] = (
            person.seconds_by_type.get(question.type.slug, 0.0) + cost
        )
        seconds += cost
    form = page.form(form_id)
    data = to_form_data(questions, screen, answers)
    page = form.submit(data)
    person.seconds += seconds
    person.answers += len(answers)
    person.screens += 1
    return page


def work(
    person: Person, base_url: str, path: str, *, form_id: str, screens: int, on_answer: Callable[[], None]
) -> int:
    """Sign in and answer up to `screens` screens at `path`; stops when nothing is left. Returns how many were answered."""
    done = 0
    with Browser(base_url) as browser:
        browser.sign_in(person.username, person.password)
        page = browser.get(path)
        while done < screens and page.has_form(form_id):
            page = answer(person, page, form_id)
            done += 1
            on_answer()
            if not page.has_form(form_id):
                page = browser.get(path)
    return done
