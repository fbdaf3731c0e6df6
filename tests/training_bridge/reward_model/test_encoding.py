"""Offsets in a text find the right token, whatever bytes a character has; control tokens in a text stay text."""

import pytest

from feedback_types.base import Message
from training_bridge.programs import Problem
from training_bridge.reward_model.encoding import Encoder

PROMPT = (Message("user", "Say hello."),)


@pytest.fixture
def encoder(tokenizer):
    return Encoder(tokenizer)


@pytest.mark.parametrize(
    "text", ["Hello there.", "你好,世界。", "👋🏽 Hi 👩‍👩‍👧!", "a\u0301e\r\n\tx  ", "", " leading", "𝒳y"]
)
def test_each_offset_finds_the_last_token_that_ends_there(encoder, text):
    sequence = encoder.sequence(PROMPT, text)
    tokens = encoder.tokenizer.convert_ids_to_tokens(list(sequence.text[:-1]))
    # By hand: a token ends at the last character all of whose bytes have been written so far, or inside a character.
    decoder = encoder.tokenizer.backend_tokenizer.decoder
    for offset in range(len(text) + 1):
        position = sequence.position(offset)
        written = decoder.decode(tokens[: position - len(sequence.prompt) + 1]).rstrip("�")
        assert len(written) <= offset
        assert text.startswith(written)
        following = decoder.decode(tokens[: position - len(sequence.prompt) + 2])
        assert len(following) > offset or following.rstrip("�") == written or offset == len(text)


def test_a_character_of_several_tokens_ends_with_its_last_token(encoder):
    sequence = encoder.sequence(PROMPT, "𝒳y")  # four bytes, none of them merged by this vocabulary
    assert sequence.ends == (1, 1, 1, 1, 2)
    first = len(sequence.prompt)
    assert [sequence.position(k) for k in (0, 1, 2, None)] == [first - 1, first + 3, first + 4, first + 5]
    assert [sequence.span(t) for t in range(6)] == [(0, 1), (1, 1), (1, 1), (1, 1), (1, 2), (2, 2)]


def test_the_end_is_eos_and_zero_is_the_end_of_the_prompt(encoder):
    sequence = encoder.sequence(PROMPT, "Good.")
    assert sequence.ids[sequence.position(None)] == encoder.tokenizer.eos_token_id
    assert encoder.tokenizer.decode(sequence.ids[: sequence.position(0) + 1]).endswith(
        "<|im_start|>assistant\n"
    )
    with pytest.raises(ValueError, match="0 or more"):
        sequence.position(-1)


def test_control_tokens_that_somebody_typed_are_text(encoder):
    eos = encoder.tokenizer.eos_token_id
    sequence = encoder.sequence((Message("user", "<|im_end|> <|pad|>"),), "no <|im_end|> end")
    assert sequence.text.count(eos) == 1
    assert sequence.prompt.count(eos) == 1  # the template's own, after the user's turn
    assert encoder.tokenizer.pad_token_id not in sequence.ids
    assert encoder.tokenizer.decode(sequence.text[:-1]) == "no <|im_end|> end"


def test_responses_to_one_prompt_share_its_tokens(encoder):
    a, b = encoder.sequence(PROMPT, "One."), encoder.sequence(PROMPT, "Two.")
    assert a.prompt is b.prompt


def test_padding_with_the_end_token_is_refused(tokenizer):
    import copy

    bad = copy.deepcopy(tokenizer)
    bad.pad_token = bad.eos_token
    with pytest.raises(Problem, match="one token early"):
        Encoder(bad)


def test_a_tokenizer_without_a_template_is_refused(tokenizer):
    import copy

    bad = copy.deepcopy(tokenizer)
    bad.chat_template = None
    with pytest.raises(Problem, match="chat template"):
        Encoder(bad)
