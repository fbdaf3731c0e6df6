"""An endpoint that failed several times in a row is left alone for a moment, so that pages fail at once and it can recover.

Each process finds out by itself: what is shared is not worth a write to the database for every stream.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from annotation.endpoints.failures import EndpointFailed
from annotation.endpoints.models import Endpoint

FAILURES = 5  # in a row
REST_S = 30.0


@dataclass
class Breaker:
    failures: int = 0
    rests_until: float = 0.0  # on the clock of `time.monotonic`

    def ask(self) -> None:
        """Raises EndpointFailed `resting`. After the rest one request tries, and the others wait for what it finds."""
        now = time.monotonic()
        if self.failures < FAILURES:
            return
        if now < self.rests_until:
            raise EndpointFailed("resting", retry_after_s=self.rests_until - now)
        self.rests_until = now + REST_S

    def succeeded(self) -> None:
        self.failures = 0

    def failed(self) -> None:
        self.failures += 1
        self.rests_until = time.monotonic() + REST_S

    def stopped(self) -> None:
        """The one who asked went away before anything was known: the next one may try."""
        if self.failures >= FAILURES:
            self.rests_until = 0.0


_breakers: dict[int, tuple[tuple[str, ...], Breaker]] = {}


def breaker_of(endpoint: Endpoint) -> Breaker:
    """The breaker of an endpoint as it is set now; a change of its settings starts a new one."""
    settings = (endpoint.base_url, endpoint.model, endpoint.sealed_key, endpoint.continuation)
    known = _breakers.get(endpoint.pk)
    if known is None or known[0] != settings:
        known = _breakers[endpoint.pk] = (settings, Breaker())
    return known[1]
