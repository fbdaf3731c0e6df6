"""What is expected of a gold or practice item, and how close an answer comes to it.

Stored with the item (`Item.gold_answers`), for example:

    {"acceptable": [[{"question": "better", "target": null, "type": "comparison", "version": 1, "payload": {…}}]],
     "explanation": "A gives a dose that would harm."}

`acceptable` has one list of answers for each way to be right; questions may be left out, they are not scored. Closeness is
1 - the type's own `distance`, so it is 1 for the expected answer and 0 for its opposite.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from annotation.adjudication.models import Adjudication
from annotation.assignment.models import Assignment
from annotation.errors import Invalid
from annotation.inputs import is_text
from annotation.items.models import Item, ItemResponse
from feedback_types import registry
from feedback_types.base import Answer, InvalidPayload, Message, Question, Screen, ShownResponse
from feedback_types.protocol import read_json

MAX_ACCEPTABLE = 10
MAX_EXPLANATION = 2_000


@dataclass(frozen=True)
class Said:
    """One answer with its payload read by its type."""

    question: str
    target: int | None
    type: str
    payload: Any


@dataclass(frozen=True)
class Expected:
    """Everything that is right about one item, and why."""

    acceptable: tuple[tuple[Said, ...], ...]
    explanation: str


def expected_of(item: Item) -> Expected:
    """What is stored with the item, read by the types."""
    stored = item.gold_answers or {}
    return Expected(
        tuple(tuple(said_of(answers)) for answers in stored.get("acceptable", ())),
        stored.get("explanation", ""),
    )


def said_of(rows: Sequence[Mapping[str, Any]]) -> list[Said]:
    """Answers from rows with question, type, version, target (or target_id) and payload."""
    return [
        Said(
            row["question"],
            row.get("target", row.get("target_id")),
            row["type"],
            registry.get(row["type"]).load(row["payload"], row["version"]),
        )
        for row in rows
    ]


def closeness(
    expected: Expected, given: Sequence[Said], asked: Collection[str]
) -> list[tuple[str, str, float]]:
    """(question, type, 0 … 1) for each question with an expected answer: the mean over targets, for the way to be right that
    the answer comes closest to.

    Args: asked: keys of the questions that were on this labeler's screen; the others are not held against them.
    A target with an expected answer and none given counts 0.
    """
    own = {(said.question, said.target): said for said in given}
    best: dict[tuple[str, str], float] = {}
    for answers in expected.acceptable:
        found: dict[tuple[str, str], list[float]] = {}
        for right in answers:
            if right.question not in asked:
                continue
            mine = own.get((right.question, right.target))
            value = 0.0
            if mine is not None and mine.type == right.type:
                distance = registry.get(right.type).distance(mine.payload, right.payload)
                value = min(1.0, max(0.0, 1.0 - distance))
            found.setdefault((right.question, right.type), []).append(value)
        for key, values in found.items():
            best[key] = max(best.get(key, 0.0), sum(values) / len(values))
    return [(question, kind, value) for (question, kind), value in best.items()]


def screens_of(item: Item) -> list[Screen]:
    """The item with its responses in the order in which they were stored, and in each other order that somebody saw."""
    stored = screen_of(item)
    texts = {response.id: response for response in stored.responses}
    submitted = Assignment.objects.filter(item=item, state=Assignment.State.SUBMITTED)
    orders = submitted.values_list("response_order").union(
        Adjudication.objects.filter(item=item).values_list("response_order")
    )
    others = [order for (order,) in orders if order != list(texts)]
    return [stored, *(Screen(stored.prompt, tuple(texts[pk] for pk in order)) for order in others)]


def screen_of(item: Item) -> Screen:
    """The item with its responses in the order in which they were stored."""
    links = ItemResponse.objects.filter(item=item).select_related("response").order_by("position")
    return Screen(
        tuple(Message(m["role"], m["content"]) for m in item.prompt.messages),
        tuple(ShownResponse(link.response_id, link.response.text) for link in links),
    )


def read(
    questions: Sequence[Question], screens: Sequence[Screen], acceptable: Any, explanation: Any
) -> dict[str, Any]:
    """What to store, from what somebody sent. Raises Invalid naming the answer and the field.

    Args:
        questions: all that the campaign asks.
        screens: the orders in which an answer may name the responses; what is wrong is told as for the first.
        acceptable: one list for each way to be right, of {question, target, payload} as the API's answers.
    """
    if not isinstance(acceptable, (list, tuple)) or not 0 < len(acceptable) <= MAX_ACCEPTABLE:
        raise Invalid(
            _("Say what the right answer is."),
            fields={"answers": [_("One to %(n)d lists of answers.") % {"n": MAX_ACCEPTABLE}]},
        )
    stored = [_read_one(questions, screens, n, answers) for n, answers in enumerate(acceptable)]
    return {"acceptable": stored, "explanation": _text(explanation)}


def renumbered(stored: Mapping[str, Any], ids: Sequence[int]) -> dict[str, Any]:
    """The same, as `read` gives it, of responses that were called 1, 2, … and now have ids of their own."""
    new = dict(enumerate(ids, start=1))
    acceptable = [
        [
            {
                **row,
                "target": None if said.target is None else new[said.target],
                "payload": registry.get(said.type).renumbered(said.payload, new).dump(),
            }
            for row, said in zip(answers, said_of(answers), strict=True)
        ]
        for answers in stored["acceptable"]
    ]
    return {"acceptable": acceptable, "explanation": stored["explanation"]}


def _read_one(
    questions: Sequence[Question], screens: Sequence[Screen], n: int, answers: Any
) -> list[dict[str, Any]]:
    try:
        if not isinstance(answers, (list, tuple)) or not answers:
            raise InvalidPayload({"answers": [_("Send a list of answers.")]})
        keys = {str(row.get("question")) for row in answers if isinstance(row, Mapping)}
        answered = [q for q in questions if q.key in keys]
        said = _as_shown(answered, screens, list(answers))
    except InvalidPayload as error:
        fields = {f"answers.{n}.{name.removeprefix('answers.')}": es for name, es in error.errors.items()}
        raise Invalid(_("The expected answer does not fit the questions."), fields=fields) from error
    types = {q.key: q.type for q in answered}
    return [
        {
            "question": a.question,
            "target": a.target,
            "type": types[a.question].slug,
            "version": types[a.question].version,
            "payload": a.payload.dump(),
        }
        for a in said
    ]


def _as_shown(questions: Sequence[Question], screens: Sequence[Screen], answers: list[Any]) -> list[Answer]:
    """Raises InvalidPayload as for the first order, if the answers fit none of them."""
    refused: InvalidPayload | None = None
    for screen in screens:
        try:
            return read_json(questions, screen, answers)
        except InvalidPayload as error:
            refused = refused or error
    assert refused is not None
    raise refused


def _text(value: Any) -> str:
    if not is_text(value) or len(value) > MAX_EXPLANATION:
        raise Invalid(
            _("The explanation was not taken."),
            fields={"explanation": [_("Text of at most %(n)d characters.") % {"n": MAX_EXPLANATION}]},
        )
    return value.strip()
