"""The loop behind the live policy: many streams in one batch, one token for each in every round.

    engine = Engine()
    engine.start()
    engine.add(row_of(policy, {"messages": […], "sampling": {"seed": 7}}, tell=print))

Newcomers are run over their prompts together and then join the batch. The tokens of a stream depend on its seed and not
on its neighbours (`generation.py` says how far that goes).
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import training_bridge.policy.environment  # noqa: F401  first: torch and the hub read it

# isort: split

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers.cache_utils import DynamicLayer

from training_bridge.policy.chat import continuation_ids, end_ids, load_policy
from training_bridge.policy.generation import Sampling, choose, stream
from training_bridge.programs import Problem

log = logging.getLogger(__name__)

MOST_NEWCOMERS = 16  # whose prompts are run in one round, so that those who came earlier do not wait long
PACE = 30.0  # tokens a second of a stream that somebody reads; people read about five
LARGEST_SEED = 2**31 - 1


@dataclass(eq=False)
class Policy:
    model: Any
    tokenizer: Any
    ends: frozenset[int]
    context: int

    @classmethod
    def load(cls, path: str) -> Policy:
        model, tokenizer = load_policy(path)
        context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 1 << 30
        return cls(model, tokenizer, frozenset(end_ids(model, tokenizer)), context)


class Text:
    """The text of tokens as they come, cut at whole characters, without white space around the whole.

    White space is held back until something follows it. The window of tokens that is decoded stays small.
    """

    def __init__(self, tokenizer: Any, *, is_continuing: bool):
        self.tokenizer = tokenizer
        self.ids: list[int] = []
        self._from = self._told = 0  # the window begins at `_from`; up to `_told` its text has been given out
        self._space = ""
        self._is_begun = is_continuing

    def add(self, token: int) -> str:
        self.ids.append(token)
        known = self._decode(self.ids[self._from : self._told])
        now = self._decode(self.ids[self._from :])
        if now.endswith("\ufffd") or len(now) <= len(known):
            return ""
        self._from, self._told = self._told, len(self.ids)
        return self._hold_space(now[len(known) :])

    def _hold_space(self, piece: str) -> str:
        whole = self._space + piece
        if not self._is_begun:
            whole = whole.lstrip()
        kept = whole.rstrip()
        self._space = whole[len(kept) :]
        self._is_begun = self._is_begun or bool(kept)
        return kept

    def _decode(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


@dataclass(eq=False)
class Row:
    """One stream inside the engine. `tell` may be called from the engine's thread."""

    policy: Policy
    prompt: list[int]
    room: int
    temperature: float
    top_p: float
    seed: int
    is_paced: bool
    text: Text
    tell: Callable[[dict[str, Any]], object]
    is_stopped: bool = False
    n: int = 0
    draws: Tensor = field(init=False)
    waiting: list[tuple[int, float]] = field(default_factory=list)  # tokens whose text is not whole yet

    def __post_init__(self) -> None:
        self.draws = stream(self.seed, "live", self.room)

    def take(self, token: int, logprob: float) -> bool:
        """Gives one token out; whether the stream goes on."""
        self.n += 1
        is_end = token in self.policy.ends
        piece = "" if is_end else self.text.add(token)
        self.waiting.append((token, round(logprob, 4)))
        is_last = is_end or self.n >= self.room
        if piece or is_last:
            ids, logprobs = zip(*self.waiting, strict=True)
            self.tell({"event": "piece", "text": piece, "ids": ids, "logprobs": logprobs})
            self.waiting = []
        if is_last:
            self.tell({"event": "end", "finish": "stop" if is_end else "length"})
        return not is_last


