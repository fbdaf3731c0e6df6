"""Many sequences in one row without padding, prompts run once.

transformers hands attention to a function by name (`AttentionInterface`); ours, "segments", attends inside each segment of
a row only. A segment has queries and the keys they may see. With n responses to one prompt the segments are

    queries:  prompt          answer 1          answer 2
    keys:     prompt          prompt answer 1   prompt answer 2

each causal with its last query on its last key, so no token is run twice and none is padding.

On a CPU each segment is one call of torch's scaled dot product; on a CUDA device all of them are one call of torch's own
variable-length flash kernel, which computes in bfloat16.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

from training_bridge.reward_model.encoding import Encoded

NAME = "segments"


@dataclass(frozen=True)
class Layout:
    """One packed row.

    Args:
        ids, positions: (T,) long; tokens and their positions within their own sequence.
        q_lens, kv_lens: queries and keys of each segment, `sum(q_lens) == T`.
        before: for each segment, (first row, length) of the prompt that it sees before its own tokens; length 0 for none.
        kv: (sum of kv_lens,) long, the row's token behind each key; None when keys are the queries.
        starts: for each sequence, (row of its prompt, length of its prompt, row of its text).
    """

    ids: Tensor
    positions: Tensor
    q_lens: tuple[int, ...]
    kv_lens: tuple[int, ...]
    before: tuple[tuple[int, int], ...]
    kv: Tensor | None
    starts: tuple[tuple[int, int, int], ...]
    cu_q: Tensor
    cu_kv: Tensor

    def row(self, sequence: int, position: int) -> int:
        """Where token `position` of a sequence stands in the row."""
        prompt_row, prompt_length, text_row = self.starts[sequence]
        return prompt_row + position if position < prompt_length else text_row + position - prompt_length


def layout(
    sequences: Sequence[Encoded], *, share_prompts: bool = True, device: torch.device | str = "cpu"
) -> Layout:
    """Pack sequences into one row; with `share_prompts`, equal prompts are run once."""
    ids: list[int] = []
    positions: list[int] = []
    q_lens: list[int] = []
    before: list[tuple[int, int]] = []
    starts: list[tuple[int, int, int]] = [(0, 0, 0)] * len(sequences)
    by_prompt: dict[Any, list[int]] = defaultdict(list)
    for i, sequence in enumerate(sequences):
        by_prompt[sequence.prompt if share_prompts else i].append(i)

    def add(tokens: Sequence[int], seen: tuple[int, int]) -> int:
        start = len(ids)
        ids.extend(tokens)
        positions.extend(range(seen[1], seen[1] + len(tokens)))
        q_lens.append(len(tokens))
        before.append(seen)
        return start

    for members in by_prompt.values():
        prompt = sequences[members[0]].prompt
        if len(members) == 1:
            start = add(sequences[members[0]].ids, (0, 0))
            starts[members[0]] = (start, len(prompt), start + len(prompt))
            continue
        prompt_row = add(prompt, (0, 0))
        for i in members:
            starts[i] = (prompt_row, len(prompt), add(sequences[i].text, (prompt_row, len(prompt))))
    kv_lens = tuple(length + n for (_, length), n in zip(before, q_lens, strict=True))
    cu_q, cu_kv = ([0, *accumulate(lengths)] for lengths in (q_lens, kv_lens))
    kv = None
    if torch.device(device).type != "cpu" and sum(kv_lens) > len(ids):
        seen_by = [
            row for (first, length), q, n in zip(before, cu_q, q_lens, strict=False)
            for row in (*range(first, first + length), *range(q, q + n))
        ]  # fmt: skip
        kv = torch.tensor(seen_by, dtype=torch.long, device=device)
    return Layout(
        ids=torch.tensor(ids, dtype=torch.long, device=device),
        positions=torch.tensor(positions, dtype=torch.long, device=device),
        q_lens=tuple(q_lens),
        kv_lens=kv_lens,
        before=tuple(before),
        kv=kv,
        starts=tuple(starts),
        cu_q=torch.tensor(cu_q, dtype=torch.int32, device=device),
        cu_kv=torch.tensor(cu_kv, dtype=torch.int32, device=device),
    )


def tokens_run(sequences: Sequence[Encoded], *, share_prompts: bool = True) -> int:
    """Tokens a layout of these sequences holds, without building it."""
    if not share_prompts:
        return sum(map(len, sequences))
    return sum(map(len, {s.prompt for s in sequences})) + sum(len(s.text) for s in sequences)


def segment_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    segments: Layout | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of a packed row: (1, heads, T, d) queries, (1, kv heads, T, d) keys and values -> (1, T, heads, d).

    Raises: ValueError when called without a layout, or by a model that wants more of attention than being causal.
    """
    if segments is None:
        raise ValueError("Packed attention needs the row's layout; call the model through RewardModel.")
    for name in ("softcap", "s_aux", "position_bias"):
        if kwargs.get(name) is not None:
            raise ValueError(f"Packed attention knows no {name}.")
    window = kwargs.get("sliding_window")
    if window is not None and max(segments.kv_lens) > window:
        raise ValueError(f"Packed attention knows no sliding window, and a sequence is longer than {window}.")
    grouped = query.shape[1] != key.shape[1]
    if query.is_cuda:
        from torch.nn.attention.varlen import varlen_attn

        if segments.kv is not None:
            key, value = key.index_select(2, segments.kv), value.index_select(2, segments.kv)
        q16, k16, v16 = (t[0].transpose(0, 1).to(torch.bfloat16) for t in (query, key, value))
        attended = varlen_attn(
            q16,
            k16,
            v16,
            segments.cu_q,
            segments.cu_kv,
            max(segments.q_lens),
            max(segments.kv_lens),
            scale=scaling,
            window_size=(-1, 0),  # causal, the last query on the last key
            enable_gqa=grouped,
        )
        assert isinstance(attended, Tensor)  # a tuple only when asked for the log-sum-exp
        return attended.unsqueeze(0).to(query.dtype), None
    parts = []
    own = (t.split(segments.q_lens, dim=2) for t in (query, key, value))
    for q, k, v, (first, length) in zip(*own, segments.before, strict=True):
        mask = None
        if length:  # a copy of the prompt's keys; gathering all keys by index is slow backwards
            k = torch.cat([key[:, :, first : first + length], k], dim=2)
            v = torch.cat([value[:, :, first : first + length], v], dim=2)
            mask = causal(q.shape[2], k.shape[2], q.device)
        parts.append(
            F.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, is_causal=mask is None, scale=scaling, enable_gqa=grouped
            )
        )
    return torch.cat(parts, 2).transpose(1, 2).contiguous(), None


def causal(queries: int, keys: int, device: torch.device) -> Tensor:
    """(queries, keys) bool: what each query may see, the last one everything."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


AttentionInterface.register(NAME, segment_attention)
AttentionMaskInterface.register(NAME, lambda *args, **kwargs: None)
