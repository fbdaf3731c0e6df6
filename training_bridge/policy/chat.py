"""A policy and its tokens: loading a causal LM safely, and turning messages and answers into token ids.

    >>> model, tokenizer = load_policy("/data/checkpoints/policy-1")
    >>> prompt_ids(tokenizer, [{"role": "user", "content": "Tell me about otters."}])
    [3, 812, 401, 2210, 17, 1, 4]

Text that looks like a control token is encoded as text, in prompts and in answers. Weights are read as safetensors
only, and code that comes with a model is never run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from feedback_types.base import Message
from training_bridge.policy import adapters
from training_bridge.policy.soft_prompt import attach
from training_bridge.programs import Problem
from training_bridge.reward_model.encoding import FIXED_DATE

Messages = Sequence[Message] | Sequence[Mapping[str, str]]


def load_policy(place: str | Path, *, device: str = "", dtype: torch.dtype | None = None) -> tuple[Any, Any]:
    """(model, tokenizer) of a directory or a hub id, on a GPU if there is one.

    Args:
        dtype: of the weights; None is float32 on a CPU and bfloat16 on a GPU.
    A soft prompt is loaded with the policy it belongs to (adapters.py).

    Raises: Problem when it cannot be read, or cannot hold a conversation.
    """
    if adapters.is_soft_prompt(place):
        base, tokenizer = load_policy(adapters.base_of(place), device=device, dtype=dtype)
        attach(base, tokenizer, place)
        return base, tokenizer
    device = device or default_device()
    dtype = dtype or (torch.bfloat16 if device.startswith("cuda") else torch.float32)
    try:
        tokenizer = load_tokenizer(place)
        model: Any = AutoModelForCausalLM.from_pretrained(
            str(place), dtype=dtype, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise Problem(
            f"The policy {place} cannot be loaded: {reason}",
            "Give a causal language model with safetensors, as a directory or as a hub id that this machine can reach.",
        ) from error
    return model.to(device).eval(), tokenizer


def default_device() -> str:
    """This process's GPU, or the CPU where there is none."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"


def load_tokenizer(place: str | Path) -> Any:
    """A policy's tokenizer, padding on the left. Raises Problem when it has no chat template or no end token."""
    tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    if not tokenizer.chat_template:
        raise Problem(
            f"The tokenizer of {place} has no chat template, so it is unclear where an answer begins.",
            "Set tokenizer.chat_template and save it again, or choose a chat model.",
        )
    if tokenizer.eos_token_id is None:
        raise Problem(
            f"The tokenizer of {place} has no end token, so an answer would never end.",
            "Set tokenizer.eos_token and save it again.",
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token  # padding is masked everywhere in these programs
    tokenizer.padding_side = "left"
    return tokenizer


def end_ids(model: Any, tokenizer: Any) -> list[int]:
    """Every token that ends an answer: the tokenizer's, and those the model names (an end of turn)."""
    named = model.generation_config.eos_token_id
    named = [] if named is None else [named] if isinstance(named, int) else list(named)
    return sorted({tokenizer.eos_token_id, end_of_turn(tokenizer), *named})


@lru_cache(maxsize=16)
def end_of_turn(tokenizer: Any) -> int:
    """The token with which the chat template ends an answer; some models (Gemma) have another end token for texts."""
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}], tokenize=False
    )
    tail = tokenizer(rendered.rpartition("two")[2], add_special_tokens=False)["input_ids"]
    control = set(tokenizer.all_special_ids)
    return next((token for token in tail if token in control), tokenizer.eos_token_id)


def prompt_ids(tokenizer: Any, messages: Messages) -> list[int]:
    """Tokens of a rendered conversation up to where the assistant speaks. Raises Problem if the template refuses it.

    They begin with those of the policy's soft prompt, if it has one.
    """
    return list(_prompt_ids(tokenizer, tuple(tuple(as_pair(m)) for m in messages)))


@lru_cache(maxsize=100_000)
def _prompt_ids(tokenizer: Any, messages: tuple[tuple[str, str], ...]) -> tuple[int, ...]:
    try:
        rendered = tokenizer.apply_chat_template(
            [{"role": role, "content": content} for role, content in messages],
            add_generation_prompt=True,
            sanitize_control_tokens=True,
            return_dict=True,
            date_string=FIXED_DATE,
        )
    except Exception as error:
        raise Problem(
            f"The chat template refuses a prompt: {error}",
            "It may allow no system message, or want user and assistant to take turns.",
        ) from error
    return (*soft_prompt(tokenizer), *rendered["input_ids"])


def soft_prompt(tokenizer: Any) -> tuple[int, ...]:
    """Ids of the vectors before every text of this policy; none for most."""
    return getattr(tokenizer, "soft_prompt", ())


def continuation_ids(tokenizer: Any, messages: Messages, prefix: str) -> list[int]:
    """Tokens of a conversation in which the assistant has begun to speak, up to where it goes on.

    White space at the end of the prefix is left out, for the policy to write: many words begin with their own space, and
    a lone one before them is a place that no training text knows. Raises Problem if the template refuses it.
    """
    begun = prefix.rstrip()
    if not begun:
        return prompt_ids(tokenizer, messages)
    turns = [{"role": role, "content": content} for role, content in map(as_pair, messages)]
    try:
        rendered = tokenizer.apply_chat_template(
            [*turns, {"role": "assistant", "content": begun}],
            continue_final_message=True,
            sanitize_control_tokens=True,
            return_dict=True,
            date_string=FIXED_DATE,
        )
    except Exception as error:
        raise Problem(
            f"The chat template cannot go on from what was begun: {error}",
            "It may not allow two turns of the assistant after each other.",
        ) from error
    return [*soft_prompt(tokenizer), *rendered["input_ids"]]


def answer_ids(tokenizer: Any, text: str) -> list[int]:
    """Tokens of a complete answer, with the token that ends it."""
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=True)
    return [*encoded["input_ids"], end_of_turn(tokenizer)]


def text_of(tokenizer: Any, ids: Iterable[int]) -> str:
    """The text of generated tokens, without control tokens and without white space around it."""
    return tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False).strip()


def as_pair(message: Message | Mapping[str, str]) -> tuple[str, str]:
    return (
        (message.role, message.content)
        if isinstance(message, Message)
        else (message["role"], message["content"])
    )


def content_of(completion: str | Sequence[Mapping[str, str]]) -> str:
    """The text of an answer, given as text or as messages (TRL's columns hold either)."""
    return completion if isinstance(completion, str) else "".join(m["content"] for m in completion)