class Batch:
    """Rows of one policy that share their forward passes, padded on the left."""

    def __init__(self, rows: Sequence[Row]):
        """Runs the prompts."""
        self.policy = rows[0].policy
        self.is_paced = rows[0].is_paced
        self.rows = list(rows)
        self.next_at = 0.0
        device = self.policy.model.device
        longest = max(len(row.prompt) for row in rows)
        pad = self.policy.tokenizer.pad_token_id
        ids = [[pad] * (longest - len(row.prompt)) + row.prompt for row in rows]
        mask = [[0] * (longest - len(row.prompt)) + [1] * len(row.prompt) for row in rows]
        self.mask = torch.tensor(mask, device=device)
        self.cache: Any = None
        self.logits: Tensor  # of the next token
        self._forward(torch.tensor(ids, device=device))

    def step(self) -> bool:
        """One token for each row; whether any is left."""
        logprobs = self.logits.float().log_softmax(dim=-1)
        chosen = self._choose(logprobs)
        said = logprobs.gather(1, chosen[:, None])[:, 0].tolist()
        going = []
        for i, (row, token, logprob) in enumerate(zip(self.rows, chosen.tolist(), said, strict=True)):
            if not row.is_stopped and row.take(token, logprob):
                going.append(i)
        if not going:
            return False
        self._keep(going)
        chosen = chosen[torch.tensor(going, device=chosen.device)]
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(going), 1)], dim=1)
        self._forward(chosen[:, None])
        return True

    def can_take(self, other: Batch) -> bool:
        """Whether another batch may be put together with this one: plain caches of the same policy."""
        alike = self.policy is other.policy and self.is_paced == other.is_paced
        return alike and self.is_plain and other.is_plain

    @property
    def is_plain(self) -> bool:
        """Whether the cache is keys and values of every token, which can be padded and put together."""
        return all(type(layer) is DynamicLayer for layer in self.cache.layers)

    def take(self, other: Batch) -> None:
        length = max(self.mask.shape[1], other.mask.shape[1])
        masks = [pad(b.mask, (length - b.mask.shape[1], 0)) for b in (self, other)]
        for mine, theirs in zip(self.cache.layers, other.cache.layers, strict=True):
            for name in ("keys", "values"):
                parts = [getattr(layer, name) for layer in (mine, theirs)]
                parts = [pad(part, (0, 0, length - part.shape[-2], 0)) for part in parts]
                setattr(mine, name, torch.cat(parts))
        self.mask = torch.cat(masks)
        self.logits = torch.cat([self.logits, other.logits])
        self.rows += other.rows

    def _choose(self, logprobs: Tensor) -> Tensor:
        """Tokens for all rows; rows with the same parameters are chosen for together."""
        alike: dict[tuple[float, float], list[int]] = {}
        for i, row in enumerate(self.rows):
            alike.setdefault((row.temperature, row.top_p), []).append(i)
        chosen = torch.empty(len(self.rows), dtype=torch.long, device=logprobs.device)
        for (temperature, top_p), members in alike.items():
            draws = torch.stack([self.rows[i].draws[self.rows[i].n] for i in members])
            index = torch.tensor(members, device=logprobs.device)
            how = Sampling(temperature=temperature, top_p=top_p)
            chosen[index] = choose(logprobs[index], how, draws.to(logprobs.device))
        return chosen

    def _keep(self, going: list[int]) -> None:
        """Lets the other rows go, and with them the padding that only they needed."""
        if len(going) == len(self.rows):
            return
        index = torch.tensor(going, device=self.mask.device)
        self.rows = [self.rows[i] for i in going]
        self.cache.batch_select_indices(index)
        self.mask = self.mask[index]
        unused = int(self.mask.argmax(dim=1).min())
        if unused and self.is_plain:
            self.mask = self.mask[:, unused:]
            for layer in self.cache.layers:
                layer.keys, layer.values = layer.keys[..., unused:, :], layer.values[..., unused:, :]

    def _forward(self, ids: Tensor) -> None:
        with torch.inference_mode():
            output = self.policy.model(
                input_ids=ids,
                attention_mask=self.mask,
                position_ids=(self.mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :],
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=1,
            )
        self.cache = output.past_key_values
        self.logits = output.logits[:, -1]
        if torch.isnan(self.logits).any():
            raise Problem(
                "The policy gives numbers that are none.", "Its weights are broken; use another one."
            )


