r"""Rewards that a machine can check: an expression over a text, a regular expression, or tests that an answer's code passes.

    >>> checked("regex", r"\?\s*$")("What do you have at home?")
    1.0
    >>> checked("expression", "questions - words / 100")("Why? Because.")
    0.98
    >>> checked("tests", "assert double(2) == 4\nassert double(0) == 0")("```python\ndef double(x): return x + x\n```")
    1.0

A rule is read once and refused in words if it cannot be used. Texts are untrusted: an expression is proxy rewards' language,
in which nothing dangerous can be said; a regular expression has a time limit; code runs in `sandbox.py`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import regex

from feedback_types.proxy_reward.program import Program, ProgramError
from training_bridge.policy.chat import content_of
from training_bridge.policy.sandbox import share_passed
from training_bridge.programs import Problem

Kind = Literal["expression", "regex", "tests"]

LIMIT_S = 0.2  # of a regular expression, for one text
BLOCK = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)


def reward_of_rule(kind: Kind, rule: str) -> Callable[..., list[float]]:
    """A reward as TRL calls it: 4 (x - ½) of what was checked, so that 0 to 1 spreads as other rewards do; an expression as
    it is. Raises Problem when the rule cannot be used."""
    check = checked(kind, rule)

    def verifiable(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        found = [check(content_of(completion)) for completion in completions]
        return found if kind == "expression" else [4.0 * (x - 0.5) for x in found]

    verifiable.__name__ = kind
    return verifiable


def checked(kind: Kind, rule: str) -> Callable[[str], float]:
    """From a text to what the rule makes of it: a number, or a share from 0 to 1. Raises Problem."""
    if not rule.strip():
        raise Problem("There is no rule to check answers by.", "State it in the settings.")
    return {"expression": by_expression, "regex": by_regex, "tests": by_tests}[kind](rule)


def by_expression(rule: str) -> Callable[[str], float]:
    try:
        program = Program(rule)
    except ProgramError as error:
        raise Problem(
            f"The expression cannot be used: {error}", "See the features and functions it may use."
        ) from error

    def score(text: str) -> float:
        try:
            return program.score(text)
        except ProgramError as error:
            raise Problem(
                f"The expression cannot score an answer: {error}", "State it for every text."
            ) from error

    return score


def by_regex(rule: str) -> Callable[[str], float]:
    """1 where the pattern is found. A text on which it takes too long counts as without it."""
    try:
        pattern = regex.compile(rule, regex.MULTILINE)
    except regex.error as error:
        raise Problem(
            f"The regular expression cannot be read: {error}.", "Mend it; the place is named."
        ) from error

    def score(text: str) -> float:
        try:
            return float(pattern.search(text, timeout=LIMIT_S) is not None)
        except TimeoutError:
            return 0.0

    return score


def by_tests(rule: str) -> Callable[[str], float]:
    """The share of the tests that pass: every `assert` at the top, and every function whose name begins with `test_`."""
    try:
        tree = ast.parse(rule)
    except (SyntaxError, ValueError) as error:
        raise Problem(f"The tests are no Python: {error}.", "Mend them.") from error
    tests = sum(
        isinstance(node, ast.Assert) or (isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))
        for node in tree.body
    )
    if not tests:
        raise Problem("There is no test among the tests.", "Write assert lines, or functions named test_….")
    return lambda text: share_passed(code_of(text), rule, tests)


def code_of(text: str) -> str:
    """The code blocks of an answer, one after the other; the whole answer where there are none."""
    blocks = BLOCK.findall(text)
    return "\n\n".join(blocks) if blocks else text
