"""The named features that a proxy weighs: what each counts, exactly, and how much of it is one step of a slider.

    >>> counts("Could you say more? Thanks! 1. Boil it.")["questions"]
    1.0
    >>> values("Could you say more? Thanks! 1. Boil it.", ["questions", "words"])
    [1000, 160]

A set of features has a version that is stored with every answer; what a version computes never changes. A change of a rule,
of a word list, or of `segments.VERSION` is a new version beside the old one. A program reads the counts themselves; sliders
weigh them in units that make one step a difference one notices, as whole thousandths: sums of whole numbers are the same in
Python and in a browser, so both find the same ties.

Only the first 50,000 characters of a text count. No Django settings, no torch: a training run may import this. Sources:
Flesch (1948) for reading ease; Hyland (1998) for the hedges; Danescu-Niculescu-Mizil et al. (2013) for words of politeness.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext_lazy as _

from feedback_types.segments import segments

VERSION = 1  # what a new answer is given with
READ = 50_000  # characters of a text that are looked at: a page may hold nine long ones

WIDE = (
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # scripts without spaces: each character is a word
)
LETTER = rf"(?:(?![{WIDE}])[^\W_])"
WORD = re.compile(rf"[{WIDE}]|{LETTER}+(?:['’]{LETTER}+)*")
LATIN = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*")
VOWELS = re.compile(r"[aeiouy]+")
QUESTION = re.compile(r"[?？؟]+")
EXCLAMATION = re.compile(r"[!！]+")
NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
LIST_ITEM = re.compile(r"(?m)^[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+\S")
FENCED = re.compile(r"(?ms)^[ ]{0,3}(`{3,}|~{3,})[^\n]*\n(.*?)(?:^[ ]{0,3}\1|\Z)")
INLINE = re.compile(r"`([^`\n]+)`")

POLITE = (
    "please", "thank you", "thanks", "sorry", "apologies", "excuse me", "you're welcome", "you are welcome", "glad to",
    "happy to", "of course", "i appreciate", "kind regards", "请", "谢谢", "感谢", "抱歉", "对不起", "不客气",
)  # fmt: skip
HEDGES = (
    "may", "might", "maybe", "perhaps", "possibly", "probably", "likely", "could", "seem", "seems", "appear", "appears",
    "suggest", "suggests", "generally", "usually", "often", "sometimes", "somewhat", "roughly", "about", "i think",
    "i believe", "it depends", "可能", "也许", "大概", "或许", "似乎", "通常", "一般",
)  # fmt: skip


@dataclass(frozen=True)
class Feature:
    """One number of a text. `unit`: so much of it is one step of the scale that sliders weigh."""

    name: str
    label: Any  # translatable
    meaning: Any  # translatable: what is counted
    unit: float
    count: Callable[[Text], float]


@dataclass(frozen=True)
class Text:
    """A text, and what several features look at."""

    text: str
    words: tuple[str, ...]
    sentences: int

    @classmethod
    def of(cls, text: str) -> Text:
        cut = segments(text)
        sentences = sum(WORD.search(text, start, end) is not None for start, end in cut)
        return cls(text, tuple(word.casefold() for word in WORD.findall(text)), sentences)


def _sentence_length(text: Text) -> float:
    return len(text.words) / text.sentences if text.sentences else 0.0


def _reading_ease(text: Text) -> float:
    """206.835 - 1.015 words per sentence - 84.6 syllables per word, over words of Latin letters, cut to 0..100."""
    latin = LATIN.findall(text.text)
    if not latin or not text.sentences:
        return 0.0
    spoken = sum(syllables(word) for word in latin)
    ease = 206.835 - 1.015 * len(latin) / text.sentences - 84.6 * spoken / len(latin)
    return min(100.0, max(0.0, ease))


def syllables(word: str) -> int:
    """Runs of vowels, without a silent e at the end; at least one."""
    word = word.lower()
    runs = len(VOWELS.findall(word))
    if word.endswith("e") and not word.endswith(("le", "ee")) and runs > 1:
        runs -= 1
    return max(1, runs)


def _code(text: Text) -> float:
    """Characters inside fences and between backticks, in per cent of all."""
    if not text.text:
        return 0.0
    inside = sum(len(found[2]) for found in FENCED.finditer(text.text))
    outside = FENCED.sub("", text.text)
    inside += sum(len(found[1]) for found in INLINE.finditer(outside))
    return 100.0 * inside / len(text.text)


def _repetition(text: Text) -> float:
    """Runs of three words that came before in the same text, in per cent of all runs of three."""
    threes = list(zip(text.words, text.words[1:], text.words[2:], strict=False))
    return 100.0 * (1 - len(set(threes)) / len(threes)) if threes else 0.0


def occurrences(text: str, phrases: Iterable[str]) -> int:
    """How often any of the phrases stands in the text, as whole words whatever their case; they do not overlap."""
    found = _pattern(tuple(phrases))
    return sum(1 for _match in found.finditer(text)) if found else 0


@lru_cache(maxsize=512)
def _pattern(phrases: tuple[str, ...]) -> re.Pattern[str] | None:
    """Longest phrase first; a phrase of a script without spaces needs no edge of a word."""
    written = sorted((p for p in phrases if p), key=len, reverse=True)
    if not written:
        return None
    return re.compile("|".join(_edges(p) for p in written), re.IGNORECASE)


def _edges(phrase: str) -> str:
    edge = rf"[^\W{WIDE}]"
    before = rf"(?<!{edge})" if re.match(edge, phrase[0]) else ""
    after = rf"(?!{edge})" if re.match(edge, phrase[-1]) else ""
    return before + re.escape(phrase) + after


_VERSION_1 = (
    Feature("words", _("Words"), _("Words; each Chinese or Japanese character is one."), 50, lambda t: len(t.words)),
    Feature("sentences", _("Sentences"), _("Sentences, lines and list items that hold a word."), 3, lambda t: t.sentences),
    Feature("sentence_length", _("Long sentences"), _("Words in a sentence, on average."), 5, _sentence_length),
    Feature("reading_ease", _("Easy to read"), _("Flesch's reading ease, 0 to 100, of Latin letters."), 20, _reading_ease),
    Feature("questions", _("Questions"), _("Question marks."), 1, lambda t: _found(QUESTION, t)),
    Feature("exclamations", _("Exclamations"), _("Exclamation marks."), 1, lambda t: _found(EXCLAMATION, t)),
    Feature("lists", _("Lists"), _("Lines that begin with a bullet or a number."), 2, lambda t: _found(LIST_ITEM, t)),
    Feature("code", _("Code"), _("Characters of code, in per cent of the text."), 20, _code),
    Feature("numbers", _("Numbers"), _("Numbers written in digits."), 2, lambda t: _found(NUMBER, t)),
    Feature("politeness", _("Politeness"), _("Words such as please, thank you, sorry."), 1, lambda t: _of(POLITE, t)),
    Feature("hedges", _("Hedges"), _("Words such as maybe, probably, it depends."), 1, lambda t: _of(HEDGES, t)),
    Feature("repetition", _("Repetition"), _("Runs of three words said before, in per cent."), 10, _repetition),
)  # fmt: skip

FEATURE_SETS: Mapping[int, Mapping[str, Feature]] = {1: {f.name: f for f in _VERSION_1}}
FEATURES = FEATURE_SETS[VERSION]


def _of(phrases: Iterable[str], text: Text) -> float:
    return float(occurrences(text.text, phrases))


def _found(pattern: re.Pattern[str], text: Text) -> float:
    return float(sum(1 for _match in pattern.finditer(text.text)))


@lru_cache(maxsize=64)
def counts(text: str, version: int = VERSION) -> Mapping[str, float]:
    """Every feature of a text by its name, as counted. Raises KeyError for a version that never was."""
    read = Text.of(text[:READ])
    return {name: float(feature.count(read)) for name, feature in FEATURE_SETS[version].items()}


def values(text: str, names: Sequence[str], version: int = VERSION) -> list[int]:
    """The features by name, in thousandths of their units."""
    counted, known = counts(text, version), FEATURE_SETS[version]
    return [round(1000 * counted[name] / known[name].unit) for name in names]