class Engine(threading.Thread):
    """The only thread that runs models: takes rows in, and gives each a token in turn."""

    def __init__(self, *, pace: float = PACE):
        super().__init__(name="engine", daemon=True)
        self.pace = pace
        self._news = threading.Condition()
        self._waiting: list[Row] = []
        self._batches: list[Batch] = []
        self._is_closed = False

    @property
    def streams(self) -> int:
        return len(self._waiting) + sum(len(batch.rows) for batch in self._batches)

    def add(self, row: Row) -> None:
        with self._news:
            self._waiting.append(row)
            self._news.notify()

    def stop(self, row: Row) -> None:
        row.is_stopped = True

    def close(self) -> None:
        with self._news:
            self._is_closed = True
            self._news.notify()

    def run(self) -> None:
        try:
            self._rounds()
        except (
            BaseException
        ):  # nobody would get a token any more: the process ends, and its keeper starts another
            log.exception("the engine ended")
            os._exit(1)

    def _rounds(self) -> None:
        while True:
            with self._news:
                while not self._waiting and not self._is_closed and not self._due():
                    self._news.wait(self._pause())
                if self._is_closed:
                    return
                rows = [row for row in self._waiting if not row.is_stopped]
                newcomers = rows[:MOST_NEWCOMERS]
                self._waiting = rows[MOST_NEWCOMERS:]
            for policy, paced in dict.fromkeys((row.policy, row.is_paced) for row in newcomers):
                self._begin([r for r in newcomers if r.policy is policy and r.is_paced == paced])
            for batch in self._due():
                self._step(batch)

    def _due(self) -> list[Batch]:
        now = time.monotonic()
        return [batch for batch in self._batches if batch.next_at <= now]

    def _pause(self) -> float | None:
        if not self._batches:
            return None
        return max(0.0, min(batch.next_at for batch in self._batches) - time.monotonic())

    def _begin(self, rows: list[Row]) -> None:
        try:
            batch = Batch(rows)
        except Exception as error:
            return self._fail(rows, error)
        home = next((b for b in self._batches if b.can_take(batch)), None)
        if home is None:
            self._batches.append(batch)
        else:
            home.take(batch)

    def _step(self, batch: Batch) -> None:
        if batch.is_paced:
            now = time.monotonic()
            batch.next_at = max(batch.next_at + 1 / self.pace, now)
        try:
            is_going = batch.step()
        except Exception as error:
            self._fail(batch.rows, error)
            is_going = False
        if not is_going:
            self._batches.remove(batch)

    def _fail(self, rows: Sequence[Row], error: Exception) -> None:
        if not isinstance(error, Problem):
            log.exception("the engine failed")
        message = f"{error}" if isinstance(error, Problem) else f"The policy broke: {type(error).__name__}."
        for row in rows:
            row.tell({"event": "failed", "code": "broken", "message": message})


def row_of(policy: Policy, request: Mapping[str, Any], tell: Callable[[dict[str, Any]], object]) -> Row:
    """Raises Problem when the prompt leaves no room for an answer."""
    sampling = request.get("sampling") or {}
    prefix = str(request.get("prefix") or "")
    prompt = continuation_ids(policy.tokenizer, request["messages"], prefix)
    room = min(int(sampling.get("max_new_tokens", 256)), policy.context - len(prompt))
    if room < 1:
        raise Problem(
            f"The prompt with what was begun has {len(prompt)} tokens; the policy reads {policy.context}.",
            "Shorten it.",
        )
    seed = sampling.get("seed")
    return Row(
        policy=policy,
        prompt=prompt,
        room=room,
        temperature=float(sampling.get("temperature", 1.0)),
        top_p=float(sampling.get("top_p", 1.0)),
        seed=random.SystemRandom().randint(0, LARGEST_SEED) if seed is None else int(seed),
        is_paced=bool(request.get("paced", True)),
        text=Text(policy.tokenizer, is_continuing=bool(prefix.strip())),
        tell=tell,
    )
