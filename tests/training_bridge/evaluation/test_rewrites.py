"""Each rule on a sentence worked out by hand."""

import random

import pytest

from training_bridge.evaluation.rewrites import CHANGING, KEEPING

TEXT = "It is not hard. You really can visit Paris for 12 days, for example."


def said(rule, text=TEXT, seed=0):
    return {**KEEPING, **CHANGING}[rule](text, random.Random(seed))


@pytest.mark.parametrize(
    "rule, expected",
    [
        ("lower_case", "it is not hard. you really can visit paris for 12 days, for example."),
        ("spacing", "It is not hard.\nYou really can visit Paris for 12 days, for example."),
        ("markdown", "**It is not hard.** You really can visit Paris for 12 days, for example."),
        ("contractions", "It's not hard. You really can visit Paris for 12 days, for example."),
        ("phrases", "It is not hard. You really can visit Paris for 12 days, for instance."),
        ("longer", f"Here is an answer to that. {TEXT}"),
        ("shorter", "It is not hard. You can visit Paris for 12 days, for example."),
        ("negation", "It is hard. You really can visit Paris for 12 days, for example."),
    ],
)
def test_what_a_rule_writes(rule, expected):
    assert said(rule) == expected


def test_one_word_of_the_meaning_changes():
    assert said("negation", "You can go.") == "You can not go."
    number, entity = said("number"), said("entity")
    assert " 12 " not in number and "Paris" in number
    assert "Paris" not in entity and " 12 " in entity and entity.startswith("It is not hard.")


def test_a_typo_keeps_the_letters():
    new = said("typos")
    assert new != TEXT and sorted(new) == sorted(TEXT)
    assert sum(a != b for a, b in zip(new.split(), TEXT.split(), strict=True)) == 1


@pytest.mark.parametrize(
    "rule", ["contractions", "phrases", "shorter", "negation", "number", "entity", "lower_case"]
)
def test_where_a_rule_does_not_apply(rule):
    assert said(rule, "yes!") is None


@pytest.mark.parametrize("rule", [*KEEPING, *CHANGING])
@pytest.mark.parametrize("text", ["", " ", "a", "你好,世界。", "👋🏽 12 ²", "x" * 50])
def test_no_text_breaks_a_rule(rule, text):
    assert said(rule, text) != text
