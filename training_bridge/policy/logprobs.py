"""Log-probabilities of given answers under a policy, and the divergence of one policy from another along them.

Sequences are run in batches of like length, padded on the right, where causal attention never looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

Tokens = Sequence[int]
Pair = tuple[Tokens, Tokens]  # prompt and answer

BATCH_TOKENS = 4096


def sums(model: Any, texts: Sequence[Pair]) -> list[float]:
    """Log-probability of each answer given its prompt, in nats."""
    return [sum(values) for values in per_token(model, texts)]


@torch.inference_mode()
def per_token(model: Any, texts: Sequence[Pair]) -> list[list[float]]:
    """Log-probability of each token of each answer, in nats."""
    result: list[list[float]] = [[] for _ in texts]
    for part in batches(texts):
        for i, logits in zip(part, answer_logits(model, [texts[i] for i in part]), strict=True):
            answer = torch.tensor(texts[i][1], device=logits.device)
            result[i] = logits.log_softmax(dim=-1).gather(1, answer[:, None])[:, 0].tolist()
    return result


@torch.inference_mode()
def divergences(
    new: Any, old: Any, texts: Sequence[Pair], old_texts: Sequence[Pair] | None = None
) -> list[list[float]]:
    """KL(new || old) of the next token, before each token of each answer, in nats; never below 0.

    With answers drawn from `new` itself, the sum over an answer is an unbiased estimate of KL(new || old) for whole
    answers, and of less variance than log-ratios of the tokens drawn, since every step is summed over the vocabulary
    exactly. `old_texts` are the same answers to the prompts as the old policy reads them, where that differs.

    Source: the chain rule of relative entropy (Cover & Thomas, theorem 2.5.3); Amini et al. (2025), Rao-Blackwellised
    estimator.
    """
    result: list[list[float]] = [[] for _ in texts]
    for part in batches(texts):
        ours = [texts[i] for i in part]
        theirs = [(old_texts or texts)[i] for i in part]
        for i, p, q in zip(part, answer_logits(new, ours), answer_logits(old, theirs), strict=True):
            log_p, log_q = p.log_softmax(dim=-1).double(), q.log_softmax(dim=-1).double()
            steps = (log_p.exp() * (log_p - log_q)).nan_to_num(nan=0.0).sum(dim=-1)
            result[i] = steps.clamp(min=0.0).tolist()  # rounding alone could take it below
    return result


def answer_logits(model: Any, texts: Sequence[Pair]) -> Iterator[Tensor]:
    """(tokens of the answer, vocabulary) float32 for each text: what the model expects where each token stands."""
    longest = max(len(prompt) + len(answer) for prompt, answer in texts)
    ids = torch.zeros(len(texts), longest, dtype=torch.long, device=model.device)
    mask = torch.zeros_like(ids)
    for row, (prompt, answer) in enumerate(texts):
        length = len(prompt) + len(answer)
        ids[row, :length] = torch.tensor([*prompt, *answer])
        mask[row, :length] = 1
    shortest = min(len(prompt) for prompt, _ in texts)
    logits = model(
        input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=longest - shortest + 1
    ).logits.float()
    first = longest - logits.shape[1]  # where the logits that were kept begin
    for row, (prompt, answer) in enumerate(texts):
        start = len(prompt) - 1 - first
        yield logits[row, start : start + len(answer)]


def batches(texts: Sequence[Pair]) -> Iterator[list[int]]:
    """Indices of texts of like length, so many that their padded tokens stay within bounds."""
    order = sorted(range(len(texts)), key=lambda i: (len(texts[i][0]) + len(texts[i][1]), i), reverse=True)
    while order:
        longest = len(texts[order[0]][0]) + len(texts[order[0]][1])
        size = max(1, BATCH_TOKENS // longest)
        part, order = order[:size], order[size:]
        yield part
