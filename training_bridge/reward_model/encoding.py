"""Texts to tokens, and positions in a text to positions among its tokens.

A sequence is the rendered prompt (the tokenizer's chat template up to where the assistant speaks), the response, and EOS.
Prompt and response are tokenised apart, as a policy generates them, so responses to one prompt share its tokens. Text that
looks like a control token is encoded as text.

    >>> sequence = Encoder(tokenizer, max_length=2048).sequence((Message("user", "Hi"),), "Hello 👋")
    >>> sequence.position(None) == len(sequence.ids) - 1, sequence.position(0) == len(sequence.prompt) - 1
    (True, True)
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from feedback_types.base import Message
from training_bridge.programs import Problem

# Some templates (Llama 3's) write today's date into the prompt, and the reward would change overnight.
FIXED_DATE = "01 Jan 2026"


@dataclass(frozen=True)
class Encoded:
    """Tokens of one (prompt, text). `text` ends with EOS; `ends` are the code points at which its other tokens end."""

    prompt: tuple[int, ...]
    text: tuple[int, ...]
    ends: tuple[int, ...]

    @cached_property
    def ids(self) -> tuple[int, ...]:
        return self.prompt + self.text

    def __len__(self) -> int:
        return len(self.prompt) + len(self.text)

    def position(self, offset: int | None) -> int:
        """Index of the token whose score is the score of `text[:offset]`: the last that ends at or before it.

        Args:
            offset: code points; 0 is the end of the prompt, None the end of the response (EOS).
        Raises: ValueError for a negative offset.
        """
        if offset is None:
            return len(self) - 1
        if offset < 0:
            raise ValueError(f"An offset is 0 or more, not {offset}.")
        return len(self.prompt) - 1 + (bisect_right(self.ends, offset) if offset else 0)

    def span(self, token: int) -> tuple[int, int]:
        """Code points (start, end) that a token of the text adds to those before; empty inside a character and at EOS."""
        start = self.ends[token - 1] if token else 0
        return start, self.ends[token] if token < len(self.ends) else start


class Encoder:
    """A tokenizer with the checks that keep scores right."""

    def __init__(self, tokenizer: Any, max_length: int = 2048):
        self.tokenizer, self.max_length = tokenizer, max_length
        if not getattr(tokenizer, "is_fast", False):
            raise Problem("The tokenizer reports no offsets.", "Use a model with a tokenizer.json.")
        if tokenizer.eos_token_id is None or tokenizer.pad_token_id is None:
            raise Problem(
                "The tokenizer has no end or no padding token.",
                "Give it both, as tokens of their own, and save the model again.",
            )
        if tokenizer.eos_token_id == tokenizer.pad_token_id:
            # The plain head looks for the last token that is not padding and would score one token early.
            raise Problem(
                "The tokenizer pads with its end token, and rewards would be read one token early.",
                "Give it a padding token of its own (tokenizer.pad_token = …) and save the model again.",
            )
        if not tokenizer.chat_template:
            raise Problem(
                "The tokenizer has no chat template.", "Set tokenizer.chat_template and save the model again."
            )
        self._prompts: dict[tuple[Message, ...], tuple[int, ...]] = {}

    def prompt(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Tokens of a rendered prompt up to where the assistant speaks."""
        key = tuple(messages)
        if key not in self._prompts:
            rendered = self.tokenizer.apply_chat_template(
                [{"role": m.role, "content": m.content} for m in key],
                add_generation_prompt=True,
                sanitize_control_tokens=True,
                return_dict=True,
                date_string=FIXED_DATE,
            )
            self._prompts[key] = tuple(rendered["input_ids"])
        return self._prompts[key]

    def sequence(self, messages: Sequence[Message], text: str) -> Encoded:
        """Tokens of a prompt with a response. It may be longer than `max_length`; ask `fits`."""
        encoded = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
        )
        # Tokens inside one character (an emoji is several bytes) all end where the character ends; ends never fall.
        ends = tuple(accumulate((end for _, end in encoded["offset_mapping"]), max))
        return Encoded(self.prompt(messages), (*encoded["input_ids"], self.tokenizer.eos_token_id), ends)

    def fits(self, sequence: Encoded) -> bool:
        return len(sequence) <= self.max_length

    def fingerprint(self) -> dict[str, str]:
        """What decides how a text becomes tokens, hashed: two models with the same may exchange rewards."""
        return {
            "tokenizer_sha256": hashlib.sha256(
                self.tokenizer.backend_tokenizer.to_str().encode()
            ).hexdigest(),
            "template_sha256": hashlib.sha256(self.tokenizer.chat_template.encode()).hexdigest(),
        }
