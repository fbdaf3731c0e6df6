"""A thin client of our own REST API: one token, one base address, refusals as exceptions."""

from __future__ import annotations

import time
from typing import Any

import httpx


class ApiError(RuntimeError):
    """The API refused; `code` is its own name for why."""

    def __init__(self, status: int, problem: Any):
        self.status = status
        self.problem = problem if isinstance(problem, dict) else {"message": str(problem)}
        self.code = self.problem.get("code", "")
        super().__init__(f"{status} {self.code}: {self.problem.get('message', self.problem)}")


class Client:
    """Waits when asked to (429, 503) and sends the same request again; any other refusal raises ApiError."""

    def __init__(self, base_url: str, token: str, *, connection: httpx.Client, most_waits: int = 8):
        self.base_url = base_url.rstrip("/") + "/api/"
        self.headers = {"Authorization": f"Bearer {token}"}
        self.connection = connection
        self.most_waits = most_waits

    def get(self, path: str) -> Any:
        return self._send("GET", path)

    def post(self, path: str, json: Any = None) -> Any:
        return self._send("POST", path, json={} if json is None else json)

    def upload(self, path: str, lines: bytes) -> Any:
        return self._send("POST", path, content=lines, headers={"Content-Type": "application/x-ndjson"})

    def _send(self, method: str, path: str, *, headers: dict[str, str] | None = None, **kwargs: Any) -> Any:
        for _attempt in range(self.most_waits + 1):
            response = self.connection.request(
                method, self.base_url + path, headers=self.headers | (headers or {}), **kwargs
            )
            if response.status_code not in (429, 503) or _attempt == self.most_waits:
                break
            time.sleep(min(60.0, float(response.headers.get("Retry-After", "1"))))
        body = response.json() if "json" in response.headers.get("Content-Type", "") else response.text[:500]
        if response.status_code >= 400:
            raise ApiError(response.status_code, body)
        return body
