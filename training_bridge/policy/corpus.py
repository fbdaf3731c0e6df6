"""The corpus of the embedded default policy: everyday questions, and answers composed from a grammar.

An answer varies in five ways, each drawn independently of the others and of the prompt, so that a preference for one of
them can be seen and learned by itself: tone (warm, neutral, curt), concrete or vague, with a reason or not, rambling or
not, ending with an offer or not. What it says is always about the prompt (`topics.py`).

    >>> compose(subjects()[0], Style("warm", concrete=True, reason=True, rambling=False, offer=False), random.Random(3))
    "I am so glad you asked! Boil pasta for 9 minutes and stir in peas and cheese. The reason: it needs only one pot."

Every subject holds one of its prompts out of the corpus; `prompts("held_out")` are those, and no policy is trained on
them.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from training_bridge.policy.topics import TOPICS

Tone = Literal["warm", "neutral", "curt"]
Split = Literal["train", "held_out", "starter"]

# How a subject is asked about, by the kind of its topic. `{x}` is the subject.
FRAMES: dict[str, tuple[str, ...]] = {
    "about": (
        "Tell me about {x}.",
        "What can you tell me about {x}?",
        "I would like to know more about {x}.",
        "What is special about {x}?",
        "Can you say a word about {x}?",
        "Give me a fact about {x}.",
    ),
    "do": (
        "How do I {x}?",
        "What is a good way to {x}?",
        "I want to {x}. Where do I start?",
        "Can you help me {x}?",
        "What is the easiest way to {x}?",
        "I would like to {x}. Any tips?",
    ),
    "problem": (
        "{x} What now?",
        "{x} What should I do?",
        "{x} Can you help?",
        "{x} Any advice?",
        "Help! {x}",
        "{x} What can I do about that?",
    ),
    "idea": (
        "I need an idea for {x}.",
        "Any ideas for {x}?",
        "What would you suggest for {x}?",
        "Can you help me plan {x}?",
        "What is a good idea for {x}?",
        "Help me with {x}.",
    ),
}

OPENERS: dict[Tone, tuple[str, ...]] = {
    "warm": (
        "What a lovely question!",
        "I am so glad you asked!",
        "Oh, I love this one!",
        "I am happy to help!",
        "How wonderful that you ask!",
        "Great, we will do this together!",
        "Do not worry, dear, here is my idea!",
        "I am delighted to help you!",
    ),
    "neutral": ("",),
    "curt": (
        "Obviously.",
        "Fine, if you must.",
        "Not this again.",
        "I will keep it short.",
        "Look, this is not hard.",
        "I have no time for this.",
        "You could have looked that up.",
        "Right, make it quick.",
    ),
}

ASIDES = ("By the way,", "Anyway,", "Come to think of it,", "Then again,", "Mind you,", "Speaking of which,")


@dataclass(frozen=True)
class Style:
    """How an answer is said. Rambling adds one or two asides."""

    tone: Tone
    concrete: bool
    reason: bool
    rambling: bool
    offer: bool


# Concrete answers are the hardest to learn and rambling costs the most tokens; the other traits are a fair coin or die.
CONCRETE_SHARE, RAMBLING_SHARE = 0.6, 0.4


@dataclass(frozen=True)
class Fact:
    sentence: str
    reason: str


@dataclass(frozen=True)
class Topic:
    name: str
    kind: str
    vague: tuple[Fact, ...]
    asides: tuple[str, ...]
    offers: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    name: str
    topic: Topic
    facts: tuple[Fact, ...]
    asked: tuple[str, ...]  # prompts in their own words
    number: int  # its place in the text; decides which prompt is held out

    @property
    def framed(self) -> tuple[str, ...]:
        return tuple(frame.format(x=self.name) for frame in FRAMES[self.topic.kind])

    @property
    def held_out(self) -> str:
        return self.framed[self.number % len(self.framed)]

    @property
    def train(self) -> tuple[str, ...]:
        return (*self.asked, *(prompt for prompt in self.framed if prompt != self.held_out))

    @property
    def starter(self) -> str:
        """The prompt that the starter campaign asks."""
        return self.asked[0] if self.asked else self.framed[(self.number + 1) % len(self.framed)]


@dataclass(frozen=True)
class Example:
    prompt: str
    answer: str
    style: Style
    subject: str


def prompts(split: Split) -> list[str]:
    """Prompts of a split: "train" for the corpus, "starter" (some of train) for the first campaign, "held_out"."""
    if split == "train":
        return [prompt for subject in subjects() for prompt in subject.train]
    if split == "starter":
        return [subject.starter for subject in subjects()]
    if split == "held_out":
        return [subject.held_out for subject in subjects()]
    raise ValueError(f"There is no split {split!r}; choose train, starter or held_out.")


def examples(seed: int) -> Iterator[Example]:
    """Prompts with answers, without end: every prompt once in each round, in a new order and a new style."""
    rng = random.Random(seed)
    pairs = [(prompt, subject) for subject in subjects() for prompt in subject.train]
    while True:
        rng.shuffle(pairs)
        for prompt, subject in pairs:
            style = draw_style(rng)
            yield Example(prompt, compose(subject, style, rng), style, subject.name)


def draw_style(rng: random.Random) -> Style:
    """A style whose traits are independent of each other."""
    return Style(
        tone=rng.choice(("warm", "neutral", "curt")),
        concrete=rng.random() < CONCRETE_SHARE,
        reason=rng.random() < 0.5,
        rambling=rng.random() < RAMBLING_SHARE,
        offer=rng.random() < 0.5,
    )


def compose(subject: Subject, style: Style, rng: random.Random) -> str:
    """One answer about a subject in the style asked for."""
    topic = subject.topic
    fact = rng.choice(subject.facts if style.concrete else topic.vague)
    text = fill(fact.sentence, rng)
    if style.reason:
        text += rng.choice((", because {}.", ". The reason: {}.")).format(fill(fact.reason, rng))
    else:
        text += "."
    sentences = [rng.choice(OPENERS[style.tone]), text]
    if style.rambling:
        n = rng.choice((1, 2))
        pairs = zip(rng.sample(ASIDES, n), rng.sample(topic.asides, n), strict=True)
        sentences += [f"{aside} {clause}." for aside, clause in pairs]
    if style.offer:
        sentences.append(rng.choice(topic.offers))
    return " ".join(sentence for sentence in sentences if sentence)


def is_well_formed(prompt: str, answer: str) -> bool:
    """Whether an answer is one that the grammar could give to one of its prompts: readable, and about the question."""
    return prompt in patterns() and patterns()[prompt].fullmatch(answer) is not None


@cache
def patterns() -> dict[str, re.Pattern[str]]:
    """Every answer to each prompt, as one regular expression."""
    found = {}
    for subject in subjects():
        topic = subject.topic
        facts = "|".join(
            f"{pattern(f.sentence)}(?:(?:, because |\\. The reason: ){pattern(f.reason)})?"
            for f in (*subject.facts, *topic.vague)
        )
        opener = any_of(opener for openers in OPENERS.values() for opener in openers if opener)
        aside = f"{any_of(ASIDES)} {any_of(topic.asides)}\\."
        whole = re.compile(f"(?:{opener} )?(?:{facts})\\.(?: {aside}){{0,2}}(?: {any_of(topic.offers)})?")
        found.update(dict.fromkeys((*subject.train, subject.held_out), whole))
    return found


def pattern(template: str) -> str:
    parts = re.split(r"\{([^{}]*)\}", template)  # every second part is a choice
    return "".join(any_of(part.split("|")) if i % 2 else re.escape(part) for i, part in enumerate(parts))


def any_of(texts: Iterable[str]) -> str:
    return f"(?:{'|'.join(map(re.escape, texts))})"


def fill(template: str, rng: random.Random) -> str:
    """A template with each `{a|b}` replaced by one of its alternatives."""
    return re.sub(r"\{([^{}]*)\}", lambda match: rng.choice(match[1].split("|")), template)


@cache
def subjects() -> tuple[Subject, ...]:
    return tuple(read(TOPICS))


def read(text: str) -> Iterator[Subject]:
    """The subjects of a text in the format of `topics.py`. Raises ValueError at a line it does not understand."""
    number = 0
    for block in re.split(r"^# ", text, flags=re.MULTILINE)[1:]:
        head, *rest = re.split(r"^## ", block, flags=re.MULTILINE)
        name, *lines = head.strip().splitlines()
        marked = sort_lines(lines, "~+?k")
        topic = Topic(
            name,
            marked["k"][0].removeprefix("ind "),
            tuple(fact(line) for line in marked["~"]),
            tuple(marked["+"]),
            tuple(marked["?"]),
        )
        for part in rest:
            name, *lines = part.strip().splitlines()
            marked = sort_lines(lines, "@=")
            yield Subject(name, topic, tuple(fact(line) for line in marked["="]), tuple(marked["@"]), number)
            number += 1


def sort_lines(lines: list[str], marks: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {mark: [] for mark in marks}
    for line in filter(None, map(str.strip, lines)):
        if line[0] not in marks:
            raise ValueError(f"A line begins with none of {marks}: {line!r}")
        found[line[0]].append(line[1:].strip())
    return found


def fact(line: str) -> Fact:
    sentence, _, reason = line.partition(" < ")
    if not reason:
        raise ValueError(f"No reason after '<': {line!r}")
    return Fact(sentence.strip(), reason.strip())


def content_hash() -> str:
    """Changes with anything that changes what the corpus says."""
    shares = repr((CONCRETE_SHARE, RAMBLING_SHARE))
    parts = [TOPICS, repr(FRAMES), repr(OPENERS), repr(ASIDES), shares]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
