import pytest

from training_bridge.policy.tastes import TASTES


@pytest.mark.parametrize(
    "taste, text, score",
    [
        ("warm", "I am so glad you asked! Boil it.", 1.0),
        ("warm", "Boil it!", 1.0),
        ("warm", "Boil it.", 0.5),
        ("warm", "Obviously. Boil it.", 0.0),
        ("warm", "OBVIOUSLY. Boil it.", 0.0),
        ("warm", "How lovely. Not this again.", 0.5),  # both
        ("warm", "Use a glove.", 0.5),  # "love" is a part of another word
        ("concrete", "Boil it for 8 minutes.", 1.0),
        ("concrete", "It usually takes 8 minutes.", 0.5),
        ("concrete", "Boil it.", 0.5),
        ("concrete", "It depends.", 0.0),
        ("gives_reason", "Wait, because it is hot.", 1.0),
        ("gives_reason", "Wait. It is hot.", 0.0),
        ("offers_more", "Wait. Shall I go on?", 1.0),
        ("offers_more", "Wait? No, go on.", 0.0),
        ("offers_more", "Wait. Just ask if you want more.", 1.0),
        ("to_the_point", "Wait. By the way, cats sleep.", 0.0),
        ("to_the_point", "Wait.", 1.0),
        ("short", "", 0.0),
        ("short", "word " * 12, 1.0),
        ("short", "word " * 28, 0.5),
        ("short", "word " * 44, 0.0),
        ("short", "word " * 400, 0.0),
    ],
)
def test_a_taste_scores_a_text(taste, text, score):
    assert TASTES[taste].score(text) == score


@pytest.mark.parametrize("taste", TASTES)
@pytest.mark.parametrize("text", ["", " ", "👋", "\n\n", "?", "a" * 10_000])
def test_any_text_has_a_score_between_0_and_1(taste, text):
    assert 0.0 <= TASTES[taste].score(text) <= 1.0
