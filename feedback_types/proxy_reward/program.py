"""A reward program: one expression over the features of a text, in a language in which nothing dangerous can be said.

    >>> Program("2 * questions - words / 100 + (3 if has('because') else 0)").score("Why? Because.")
    4.98

Numbers, the features by name (`features.py`, as counted), + - * / // % **, comparisons, `and or not`, `a if b else c`, and
the functions `min max abs sqrt log round`, `count("phrase")`, `has("phrase")`, `starts("…")`, `ends("…")`. No attributes,
no indexing, no loops, no lists, no assignments. Text stands only inside the parentheses of the last four; everything else
is a 64-bit float, so `9**9**9` is an error in words and no amount of work, and no text ever grows.

The evaluator is simpleeval (MIT), which walks Python's own syntax tree and knows only what it is told. What is switched off
here cannot be reached: attributes, subscripts, formatted strings, its operators on text. A program is bounded in length, in
nodes and in depth before it runs, and in time while it runs.
"""

from __future__ import annotations

import ast
import hashlib
import math
import operator
import time
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any

from django.utils.translation import gettext as _
from simpleeval import FeatureNotAvailable, InvalidExpression, SimpleEval

from feedback_types.proxy_reward.features import FEATURE_SETS, READ, VERSION, counts, occurrences

LONGEST = 1000  # characters
MOST_NODES = 300
DEEPEST = 30
LONGEST_PHRASE = 100
LIMIT_S = 1.0  # for one text
DIGITS = 9  # scores are rounded to so many, so that equal ones are ties


class ProgramError(ValueError):
    """A program that cannot be used, in the words of whoever wrote it."""


class Program:
    """A program that was read and is allowed.

    Raises: ProgramError when it is too long, too deep, or says something that is not in the language.
    """

    def __init__(self, source: str, version: int = VERSION):
        self.source = normalised(source)
        self.version = version
        self.tree = _parse(self.source)
        _check(self.source, self.tree, FEATURE_SETS[version])

    @cached_property
    def sha(self) -> str:
        return sha_of(self.source)

    def score(self, text: str) -> float:
        """The reward of a text. Raises ProgramError when there is none (a division by zero, say, or a number too large)."""
        try:
            found = _Evaluator(text, self.version).run(self.tree)
        except ProgramError:
            raise
        except ZeroDivisionError:
            raise ProgramError(
                _("It divides by zero for some text; add a small number below the line.")
            ) from None
        except (OverflowError, RecursionError, MemoryError):
            raise ProgramError(_("A number becomes too large.")) from None
        except (InvalidExpression, ValueError, TypeError, ArithmeticError) as error:
            raise ProgramError(
                _("It has no value for some text: %(problem)s.") % {"problem": str(error)[:200].rstrip(".")}
            ) from None
        return round(_number(found), DIGITS) + 0.0  # no minus zero


def normalised(source: str) -> str:
    """The text that is stored and hashed: line ends are spaces, nothing at the ends."""
    return source.replace("\r\n", "\n").replace("\r", "\n").replace("\n", " ").strip()


def sha_of(source: str) -> str:
    return hashlib.sha256(normalised(source).encode()).hexdigest()


@lru_cache(maxsize=64)
def compiled(source: str, version: int = VERSION) -> Program:
    """The same program, read once. Raises ProgramError."""
    return Program(source, version)


# --- Reading ---------------------------------------------------------------------------------------------------------


def _parse(source: str) -> ast.expr:
    if not source:
        raise ProgramError(_("Write a program."))
    if len(source) > LONGEST:
        raise ProgramError(
            _("It has %(n)d characters; use at most %(most)d.") % {"n": len(source), "most": LONGEST}
        )
    try:
        return ast.parse(source, mode="eval").body
    except SyntaxError as error:
        raise ProgramError(
            _("It cannot be read at character %(place)d: %(problem)s.")
            % {"place": error.offset or 1, "problem": error.msg}
        ) from None
    except (RecursionError, MemoryError, ValueError):
        raise ProgramError(_("It is nested too deeply; write it flatter.")) from None


def _check(source: str, tree: ast.expr, features: Mapping[str, Any]) -> None:
    """Everything that can be known before a text is seen, so that the error comes while the program is written."""
    waiting: list[tuple[ast.AST, int, ast.expr]] = [(tree, 1, tree)]
    nodes = 0
    while waiting:
        node, depth, parent = waiting.pop()
        nodes += 1
        if nodes > MOST_NODES or depth > DEEPEST:
            raise ProgramError(_("It is too long or nested too deeply; write it simpler."))
        if isinstance(node, ast.Call):
            _check_call(node)
            if node.func.id not in OF_TEXT:  # type: ignore[attr-defined]  # _check_call has looked
                waiting += [(argument, depth + 1, argument) for argument in node.args]
            continue
        if isinstance(node, ast.Name) and node.id not in features:
            raise ProgramError(
                _("“%(name)s” is not a feature; there are: %(known)s.")
                % {"name": node.id[:40], "known": ", ".join(features)}
            )
        if isinstance(node, ast.Constant):
            if isinstance(node.value, (str, bytes)):
                raise ProgramError(_("Text stands only inside count, has, starts and ends."))
            _number(node.value)
        elif not isinstance(node, ALLOWED):
            said = ast.get_source_segment(source, node if isinstance(node, ast.expr) else parent) or "?"
            raise ProgramError(_("“%(what)s” is not part of the language.") % {"what": said[:40]})
        inside = node if isinstance(node, ast.expr) else parent
        waiting += [(child, depth + 1, inside) for child in ast.iter_child_nodes(node)]


