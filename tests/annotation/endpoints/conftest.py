from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from annotation.endpoints import client, keys
from annotation.endpoints.models import Endpoint
from annotation.project.env import envhosts
from tests.annotation.endpoints.stub import Stub

KEY = "sk-canary-Zq7xW2mP9"
NEVER_GOES_ON = {"silent", "only_begins", "stalls"}
numbers = itertools.count(10_000_000)  # a breaker of its own for each


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with Stub() as stub:
        yield stub


@pytest.fixture
def allow(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says where the server may connect, as an operator does."""

    def say(*hosts: str) -> None:
        monkeypatch.setenv("WHETSTONE_ENDPOINT_HOSTS", ",".join(hosts))
        settings.ENDPOINT_HOSTS = envhosts("WHETSTONE_ENDPOINT_HOSTS")

    return say


@pytest.fixture
def endpoint(
    stub: Stub, allow: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Endpoint]:
    """Makes one at the stub, not stored, that begins again at once and waits briefly where waiting is in vain."""
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.01)
    allow(f"http://127.0.0.1:{stub.port}")

    def make(model: str, **fields: Any) -> Endpoint:
        patience = 1 if model in NEVER_GOES_ON else 20  # of the others, a busy machine may delay every token
        fields = {
            "base_url": stub.url, "connect_s": 20, "first_token_s": patience, "between_tokens_s": patience, "total_s": 60,
            "sealed_key": keys.seal(KEY), "pk": next(numbers),
        } | fields  # fmt: skip
        return Endpoint(name=model, model=model, **fields)

    return make
