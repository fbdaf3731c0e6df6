"""`manage.py check` refuses an incomplete type: one error for each thing that is missing, with what to do about it.

Only folders and class attributes are looked at, so that a check costs milliseconds; what the answers mean is held by the
contract suite (tests/feedback_types/test_contract.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from sys import modules
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.utils.functional import Promise

from feedback_types import registry
from feedback_types.base import (
    VIEWS,
    AnswerForm,
    Attributes,
    Example,
    FeedbackType,
    Payload,
    Settings,
    Target,
)

CATEGORIES = ("primary", "supplementary", "representation", "sft")

# Attribute of the class -> what it has to be.
DECLARED: dict[str, type | tuple[type, ...]] = {
    "slug": str,
    "label": (str, Promise),
    "description": (str, Promise),
    "version": int,
    "category": str,
    "attributes": Attributes,
    "reference": str,
    "target": Target,
    "arity": tuple,
}
CLASSES: dict[str, type] = {"payload_class": Payload, "settings_class": Settings, "form_class": AnswerForm}


@register("feedback_types")
def check_feedback_types(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    return [message for folder in registry.folders() for message in examine(folder)]


def examine(folder: str) -> list[CheckMessage]:
    """Everything that is missing from the type in this folder."""
    try:
        feedback_type: Any = registry.get(folder)
    except Exception as error:  # whatever a half-written folder raises is what the check has to tell
        return [
            _error(
                folder,
                1,
                f"cannot be imported: {error!r}",
                "Mend the import; see feedback_types/base.py for the contract.",
            )
        ]
    if not isinstance(feedback_type, FeedbackType):
        hint = "End the folder's __init__.py with `feedback_type = YourType()`."
        return [_error(folder, 2, "holds no FeedbackType", hint)]
    return [
        *_declarations(folder, feedback_type),
        *(_files(folder, feedback_type) if hasattr(feedback_type, "slug") else ()),
        *_examples(folder, feedback_type),
        *_settings(folder, feedback_type),
        *_consent(folder, feedback_type),
    ]


def _error(folder: str, number: int, problem: str, hint: str) -> Error:
    return Error(f"Feedback type {folder!r} {problem}.", hint=hint, id=f"feedback_types.E{number:03d}")


def _declarations(folder: str, feedback_type: FeedbackType) -> Iterator[CheckMessage]:
    for name, kind in DECLARED.items():
        value = getattr(feedback_type, name, None)
        if value is None or not isinstance(value, kind) or (isinstance(value, str) and not value.strip()):
            yield _error(
                folder,
                3,
                f"does not declare {name}",
                f"Set {name} on the class, as feedback_types/base.py describes it.",
            )
    for name, base in CLASSES.items():
        value = getattr(feedback_type, name, None)
        if not (isinstance(value, type) and issubclass(value, base)):
            yield _error(
                folder, 3, f"does not declare {name}", f"Set {name} to a subclass of {base.__name__}."
            )
    slug = getattr(feedback_type, "slug", folder)
    if slug != folder:
        yield _error(folder, 4, f"calls itself {slug!r}", "Folder and slug are the same name.")
    if getattr(feedback_type, "category", CATEGORIES[0]) not in CATEGORIES:
        yield _error(folder, 5, "has an unknown category", f"Choose one of: {', '.join(CATEGORIES)}.")
    if not _is_arity(getattr(feedback_type, "arity", (1, 1))):
        yield _error(folder, 6, "has no sensible arity", "Set arity to (fewest, most) responses, at least 1.")
    if getattr(feedback_type, "version", 1) < 1:
        yield _error(folder, 7, "has no sensible version", "Versions of the payload count from 1.")
    for view, loss in feedback_type.views.items():
        if view not in VIEWS or not str(loss).strip():
            hint = f"Views are {', '.join(VIEWS)}, each with a sentence that says what it loses."
            yield _error(folder, 8, f"has a view {view!r} that nobody can read", hint)


def _is_arity(arity: Any) -> bool:
    return (
        isinstance(arity, tuple)
        and len(arity) == 2
        and all(type(n) is int for n in arity)
        and 1 <= arity[0] <= arity[1]
    )


def _files(folder: str, feedback_type: FeedbackType) -> Iterator[CheckMessage]:
    for template in (feedback_type.template_name, feedback_type.summary_template_name):
        try:
            get_template(template)
        except TemplateDoesNotExist:
            yield _error(folder, 9, f"has no template {template}", f"Add it under {folder}/templates/.")
    home = Path(modules[type(feedback_type).__module__].__file__ or "").parent
    for name in ("widget.js", "widget.css"):
        if not (home / "static" / "feedback_types" / folder / name).is_file():
            hint = f"Add {folder}/static/feedback_types/{folder}/{name}."
            yield _error(folder, 10, f"has no {name}", hint)
    if find_spec(f"{type(feedback_type).__module__}.likelihood") is None and "likelihood" not in vars(
        type(feedback_type)
    ):
        hint = "Add likelihood.py, or write `likelihood = None` in the class if nothing is learned from it by a law."
        yield _error(folder, 11, "has no likelihood", hint)


def _examples(folder: str, feedback_type: FeedbackType) -> Iterator[CheckMessage]:
    for name in ("valid", "invalid"):
        examples = getattr(feedback_type, name, None)
        if (
            not isinstance(examples, Sequence)
            or not examples
            or not all(isinstance(e, Example) for e in examples)
        ):
            hint = f"Set {name} on the class: {name.upper()} in examples.py, at least one Example."
            yield _error(folder, 12, f"has no {name} examples", hint)


def _settings(folder: str, feedback_type: FeedbackType) -> Iterator[CheckMessage]:
    settings_class = getattr(feedback_type, "settings_class", Settings)
    for name, field in settings_class.model_fields.items():
        lacks = [part for part in ("title", "description") if not str(getattr(field, part) or "").strip()]
        if field.is_required():
            lacks.append("default")
        if lacks:
            hint = "The page of a campaign is made from the fields of Settings."
            yield _error(folder, 13, f"has a setting {name!r} without {' and '.join(lacks)}", hint)


def _consent(folder: str, feedback_type: FeedbackType) -> Iterator[CheckMessage]:
    for consent in feedback_type.consents:
        if not consent.slug.isidentifier() or consent.version < 1 or not consent.signals:
            hint = (
                "A consent has a name in small letters and _, a version from 1, and lists what is recorded."
            )
            yield _error(folder, 14, f"brings a consent {consent.slug!r} that nobody can give", hint)
    if feedback_type.needs_consent and feedback_type.needs_consent not in registry.consents():
        hint = (
            f"Bring its text in `consents`, or name one of: {', '.join(registry.consents()) or 'none yet'}."
        )
        yield _error(
            folder, 15, f"needs the consent {feedback_type.needs_consent!r}, which nobody brings", hint
        )
    if feedback_type.keeps_days is not None and "condensed" not in feedback_type.payload_class.model_fields:
        hint = "Give the payload a field `condensed: bool = False`, by which its old rows are told from new ones."
        yield _error(folder, 16, "keeps its detail for some days only, and cannot say so", hint)
