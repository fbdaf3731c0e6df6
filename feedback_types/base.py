"""The contract of a feedback type: what a labeler can say, and what is learned from it.

A feedback is a choice from a set (Jeon, Milli & Dragan 2020, arXiv 2002.04833): a type says what was on offer, how the
answer is read from a form and stored, how far apart two answers are, and how probable an answer is under a reward.
One folder of this package is one type; `registry.py` finds it by listing. Nothing outside the folder asks for its slug.

Nothing here knows the database or torch; a type's `likelihood.py` does the mathematics and is imported only when asked for.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

import numpy as np
from django import forms
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from feedback_types.judgements import Label, Preference

if TYPE_CHECKING:
    from feedback_types.likelihoods import Likelihood


class InvalidPayload(ValueError):
    """An answer that breaks a rule. `errors` maps a field to sentences that tell the labeler what to do next."""

    def __init__(self, errors: Mapping[str, Sequence[str]] | str):
        self.errors: dict[str, list[str]] = (
            {"__all__": [errors]}
            if isinstance(errors, str)
            else {name: [str(e) for e in es] for name, es in errors.items()}
        )
        super().__init__("; ".join(f"{name}: {' '.join(es)}" for name, es in self.errors.items()))

    @classmethod
    def from_pydantic(cls, error: ValidationError) -> InvalidPayload:
        errors: dict[str, list[str]] = {}
        for e in error.errors(include_url=False, include_context=False, include_input=False):
            errors.setdefault(".".join(str(part) for part in e["loc"]) or "__all__", []).append(
                e["msg"].removeprefix("Value error, ")
            )
        return cls(errors)


# --- What is on the screen -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Message:
    role: str  # "system", "user" or "assistant"
    content: str


@dataclass(frozen=True)
class ShownResponse:
    id: int
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Screen:
    """One item as one labeler sees it: the prompt, and the responses in the order in which they are shown."""

    prompt: tuple[Message, ...]
    responses: tuple[ShownResponse, ...]

    def response(self, response_id: int | None) -> ShownResponse:
        for response in self.responses:
            if response.id == response_id:
                return response
        raise InvalidPayload(f"Response {response_id} is not on this screen; choose one that is shown.")

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The assistant's turns before the responses, oldest first; empty when the prompt is a single question.

        A type that judges each turn goes through these and then its response. `Turn.index` is what a likelihood's
        `Point(turn=…)` takes, and what the page writes as `data-turn` on the message.
        """
        return tuple(
            Turn(index, message.content)
            for index, message in enumerate(self.prompt)
            if message.role == "assistant"
        )

    def letter(self, response_id: int) -> str:
        """What people call a response: A, B, … in the order shown."""
        return chr(ord("A") + [response.id for response in self.responses].index(response_id))


@dataclass(frozen=True)
class Turn:
    """What the assistant said earlier in the dialogue: message number `index` of the prompt, from 0."""

    index: int
    text: str


class Target(StrEnum):
    """What one feedback row of a type is about."""

    SET = "set"  # all responses together: one row, `target` is None
    EACH = "each"  # every response by itself: one row for each, `target` is its id
    ONE = "one"  # one response that the labeler picks: one row, `target` is its id


# --- What a type declares --------------------------------------------------------------------------------------------


# The views a snapshot can have, with the columns of each (training_bridge/exports/formats.py writes them). "feature" and
# "triplet" say nothing about which response is better, so they are views of their own.
VIEWS: Mapping[str, tuple[str, ...]] = {
    "preference": ("prompt", "chosen", "rejected", "margin"),
    "unpaired": ("prompt", "completion", "label"),
    "prompt_completion": ("prompt", "completion"),
    "stepwise": ("prompt", "completions", "labels"),
    "prompt_only": ("prompt",),
    "feature": ("prompt", "chosen", "rejected", "feature"),
    "triplet": ("anchor", "positive", "negative"),
}

T = TypeVar("T")
Many = Annotated[
    tuple[T, ...], Field(strict=False)
]  # a JSON list, kept as a tuple; what it holds stays strict

LARGEST = 2**53 - 1  # beyond this JavaScript rounds


