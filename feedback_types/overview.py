"""The table of all feedback types, as they declare it: nothing in it was typed by hand.

    python -m feedback_types.overview

prints it in markdown: the survey's attributes, what one answer is about, how many responses, the keys that a practised
person needs for the type's example (`Example.pressed`, which a real browser presses in tests/browser/test_every_type.py),
the seconds it is assumed to take, and the views it exports.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import django
from django.conf import settings as django_settings

from feedback_types import registry
from feedback_types.base import Example, FeedbackType, Target

COLUMNS = (
    "type", "class", "granularity", "involvement", "arity", "abstraction", "intent", "explicitness",
    "an answer is about", "responses", "keys", "seconds", "views",
)  # fmt: skip
ABOUT = {Target.SET: "all responses", Target.EACH: "each response", Target.ONE: "one response"}


def main() -> None:
    if not django_settings.configured:
        django_settings.configure(USE_I18N=False)
        django.setup()
    sys.stdout.writelines(f"{line}\n" for line in table())


def table() -> Iterator[str]:
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|{'---|' * len(COLUMNS)}"
    for feedback_type in registry.all_types():
        yield f"| {' | '.join(row(feedback_type))} |"


def row(feedback_type: FeedbackType) -> list[str]:
    a, (fewest, most) = feedback_type.attributes, feedback_type.arity
    shown = example(feedback_type)
    presses, typed = keys(shown)
    seconds = feedback_type.seconds(shown.screen, feedback_type.settings(shown.settings))
    return [
        feedback_type.slug,
        feedback_type.category,
        a.granularity, a.involvement, a.arity, a.abstraction, a.intent, a.explicitness,
        ABOUT[feedback_type.target],
        str(fewest) if fewest == most else f"{fewest}–{most}",
        f"{presses} and {typed} typed" if typed else str(presses),
        f"{seconds:g} for {len(shown.screen.responses)}",
        ", ".join(feedback_type.views) or "–",
    ]  # fmt: skip


def example(feedback_type: FeedbackType) -> Example:
    """The example that stands for the type: the first that says which keys give it, with its own settings if need be."""
    pressed = [e for e in feedback_type.valid if e.pressed]
    plain = [e for e in pressed if not e.settings]
    return (plain or pressed or feedback_type.valid)[0]


def keys(shown: Example) -> tuple[int, int]:
    """(keys pressed, characters written) for one target, without the key that sends, which is the same for every type."""
    written = sum(len(key.removeprefix("type:")) for key in shown.pressed if key.startswith("type:"))
    return sum(not key.startswith("type:") for key in shown.pressed), written


if __name__ == "__main__":
    main()
