"""Word differences: applying the changes to the original gives the edited text, whatever the texts."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_types.improvement.diff import Op, apply, word_ops, words
from feedback_types.improvement.form import restore_newlines

LETTERS = "ab 。很e\u0301\u0308👍🏽👨\u200d👩\u200d👧ß한국ไทย\n\t’_."
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40) | st.text(
    alphabet=LETTERS, max_size=60
)


def op(kind, start, end, text=""):
    return Op(op=kind, start=start, end=end, text=text)


def test_worked_by_hand():
    assert word_ops("A tall man sat.", "A short man sat down.") == [
        op("replace", 2, 7, "short "),
        op("replace", 11, 14, "sat down"),
    ]
    assert word_ops("One two three.", "One three.") == [op("delete", 4, 8)]
    assert word_ops("One three.", "One two three.") == [op("insert", 4, 4, "two ")]
    assert word_ops("", "New.") == [op("insert", 0, 0, "New.")]
    assert word_ops("same", "same") == []
    # Offsets count code points: the thumb and its colour are two, and change together.
    assert word_ops("很好👍🏽。", "很好👎🏽。") == [op("replace", 2, 4, "👎🏽")]


def test_words():
    assert words("A tall, e\u0301lan's 中文 字👍🏽👨‍👩‍👧 ok\n\n x") == [
        "A ", "tall", ", ", "e\u0301lan's ", "中", "文 ", "字", "👍🏽", "👨‍👩‍👧 ", "ok\n\n ", "x",
    ]  # fmt: skip


@given(texts, texts)
def test_changes_lead_from_one_text_to_the_other(original, edited):
    ops = word_ops(original, edited)
    assert apply(original, ops) == edited
    assert all(a.end <= b.start for a, b in pairwise(ops))
    assert not ops or original != edited


@given(texts)
def test_words_lose_nothing_and_split_no_character(text):
    found = words(text)
    assert "".join(found) == text
    assert all(word[0] not in "\u0301\u0308\u200d🏽" for word in found[1:])


@given(
    st.lists(st.sampled_from(["tall ", "man ", "sat ", "很", "👍🏽", "e\u0301 "]), min_size=3, max_size=30),
    st.data(),
)
def test_one_changed_word_is_one_change(found, data):
    at = data.draw(st.integers(0, len(found) - 1))
    original = "".join(found)
    edited = "".join([*found[:at], "new ", *found[at + 1 :]])
    start = len("".join(found[:at]))
    assert word_ops(original, edited) == [op("replace", start, start + len(found[at]), "new ")]


@pytest.mark.parametrize(
    "ops",
    [
        [("delete", 3, 99, "")],
        [("delete", 2, 3, ""), ("delete", 1, 2, "")],
        [("insert", 1, 2, "x")],
        [("insert", 1, 1, "")],
    ],
)
def test_changes_that_do_not_fit_are_refused(ops):
    with pytest.raises(ValueError, match="The change at"):
        apply("abcd", [op(*change) for change in ops])


@pytest.mark.parametrize("unit", ["a ", "a. ", "很", "a\n"])
def test_work_is_bounded(unit):
    """Twenty thousand times the same word, which difflib alone would ponder for minutes."""
    original = "x " + unit * 10_000
    edited = unit * 9_990 + "y"
    began = time.monotonic()
    assert apply(original, word_ops(original, edited)) == edited
    assert time.monotonic() - began < 5


@given(st.text(alphabet="ab \n\r", max_size=30), st.text(alphabet="ab \n", max_size=30))
def test_a_text_area_does_not_change_line_ends(original, edited):
    sent = original.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")  # what a browser does
    assert restore_newlines(original, sent) == original
    if "\r" not in original:
        assert restore_newlines(original, edited.replace("\n", "\r\n")) == edited


def test_untouched_lines_keep_their_ends():
    assert (
        restore_newlines("One.\r\nTwo.\rThree.\n", "One.\r\n2.\r\nThree.\r\nFour.\r\n")
        == "One.\r\n2.\rThree.\r\nFour.\n"
    )
