"""Model text: nothing runs, nothing is requested, nothing is lost."""

import html
import re
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.rendering import render, render_markdown
from annotation.rendering.markdown import MAX_CHARACTERS, visible_text
from tests.annotation.rendering.payloads import HOSTILE

ALLOWED_TAGS = set(
    "a blockquote br code del em h1 h2 h3 h4 h5 h6 hr li ol p pre s span strong table tbody td th thead tr ul math menclose "
    "mfrac mi mn mo mover mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover".split()
)
ALLOWED_ATTRIBUTES = {
    "class", "dir", "href", "rel", "target", "value", "start", "tabindex", "display", "stretchy", "fence", "separator",
    "accent", "movablelimits", "mathvariant", "columnalign", "linethickness", "notation",
}  # fmt: skip


def parsed(text: str) -> list[tuple[str, dict[str, str | None]]]:
    """Tags and attributes as a browser's parser would read them (html.parser here, Chromium in tests/browser)."""
    from html.parser import HTMLParser

    found: list[tuple[str, dict[str, str | None]]] = []

    class Collect(HTMLParser):
        def handle_starttag(self, tag, attributes):
            found.append((tag, dict(attributes)))

    Collect().feed(text)
    return found


@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_text_becomes_text(payload):
    for tag, attributes in parsed(str(render_markdown(payload))):
        assert tag in ALLOWED_TAGS
        assert set(attributes) <= ALLOWED_ATTRIBUTES
        assert re.match("https?:|mailto:", attributes.get("href") or "https:")
        assert attributes.get("target") in (None, "_blank")


@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_text_loses_no_letter(payload):
    shown = visible_text(str(render_markdown(payload)))
    written = re.sub(r"\\text\b", "", payload)  # the name of the command is shown by what it does
    assert not Counter(filter(str.isalnum, written)) - Counter(filter(str.isalnum, shown))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**2 + 2**", '<p dir="auto"><strong>2 + 2</strong></p>\n'),
        ("a\nb", '<p dir="auto">a<br>\nb</p>\n'),
        ("&copy; &lt;", '<p dir="auto">&amp;copy; &amp;lt;</p>\n'),
        ("<b>hi</b>", '<p dir="auto">&lt;b&gt;hi&lt;/b&gt;</p>\n'),
        ("7. x\n9. y", '<ol dir="auto">\n<li dir="auto" value="7">x</li>\n<li dir="auto" value="9">y</li>\n</ol>\n'),
        ("costs $5 and $6", '<p dir="auto">costs $5 and $6</p>\n'),
        ("[x]: http://a.b", '<p dir="auto">[x]: http://a.b</p>\n'),
        ("![i](http://a.b/c.png)", None),
    ],
)  # fmt: skip
def test_markdown(text, expected):
    rendered = str(render_markdown(text))
    if expected is None:
        assert "<img" not in rendered and "http://a.b/c.png" in visible_text(rendered)
    else:
        assert re.sub(r' start="\d+"', "", rendered) == re.sub(r' start="\d+"', "", expected)


def test_links_say_where_they_lead_and_open_elsewhere():
    rendered = str(render_markdown('[here](https://example.org/a?b=1 "more") and <https://plain.example>'))

    assert 'href="https://example.org/a?b=1"' in rendered
    assert rendered.count('rel="noopener noreferrer nofollow"') == 2
    assert '(https://example.org/a?b=1 "more")' in visible_text(rendered)
    assert visible_text(rendered).count("https://plain.example") == 1


def test_code_is_coloured_by_classes_and_keeps_every_character():
    code = "def f(x):\n\n\treturn '<b>' + x  # ok\n"
    rendered = str(render_markdown(f"```python\n{code}```"))

    assert '<span class="k">def</span>' in rendered and "style" not in rendered
    inside = re.search("<code>(.*)</code>", rendered, re.DOTALL)[1]
    assert html.unescape(re.sub("<[^>]*>", "", inside)) == code
    assert '<p class="code-language">python</p>' in rendered


@pytest.mark.parametrize("latex", ["$x^2$", r"\(x^2\)", "$$x^2$$", r"\[x^2\]"])
def test_formulas_become_mathml(latex):
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in str(render_markdown(f"so {latex} it is"))


@pytest.mark.parametrize(
    "latex",
    [
        r"\unknown{x}",
        r"\color{red}{y}",
        r"\frac{a",
        r"a % comment",
        r"\phantom{secret}",
        "{" * 500,
        r"\href{x}{y}",
    ],
)
def test_formulas_that_would_lose_something_stay_as_they_were_written(latex):
    rendered = str(render_markdown(f"so ${latex}$ it is"))
    assert "<math" not in rendered and latex in html.unescape(rendered)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (">" * 20_000 + "a", "loss"),  # the parser stops at its nesting limit and drops the rest
        ("\n".join(" " * 2 * i + f"- item{i}" for i in range(200)), "loss"),
        ("| a | b |\n|---|---|\n| 1 | 2 | lost |\n", "loss"),  # a cell too many is dropped by the table rule
        ("| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 20_000, "size"),
        ("*a _b " * 20_000, "size"),
        ("x" * (MAX_CHARACTERS + 1), "size"),
        ("[" * 50_000, "time"),
    ],
    ids=["nesting", "lists", "cells", "table", "emphasis", "length", "brackets"],
)
def test_what_cannot_be_shown_safely_is_shown_raw(text, reason):
    started = time.thread_time()
    rendered = render.__wrapped__(text)

    assert (rendered.is_raw, rendered.reason) == (True, reason)
    assert html.unescape(re.sub("</?pre[^>]*>", "", str(rendered.html))) == text
    assert time.thread_time() - started < 0.6  # a budget of 0.15 s, and room for a busy machine's slow clock


def test_budget_is_kept_by_ordinary_long_texts():
    long = "A sentence with **strong** words and `code`. " * 300
    # A sixth of the budget; a collection of this large process's garbage may fall into one of three, not into all.
    assert any(not render(long + "!" * n).is_raw for n in range(3))


def test_right_to_left_text_is_isolated_block_by_block():
    rendered = str(render_markdown("English\n\nعربي\n\n> עברית"))
    assert rendered.count('<p dir="auto">') == 3 and '<blockquote dir="auto">' in rendered


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab1é你😀 \n*_`~[]()<>!#-+.|\\$&;:\"'/>="), max_size=80))
def test_no_visible_character_is_ever_lost(text):
    shown = visible_text(str(render_markdown(text)))
    assert not Counter(c for c in text if c.isalnum() or c == "😀") - Counter(shown)


PIECES = [
    "<",
    ">",
    "script",
    "img src=x onerror=a",
    "](",
    "javascript:",
    "data:text/html,",
    '"',
    "'",
    "`",
    "```html\n",
]
PIECES += ["$", "\\(", "<svg/onload=a>", "hx-get=/", " ", "\n", "&#x6a;", "style="]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_no_mixture_makes_a_tag_of_its_own(pieces):
    for tag, attributes in parsed(str(render_markdown("".join(pieces)))):
        assert tag in ALLOWED_TAGS and set(attributes) <= ALLOWED_ATTRIBUTES
        assert re.match("https?:|mailto:", attributes.get("href") or "https:")
