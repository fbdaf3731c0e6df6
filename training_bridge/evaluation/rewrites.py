"""Rewrites of a text by rule: those that keep its meaning, and edits of one word that change it.

    >>> rewrite = KEEPING["contractions"]
    >>> rewrite("It is not hard.", random.Random(0))
    "It isn't hard."

Each returns None where it does not apply. English; on other languages only case, spacing, typos and markdown apply. A
rule is not a paraphrase by a person: what it keeps is what its list of words keeps.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping

Rewrite = Callable[[str, random.Random], str | None]

CONTRACTIONS = {
    "is not": "isn't", "are not": "aren't", "do not": "don't", "does not": "doesn't", "cannot": "can't",
    "will not": "won't", "it is": "it's", "you are": "you're", "that is": "that's", "I am": "I'm", "you will": "you'll",
}  # fmt: skip
PHRASES = {
    "for example": "for instance", "a lot of": "plenty of", "big": "large", "begin": "start", "quickly": "fast",
    "often": "frequently", "help": "assist", "easy": "simple", "about": "around", "maybe": "perhaps", "also": "as well",
    "buy": "purchase", "enough": "sufficient", "next": "following",
}  # fmt: skip
FILLERS = ("really", "very", "just", "quite", "actually", "simply")
NEUTRAL = ("Here is an answer to that.", "This is one way to put it.", "That is the answer to the question.")
AUXILIARIES = ("is", "are", "was", "were", "can", "will", "should", "must", "has", "have", "do", "does")


def lower_case(text: str, rng: random.Random) -> str | None:
    return changed(text, text.lower())


def typos(text: str, rng: random.Random) -> str | None:
    """Two neighbouring letters change places in 5 % of the words, in one at least."""
    words = re.findall(r"\s+|\S+", text)
    long = [i for i, w in enumerate(words) if len(w) > 3 and w.isalpha()]
    for i in rng.sample(long, min(len(long), max(1, round(0.05 * len(long))))):
        at = rng.randrange(1, len(words[i]) - 2)
        word = words[i]
        words[i] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return changed(text, "".join(words))


def spacing(text: str, rng: random.Random) -> str | None:
    """Every sentence in a line of its own, or all in one line."""
    broken = re.sub(r"(?<=[.!?])\s+", "\n", text)
    return changed(text, broken) or changed(text, " ".join(text.split()))


def markdown(text: str, rng: random.Random) -> str | None:
    """The first sentence in bold."""
    first, *rest = re.split(r"(?<=[.!?])(?=\s)", text, maxsplit=1)
    return changed(text, f"**{first}**{''.join(rest)}") if text.strip() else None


def contractions(text: str, rng: random.Random) -> str | None:
    return replaced(text, CONTRACTIONS) or replaced(text, {b: a for a, b in CONTRACTIONS.items()})


def phrases(text: str, rng: random.Random) -> str | None:
    return replaced(text, PHRASES)


def longer(text: str, rng: random.Random) -> str | None:
    """Sentences that say nothing, in front, until it is a fifth longer."""
    front: list[str] = []
    while len(" ".join(front)) < 0.2 * len(text) and len(front) < len(NEUTRAL):
        front.append(NEUTRAL[len(front)])
    return changed(text, " ".join([*front, text])) if text.strip() else None


def shorter(text: str, rng: random.Random) -> str | None:
    """Without words that only add weight."""
    return changed(text, re.sub(rf"\b(?:{'|'.join(FILLERS)})\s+", "", text))


def negation(text: str, rng: random.Random) -> str | None:
    """One "not" more after an auxiliary, or one less."""
    if (found := re.search(r"\b(not )", text)) is not None:
        return text[: found.start()] + text[found.end() :]
    found = re.search(rf"\b(?:{'|'.join(AUXILIARIES)})\b(?= \w)", text)
    return None if found is None else f"{text[: found.end()]} not{text[found.end() :]}"


def number(text: str, rng: random.Random) -> str | None:
    """One number becomes another: some times as much."""
    found = list(re.finditer(r"\d+", text))
    if not found:
        return None
    one = rng.choice(found)
    return f"{text[: one.start()]}{int(one.group()[:12]) * rng.choice((3, 10)) + 1}{text[one.end() :]}"


def entity(text: str, rng: random.Random) -> str | None:
    """One name (a word with a capital inside a sentence) becomes another."""
    found = [m for m in re.finditer(r"(?<=[a-z,] )[A-Z][a-z]+", text) if m.group() != "I"]
    if not found:
        return None
    one = rng.choice(found)
    other = rng.choice([n for n in ("Lisbon", "Maria", "Jupiter", "Tuesday", "Oslo") if n != one.group()])
    return text[: one.start()] + other + text[one.end() :]


def replaced(text: str, table: Mapping[str, str]) -> str | None:
    """Every whole word or phrase of the table by its counterpart, a capital kept."""
    low = {a.lower(): b for a, b in table.items()}
    pattern = re.compile(
        rf"\b(?:{'|'.join(map(re.escape, sorted(low, key=len, reverse=True)))})\b", re.IGNORECASE
    )

    def other(found: re.Match[str]) -> str:
        word = low[found.group().lower()]
        return word[0].upper() + word[1:] if found.group()[0].isupper() else word

    return changed(text, pattern.sub(other, text))


def changed(text: str, new: str) -> str | None:
    return new if new != text else None


KEEPING: dict[str, Rewrite] = {
    "lower_case": lower_case,
    "typos": typos,
    "spacing": spacing,
    "markdown": markdown,
    "contractions": contractions,
    "phrases": phrases,
    "longer": longer,
    "shorter": shorter,
}
CHANGING: dict[str, Rewrite] = {"negation": negation, "number": number, "entity": entity}
