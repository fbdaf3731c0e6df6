"""Model text to HTML that a page can print as it is.

Three walls stand behind one another: the parser escapes raw HTML instead of passing it on, this module renders only
tokens it knows, and nh3 drops whatever is not on an explicit list (no img, no id, no style, classes only for code). What
is shown is what was written: where markdown would swallow a character (nesting too deep, a cell too many in a table,
LaTeX nobody can draw), the text is shown raw instead. The same when rendering would take longer than a page may wait.

    render_markdown("**2 + 2** is $4$")
    → '<p dir="auto"><strong>2 + 2</strong> is <math display="inline">…</math></p>'
"""

from __future__ import annotations

import html
import re
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES

from annotation.rendering.mathml import MATHML_ATTRIBUTES, MATHML_TAGS, to_mathml

BUDGET_S = 0.15  # CPU time of this thread
MAX_CHARACTERS = 60_000
# The table rule and the pairing of emphasis work through everything inside one call, where no clock is looked at.
MAX_TABLE_BARS = 4_000
MAX_EMPHASIS_MARKS = 5_000
MAX_CODE = 20_000
MAX_NESTING = 60

# Languages whose lexers are linear on hostile input as far as we know; others are shown without colour.
LEXERS = frozenset(
    """bash c c# c++ cpp csharp css diff docker dockerfile go html http ini java javascript js json jsx kotlin lua
    makefile markdown md php powershell py python py3 python3 r rb ruby rust rs scala sh shell sql swift toml ts tsx
    typescript xml yaml yml zsh""".split()
)

_BLOCKS = frozenset("blockquote h1 h2 h3 h4 h5 h6 li ol p pre table td th ul".split())
_INLINE = frozenset("a br code em hr s span strong tbody thead tr".split())
TAGS = set(_BLOCKS | _INLINE | MATHML_TAGS)
ATTRIBUTES: dict[str, set[str]] = {
    **{tag: {"dir"} for tag in _BLOCKS},
    "a": {"href", "target"},
    "li": {"value", "dir"},
    "ol": {"start", "dir"},
    "table": {"dir", "tabindex"},
    **MATHML_ATTRIBUTES,
}
CLASSES = {
    "span": {css for css in STANDARD_TYPES.values() if css} | {"url", "align-right"},
    "p": {"code-language"},
    "th": {"num"},
    "td": {"num"},
    "pre": {"raw"},
}


class Rendered(NamedTuple):
    html: SafeString
    is_raw: bool  # shown as plain text instead
    reason: str  # why: "" (rendered), "size", "time" or "loss"


def render_markdown(text: str) -> SafeString:
    """Safe HTML for a text that nobody vouches for."""
    return render(text).html


@lru_cache(maxsize=1024)
def render(text: str) -> Rendered:
    """Texts never change, so neither does their HTML: rendered once in each process."""
    marks = sum(map(text.count, "*_~"))
    if len(text) > MAX_CHARACTERS or text.count("|") > MAX_TABLE_BARS or marks > MAX_EMPHASIS_MARKS:
        return _raw(text, "size")
    env: dict[str, Any] = {"deadline": time.thread_time() + BUDGET_S, "credit": Counter()}
    try:
        rendered = nh3.clean(
            _parser().render(text, env),
            tags=TAGS,
            attributes=ATTRIBUTES,
            allowed_classes=CLASSES,
            url_schemes={"http", "https", "mailto"},
            link_rel="noopener noreferrer nofollow",
            strip_comments=True,
        )
    except _OutOfTime:
        return _raw(text, "time")
    except RecursionError:
        return _raw(text, "size")
    if _weight(text) - (_weight(visible_text(rendered)) + env["credit"]):
        return _raw(text, "loss")
    return Rendered(mark_safe(rendered), False, "")


def visible_text(rendered: str) -> str:
    """What a reader sees of our own HTML, list numbers included."""
    numbered = re.sub(r'<li\b[^>]*\bvalue="(\d+)"[^>]*>', r"\1 ", rendered)
    return html.unescape(re.sub(r"<[^>]*>", " ", numbered))


def _weight(text: str) -> Counter[str]:
    """Every character that markdown may not swallow: all but white space and ASCII punctuation."""
    return Counter(c for c in text if (c.isalnum() or ord(c) > 127) and not c.isspace())


def _raw(text: str, reason: str) -> Rendered:
    return Rendered(mark_safe(f'<pre class="raw" dir="auto">{html.escape(text)}</pre>'), True, reason)


class _OutOfTime(Exception):
    """Rendering took longer than BUDGET_S."""


# --- The parser ------------------------------------------------------------------------------------------------------


