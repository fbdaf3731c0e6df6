"""The way in: an address, a token, your campaigns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

import httpx

from whetstone_client.campaigns import Campaign
from whetstone_client.errors import Json
from whetstone_client.jobs import Run, Snapshot
from whetstone_client.transport import Retries, Transport


class Client:
    """Whetstone at one address, as the owner of one token.

    Args:
        base_url: such as https://whetstone.example.org; the environment's WHETSTONE_URL by default.
        token: as the page *My account* gave it; the environment's WHETSTONE_TOKEN by default.
        timeout_s: for one answer. An import of a large chunk may take long.
        http: a client of yours, for proxies, certificates or another transport; it is not closed here.
    """

    def __init__(
        self,
        base_url: str = "",
        token: str = "",
        *,
        timeout_s: float = 60.0,
        retries: Retries | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        base_url = base_url or os.environ.get("WHETSTONE_URL", "")
        token = token or os.environ.get("WHETSTONE_TOKEN", "")
        if not base_url.startswith(("https://", "http://")) or not token:
            raise ValueError("Give the address of the site (https://…) and a token (wst_…).")
        self._own = None if http else httpx.Client(timeout=httpx.Timeout(timeout_s, connect=10.0))
        self.transport = Transport(
            base_url, token, http=http or self._own or httpx.Client(), retries=retries or Retries()
        )

    def me(self) -> Json:
        """{"username", "campaigns"}."""
        found: Json = self.transport.get("me/")
        return found

    def campaigns(self) -> Iterator[Campaign]:
        """Those in which you have a role, oldest first."""
        for row in self.transport.pages("campaigns/"):
            yield Campaign(self.transport, row)

    def campaign(self, slug: str) -> Campaign:
        return Campaign(self.transport, self.transport.get(f"campaigns/{slug}/"))

    def create_campaign(
        self,
        name: str,
        *,
        guidelines: str | None = None,
        protocol: Sequence[Json] | None = None,
        **settings: Any,
    ) -> Campaign:
        """A draft, of which you are the admin. `settings`: slug, overlap, lease_s, language."""
        body: Json = {"name": name, **settings}
        if guidelines is not None:
            body["guidelines"] = guidelines
        if protocol is not None:
            body["protocol"] = list(protocol)
        return Campaign(self.transport, self.transport.post("campaigns/", body, is_safe=False))

    def snapshot(self, snapshot_id: str) -> Snapshot:
        return Snapshot(self.transport, self.transport.get(f"snapshots/{snapshot_id}/"))

    def run(self, run_id: str) -> Run:
        return Run(self.transport, self.transport.get(f"runs/{run_id}/"))

    def methods(self) -> list[Json]:
        """What a run can be: each method with its inputs and the schema of its settings."""
        found: list[Json] = self.transport.get("methods/")
        return found

    def close(self) -> None:
        if self._own is not None:
            self._own.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
