"""Batched sampling from a causal LM, one random stream for each answer.

    >>> sampler = Sampler(model, tokenizer, Sampling(min_p=0.02))
    >>> sampler.sample([Request("prompt-21/0", messages)], seed=7)
    [Generated(text="Otters can close their ears …", ids=[…], logprobs=[…], finish="stop")]

An answer depends on its request's key and the seed, not on what else is in the batch: every request draws its numbers
from a stream of its own, by the inverse of the cumulative distribution. What a batch still changes is rounding in the
network, around the seventh digit; a text differs from another batch size's only where a draw falls that close to a
boundary (none in 10,000 tokens of the embedded policy). With the same batches the answers are the same to the bit.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from training_bridge.policy.chat import Messages, continuation_ids, end_ids, text_of
from training_bridge.policy.config import SamplingParameters
from training_bridge.programs import Problem


@dataclass(frozen=True)
class Sampling:
    temperature: float = 1.0  # 0 takes the most probable token
    top_p: float = 1.0  # of the probability mass, the smallest set of tokens that holds it; 1 keeps all
    top_k: int = 0  # this many most probable tokens; 0 keeps all
    min_p: float = 0.0  # tokens less probable than this share of the most probable one are cut; 0 keeps all
    max_tokens: int = 256

    @classmethod
    def of(cls, settings: SamplingParameters) -> Sampling:
        return cls(settings.temperature, settings.top_p, settings.top_k, settings.min_p, settings.max_tokens)


@dataclass(frozen=True)
class Request:
    key: str  # names the random stream
    messages: Messages
    begun: str = (
        ""  # an answer's beginning that the policy goes on from; what it writes is the continuation alone
    )


@dataclass
class Generated:
    text: str
    ids: list[int] = field(default_factory=list)  # as sampled, the end token included
    logprobs: list[float] = field(
        default_factory=list
    )  # of the policy itself: temperature 1, nothing cut off
    finish: Literal["stop", "length"] = "length"

    @property
    def logprob(self) -> float:
        return sum(self.logprobs)


class Sampler:
    def __init__(self, model: Any, tokenizer: Any, sampling: Sampling):
        self.model, self.tokenizer, self.sampling = model, tokenizer, sampling
        self.ends = end_ids(model, tokenizer)
        self.context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 1 << 30

    def room(self, messages: Messages, begun: str = "") -> int:
        """How many tokens an answer may have, or fewer where the context ends; below 1 the prompt is too long."""
        used = len(continuation_ids(self.tokenizer, messages, begun))
        return min(self.sampling.max_tokens, self.context - used)

    @torch.inference_mode()
    def sample(self, requests: Sequence[Request], *, seed: int) -> list[Generated]:
        """One answer to each request, in their order.

        Requests with the same messages share the run over their prompt. Raises: Problem for a prompt longer than the
        context, or when the model gives numbers that are none.
        """
        prompts = [tuple(continuation_ids(self.tokenizer, r.messages, r.begun)) for r in requests]
        unique = list(dict.fromkeys(prompts))
        rooms = [self.room(request.messages, request.begun) for request in requests]
        answers = [Generated("") for _ in requests]
        if not requests:
            return answers
        if min(rooms) < 1:
            raise Problem(
                f"A prompt is longer than the policy's context of {self.context} tokens.", "Leave it out."
            )
        draws = torch.stack([stream(seed, request.key, max(rooms)) for request in requests])
        rows = list(range(len(requests)))  # which request each row of the batch belongs to
        logits, cache, mask = self._prefill(unique, [unique.index(prompt) for prompt in prompts])
        for step in range(max(rooms)):
            logprobs = logits.float().log_softmax(dim=-1)
            chosen = choose(logprobs, self.sampling, draws[rows, step].to(logprobs.device))
            said = logprobs.gather(1, chosen[:, None])[:, 0].tolist()
            tokens = chosen.tolist()
            for row, token, logprob in zip(rows, tokens, said, strict=True):
                answers[row].ids.append(token)
                answers[row].logprobs.append(logprob)
                if token in self.ends:
                    answers[row].finish = "stop"
            going = [
                i
                for i, (row, token) in enumerate(zip(rows, tokens, strict=True))
                if token not in self.ends and step + 1 < rooms[row]
            ]
            if not going:
                break
            if len(going) < len(rows):
                kept = torch.tensor(going, device=logits.device)
                cache.batch_select_indices(kept)
                mask, chosen, rows = mask[kept], chosen[kept], [rows[i] for i in going]
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
            logits = self._forward(chosen[:, None], mask, cache)
        for answer in answers:
            answer.text = text_of(self.tokenizer, answer.ids)
        return answers

    def _prefill(self, prompts: Sequence[tuple[int, ...]], rows: Sequence[int]) -> tuple[Tensor, Any, Tensor]:
        """Runs each prompt once; returns next-token logits, cache and mask with a row for each index in `rows`."""
        device = self.model.device
        longest = max(map(len, prompts))
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(p)) + list(p) for p in prompts], device=device)
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=device)
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
            use_cache=True,
            logits_to_keep=1,
        )
        index = torch.tensor(rows, device=device)
        cache = output.past_key_values
        cache.batch_select_indices(index)
        return self._checked(output.logits[:, -1])[index], cache, mask[index]

    def _forward(self, ids: Tensor, mask: Tensor, cache: Any) -> Tensor:
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=mask.sum(dim=1, keepdim=True) - 1,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return self._checked(output.logits[:, -1])

    def _checked(self, logits: Tensor) -> Tensor:
        if torch.isnan(logits).any():
            raise Problem(
                "The policy gives numbers that are none.", "Its weights are broken; use another one."
            )
        return logits


def choose(logprobs: Tensor, sampling: Sampling, draws: Tensor) -> Tensor:
    """Tokens for uniform draws, by the inverse of the cumulative distribution.

    Args:
        logprobs: (rows, vocabulary) — of the next token.
        draws: (rows,) float64 in [0, 1).
    Returns: (rows,) int64.
    """
    if sampling.temperature == 0.0:
        return logprobs.argmax(dim=-1)
    scaled = (logprobs / sampling.temperature).double()
    if sampling.min_p > 0.0:
        least = scaled.max(dim=-1, keepdim=True).values + math.log(sampling.min_p)
        scaled = scaled.masked_fill(scaled < least, -torch.inf)
    if 0 < sampling.top_k < scaled.shape[-1]:
        least = scaled.topk(sampling.top_k, dim=-1).values[:, -1:]
        scaled = scaled.masked_fill(scaled < least, -torch.inf)
    probabilities = scaled.softmax(dim=-1)
    if sampling.top_p < 1.0:
        ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
        before = ordered.cumsum(dim=-1) - ordered
        ordered = ordered.masked_fill(before >= sampling.top_p, 0.0)
        probabilities = torch.zeros_like(probabilities).scatter(-1, order, ordered)
    cumulative = probabilities.cumsum(dim=-1)
    targets = draws.double()[:, None] * cumulative[:, -1:]
    # right=True: a token of probability 0 has an empty interval and is never chosen.
    return torch.searchsorted(cumulative, targets, right=True)[:, 0].clamp(max=logprobs.shape[-1] - 1)


def stream(seed: int, key: str, n: int) -> Tensor:
    """(n,) float64 uniform in [0, 1): what a key draws under a seed; a longer stream begins with a shorter one."""
    digest = hashlib.sha256(f"{seed}\0{key}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return torch.rand(n, generator=generator, dtype=torch.float64)
