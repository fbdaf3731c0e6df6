"""Answering: take an item, send the answer once, or pass it by."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from whetstone_client.errors import Json
from whetstone_client.transport import Transport


@dataclass(frozen=True)
class Answer:
    """The answer to one question: `target` is the id of the response that it is about, or None for all of them."""

    question: str
    payload: Json
    target: int | None = None


@dataclass(frozen=True)
class Submission:
    """What was stored; `status` is "counted" or "late"."""

    id: str
    assignment: int
    revision: int
    status: str
    submitted_at: str
    supersedes: str | None = None

    @classmethod
    def read(cls, row: Json) -> Submission:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


@dataclass
class Task:
    """What a labeler has on the screen. Its key is drawn once: however often the answer is sent, it is stored once."""

    transport: Transport = field(repr=False)
    data: Json = field(repr=False)
    key: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def id(self) -> int:
        return int(self.data["id"])

    @property
    def prompt(self) -> list[Json]:
        """Messages: role and content."""
        return list(self.data["prompt"])

    @property
    def responses(self) -> list[Json]:
        """id and text, in the order in which they are shown."""
        return list(self.data["responses"])

    @property
    def questions(self) -> list[Json]:
        return list(self.data["questions"])

    @property
    def draft(self) -> Json | None:
        found: Json | None = self.data["draft"]
        return found

    def submit(
        self,
        answers: Iterable[Answer | Json],
        *,
        active_ms: int | None = None,
        revises: str | None = None,
    ) -> Submission:
        """Sends the answer, again if no acknowledgement came. Raises Conflict: `already_sent`, `skipped`, …

        Args:
            active_ms: how long somebody worked on it.
            revises: the submission that this one corrects, from `Campaign.undo`.
        """
        body: Json = {
            "idempotency_key": self.key,
            "answers": [asdict(a) if isinstance(a, Answer) else a for a in answers],
            "protocol_version": self.data["protocol_version"],
            "guidelines_version": self.data["guidelines_version"],
            "device_class": "program",
        }
        body |= {"active_ms": active_ms} if active_ms is not None else {}
        body |= {"revises": revises} if revises is not None else {}
        said = self.transport.post(f"assignments/{self.id}/submit/", body, is_safe=True)
        return Submission.read(said["submission"])

    def skip(self, reason: str, note: str = "") -> None:
        """Passes it by for good: unclear, expertise, language, uncomfortable, other."""
        self._post("skip", {"reason": reason, "note": note})

    def flag(self, reason: str, note: str = "") -> None:
        """Reports it: harmful, private, broken, duplicate, other. You may still answer."""
        self._post("flag", {"reason": reason, "note": note})

    def heartbeat(self) -> str:
        """Keeps the lease; until when. Raises Conflict `expired` when the place was given away."""
        return str(self._post("heartbeat", {})["lease_until"])

    def save_draft(self, data: Json) -> None:
        """Keeps what is filled in so far, as form fields."""
        self.transport.send("PUT", f"assignments/{self.id}/draft/", json={"data": data}, is_safe=True)

    def _post(self, act: str, body: Json) -> Any:
        return self.transport.post(f"assignments/{self.id}/{act}/", body, is_safe=True)
