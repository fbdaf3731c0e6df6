from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from tests.cast import Cast, make_campaign, make_cast


class Api:
    """JSON in, JSON out, as one person."""

    def __init__(self, user: Any = None, **headers: str) -> None:
        self.client, self.headers = Client(raise_request_exception=True), headers
        if user is not None:
            self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    def __call__(self, method: str, path: str, data: Any = None, **options: Any) -> Any:
        if data is not None and not isinstance(data, bytes):
            options |= {"data": data, "content_type": "application/json"}
        headers = {**self.headers, **options.pop("headers", {})}
        if isinstance(data, bytes):  # as it is, whatever the content type says
            kind = options.pop("content_type", "application/json")
            return self.client.generic(method.upper(), f"/api/{path}", data, kind, headers=headers, **options)
        return getattr(self.client, method)(f"/api/{path}", headers=headers, **options)


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture
def campaign(cast: Cast) -> Any:
    return make_campaign(cast, items=4, overlap=2)


@pytest.fixture
def api() -> type[Api]:
    return Api