def unstorable(value: Any) -> str:
    """What keeps a JSON value out of PostgreSQL or changes it in a browser, in a sentence; empty when nothing does."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            if "\x00" in part:
                return _("The text holds a NUL character; remove it.")
            if any("\ud800" <= c <= "\udfff" for c in part):
                return _("The text holds half a character (a lone surrogate); remove it.")
        elif isinstance(part, int) and abs(part) > LARGEST:
            return _("The number is too large.")
        elif isinstance(part, Mapping):
            waiting.extend(part.keys())
            waiting.extend(part.values())
        elif isinstance(part, (list, tuple)):
            waiting.extend(part)
    return ""


class Payload(BaseModel):
    """The stored answer. Strict: `"5"`, `5.0` and `true` are not the integer 5; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        if problem := unstorable(value):
            raise ValueError(problem)
        return value

    def dump(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


class Settings(BaseModel):
    """How a campaign asks the question. Every field has a default, a title and a description: the page is made from them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# A field of Settings: pydantic's Field, whose stubs do not know that title and description may be translated lazily.
setting: Callable[..., Any] = Field


@dataclass(frozen=True)
class Attributes:
    """The survey's attributes (its table 3, after Kaufmann et al. 2023); "-" where the class leaves it open."""

    granularity: str
    involvement: str
    arity: str
    abstraction: str
    intent: str
    explicitness: str


@dataclass(frozen=True)
class Consent:
    """What a person agrees to before something is recorded that was not said: a text with a version.

    Whoever agreed to an older version is asked again, so a changed text gets the next version. The first line names it,
    `signals` lists everything that is recorded, one plain sentence each, `never` what is not, `use` what becomes of it.
    """

    slug: str
    version: int
    title: Any  # translatable, as all of these
    purpose: Any
    signals: Sequence[Any]
    never: Sequence[Any]
    use: Sequence[Any]

    def text(self) -> str:
        """The whole text in the active language, as it is kept with the first act that refers to it."""
        parts = [self.title, self.purpose, *self.signals, *self.never, *self.use]
        return "\n".join(str(part) for part in parts)


@dataclass(frozen=True)
class Key:
    """One key of the keyboard map: what to press, and what it does in the labeler's words."""

    key: str
    label: str


@dataclass(frozen=True)
class Question:
    """One step of a campaign's protocol: a type with its settings, under a key that is unique in the protocol."""

    key: str
    type: FeedbackType
    settings: Any
    title: str = ""
    required: bool = True

    @property
    def heading(self) -> str:
        """What people read over it: its title, or else the name of its type."""
        return self.title or str(self.type.label)


@dataclass(frozen=True)
class Answer:
    """What was said to one question about one target, before it is stored."""

    question: str
    target: int | None
    payload: Payload


@dataclass(frozen=True)
class Event:
    """One stored feedback row, as agreement, likelihood and export read it (without a database)."""

    id: str
    type: str
    labeler: str
    question: str
    screen: Screen
    target: int | None
    payload: Any
    settings: Any
    choice_set: Mapping[str, Any] = field(default_factory=dict)
    submission: str = ""
    item: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SyntheticLabeler:
    """A labeler with a known truth, who answers by a type's own law.

    Args:
        value: (prompt, text, code-point offset or None for the end, head) -> score; head "reward" is the scalar
            reward of the prefix.
        beta: rationality > 0; 0 is a coin toss over the choice set.
        lapse: probability in [0, 1] of an answer drawn uniformly from the choice set.
        parameters: values for the type's likelihood parameters (name -> number or sequence); missing names take
            their initial value.
        rewrite: candidate rewrites of a text, for types in which the labeler changes one.
        write: (prompt, beginning, beta, generator) -> a whole text that starts with `beginning`, drawn from where the
            responses come from with its density times exp(beta * reward); for types in which the labeler writes one.
    """

    value: Callable[[tuple[Message, ...], str, int | None, str], float]
    beta: float = 1.0
    lapse: float = 0.0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    rewrite: Callable[[tuple[Message, ...], str], Sequence[str]] | None = None
    write: Callable[[tuple[Message, ...], str, float, np.random.Generator], str] | None = None


@dataclass(frozen=True)
class Composed:
    """What a policy is asked: to answer these messages, or to go on from a prefix of its answer."""

    messages: list[dict[str, str]]
    prefix: str = ""
    target: int | None = None  # the response on the screen that it is about


# --- Forms -----------------------------------------------------------------------------------------------------------


class AnswerForm(forms.Form):
    """What the browser sends for one target of one question; it works without scripts.

    `screen`, `settings` and `target` (a response id, or None for the set) are at hand for choices and labels.
    Fields are prefixed by the page, so that questions and targets never collide.
    """

    def __init__(self, *args: Any, screen: Screen, settings: Any, target: int | None, **kwargs: Any):
        self.screen, self.settings, self.target = screen, settings, target
        super().__init__(*args, **kwargs)

    def full_clean(self) -> None:
        """Refuses a field that was sent twice, where Django would silently take the last one."""
        super().full_clean()
        if not isinstance(self.data, MultiValueDict):
            return
        for name, bound in self.fields.items():
            takes_several = getattr(bound.widget, "allow_multiple_selected", False)
            if not takes_several and len(self.data.getlist(self.add_prefix(name))) > 1:
                self.add_error(name, _("This was sent twice with the same name; send one value."))


# --- The contract ----------------------------------------------------------------------------------------------------


class FeedbackType(ABC):
    """A type answers for itself; see docs/architecture.md for who asks what."""

    slug: ClassVar[str]
    label: ClassVar[Any]  # translatable
    description: ClassVar[Any]  # two sentences: what a labeler does, and when an admin should choose it
    version: ClassVar[int]  # of the payload schema; `load` reads every version ever stored
    category: ClassVar[str]  # the survey's class: "primary", "supplementary", "representation" or "sft"
    attributes: ClassVar[Attributes]
    reference: ClassVar[str]  # the paper this type comes from
    target: ClassVar[Target]
    arity: ClassVar[tuple[int, int]]  # fewest and most responses of an item

    payload_class: ClassVar[type[Payload]]
    settings_class: ClassVar[type[Settings]]
    form_class: ClassVar[type[AnswerForm]]

    # Views in training formats: a name of VIEWS -> what the view loses, in a sentence.
    views: ClassVar[Mapping[str, Any]] = {}  # translatable

    # Answers that were not said but observed. `needs_consent` names a Consent by its slug: whoever has not given it is not
    # asked, and nothing of theirs is stored. `consents` are the texts that this folder brings; several types may share one.
    needs_consent: ClassVar[str] = ""
    consents: ClassVar[Sequence[Consent]] = ()
    keeps_days: ClassVar[int | None] = None  # after these days a stored payload is replaced by its `condense`
    fewest_people: ClassVar[int] = 1  # views have no rows before so many labelers have answered

    # VALID: screens with answers that must pass; INVALID: answers that must be refused, with the field that is at fault.
    valid: ClassVar[Sequence[Example]]
    invalid: ClassVar[Sequence[Example]]

    @property
    def template_name(self) -> str:
        return f"feedback_types/{self.slug}/widget.html"

    @property
    def summary_template_name(self) -> str:
        return "feedback_types/_summary.html"

    # Settings and screen

    def settings(self, raw: Mapping[str, Any] | None = None) -> Any:
        """Read stored or posted settings. Raises InvalidPayload naming the setting."""
        try:
            return self.settings_class.model_validate(dict(raw or {}))
        except ValidationError as error:
            raise InvalidPayload.from_pydantic(error) from error

    def keys(self, settings: Any) -> Sequence[Key]:
        """The keyboard map under these settings, in the order in which the buttons are shown."""
        return ()

    def needs_raw_text(self, settings: Any) -> bool:
        """Whether responses are shown as plain text, so that positions on screen are positions in the text."""
        return False

    def shows_responses(self, settings: Any) -> bool:
        """Whether the labeler reads the responses. Where no question of a screen shows them, page and API leave them out."""
        return True

    # What one question does to the others on its screen

    def reveals(self, settings: Any) -> bool:
        """Whether responses stay out of sight until this question has let them appear (a stream, say)."""
        return False

    def reads(self, settings: Any) -> bool:
        """Whether the labeler needs the whole text of the responses, as they are, to answer."""
        return self.shows_responses(settings) and not self.reveals(settings)

    def rewrites(self, settings: Any) -> bool:
        """Whether another text stands in a response's place once this question is answered."""
        return False

    def conflict(self, settings: Any, before: Sequence[Question], after: Sequence[Question]) -> str:
        """Why this question cannot be asked beside the others of its protocol, in a sentence that says what to do; "" when
        it can. Asked when a protocol is published, never of a stored one; an admin reads it at this question.

        before, after: the questions that come earlier and later on the screen. A type asks them for what they declare
        (`reveals`, `attributes`, …), never for a slug. A type with rules of its own lets these speak first:

            def conflict(self, settings, before, after):
                if said := super().conflict(settings, before, after):
                    return said
                if not any(q.type.attributes.intent == "Evaluative" for q in before):
                    return _("This question explains a judgement; put one before it.")
                return ""
        """
        if self.reveals(settings):
            for other in (*before, *after):
                if other.type.reveals(other.settings):
                    return _(
                        "It lets the responses appear, and so does “%(other)s”; keep one of the two."
                    ) % {"other": other.heading}
            for other in before:
                if other.type.reads(other.settings):
                    return _(
                        "The responses are hidden until it has let them appear; put it before “%(other)s”, which needs "
                        "their whole text."
                    ) % {"other": other.heading}
        if self.rewrites(settings):
            for other in before:
                if other.type.rewrites(other.settings):
                    return _(
                        "It puts another text in the place of a response, and so does “%(other)s”; keep one of the two."
                    ) % {"other": other.heading}
            for other in after:
                if other.type.reads(other.settings) and not other.type.rewrites(other.settings):
                    return _(
                        "It puts another text in the place of a response; put it after “%(other)s”, which is about the "
                        "responses as they are."
                    ) % {"other": other.heading}
        return ""

    def seconds(self, screen: Screen, settings: Any) -> float:
        """Labeler-seconds this question is assumed to take after reading (science.md 6.3); measured values replace it."""
        return 4.0

    def arity_under(self, settings: Any) -> tuple[int, int]:
        """Fewest and most responses of an item under these settings, within `arity`."""
        return self.arity

    def targets(self, screen: Screen, settings: Any) -> Sequence[int | None]:
        """Which targets are asked about on this screen, in order: one form for each."""
        return [None] if self.target is Target.SET else [r.id for r in screen.responses]

    # Form -> payload -> JSON -> payload -> words

    @abstractmethod
    def parse(
        self, cleaned_data: Mapping[str, Any], screen: Screen, settings: Any, target: int | None
    ) -> Payload | None:
        """Payload of a valid form; None when nothing was said. Raises InvalidPayload, in the labeler's words."""

    @abstractmethod
    def to_form(self, payload: Any, screen: Screen, settings: Any) -> dict[str, Any]:
        """Form data (unprefixed) that `parse` reads back to the same payload: the inverse, for drafts, undo and
        synthetic labelers."""

    def load(self, stored: Mapping[str, Any], version: int | None = None) -> Any:
        """Payload from JSON of any version ever stored; the inverse of `Payload.dump`. Raises InvalidPayload."""
        try:
            return self.payload_class.model_validate(dict(stored))
        except ValidationError as error:
            raise InvalidPayload.from_pydantic(error) from error

    def validate(self, payload: Any, screen: Screen, settings: Any, target: int | None) -> None:
        """Rules that need the screen or the settings; the same for page and API. Raises InvalidPayload."""
        return None

    def renumbered(self, payload: Any, ids: Mapping[int, int]) -> Any:
        """The same answer where the responses have other ids (old -> new, in the same order): an expected answer in a file
        calls them 1, 2, …. For types whose payload names responses; a target is not part of the payload."""
        return payload

    def preview(self, asked: Mapping[str, str], screen: Screen, settings: Any) -> dict[str, Any]:
        """What the widget asks while an answer is in the making: form fields (unprefixed) to JSON, and nothing is stored.

        The page works without it: whatever is only known on the server is also told when the answer is sent.
        A text under "markdown" is joined by "html": the text as the page shows responses.
        Raises InvalidPayload; a type that has nothing to show always does.
        """
        raise InvalidPayload(_("This question shows nothing before it is answered."))

    # The live policy (docs/live.md)

    def generates(self, settings: Any) -> bool:
        """Whether the widget asks the live policy. It works without one, and says why it does."""
        return False

    def compose(self, asked: Mapping[str, str], screen: Screen, settings: Any) -> Composed:
        """What the policy is asked when the widget wants a text: {"target", "prefix", "note"} as it sent them.

        The page never says what a policy is asked, this does. Raises InvalidPayload; a type that generates nothing always.
        """
        raise InvalidPayload(_("This question asks the policy for nothing."))

    def generations(self, payload: Any) -> Mapping[str, str]:
        """The generations that an answer names, each with the text (or its beginning) that it says there was then, what the
        policy went on from included. An answer that names another screen's, or tells another text, is refused."""
        return {}

    @abstractmethod
    def summary(self, payload: Any, screen: Screen, settings: Any) -> str:
        """One line that a reviewer reads, translated; responses are named A, B, … in the order shown."""

    # Choice set, agreement

    @abstractmethod
    def choice_set(self, screen: Screen, settings: Any, payload: Any | None = None) -> dict[str, Any]:
        """What was on offer, as JSON: every option with its label, stored with the answer; `alternatives` is read from it.

        `payload` is given when storing, for types whose offer is only known afterwards (alternatives shown, text streamed).
        """

    @abstractmethod
    def distance(self, a: Any, b: Any) -> float:
        """0 (same) to 1 (opposite), symmetric; feeds Krippendorff's alpha."""

    @abstractmethod
    def consensus(self, payloads: Sequence[Any]) -> Any:
        """What the group thinks: a payload of this type. `payloads` is not empty; order does not matter."""

    # Statistics of quality (docs/quality.md); a type that has nothing to say leaves them as they are

    def labels(self, payload: Any, settings: Any) -> Mapping[str, Label]:
        """Parts of an answer that can be compared by themselves, by a name that stays the same: a grade, a tag, a verdict.

        Every label that was asked is there, also one that was not given (a tag that was not ticked is False).
        """
        return {}

    def label_name(self, label: str) -> str:
        """What people read for a name of `labels`."""
        return label

    def preferences(
        self, answers: Sequence[tuple[int | None, Any]], shown: Sequence[int]
    ) -> Iterator[Preference]:
        """Which responses one labeler preferred, by the (target, payload) answers to one question on one screen.

        shown: response ids in the order shown. One preference at most for each two responses.
        """
        yield from ()

    def condense(self, payload: Any) -> Any:
        """What stays of an answer when it is older than `keeps_days`: a payload whose field `condensed` is true.

        Condensing twice is condensing once. Only types with `keeps_days` are asked.
        """
        return payload

    def legal_basis(self, settings: Any) -> str:
        """Why a campaign may ask for the consent, in a sentence for the labeler; "" where none is needed."""
        return ""

    # Learning and export

    @cached_property
    def likelihood(self) -> Likelihood | None:
        """The observation model from the folder's `likelihood.py` (imports torch), or None for a text-only type."""
        module = f"{type(self).__module__}.likelihood"
        return import_module(module).likelihood if find_spec(module) else None

    def reward(self, payload: Any) -> Callable[[str], float] | None:
        """The reward that an answer states outright, as a function of any response text; None where it states none.

        It runs without Django settings and without torch: labelers that are programs and training runs call it.
        """
        return None

    @abstractmethod
    def simulate(
        self, screen: Screen, settings: Any, labeler: SyntheticLabeler, rng: np.random.Generator
    ) -> list[tuple[int | None, Any]]:
        """Answers of a synthetic labeler, (target, payload) for each target, drawn from the law of `likelihood`."""

    def statistics(self, events: Iterable[Event]) -> Any:
        """One streamed pass over all events of this type, for views that need it (a labeler's median, say).

        For types that are not explicit, `extra["explicit"]` of an event is how often other, explicit answers of the same
        snapshot called its response good and bad: (good, bad).
        """
        return None

    def records(
        self, events: Sequence[Event], statistics: Any = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """(view, row) pairs from the events of one question in one submission, in TRL's column names.

        Prompts and completions are lists of {"role", "content"} messages.
        """
        yield from ()


@dataclass(frozen=True)
class Example:
    """An answer for the contract suite.

    at_fault: in `invalid`, the field that the error must mention.
    pressed: the keys that give this answer where the question is asked alone (Playwright's names, such as "3", "ArrowLeft",
        "Control+Enter"; "type:some words" writes them), about this screen; a type that asks about each response is shown the
        target alone. The key that sends is not among them. One of `valid` carries them at least: a real browser presses them
        with motion reduced, and what is stored has distance 0 to the payload (tests/browser/test_every_type.py).
    """

    screen: Screen
    payload: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    target: int | None = None
    at_fault: str = ""
    pressed: Sequence[str] = ()


def chat(prompt: Sequence[Message]) -> list[dict[str, str]]:
    """A prompt in TRL's conversational form."""
    return [{"role": m.role, "content": m.content} for m in prompt]


def completion(text: str) -> list[dict[str, str]]:
    """A response in TRL's conversational form."""
    return [{"role": "assistant", "content": text}]
