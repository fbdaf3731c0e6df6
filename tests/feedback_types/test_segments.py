"""Sentences of a text: no character is lost, no character is split, the same text gives the same cuts."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_types.segments import LONGEST, segment_at, segment_ends, segments

CASES = {
    "One. Two! Three?": ["One. ", "Two! ", "Three?"],
    "他说：“好。”然后走了。真的吗？！是……的。": ["他说：“好。”", "然后走了。", "真的吗？！", "是……的。"],
    "hello世界!好": ["hello世界!", "好"],
    "Hi Dr. Smith, e.g. this. I met J. R. Tolkien.": ["Hi Dr. Smith, e.g. this. ", "I met J. R. Tolkien."],
    "It was I. At 100 °C. it boils. Pi is 3.14. I said no. Then.": [
        "It was I. ",
        "At 100 °C. it boils. ",
        "Pi is 3.14. ",
        "I said no. ",
        "Then.",
    ],
    "Wait... what? He went... home.": ["Wait... what? ", "He went... home."],
    "“Really?” he said. (What?) No.": ["“Really?” he said. ", "(What?) ", "No."],
    "See foo.com/a?b=c. Next": ["See foo.com/a?b=c. ", "Next"],
    "1. First.\n2. Second! Yes.\n": ["1. First.\n", "2. Second! ", "Yes.\n"],
    "مرحبا؟ نعم. هذا۔ هو": ["مرحبا؟ ", "نعم. ", "هذا۔ ", "هو"],
    "यह है। वह था॥ अंत": ["यह है। ", "वह था॥ ", "अंत"],
    "Do:\n```py\nx = 1. + 2\nif x:\n    f()\n}\n```\nDone. Good.": [
        "Do:\n",
        "```py\n",
        "x = 1. + 2\n",
        "if x:\n",
        "    f()\n}\n```\n",
        "Done. ",
        "Good.",
    ],
    "\n\n  Hello.\n\nWorld": ["\n\n  Hello.\n\n", "World"],
    "A\r\nB\rC\u2028D": ["A\r\n", "B\r", "C\u2028", "D"],
    "👍🏽. 👨‍👩‍👧! Ok": ["👍🏽. ", "👨‍👩‍👧! ", "Ok"],
    "...": ["..."],
    " \n ": [" \n "],
    "": [],
}


@pytest.mark.parametrize("text", CASES)
def test_sentences(text):
    assert [text[start:end] for start, end in segments(text)] == CASES[text]


def test_overlong_runs_are_cut_between_characters():
    spaced = "word " * 400
    assert all(end - start <= LONGEST for start, end in segments(spaced))
    assert all(spaced[end - 1] == " " for end in segment_ends(spaced))
    accents = "e\u0301" * 1000
    assert segment_ends(accents)[0] == LONGEST
    assert segment_ends("x" + accents)[0] == LONGEST + 1  # 600 would part an e from its accent


@given(st.text() | st.text(alphabet='ab. !?\n`~。！\u0301\u200d👍🏽1)”"', max_size=60))
def test_every_character_is_in_one_segment(text):
    ends = segment_ends(text)
    assert "".join(text[start:end] for start, end in segments(text)) == text
    assert all(a < b for a, b in zip([0, *ends], ends, strict=False))
    assert (ends[-1] if ends else 0) == len(text)
    assert ends == segment_ends(text)
    if any(c.isalnum() for c in text):
        signs = ("So", "Sm", "Sc")
        assert all(
            any(c.isalnum() or unicodedata.category(c) in signs for c in text[s:e]) for s, e in segments(text)
        )


def test_segment_at():
    ends = [5, 10, 12]
    assert [segment_at(ends, offset) for offset in (0, 4, 5, 9, 10, 11, 12)] == [0, 0, 1, 1, 2, 2, 2]
