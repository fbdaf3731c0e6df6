"""Tastes: what a person may like in an answer, as plain functions of the text.

Each returns a score in [0, 1]. Synthetic labelers prefer by them, and the reports measure with them how far a policy
moved. They look for the words that the corpus of the embedded policy (`corpus.py`) uses for each trait, and read other
plain English fairly well.

    >>> TASTES["warm"].score("What a lovely question! Boil it for 8 minutes.")
    1.0

No torch, no Django: web pages and tests may import this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# The corpus uses these words for their trait only; tests/training_bridge/policy/test_corpus.py holds it to that.
WARM = ("lovely", "glad", "happy", "wonderful", "delighted", "worry", "love", "sweet of you", "great", "dear")
CURT = (
    "obviously",
    "if you must",
    "not this again",
    "keep it short",
    "not hard",
    "no time",
    "looked that up",
    "make it quick",
)
VAGUE = (
    "something",
    "somehow",
    "somewhere",
    "usually",
    "depends",
    "depending",
    "various",
    "generally",
    "in general",
    "all sorts",
    "some kind",
    "that kind of thing",
    "one way or another",
    "in many ways",
    "more or less",
    "now and then",
)
REASON = ("because", "the reason", "that is why", "so that")
RAMBLING = ("by the way", "anyway", "come to think of it", "then again", "mind you", "speaking of which")
OFFER = ("let me know", "just ask")

SHORT_WORDS, LONG_WORDS = 12, 44  # a one-line answer; an answer that says everything it can


@dataclass(frozen=True)
class Taste:
    name: str
    label: str
    low: str  # what a score of 0 looks like
    high: str  # what a score of 1 looks like
    score: Callable[[str], float]


def warm(text: str) -> float:
    """1 kind, 0 curt, 0.5 neither or both."""
    kind, rude = finds(text, WARM) or "!" in text, finds(text, CURT)
    return 0.5 + 0.5 * (bool(kind) - bool(rude))


def concrete(text: str) -> float:
    """1 names a number and stays out of vagueness, 0 the opposite, 0.5 neither or both."""
    number = re.search(r"\d", text) is not None
    return 0.5 + 0.5 * (number - bool(finds(text, VAGUE)))


def gives_reason(text: str) -> float:
    return float(bool(finds(text, REASON)))


def offers_more(text: str) -> float:
    """1 when the answer ends with a question or an offer."""
    sentences = re.split(r"(?<=[.!?])\s+", text.strip())
    return float(sentences[-1].endswith("?") or bool(finds(sentences[-1], OFFER)))


def short(text: str) -> float:
    """1 up to 12 words, 0 from 44 words, straight between; an empty answer is no answer: 0."""
    words = len(text.split())
    if not words:
        return 0.0
    return min(1.0, max(0.0, (LONG_WORDS - words) / (LONG_WORDS - SHORT_WORDS)))


def to_the_point(text: str) -> float:
    return float(not finds(text, RAMBLING))


TASTES: dict[str, Taste] = {
    taste.name: taste
    for taste in (
        Taste("warm", "warm", "curt", "warm", warm),
        Taste("concrete", "concrete", "vague", "with numbers and names", concrete),
        Taste("gives_reason", "gives a reason", "no reason", "says why", gives_reason),
        Taste("offers_more", "offers more", "just ends", "ends with a question or an offer", offers_more),
        Taste("short", "short", "44 words and more", "12 words and fewer", short),
        Taste("to_the_point", "to the point", "rambles", "no asides", to_the_point),
    )
}


def finds(text: str, phrases: Iterable[str]) -> list[str]:
    """The phrases that occur in a text as whole words, whatever their case."""
    return [phrase for phrase in phrases if re.search(rf"\b{re.escape(phrase)}\b", text, re.IGNORECASE)]
