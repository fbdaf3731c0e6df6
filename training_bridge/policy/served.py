"""Sampling from a policy that a server holds: vLLM, llama.cpp, anything that speaks OpenAI's chat completions.

    {"endpoint": {"base_url": "http://127.0.0.1:8000/v1", "model": "policy-7"}, "input": "prompts.jsonl", ...}

Takes the place of `generation.Sampler` in `policy.sample`. Answers to one prompt are asked for together, with `n`, `seed`
and `logprobs`; prompts run at the same time. A key is read from WHETSTONE_ENDPOINT_KEY, never from a file. top_k and min_p
are vLLM's and llama.cpp's own; where they are off they are not sent. Log-probabilities are as the server gives them (vLLM:
of the policy itself, unless it was told otherwise); from one that gives none, rows have no tokens and no logprob.

An operator starts this from a shell, so it connects where the config says; it follows no redirects and no proxies.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from training_bridge.policy.chat import Messages, as_pair
from training_bridge.policy.generation import Generated, Request, Sampling
from training_bridge.programs import Problem

ATTEMPTS, FIRST_WAIT_S, LONGEST_WAIT_S = 4, 0.5, 20.0
AT_ONCE = 16
TIMEOUT = httpx.Timeout(600.0, connect=10.0)
MOST_SEED = 2**31 - 1


class ServedSampler:
    def __init__(self, endpoint: Mapping[str, Any], sampling: Sampling):
        if not endpoint.get("base_url") or not endpoint.get("model"):
            raise Problem(
                "The endpoint has no base_url or no model.", 'Give "endpoint": {"base_url": …, "model": …}.'
            )
        self.sampling = sampling
        self.url = f"{str(endpoint['base_url']).rstrip('/')}/chat/completions"
        self.model = str(endpoint["model"])
        key = os.environ.get("WHETSTONE_ENDPOINT_KEY", "")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.client = httpx.Client(headers=headers, timeout=TIMEOUT, trust_env=False, follow_redirects=False)

    def room(self, messages: Messages) -> int:
        """The server knows its context; a prompt that is too long for it is its refusal."""
        return self.sampling.max_tokens

    def sample(self, requests: Sequence[Request], *, seed: int) -> list[Generated]:
        """One answer to each request, in their order; those to the same messages are asked for together.

        Raises: Problem when the server cannot be reached, refuses, or answers with something else.
        """
        groups: dict[Any, list[int]] = {}
        for i, request in enumerate(requests):
            groups.setdefault(tuple(as_pair(m) for m in request.messages), []).append(i)
        found: list[Generated] = [Generated("") for _ in requests]

        def ask(group: tuple[Any, list[int]]) -> list[Generated]:
            messages, places = group
            return self._ask(messages, len(places), seed_of(seed, requests[places[0]].key))

        with ThreadPoolExecutor(AT_ONCE) as threads:
            for places, answers in zip(groups.values(), threads.map(ask, groups.items()), strict=True):
                for place, answer in zip(places, answers, strict=True):
                    found[place] = answer
        return found

    def _ask(self, messages: Sequence[tuple[str, str]], n: int, seed: int) -> list[Generated]:
        how = self.sampling
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": role, "content": content} for role, content in messages],
            "n": n,
            "seed": seed,
            "temperature": how.temperature,
            "top_p": how.top_p,
            "max_tokens": how.max_tokens,
            "logprobs": True,
        }
        body |= {name: value for name, value in (("top_k", how.top_k), ("min_p", how.min_p)) if value}
        choices = self._post(body).get("choices")
        if not isinstance(choices, list) or len(choices) != n:
            have = len(choices) if isinstance(choices, list) else 0
            raise Problem(
                f"The endpoint was asked for {n} answers to a prompt and gave {have}.",
                "Use a server that knows n, such as vLLM or llama.cpp.",
            )
        return [read_choice(choice) for choice in choices]

    def _post(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer of the server; asked again while it is busy, failing or not to be reached."""
        said = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt))
            try:
                response = self.client.post(self.url, json=body)
            except httpx.TransportError as error:
                said = f"cannot be reached: {type(error).__name__}"
                continue
            if response.status_code == 429 or response.status_code >= 500:
                said = f"answers with {response.status_code}"
                continue
            if response.status_code != 200:
                raise Problem(
                    f"The endpoint refuses with {response.status_code}: {response.text[:200]}",
                    "Check the model's name, the key in WHETSTONE_ENDPOINT_KEY, and how long the prompts are.",
                )
            try:
                answer = response.json()
            except ValueError:
                answer = None
            if not isinstance(answer, dict):
                raise Problem(
                    "The endpoint answers with something that is no JSON object.", "Check its base_url."
                )
            return answer
        raise Problem(f"The endpoint {said}, {ATTEMPTS} times.", "Start it, or name another as base_url.")


def read_choice(choice: Any) -> Generated:
    """One answer of a chat completion. Raises Problem when it is something else."""
    try:
        text = choice["message"]["content"] or ""
        told = (choice.get("logprobs") or {}).get("content") or []
        logprobs = [float(token["logprob"]) for token in told]
        finish = choice.get("finish_reason")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Problem(
            f"The endpoint's answer is not as chat completions are: {error!r}.", "Check its base_url."
        ) from error
    return Generated(str(text).strip(), logprobs=logprobs, finish="length" if finish == "length" else "stop")


def seed_of(seed: int, key: str) -> int:
    """A seed of its own for each request, the same whenever the run is repeated."""
    digest = hashlib.sha256(f"{seed}\0{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % MOST_SEED
