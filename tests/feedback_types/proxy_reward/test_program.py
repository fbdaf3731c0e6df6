"""The language of reward programs: what it can say, and what nobody can make it do."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback_types.proxy_reward.features import READ, counts
from feedback_types.proxy_reward.program import LONGEST, Program, ProgramError, normalised, sha_of

TEXT = "Maybe boil it.\n\n1. Water\n2. Egg\n\nWhy? Because it's good, maybe."  # 12 words, 2 list items, 1 question


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("words", 12),
        ("2 * lists - questions", 3),
        ("words / 8 + 1", 2.5),
        ("words // 5 % 3", 2),
        ("2 ** 3 - -1", 9),
        ("1 if questions > 0 else 0", 1),
        ("(words > 100) + (lists == 2)", 1),
        ("1 < 2 < 3", 1),
        ("not questions", 0),
        ("min(words, 3) + max(1, 2, lists)", 5),
        ("abs(-2) + sqrt(9) + round(2.6)", 8),
        ("log(1)", 0),
        ("count('maybe')", 2),
        ("has('because') + has('may')", 1),  # whole words, whatever their case
        ('has("it\'s good")', 1),
        ("starts('MAYBE') + ends('maybe.') + ends('no')", 2),
        ("0 * -1", 0),
    ],
)
def test_by_hand(source, expected):
    found = Program(source).score(TEXT)
    assert found == expected and str(found)[0] != "-"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "Write a program"),
        ("words +", "character"),
        ("wrods", "not a feature; there are: words"),
        ("__import__('os')", "no such function"),
        ("eval('1')", "no such function"),
        ("().__class__.__bases__", "not part of the language"),
        ("words.real", "“words.real” is not part"),
        ("words[0]", "not part"),
        ("[words]", "not part"),
        ("{1: 2}", "not part"),
        ("[x for x in words]", "not part"),
        ("lambda: 1", "not part"),
        ("f'{words}'", "not part"),
        ("words in lists", "“words in lists” is not part"),
        ("1 << 99", "“1 << 99” is not part"),
        ("'a' * 10**9", "only inside count"),
        ("'%999999999d' % 1", "only inside count"),
        ("words if words else 'x'", "only inside count"),
        ("min('ab')", "only inside count"),
        ("has(words)", "between quotes"),
        ("has('a', 'b')", "too few or too many"),
        ("min(*words)", "too few or too many"),
        ("round(words, ndigits=1)", "too few or too many"),
        ("count('')", "between quotes"),
        (f"has('{'a' * 101}')", "at most 100"),
        ("9**9**9", "too large"),
        ("9e999", "too large"),
        ("9" * 400, "too large"),
        ("1e308 * 10", "too large"),
        ("exclamations / exclamations", "divides by zero"),
        ("0 ** -1", "divides by zero"),
        ("sqrt(0 - words)", "no value"),
        ("(0 - words) ** 0.5", "not a number"),
        ("None", "not a number"),
        ("1j", "not a number"),
        ("1" + "+1" * 400, "simpler"),
        ("-" * 700 + "1", "simpler"),
        ("abs(" * 60 + "1" + ")" * 60, "simpler"),
        ("(" * 450 + "1" + ")" * 450, "character"),
        ("1" * (LONGEST + 1), "at most 1000"),
    ],
)
def test_refused_in_words_and_at_once(source, words):
    began = time.perf_counter()
    with pytest.raises(ProgramError, match=r".") as refused:
        Program(source).score(TEXT)
    assert words in str(refused.value)
    assert time.perf_counter() - began < 1


def test_the_clock_stops_what_takes_long(monkeypatch):
    from feedback_types.proxy_reward import program

    monkeypatch.setattr(program, "LIMIT_S", -1)
    with pytest.raises(ProgramError, match="too long"):
        Program("words + 1").score(TEXT)


def test_a_long_text_costs_no_more_than_its_beginning():
    longest = "word maybe " * 45_000
    began = time.perf_counter()
    assert Program("words").score(longest) == counts(longest[:READ])["words"]
    assert Program("count('maybe')").score(longest) == longest[:READ].count("maybe")
    assert time.perf_counter() - began < 5


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="words+-*/%()<>='\".,[]{}:_ 0123456789ehas\n", max_size=60))
def test_whatever_is_written_ends_in_a_number_or_in_words(source):
    try:
        assert isinstance(Program(source).score(TEXT), float)
    except ProgramError as error:
        assert str(error).strip()


def test_line_ends_and_spaces_do_not_change_the_hash():
    assert sha_of("words +\r\n 1 ") == sha_of("words +  1") == Program(" words +\n 1").sha
    assert normalised(" a\nb ") == "a b"
    # printf 'words' | sha256sum
    assert sha_of("words") == "dba36bffa5cab0f922d087a3aeb179f9d4e745df40b323e1b1471402848c8a3e"


def test_a_training_run_may_score_without_settings_and_without_torch():
    code = (
        "import sys; from feedback_types import registry; t = registry.get('proxy_reward');"
        "from feedback_types.proxy_reward.program import Program; print(Program('2 * questions').score('Why?'));"
        "from django.conf import settings; assert not settings.configured; assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PATH": "/usr/bin"}
    )
    assert (done.stdout.strip(), done.stderr) == ("2.0", "")
