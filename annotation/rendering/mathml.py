r"""LaTeX to MathML, which browsers draw by themselves: no script, no font from elsewhere.

to_mathml(r"\frac{1}{2}", "inline")  →  '<math display="inline"><mrow><mfrac>…</mfrac></mrow></math>'
"""

from __future__ import annotations

import html
import re
from collections import Counter
from functools import lru_cache
from xml.etree.ElementTree import Element, tostring

from latex2mathml.converter import convert_to_element
from latex2mathml.exceptions import (
    DenominatorNotFoundError,
    DoubleSubscriptsError,
    DoubleSuperscriptsError,
    ExtraLeftOrMissingRightError,
    InvalidAlignmentError,
    InvalidStyleForGenfracError,
    InvalidWidthError,
    LimitsMustFollowMathOperatorError,
    MissingEndError,
    MissingSuperScriptOrSubscriptError,
    NoAvailableTokensError,
    NumeratorNotFoundError,
)

MAX_LATEX = 2_000
MAX_DEPTH = 40

MATHML_TAGS = frozenset(
    """math menclose mfrac mi mn mo mover mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder
    munderover""".split()
)
CHILDREN = {
    "mfrac": 2,
    "mroot": 2,
    "msub": 2,
    "msup": 2,
    "msubsup": 3,
    "mover": 2,
    "munder": 2,
    "munderover": 3,
}
MATHML_ATTRIBUTES: dict[str, set[str]] = {
    "math": {"display", "tabindex"},
    "mo": {"stretchy", "fence", "separator", "accent", "movablelimits"},
    "mi": {"mathvariant"},
    "mn": {"mathvariant"},
    "mtable": {"columnalign"},
    "mfrac": {"linethickness"},
    "menclose": {"notation"},
}
_REFUSED = (
    DenominatorNotFoundError,
    DoubleSubscriptsError,
    DoubleSuperscriptsError,
    ExtraLeftOrMissingRightError,
    InvalidAlignmentError,
    InvalidStyleForGenfracError,
    InvalidWidthError,
    LimitsMustFollowMathOperatorError,
    MissingEndError,
    MissingSuperScriptOrSubscriptError,
    NoAvailableTokensError,
    NumeratorNotFoundError,
    RecursionError,
    # What the converter lets through on input that no LaTeX compiler would take either:
    AttributeError,
    IndexError,
    KeyError,
    StopIteration,
    TypeError,
    ValueError,
)


@lru_cache(maxsize=1024)
def to_mathml(latex: str, display: str) -> str | None:
    """MathML for one formula; None when it cannot be drawn without losing a letter or digit of it.

    Args:
        latex: what stands between the delimiters.
        display: "inline" or "block".
    """
    if len(latex) > MAX_LATEX or _depth(latex) > MAX_DEPTH:
        return None
    try:
        tree = convert_to_element(latex, display=display)
    except _REFUSED:
        return None
    tree.attrib.pop("xmlns", None)
    if display == "block":
        tree.set("tabindex", "0")  # a long one scrolls, and must do so by keyboard too
    for element in tree.iter():
        if element.tag not in MATHML_TAGS or (element.text or "").startswith("\\"):
            return None  # an unknown command, or something that hides its content
        if len(element) != CHILDREN.get(element.tag, len(element)):
            return None  # half a fraction
        element.attrib = {
            k: v for k, v in element.attrib.items() if k in MATHML_ATTRIBUTES.get(element.tag, ())
        }
        element.text = html.unescape(element.text) if element.text else None
        element.tail = html.unescape(element.tail) if element.tail else None
    if _letters(_without_commands(latex)) - _letters("".join(tree.itertext())):
        return None
    return _serialise(tree)


def _serialise(tree: Element) -> str:
    return tostring(tree, encoding="unicode", short_empty_elements=False)


def _without_commands(latex: str) -> str:
    return re.sub(
        r"\\(?:begin|end)\{[a-zA-Z]+\*?\}(?:\{[lcr|]*\})?|\\(?:left|right)\b|\\[a-zA-Z]+", " ", latex
    )


def _letters(text: str) -> Counter[str]:
    return Counter(c for c in text if c.isalnum())


def _depth(latex: str) -> int:
    depth = deepest = 0
    for c in latex:
        depth += (c == "{") - (c == "}")
        deepest = max(deepest, depth)
    return deepest
