"""`manage.py check` names what a half-written type lacks; a type may live outside the repository.

A copy of `comparison` under another name is broken in one way at a time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.test import override_settings

import feedback_types
from feedback_types import checks, registry

HOME = Path(feedback_types.__file__).parent


def forget(slug: str) -> None:
    registry.get.cache_clear()
    registry._load.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[:2] == ["feedback_types", slug]]:
        del sys.modules[name]
    if hasattr(feedback_types, slug):
        delattr(feedback_types, slug)


def copy_comparison(home: Path, slug: str = "mini") -> Path:
    """The folder of `comparison` as a type of another name."""
    folder = home / slug
    shutil.copytree(HOME / "comparison", folder, ignore=shutil.ignore_patterns("__pycache__"))
    for kind in ("templates", "static"):
        inside = folder / kind / "feedback_types"
        (inside / "comparison").rename(inside / slug)
    for file in folder.glob("*.py"):
        text = file.read_text().replace("feedback_types.comparison", f"feedback_types.{slug}")
        file.write_text(text.replace('slug = "comparison"', f'slug = "{slug}"'))
    return folder


@pytest.fixture
def mini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = copy_comparison(tmp_path)
    monkeypatch.setattr(feedback_types, "__path__", [*feedback_types.__path__, str(tmp_path)])
    templates = [{**settings.TEMPLATES[0], "DIRS": [*settings.TEMPLATES[0]["DIRS"], folder / "templates"]}]
    forget("mini")
    with override_settings(TEMPLATES=templates):
        yield folder
    forget("mini")


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return change


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def nothing(folder: Path) -> None:
    """The copy as it is."""


BREAKS = [
    (nothing, []),
    (edit("__init__.py", "import numpy as np", "import no_such_module"), ["E001"]),
    (
        edit("schema.py", "class ComparisonSettings(Settings):", "class ComparisonSettings(Settings:"),
        ["E001"],
    ),
    (edit("__init__.py", "    def distance(", "    def farness("), ["E001"]),  # abstract methods are missing
    (edit("__init__.py", "feedback_type = Comparison()", "feedback_type = Comparison"), ["E002"]),
    (
        edit(
            "__init__.py",
            '    reference = "Akrour et al. (2011); Christiano et al. (2017), arXiv 1706.03741"\n',
            "",
        ),
        ["E003"],
    ),
    (edit("__init__.py", "    form_class = form.ComparisonForm", "    form_class = dict"), ["E003"]),
    (edit("__init__.py", '    slug = "mini"\n', ""), ["E003"]),
    (edit("__init__.py", 'slug = "mini"', 'slug = "maxi"'), ["E004", "E009"]),
    (edit("__init__.py", 'category = "primary"', 'category = "first"'), ["E005"]),
    (edit("__init__.py", "arity = (2, MOST)", "arity = (9, 2)"), ["E006"]),
    (edit("__init__.py", "version = 1", "version = 0"), ["E007"]),
    (edit("__init__.py", '"unpaired": gettext_lazy(', '"pairs": gettext_lazy('), ["E008"]),
    (remove("templates/feedback_types/mini/widget.html"), ["E009"]),
    (remove("static/feedback_types/mini/widget.js"), ["E010"]),
    (remove("static/feedback_types/mini/widget.css"), ["E010"]),
    (remove("likelihood.py"), ["E011"]),
    (edit("__init__.py", "    invalid = INVALID\n", ""), ["E012"]),
    (edit("__init__.py", "    valid = VALID\n", "    valid = ()\n"), ["E012"]),
    (edit("schema.py", 'title=gettext_lazy("Aspect"),', ""), ["E013"]),
]


@pytest.mark.parametrize(("change", "codes"), BREAKS)
def test_each_missing_thing_is_one_error(
    mini: Path, change: Callable[[Path], None], codes: list[str]
) -> None:
    change(mini)
    found = checks.examine("mini")
    assert sorted({str(message.id).removeprefix("feedback_types.") for message in found}) == codes
    assert all("'mini'" in message.msg and message.hint for message in found)


def test_a_type_without_a_law_says_so(mini: Path) -> None:
    remove("likelihood.py")(mini)
    edit("__init__.py", "    valid = VALID\n", "    valid = VALID\n    likelihood = None\n")(mini)
    assert checks.examine("mini") == []
    assert registry.get("mini").likelihood is None


def test_manage_py_check_runs_it(mini: Path) -> None:
    assert run_checks(tags=["feedback_types"]) == []
    remove("static/feedback_types/mini/widget.js")(mini)
    assert [message.id for message in run_checks(tags=["feedback_types"])] == ["feedback_types.E010"]


def test_the_registry_lists_folders(mini: Path) -> None:
    (mini.parent / "notes").mkdir()  # no type: neither __init__.py nor schema.py
    assert "mini" in registry.folders() and "notes" not in registry.folders()
    assert ("mini", "Comparison") in registry.choices()
    assert [t.slug for t in registry.all_types()] == registry.folders()
    with pytest.raises(registry.UnknownType, match=r"there are: .*mini"):
        registry.get("no_such_type")


def test_a_type_may_live_elsewhere(tmp_path: Path) -> None:
    """WHETSTONE_TYPES_PATH: found, complete, with template and static files, in a process of its own and without torch."""
    copy_comparison(tmp_path / "types")
    program = """
import sys, django
django.setup()
from django.contrib.staticfiles import finders
from django.template.loader import get_template
from feedback_types import checks, protocol, registry
assert checks.examine("mini") == [], checks.examine("mini")
assert get_template("feedback_types/mini/widget.html") and finders.find("feedback_types/mini/widget.js")
(question,) = protocol.load_protocol([{"key": "better", "type": "mini", "settings": {"ties": False}}])
assert question.type.slug == "mini" and not question.settings.ties
assert "torch" not in sys.modules
print("found")
"""
    environment = {**os.environ, "WHETSTONE_TYPES_PATH": str(tmp_path / "types")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment,
        cwd=HOME.parent,
        timeout=120,
    )
    assert done.stdout.strip() == "found", done.stderr
