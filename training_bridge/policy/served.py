"""Sampling from a policy that a server holds: vLLM, llama.cpp, anything that speaks OpenAI's chat completions.

    {"endpoint": {"base_url": "http://127.0.0.1:8000/v1", "model": "policy-7"}, "input": "prompts.jsonl", ...}

Takes the place of `generation.Sampler` where a policy only answers. Answers to one prompt are asked for together, with `n`,
`seed` and `logprobs`; prompts run at the same time. A key is read from WHETSTONE_ENDPOINT_KEY, never from a file. top_k and
min_p are vLLM's and llama.cpp's own; where they are off they are not sent. Log-probabilities are as the server gives them
(vLLM: of the policy itself, unless it was told otherwise); from one that gives none, rows have no tokens and no logprob.

A run of the web site adds what the operator allows the host to be (`allowed`, from WHETSTONE_ENDPOINT_HOSTS): each address
is checked before it is connected to. Who starts this from a shell decides by the config. No redirects, no proxies.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from annotation.endpoints.addresses import CheckedTransport, Target, authorities
from annotation.endpoints.excerpts import safe_excerpt
from annotation.endpoints.failures import EndpointFailed
from annotation.project.env import AllowedHost
from training_bridge.policy.chat import Messages, as_pair, load_policy
from training_bridge.policy.config import policy_source
from training_bridge.policy.generation import Generated, Request, Sampler, Sampling
from training_bridge.programs import ENDPOINT_KEY, Problem, RunDirectory

ATTEMPTS, FIRST_WAIT_S, LONGEST_WAIT_S = 4, 0.5, 20.0
AT_ONCE = 16
CONNECT_S, TOTAL_S = 10, 600
MOST_BYTES = 64 * 1024 * 1024  # of the answers to one prompt: a token with its log-probability is about 100
MOST_SEED = 2**31 - 1


class ServedSampler:
    def __init__(self, endpoint: Mapping[str, Any], sampling: Sampling):
        if not endpoint.get("base_url") or not endpoint.get("model"):
            raise Problem(
                "The endpoint has no base_url or no model.", 'Give "endpoint": {"base_url": …, "model": …}.'
            )
        self.endpoint, self.sampling = endpoint, sampling
        self.url = f"{str(endpoint['base_url']).rstrip('/')}/chat/completions"
        self.model = str(endpoint["model"])
        self.target = target_of(endpoint)
        self.key = os.environ.get(ENDPOINT_KEY, "")

    @property
    def source(self) -> dict[str, str]:
        """What is kept with each answer: which model of which endpoint gave it."""
        named = {"endpoint": str(self.endpoint["name"])} if self.endpoint.get("name") else {}
        return {**named, "model": self.model}

    def room(self, messages: Messages) -> int:
        """The server knows its context; a prompt that is too long for it is its refusal."""
        return self.sampling.max_tokens

    def sample(self, requests: Sequence[Request], *, seed: int) -> list[Generated]:
        """One answer to each request, in their order; those to the same messages are asked for together.

        Raises: Problem when the server cannot be reached, refuses, or answers with something else.
        """
        if any(request.begun for request in requests):
            raise Problem(
                "An endpoint is asked for whole answers, not to go on from a text that has begun.",
                "Let a policy of this machine do that.",
            )
        groups: dict[Any, list[int]] = {}
        for i, request in enumerate(requests):
            groups.setdefault(tuple(as_pair(m) for m in request.messages), []).append(i)
        asked = [
            (messages, len(places), seed_of(seed, requests[places[0]].key))
            for messages, places in groups.items()
        ]
        found: list[Generated] = [Generated("") for _ in requests]
        for places, answers in zip(groups.values(), asyncio.run(self._ask_all(asked)), strict=True):
            for place, answer in zip(places, answers, strict=True):
                found[place] = answer
        return found

    async def _ask_all(self, asked: Sequence[tuple[Any, int, int]]) -> list[list[Generated]]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def ask(client: httpx.AsyncClient, messages: Any, n: int, seed: int) -> list[Generated]:
            async with gate:
                return await self._ask(client, messages, n, seed)

        async with self._client() as client:
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(ask(client, *one)) for one in asked]
            except ExceptionGroup as failed:  # the others were stopped
                raise failed.exceptions[0] from None
        return [task.result() for task in tasks]

    def _client(self) -> httpx.AsyncClient:
        headers = {"Accept-Encoding": "identity", "User-Agent": "Whetstone"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        told = self.endpoint
        trusted = authorities(Path(told["ca_file"]) if told.get("ca_file") else None)
        transport = (
            CheckedTransport(self.target, trusted=trusted, most_bytes=MOST_BYTES)
            if self.target
            else httpx.AsyncHTTPTransport(verify=trusted, trust_env=False)
        )
        timeout = httpx.Timeout(
            float(told.get("total_s") or TOTAL_S), connect=float(told.get("connect_s") or CONNECT_S)
        )
        return httpx.AsyncClient(
            headers=headers, transport=transport, timeout=timeout, trust_env=False, follow_redirects=False
        )

    async def _ask(
        self, client: httpx.AsyncClient, messages: Sequence[tuple[str, str]], n: int, seed: int
    ) -> list[Generated]:
        how = self.sampling
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": role, "content": content} for role, content in messages],
            "n": n,
            "seed": seed,
            "temperature": how.temperature,
            "top_p": how.top_p,
            str(self.endpoint.get("length_field") or "max_tokens"): how.max_tokens,
            "logprobs": True,
        }
        body |= {name: value for name, value in (("top_k", how.top_k), ("min_p", how.min_p)) if value}
        choices = (await self._post(client, body)).get("choices")
        if not isinstance(choices, list) or len(choices) != n:
            have = len(choices) if isinstance(choices, list) else 0
            raise Problem(
                f"The endpoint was asked for {n} answers to a prompt and gave {have}.",
                "Use a server that knows n, such as vLLM or llama.cpp.",
            )
        return [read_choice(choice) for choice in choices]

    async def _post(self, client: httpx.AsyncClient, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer of the server; asked again while it is busy, failing or not to be reached."""
        said = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt))
            try:
                response = await client.post(self.url, json=body)
            except httpx.TransportError as error:
                said = f"cannot be reached: {type(error).__name__}"
                continue
            except EndpointFailed as failed:
                if failed.code != "unreachable":
                    raise Problem(failed.message, "See the page of the endpoint, or ask its admin.") from None
                said = "cannot be reached"
                continue
            if response.status_code == 429 or response.status_code >= 500:
                said = f"answers with {response.status_code}"
                continue
            return self._read(response)
        raise Problem(f"The endpoint {said}, {ATTEMPTS} times.", "Start it, or name another.")

    def _read(self, response: httpx.Response) -> Mapping[str, Any]:
        """Raises Problem for a refusal, quoting what is safe of it, and for what is no JSON object."""
        if response.status_code != 200:
            is_public = self.target is None or self.target.is_public
            quoted = safe_excerpt(response.text, key=self.key, is_public=is_public)
            if response.status_code in (401, 403):
                quoted = ""  # what it says about a key is not repeated
            raise Problem(
                f"The endpoint refuses with {response.status_code}" + (f": {quoted}" if quoted else "."),
                f"Check the model's name, the key ({ENDPOINT_KEY} from a shell) and how long the prompts are; a server "
                "that is neither vLLM nor llama.cpp may not know min_p and top_k: set them to 0.",
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


def sampler_of(run: RunDirectory, sampling: Sampling, name: str = "parent") -> Sampler | ServedSampler:
    """Of a policy that the config names; an endpoint that it names stands in for "parent"."""
    if name == "parent" and (endpoint := run.config.get("endpoint")):
        return ServedSampler(endpoint, sampling)
    model, tokenizer = load_policy(policy_source(run.config, name))
    return Sampler(model, tokenizer, sampling)


def target_of(endpoint: Mapping[str, Any]) -> Target | None:
    """What the operator allows the host to be; None where an operator wrote the config."""
    allowed = endpoint.get("allowed")
    if not allowed:
        return None
    networks = tuple(ipaddress.ip_network(network) for network in allowed["networks"])
    host = AllowedHost(allowed["scheme"], allowed["host"], int(allowed["port"]), networks)
    return Target(str(endpoint["base_url"]).rstrip("/"), host)


def read_choice(choice: Any) -> Generated:
    """One answer of a chat completion. Raises Problem when it is something else."""
    try:
        text = choice["message"]["content"] or ""
        told = (choice.get("logprobs") or {}).get("content") or []
        logprobs = [float(token["logprob"]) for token in told]
        finish = choice.get("finish_reason")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Problem(
            f"The endpoint's answer is not as chat completions are: {type(error).__name__}.",
            "Check its base_url.",
        ) from error
    return Generated(str(text).strip(), logprobs=logprobs, finish="length" if finish == "length" else "stop")


def seed_of(seed: int, key: str) -> int:
    """A seed of its own for each request, the same whenever the run is repeated."""
    digest = hashlib.sha256(f"{seed}\0{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % MOST_SEED
