"""A protocol: the questions that share one read, and the one way in which their answers are read.

Stored in a campaign as a list, for example:

    [{"key": "better", "type": "comparison", "title": "Which is better?", "settings": {"ties": true}, "required": true},
     {"key": "grade", "type": "critique", "settings": {"criteria": ["overall"]}}]
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from feedback_types import registry
from feedback_types.base import Answer, AnswerForm, InvalidPayload, Question, Screen

KEY = re.compile(r"[a-z][a-z0-9_]{0,31}")
MAX_QUESTIONS = 8


def load_protocol(raw: Any, *, is_stored: bool = False) -> tuple[Question, ...]:
    """Questions from JSON. Raises InvalidPayload naming the question and the setting.

    is_stored: it was published once, so whether its questions go together is not asked again: a rule that came later
    takes no answers away.
    """
    if not isinstance(raw, list) or not raw:
        raise InvalidPayload({"protocol": [_("Ask at least one question.")]})
    if len(raw) > MAX_QUESTIONS:
        raise InvalidPayload(
            {"protocol": [_("Ask at most %(n)d questions on one screen.") % {"n": MAX_QUESTIONS}]}
        )
    errors: dict[str, list[str]] = {}
    questions: list[Question] = []
    for number, entry in enumerate(raw, start=1):
        where = f"questions.{number}"
        if not isinstance(entry, Mapping):
            errors[where] = [_("A question is an object with a key, a type and settings.")]
            continue
        unknown = set(entry) - {"key", "type", "title", "settings", "required"}
        if unknown:
            errors[where] = [_("Unknown field: %(names)s.") % {"names": ", ".join(sorted(map(str, unknown)))}]
            continue
        key = entry.get("key")
        if not isinstance(key, str) or not KEY.fullmatch(key):
            errors[f"{where}.key"] = [
                _("Name the question in small letters, digits and _, starting with a letter.")
            ]
            continue
        if any(q.key == key for q in questions):
            errors[f"{where}.key"] = [
                _("Two questions are called %(key)s; give each its own name.") % {"key": key}
            ]
            continue
        title, required = entry.get("title", ""), entry.get("required", True)
        if not isinstance(title, str) or len(title) > 200 or "\x00" in title:
            errors[f"{where}.title"] = [_("A title is at most 200 characters of text.")]
            continue
        if not isinstance(required, bool):
            errors[f"{where}.required"] = [_("Say true or false.")]
            continue
        if not isinstance(entry.get("settings", {}), Mapping):
            errors[f"{where}.settings"] = [_("Settings are an object of names and values.")]
            continue
        try:
            feedback_type = registry.get(str(entry.get("type")))
            settings = feedback_type.settings(entry.get("settings"))
        except registry.UnknownType as error:
            errors[f"{where}.type"] = [str(error)]
            continue
        except InvalidPayload as error:
            errors.update({f"{where}.settings.{name}": es for name, es in error.errors.items()})
            continue
        questions.append(Question(key, feedback_type, settings, title, required))
    if errors:
        raise InvalidPayload(errors)
    if not is_stored and (conflicts := _conflicts(questions)):
        raise InvalidPayload({f"questions.{number}": [said] for number, said in conflicts.items()})
    return tuple(questions)


def _conflicts(questions: Sequence[Question]) -> dict[int, str]:
    """Number of a question, from 1 -> why it cannot share the screen with the others."""
    found: dict[int, str] = {}
    for number, question in enumerate(questions, start=1):
        before, after = questions[: number - 1], questions[number:]
        for other in before:
            few, many = sorted((question, other), key=lambda q: q.type.arity_under(q.settings))
            if many.type.arity_under(many.settings)[0] > few.type.arity_under(few.settings)[1]:
                words = {
                    "many": many.heading,
                    "a": many.type.arity_under(many.settings)[0],
                    "few": few.heading,
                    "b": few.type.arity_under(few.settings)[1],
                }
                found.setdefault(
                    number,
                    _(
                        "These types cannot share a screen: “%(many)s” needs at least %(a)d responses, “%(few)s” "
                        "takes at most %(b)d."
                    )
                    % words,
                )
        if said := question.type.conflict(question.settings, before, after):
            found.setdefault(number, said)
    return found


def dump_protocol(questions: Sequence[Question]) -> list[dict[str, Any]]:
    """The inverse of `load_protocol`, with every setting spelled out."""
    return [
        {
            "key": q.key,
            "type": q.type.slug,
            "title": q.title,
            "required": q.required,
            "settings": q.settings.model_dump(mode="json"),
        }
        for q in questions
    ]


def arity(questions: Sequence[Question]) -> tuple[int, int]:
    """Fewest and most responses an item may have under all of these questions."""
    limits = [q.type.arity_under(q.settings) for q in questions]
    return max(fewest for fewest, _most in limits), min(most for _fewest, most in limits)


def asked_with(questions: Sequence[Question], consents: Collection[str]) -> tuple[Question, ...]:
    """The questions that may be asked of somebody who has given these consents (their slugs)."""
    return tuple(q for q in questions if not q.type.needs_consent or q.type.needs_consent in consents)


def shows_responses(questions: Sequence[Question]) -> bool:
    """Whether anything that is asked lets the labeler read the responses."""
    return any(q.type.shows_responses(q.settings) for q in questions)


def prefix(question: Question, target: int | None) -> str:
    """Form prefix of one target of one question: `better` or `grade-17`."""
    return question.key if target is None else f"{question.key}-{target}"


def forms(
    question: Question,
    screen: Screen,
    data: Mapping[str, Any] | None = None,
    initial: Mapping[str, Any] | None = None,
) -> list[AnswerForm]:
    """One form for each target, bound to `data` when given; `initial` maps full field names (with prefix) to values."""
    bound = []
    for target in question.type.targets(screen, question.settings):
        name = prefix(question, target)
        start = {
            k.removeprefix(f"{name}-"): v for k, v in (initial or {}).items() if k.startswith(f"{name}-")
        }
        bound.append(
            question.type.form_class(
                data,
                prefix=name,
                initial=start or None,
                screen=screen,
                settings=question.settings,
                target=target,
            )
        )
    return bound


def read_form(questions: Sequence[Question], screen: Screen, data: Mapping[str, Any]) -> list[Answer]:
    """Answers from what a browser posted. Raises InvalidPayload with the full field names as keys."""
    answers: list[Answer] = []
    errors: dict[str, list[str]] = {}
    for question in questions:
        said = False
        for form in forms(question, screen, data):
            name = prefix(question, form.target)
            if not form.is_valid():
                errors.update(
                    {
                        f"{name}-{field}" if field != "__all__" else name: [str(e) for e in es]
                        for field, es in form.errors.items()
                    }
                )
                said = True
                continue
            try:
                payload = question.type.parse(form.cleaned_data, screen, question.settings, form.target)
                if payload is None:
                    if question.required and question.type.target != "one":
                        errors[name] = [_("This question still needs an answer.")]
                        said = True
                    continue
                question.type.validate(payload, screen, question.settings, form.target)
            except InvalidPayload as error:
                errors.update(
                    {
                        f"{name}-{field}" if field != "__all__" else name: es
                        for field, es in error.errors.items()
                    }
                )
                said = True
                continue
            said = True
            answers.append(Answer(question.key, form.target, payload))
        if question.required and not said:
            errors[question.key] = [_("This question still needs an answer.")]
    errors |= _several(questions, answers)
    if errors:
        raise InvalidPayload(errors)
    return answers


def read_json(questions: Sequence[Question], screen: Screen, raw: Any) -> list[Answer]:
    """Answers from an API call: `[{"question": "better", "target": null, "payload": {...}}, ...]`, by the same
    rules as the form."""
    if not isinstance(raw, list):
        raise InvalidPayload({"answers": [_("Send a list of answers.")]})
    by_key = {q.key: q for q in questions}
    answers: list[Answer] = []
    errors: dict[str, list[str]] = {}
    seen: set[tuple[str, int | None]] = set()
    for number, entry in enumerate(raw):
        where = f"answers.{number}"
        if not isinstance(entry, Mapping) or set(entry) - {"question", "target", "payload"}:
            errors[where] = [_("An answer is an object with question, target and payload, and nothing else.")]
            continue
        question = by_key.get(str(entry.get("question")))
        if question is None:
            errors[f"{where}.question"] = [_("This campaign asks: %(keys)s.") % {"keys": ", ".join(by_key)}]
            continue
        target = entry.get("target")
        allowed = question.type.targets(screen, question.settings)
        if isinstance(target, bool) or target not in allowed:
            errors[f"{where}.target"] = [
                _("Answer about one of: %(targets)s.") % {"targets": ", ".join(map(str, allowed))}
            ]
            continue
        if (question.key, target) in seen:
            errors[where] = [_("This was answered twice; send one answer for each target.")]
            continue
        seen.add((question.key, target))
        if not isinstance(entry.get("payload"), Mapping):
            errors[f"{where}.payload"] = [_("A payload is an object.")]
            continue
        try:
            payload = question.type.load(entry["payload"])
            question.type.validate(payload, screen, question.settings, target)
        except InvalidPayload as error:
            errors.update({f"{where}.payload.{field}": es for field, es in error.errors.items()})
            continue
        answers.append(Answer(question.key, target, payload))
    for question in questions:
        if not question.required:
            continue
        targets = question.type.targets(screen, question.settings)
        answered = [t for t in targets if (question.key, t) in seen]
        if not answered or (question.type.target == "each" and len(answered) < len(targets)):
            errors.setdefault(question.key, [_("This question still needs an answer.")])
    errors |= _several(questions, answers)
    if errors:
        raise InvalidPayload(errors)
    return answers


def _several(questions: Sequence[Question], answers: Sequence[Answer]) -> dict[str, list[str]]:
    """Complaints about answers to more than one response where the labeler picks one."""
    return {
        question.key: [_("Answer about one response only, and take the others back.")]
        for question in questions
        if question.type.target == "one" and sum(answer.question == question.key for answer in answers) > 1
    }


def to_form_data(questions: Sequence[Question], screen: Screen, answers: Sequence[Answer]) -> dict[str, Any]:
    """Full form data for answers: the inverse of `read_form`, for undo, review and synthetic labelers."""
    by_key = {q.key: q for q in questions}
    data: dict[str, Any] = {}
    for answer in answers:
        question = by_key[answer.question]
        name = prefix(question, answer.target)
        for field, value in question.type.to_form(answer.payload, screen, question.settings).items():
            data[f"{name}-{field}"] = value
    return data
