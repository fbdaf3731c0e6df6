"""The table of all types."""

from __future__ import annotations

import subprocess
import sys

import pytest

from feedback_types import overview, registry
from feedback_types.base import Example, Screen


def test_the_command_prints_a_row_for_each_type():
    done = subprocess.run(
        [sys.executable, "-m", "feedback_types.overview"], capture_output=True, text=True, check=True
    )
    head, rule, *rows = done.stdout.splitlines()
    width = len(overview.COLUMNS)
    assert head.count(" | ") == width - 1 and rule.count("---") == width
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == registry.folders()
    assert all(len(row.split(" | ")) == width for row in rows)


def test_a_row_says_what_the_type_declares():
    row = dict(zip(overview.COLUMNS, overview.row(registry.get("comparison")), strict=True))
    assert row == {
        "type": "comparison",
        "class": "primary",
        "granularity": "-",
        "involvement": "Observed",
        "arity": "Multiple",
        "abstraction": "-",
        "intent": "Evaluative",
        "explicitness": "Explicit",
        "an answer is about": "all responses",
        "responses": "2–9",
        "keys": "2",  # the left one, clearly better: the arrow twice
        "seconds": "5 for 2",
        "views": "preference, unpaired",
    }


@pytest.mark.parametrize(
    ("pressed", "count"),
    [
        (["6"], (1, 0)),
        (["e", "type:so 👍", "Control+Enter", "y"], (3, 4)),
        ([], (0, 0)),
        (["type:", "y"], (1, 0)),
    ],
)
def test_keys_and_characters_are_counted_apart(pressed, count):
    assert overview.keys(Example(Screen((), ()), {}, pressed=pressed)) == count


def test_the_example_with_the_usual_settings_stands_for_the_type():
    shown = overview.example(registry.get("comparison"))
    assert shown.pressed and not shown.settings
