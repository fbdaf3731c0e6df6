"""What a published set of human feedback brings: how its rows become items and answers. Nothing is invented.

A row of a set is a `Case`: the item as an import reads it, and what each labeler said about it. A `Said` holds the answer
to each question by response text, so that it can be given whatever order the responses are shown in. What a set does not
say is not answered (the question is then not required); a row that cannot be said in our terms is refused with its reason.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from feedback_types.base import Answer, InvalidPayload, Question, Screen
from feedback_types.protocol import read_json

UNKNOWN = "unknown"  # the labeler of a set that does not name its people


@dataclass(frozen=True)
class Said:
    """What one labeler said about one item.

    payloads: question key -> function of (screen, question) giving [(target, payload JSON or form data)]; see `answers_on`.
    """

    labeler: str
    payloads: Mapping[str, Callable[[Screen, Question], list[tuple[int | None, Any]]]]


@dataclass(frozen=True)
class Case:
    external_id: str
    prompt: list[dict[str, str]]
    responses: list[dict[str, str]]
    said: Sequence[Said] = ()
    refused: Sequence[str] = field(default_factory=tuple)  # reasons, one for each answer that was left out

    def import_row(self) -> dict[str, Any]:
        return {"id": self.external_id, "prompt": self.prompt, "responses": self.responses}


@dataclass(frozen=True)
class RealSet:
    name: str
    title: str
    protocol: list[dict[str, Any]]
    files: Sequence[str]  # below the data folder
    read: Callable[[Mapping[str, Any]], Case]

    def cases(self, data: Path) -> Iterator[Case]:
        """Cases in the files' order; a second row about the same prompt and the same texts keeps its own id."""
        for name in self.files:
            with _open(data / name) as stream:
                for line in stream:
                    yield self.read(json.loads(line))


def answers_on(screen: Screen, questions: Sequence[Question], said: Said) -> list[Answer]:
    """The answers of one labeler on the screen they were given, checked like any answer. Raises InvalidPayload."""
    raw: list[dict[str, Any]] = []
    for question in questions:
        if question.key not in said.payloads:
            continue
        for target, given in said.payloads[question.key](screen, question):
            if isinstance(given, FormData):
                form = question.type.form_class(
                    data=given.fields, screen=screen, settings=question.settings, target=target
                )
                if not form.is_valid():
                    raise InvalidPayload(cast(Mapping[str, Sequence[str]], form.errors))
                payload = question.type.parse(form.cleaned_data, screen, question.settings, target)
                if payload is None:
                    continue
                given = payload.dump()
            raw.append({"question": question.key, "target": target, "payload": given})
    return read_json(questions, screen, raw)


@dataclass(frozen=True)
class FormData:
    """What would have been typed into the question's form; the type makes the payload of it."""

    fields: Mapping[str, Any]


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb"))


def question(key: str, type: str, title: str, *, required: bool = True, **settings: Any) -> dict[str, Any]:
    return {"key": key, "type": type, "title": title, "required": required, "settings": settings}


# --- Answers that several sets give ---------------------------------------------------------------------------------

STRENGTH = {"slight": 1, "clear": 2, None: 1}


def pair(
    texts: Sequence[str], chosen: int | None, strength: int
) -> Callable[[Screen, Question], list[tuple[int | None, Any]]]:
    """A pair judged in the set's own order, said about the order that is shown. `chosen` None is a tie."""

    def payload(screen: Screen, question: Question) -> list[tuple[int | None, Any]]:
        shown = [r.text for r in screen.responses]
        if sorted(shown) != sorted(texts):
            raise InvalidPayload("The screen shows other responses than the set's.")
        signed = 0 if chosen is None else strength if shown[0] == texts[chosen] else -strength
        ranks = [1, 1] if signed == 0 else [1, 2] if signed > 0 else [2, 1]
        return [
            (
                None,
                {
                    "items": [r.id for r in screen.responses],
                    "ranks": ranks,
                    "strength": signed,
                    "both_bad": False,
                    "aspect": None,
                },
            )
        ]

    return payload


def comparison_only(row: Mapping[str, Any]) -> Case:
    """Rows with one decision by one person (or by somebody who is not named)."""
    texts = [r["content"] for r in row["responses"]]
    said = Said(row["labeler"] or UNKNOWN, {"better": pair(texts, row["chosen"], STRENGTH[row["strength"]])})
    return Case(row["id"], row["prompt"], row["responses"], [said])


def edited(text: str, *, is_better: bool) -> Callable[[Screen, Question], list[tuple[int | None, Any]]]:
    """A whole edited text, as it would have been typed into the editor."""

    def payload(screen: Screen, question: Question) -> list[tuple[int | None, Any]]:
        (response,) = screen.responses
        return [(response.id, FormData({"edited_text": text, "better": "yes" if is_better else "no"}))]

    return payload


def critique(
    *, ratings: Mapping[str, int] | None = None, spans: Sequence[Mapping[str, Any]] = ()
) -> Callable[[Screen, Question], list[tuple[int | None, Any]]]:
    def payload(screen: Screen, question: Question) -> list[tuple[int | None, Any]]:
        (response,) = screen.responses
        return [
            (
                response.id,
                {
                    "verdict": None,
                    "grades": question.settings.grades,
                    "ratings": dict(ratings or {}),
                    "tags": [],
                    "spans": list(spans),
                },
            )
        ]

    return payload


def trace(texts: Sequence[str]) -> Callable[[Screen, Question], list[tuple[int | None, Any]]]:
    """Texts in their order from the least to the most of the question's feature."""

    def payload(screen: Screen, question: Question) -> list[tuple[int | None, Any]]:
        ids = {r.text: r.id for r in screen.responses}
        if sorted(ids) != sorted(texts):
            raise InvalidPayload("The screen shows other responses than the set's.")
        places = enumerate(reversed(texts), start=1)
        return [(None, FormData({f"rank_{ids[text]}": str(place) for place, text in places}))]

    return payload


def written(text: str) -> Callable[[Screen, Question], list[tuple[int | None, Any]]]:
    """A whole text, as it would have been typed."""

    def payload(screen: Screen, question: Question) -> list[tuple[int | None, Any]]:
        return [(None, FormData({"text": text}))]

    return payload
