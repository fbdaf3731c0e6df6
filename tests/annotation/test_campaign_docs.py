"""docs/campaigns.md says every rule of an import, every set of a replay, and the limits as they are in the code."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
from django.conf import settings

from annotation.campaigns.services import RANGES
from annotation.items import jsonl, mapping, staging, unpacking, updates
from annotation.items import services as item_services
from annotation.items.readers import csv_table
from annotation.people import services as people_services
from annotation.replay.sets import SETS

TEXT = (Path(settings.BASE_DIR) / "docs" / "campaigns.md").read_text(encoding="utf-8")
FLAT = re.sub(r"\s+", " ", TEXT)


def rules() -> set[str]:
    """Second arguments of RowError, third of `errors.add` and `_found`: what an import may find wrong with a row."""
    places = {"RowError": 1, "_found": 2, "add": 2}
    found = set()
    for module in (jsonl, item_services, staging, updates, mapping, csv_table):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in places and len(node.args) > places[name]:
                found |= {
                    text.value
                    for text in ast.walk(node.args[places[name]])
                    if isinstance(text, ast.Constant) and isinstance(text.value, str) and " " in text.value
                }
    found |= {"needs exactly %(n)d", "needs %(fewest)d to %(most)d"}  # put together before they are raised
    return found - {"unknown source"}  # of add_items, which programs call: a file cannot say it


def test_the_rules_are_read_from_the_code() -> None:
    assert {"duplicate key", "not a message", "the id %(id)s is in the file twice"} <= rules()
    assert len(rules()) > 20


@pytest.mark.parametrize("rule", sorted(rules()))
def test_every_rule_of_an_import_is_told(rule: str) -> None:
    pattern = re.sub(r"%\\?\(\w+\\?\)[sd]", r"\\S+(?: \\S+)*?", re.escape(rule))
    assert re.search(pattern, FLAT), rule


def test_every_set_is_told_with_its_questions() -> None:
    for name, real in SETS.items():
        (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{name}`")]
        assert real.files[0] in row
        assert all(question["type"] in row for question in real.protocol)


def test_limits_are_those_of_the_code() -> None:
    assert RANGES == {
        "overlap": (1, 100),
        "lease_s": (30, 7 * 24 * 3600),
        "hold_after": (0, 100),
        "gold_window": (1, 200),
        "practice_retries": (0, 20),
    }
    assert "how many labelers it takes (0 to 100, 1 by default" in FLAT
    assert "**Overlap** (1 to 100)" in TEXT and "(30 seconds to 7 days, 30 minutes by default)" in TEXT
    assert f"{unpacking.MAX_UNPACKED_BYTES // 1024**2} MB when unpacked" in TEXT
    assert f"grows more than {unpacking.MAX_RATIO} times" in TEXT
    assert f"first {jsonl.SHOWN_ERRORS} errors" in FLAT
    assert f"more than {jsonl.MAX_DIGITS} digits" in TEXT
    assert f"{people_services.MAX_INVITATION_USES:,}" in TEXT and f"1 to {people_services.MAX_DAYS}" in TEXT