@cache
def _parser() -> MarkdownIt:
    md = MarkdownIt(
        "commonmark", {"html": False, "linkify": False, "breaks": True, "maxNesting": MAX_NESTING}
    )
    md.enable(["table", "strikethrough"])
    # Link definitions and entities would vanish or turn into something that was not written; images would be requests.
    md.disable(["reference", "entity", "html_block", "html_inline", "image"])
    dollarmath_plugin(
        md,
        allow_labels=False,
        allow_space=False,
        allow_digits=False,
        allow_blank_lines=False,
        double_inline=True,
    )
    md.inline.ruler.before("escape", "math_brackets", _bracket_math)
    md.inline.ruler.before("text", "deadline", _inline_deadline)
    md.block.ruler.before(
        "table", "deadline", _block_deadline, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    md.validateLink = _is_web_link  # type: ignore[method-assign]
    for kind in (
        "paragraph",
        "heading",
        "blockquote",
        "list_item",
        "bullet_list",
        "ordered_list",
        "th",
        "td",
        "table",
    ):
        md.add_render_rule(f"{kind}_open", _open_block)
    md.add_render_rule("math_inline", _math_inline)
    for kind in ("math_inline_double", "math_block"):
        md.add_render_rule(kind, _math_display)
    md.add_render_rule("fence", _fence)
    md.add_render_rule("code_block", _code_block)
    md.add_render_rule("link_open", _link_open)
    md.add_render_rule("link_close", _link_close)
    return md


_BRACKETS = re.compile(r"\\\((.{1,2000}?)\\\)|\\\[(.{1,2000}?)\\\]", re.DOTALL)


def _bracket_math(state: StateInline, silent: bool) -> bool:
    r"""\( … \) within a line and \[ … \] on lines of its own."""
    found = _BRACKETS.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        token = state.push("math_inline" if found[1] is not None else "math_inline_double", "math", 0)
        token.content = found[1] if found[1] is not None else found[2]
        token.markup = found[0][:2]
    state.pos = found.end()
    return True


def _is_web_link(url: str) -> bool:
    return url.strip().lower().startswith(("http://", "https://", "mailto:"))


def _inline_deadline(state: StateInline, silent: bool) -> bool:
    _look_at_the_clock(state.env)
    return False


def _block_deadline(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    _look_at_the_clock(state.env)
    return False


def _look_at_the_clock(env: Any) -> None:
    env["ticks"] = env.get("ticks", 0) + 1
    if env["ticks"] % 64 == 0 and time.thread_time() > env["deadline"]:
        raise _OutOfTime


def _open_block(self: RendererHTML, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    """Direction by the text itself, for each block; numbers of a list as they were written."""
    token = tokens[i]
    if str(token.attrGet("style") or "") in ("text-align:right", "text-align:center"):
        token.attrJoin("class", "num")
    token.attrs.pop("style", None)
    token.attrSet("dir", "auto")
    if token.type == "table_open":
        token.attrSet("tabindex", "0")  # a wide one scrolls, and must do so by keyboard too
    if token.type == "list_item_open" and token.info:
        token.attrSet("value", token.info)
    return self.renderToken(tokens, i, options, env)


def _math_inline(self: RendererHTML, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    return _math(tokens[i], "inline", env)


def _math_display(self: RendererHTML, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    return _math(tokens[i], "block", env)


_CLOSING = {"\\(": "\\)", "\\[": "\\]"}


def _math(token: Token, display: str, env: Any) -> str:
    latex = token.content
    drawn = to_mathml(latex, display)
    if drawn is None:
        return f"<code>{html.escape(token.markup + latex + _CLOSING.get(token.markup, token.markup))}</code>"
    env["credit"] += _weight(latex) - _weight(visible_text(drawn))  # \frac is shown by its bar
    return drawn


def _fence(self: RendererHTML, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    token = tokens[i]
    info = token.info.strip()
    name = f'<p class="code-language">{html.escape(info)}</p>' if info else ""
    return f'{name}<pre dir="ltr"><code>{_coloured(token.content, info)}</code></pre>\n'


def _code_block(self: RendererHTML, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    return f'<pre dir="ltr"><code>{html.escape(tokens[i].content)}</code></pre>\n'


def _coloured(code: str, info: str) -> str:
    language = info.split()[0].lower() if info else ""
    if language not in LEXERS or len(code) > MAX_CODE:
        return html.escape(code)
    return highlight(code, _lexer(language), _FORMATTER)


_FORMATTER = HtmlFormatter(nowrap=True)


@cache
def _lexer(language: str) -> Any:
    return get_lexer_by_name(language, stripnl=False, ensurenl=False)


def _link_open(self: RendererHTML, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    tokens[i].attrSet("target", "_blank")
    title = tokens[i].attrs.pop("title", "")
    env.setdefault("links", []).append((str(tokens[i].attrGet("href") or ""), str(title), i))
    return self.renderToken(tokens, i, options, env)


def _link_close(self: RendererHTML, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    """Where a link leads is part of the text: nobody should have to hover to judge it."""
    href, title, start = env["links"].pop()
    shown = "".join(t.content for t in tokens[start + 1 : i])
    address = _parser().normalizeLinkText(href)
    parts = [] if address in (shown, f"mailto:{shown}") else [address]
    parts += [f'"{title}"'] if title else []
    return f"</a> <span class=url>({html.escape(' '.join(parts))})</span>" if parts else "</a>"
