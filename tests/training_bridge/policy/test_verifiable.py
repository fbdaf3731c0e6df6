"""Rules that a machine checks: what they say, what they refuse, and that hostile texts and code do no harm."""

import os
import time

import pytest

from training_bridge.policy.sandbox import share_passed
from training_bridge.policy.verifiable import checked, code_of, reward_of_rule
from training_bridge.programs import Problem

TESTS = """
assert double(2) == 4
assert double(0) == 0

def test_negative():
    assert double(-3) == -6

def test_text():
    assert double("ab") == "abab"
"""


@pytest.mark.parametrize(
    "kind, rule, text, expected",
    [
        ("regex", r"\?\s*$", "What do you have at home?\n", 1.0),
        ("regex", r"\?\s*$", "That is all.", 0.0),
        ("regex", r"^- ", "A list:\n- one", 1.0),  # lines begin anywhere in the text
        ("expression", "questions - words / 100", "Why? Because.", 0.98),
        ("expression", "3 if has('because') else 0", "No reason.", 0.0),
        ("tests", TESTS, "```python\ndef double(x):\n    return x + x\n```", 1.0),
        ("tests", TESTS, "Here:\n```\ndouble = lambda x: 2 * x if x != 'ab' else ''\n```\nDone.", 0.75),
        ("tests", TESTS, "def double(x): return 4", 0.25),
        ("tests", TESTS, "I cannot write code.", 0.0),
    ],
)
def test_what_a_rule_says(kind, rule, text, expected):
    assert checked(kind, rule)(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "kind, rule, words",
    [
        ("regex", "(", "cannot be read"),
        ("expression", "__import__('os')", "cannot be used"),
        ("tests", "def broken(:", "no Python"),
        ("tests", "x = 1", "no test"),
        ("regex", "  ", "no rule"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_in_words(kind, rule, words):
    with pytest.raises(Problem, match=words) as refused:
        reward_of_rule(kind, rule)
    assert refused.value.advice


def test_shares_spread_like_other_rewards():
    reward = reward_of_rule("regex", "yes")
    assert reward([[], []], [[{"role": "assistant", "content": t}] for t in ("yes", "no")]) == [2.0, -2.0]


def test_a_catastrophic_pattern_ends_in_time():
    score = checked("regex", r"(a|aa)+$")
    began = time.monotonic()
    assert score("a" * 200 + "!") == 0.0
    assert time.monotonic() - began < 5


def test_code_blocks_are_found():
    assert code_of("```py\na = 1\n```\nand\n```\nb = 2\n```") == "a = 1\n\n\nb = 2\n"
    assert code_of("a = 1") == "a = 1"


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "x = bytearray(1 << 30)",
        "import os\nwhile True: os.fork()",
        "import subprocess; subprocess.run(['true'])",
        "import socket; socket.create_connection(('127.0.0.1', 80))",
        "import ctypes; ctypes.CDLL(None)",
        "open('/etc/passwd').read()",
        "import sys; sys._getframe(1)",
        "raise SystemExit",
        "import os; os._exit(0)",
        "print('x' * (1 << 22))\nraise ValueError",
        "def f(): f()\nf()",
        "\x00",
    ],
)
def test_hostile_code_passes_nothing_and_ends_in_time(code):
    began = time.monotonic()
    assert share_passed(code + "\ndef double(x): return 2 * x", "assert double(1) == 2", 1) == 0.0
    assert time.monotonic() - began < 15


def test_code_leaves_nothing_behind_and_sees_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("WHETSTONE_SECRET_KEY", "canary")
    code = "import os\nopen('left.txt', 'w').write('x')\nseen = 'WHETSTONE_SECRET_KEY' in os.environ\nwhere = os.getcwd()"
    tests = f"assert not seen\nassert where != {os.getcwd()!r}"
    assert share_passed(code, tests, 2) == 1.0
    assert not os.path.exists("left.txt")


def test_what_is_printed_does_not_count():
    assert share_passed("print('0' * 32, 1)\ndef double(x): return 0", "assert double(1) == 2", 1) == 0.0