def _check_call(node: ast.Call) -> None:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name not in ARITY:
        known = ", ".join(ARITY)
        raise ProgramError(_("There is no such function; there are: %(known)s.") % {"known": known})
    fewest, most = ARITY[name]
    if (
        node.keywords
        or not fewest <= len(node.args) <= most
        or any(isinstance(a, ast.Starred) for a in node.args)
    ):
        raise ProgramError(_("“%(name)s” is given too few or too many values.") % {"name": name})
    if name in OF_TEXT:
        (phrase,) = node.args
        if (
            not isinstance(phrase, ast.Constant)
            or not isinstance(phrase.value, str)
            or not phrase.value.strip()
        ):
            raise ProgramError(_("Write what “%(name)s” looks for between quotes.") % {"name": name})
        if len(phrase.value) > LONGEST_PHRASE:
            raise ProgramError(_("Look for at most %(most)d characters.") % {"most": LONGEST_PHRASE})


ALLOWED = (
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Name, ast.Load,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.USub, ast.UAdd, ast.Not, ast.And, ast.Or,
    ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
)  # fmt: skip
OF_TEXT = ("count", "has", "starts", "ends")
ARITY = {
    "min": (1, 20), "max": (1, 20), "abs": (1, 1), "sqrt": (1, 1), "log": (1, 1), "round": (1, 1),
    "count": (1, 1), "has": (1, 1), "starts": (1, 1), "ends": (1, 1),
}  # fmt: skip


# --- Running ---------------------------------------------------------------------------------------------------------


def _number(value: Any) -> float:
    """A finite float, or words. Raises ProgramError."""
    if isinstance(value, (bool, int, float)):
        try:
            found = float(value)
        except OverflowError:
            found = math.inf
        if math.isfinite(found):
            return found
        raise ProgramError(_("A number becomes too large."))
    raise ProgramError(_("The result is not a number."))


def _of_numbers(operation: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values: operation(*(_number(value) for value in values))


class _Evaluator(SimpleEval):
    """simpleeval with numbers for operands and a clock; one for each text."""

    nodes: dict[type, Callable[..., Any]]  # what it knows how to read, by kind of node

    def __init__(self, text: str, version: int):
        text = text[:READ]
        stripped = text.strip().casefold()
        functions = {
            "min": _of_numbers(min),
            "max": _of_numbers(max),
            "abs": _of_numbers(abs),
            "sqrt": _of_numbers(math.sqrt),
            "log": _of_numbers(math.log),
            "round": _of_numbers(round),
            "count": lambda phrase: float(occurrences(text, [phrase])),
            "has": lambda phrase: float(occurrences(text, [phrase]) > 0),
            "starts": lambda phrase: float(stripped.startswith(phrase.casefold())),
            "ends": lambda phrase: float(stripped.endswith(phrase.casefold())),
        }
        super().__init__(operators=OPERATORS, functions=functions, names=dict(counts(text, version)))
        self.nodes = {kind: handler for kind, handler in self.nodes.items() if kind in HANDLED}
        self.ends_at = time.monotonic() + LIMIT_S

    def run(self, tree: ast.expr) -> Any:
        return self._eval(tree)

    def _eval(self, node: Any) -> Any:
        if time.monotonic() > self.ends_at:
            raise ProgramError(_("It takes too long; write it simpler."))
        if type(node) not in self.nodes:
            raise FeatureNotAvailable(type(node).__name__)
        return super()._eval(node)


HANDLED = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Name, ast.Call, ast.Constant)
OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: _of_numbers(operator.add), ast.Sub: _of_numbers(operator.sub), ast.Mult: _of_numbers(operator.mul),
    ast.Div: _of_numbers(operator.truediv), ast.FloorDiv: _of_numbers(operator.floordiv),
    ast.Mod: _of_numbers(operator.mod), ast.Pow: _of_numbers(operator.pow),
    ast.USub: _of_numbers(operator.neg), ast.UAdd: _of_numbers(operator.pos), ast.Not: operator.not_,
    ast.Eq: _of_numbers(operator.eq), ast.NotEq: _of_numbers(operator.ne), ast.Lt: _of_numbers(operator.lt),
    ast.LtE: _of_numbers(operator.le), ast.Gt: _of_numbers(operator.gt), ast.GtE: _of_numbers(operator.ge),
}  # fmt: skip
