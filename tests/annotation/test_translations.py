"""Every text of the project in Simplified Chinese: in the catalog, translated, with its placeholders, compiled."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.template import engines
from django.utils.translation import override
from django.utils.translation.template import templatize

BASE = Path(settings.BASE_DIR)
HOMES = [
    Path(home) / "zh_Hans" / "LC_MESSAGES" for home in settings.LOCALE_PATHS
]  # the site's, and those of types
SOURCES = ("annotation", "feedback_types", "training_bridge", "templates")
DOMAINS = ("django", "djangojs")
CATALOGS = [
    home / f"{domain}.po" for home in HOMES for domain in DOMAINS if (home / f"{domain}.po").is_file()
]
of_catalogs = pytest.mark.parametrize("catalog", CATALOGS, ids=lambda c: str(c.relative_to(BASE)))
SINGULAR = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy"}
WITH_CONTEXT = {"pgettext", "pgettext_lazy", "npgettext", "npgettext_lazy"}
LITERAL = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
PLACEHOLDER = re.compile(r"%\(\w+\)[-+ #0-9.]*[a-z]|%%|</?\w+>")

Key = tuple[str, str]  # context ("" without), text


@dataclass(frozen=True)
class Entry:
    """One text of a .po file."""

    context: str
    text: str
    plural: str
    said: str
    is_fuzzy: bool


def entries(catalog: Path) -> list[Entry]:
    """
    #: annotation/views/items.py:25
    #, python-format
    msgid "%(n)d updated."
    msgstr "已更新 %(n)d 个。"
    """
    found = []
    for block in catalog.read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.splitlines() if line]
        flags = " ".join(line for line in lines if line.startswith("#,"))
        fields: dict[str, str] = {}
        name = ""
        for line in lines:
            if line.startswith("#"):
                continue
            if not line.startswith('"'):
                name, line = line.split(" ", 1)
            fields[name] = fields.get(name, "") + ast.literal_eval(line)
        if fields.get("msgid"):  # the first block is the header
            said = fields.get("msgstr", fields.get("msgstr[0]", ""))
            found.append(
                Entry(
                    fields.get("msgctxt", ""),
                    fields["msgid"],
                    fields.get("msgid_plural", ""),
                    said,
                    "fuzzy" in flags,
                )
            )
    return found


def files(suffix: str) -> Iterator[Path]:
    for folder in SOURCES:
        yield from sorted((BASE / folder).rglob(f"*{suffix}"))


def in_python(source: str) -> Iterator[Key]:
    """The literal texts of calls of gettext and its kin."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if node.func.id in SINGULAR and texts:
            yield "", texts[0]
        elif node.func.id in WITH_CONTEXT and len(texts) > 1:
            yield texts[0], texts[1]


def in_template(source: str) -> Iterator[Key]:
    """Django itself turns a template into calls of gettext; the rest of the template becomes X."""
    call = re.compile(rf"\b(_|n?gettext|n?pgettext)\(u?({LITERAL})(?:, ?u?({LITERAL}))?")
    for name, first, second in call.findall(templatize(source)):
        texts = [ast.literal_eval(text) for text in (first, second) if text]
        yield (texts[0], texts[1]) if name in WITH_CONTEXT else ("", texts[0])


def in_script(source: str) -> Iterator[Key]:
    for literal in re.findall(rf"\bn?gettext\(\s*({LITERAL})", source):
        yield "", ast.literal_eval(literal)


def test_the_finders_find() -> None:
    """Each on a text of its own, or the next test might pass because nothing was found."""
    assert set(in_python('_("a" "b"), x(f"c"), pgettext("k", "d"), ngettext("1", "2", n)')) == {
        ("", "ab"),
        ("k", "d"),
        ("", "1"),
    }
    template = (
        '{% translate "e (f)" %}{% translate "g" context "h" %}'
        "{% blocktranslate count n=n %}{{ n }} i{% plural %}{{ n }} is{% endblocktranslate %}"
    )
    assert set(in_template("{% load i18n %}" + template)) == {("", "e (f)"), ("h", "g"), ("", "%(n)s i")}
    assert set(in_script('gettext("j"); question.gettext(\'k\'); ngettext("l", "ls", n)')) == {
        ("", "j"),
        ("", "k"),
        ("", "l"),
    }


def test_every_text_of_the_project_is_in_the_catalog() -> None:
    """After a new text: manage.py makemessages -l zh_Hans (and -d djangojs), translate, compile."""
    said: set[Key] = set()
    for finder, suffix in ((in_python, ".py"), (in_template, ".html"), (in_template, ".txt")):
        for file in files(suffix):
            said.update(finder(file.read_text(encoding="utf-8")))
    scripts = {key for file in files(".js") for key in in_script(file.read_text(encoding="utf-8"))}
    assert len(said) > 1000 and len(scripts) > 40
    assert said - known("django") == set()
    assert scripts - known("djangojs") == set()


def known(domain: str) -> set[Key]:
    return {(e.context, e.text) for c in CATALOGS if c.stem == domain for e in entries(c)}


@of_catalogs
def test_everything_is_translated_and_nothing_is_guessed(catalog: Path) -> None:
    found = entries(catalog)
    assert found
    assert [e.text for e in found if not e.said.strip()] == []
    assert [e.text for e in found if e.is_fuzzy] == []


@of_catalogs
def test_placeholders_and_tags_are_the_same(catalog: Path) -> None:
    """Chinese has one form for every number, so a plural's translation carries the placeholders of the plural."""
    wrong = [
        (e.text, e.said)
        for e in entries(catalog)
        if sorted(PLACEHOLDER.findall(e.plural or e.text)) != sorted(PLACEHOLDER.findall(e.said))
    ]
    assert wrong == []


@of_catalogs
def test_the_compiled_catalog_says_the_same(catalog: Path) -> None:
    with open(catalog.with_suffix(".mo"), "rb") as file:
        compiled = gettext.GNUTranslations(file)
    for e in entries(catalog):
        if e.plural:
            assert compiled.ngettext(e.text, e.plural, 2) == e.said
        else:
            assert (compiled.pgettext(e.context, e.text) if e.context else compiled.gettext(e.text)) == e.said


def test_a_page_speaks_chinese() -> None:
    template = engines["django"].from_string('{% load i18n %}{% translate "Reward model" %}')
    with override("zh-hans"):
        assert template.render() == "奖励模型"
