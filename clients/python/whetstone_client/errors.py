"""What can go wrong. A refusal carries everything that the server said: what, where, how to mend."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


class WhetstoneError(Exception):
    """Base of everything that this package raises."""


class Unanswered(WhetstoneError):
    """No answer came, and the request may or may not have been done: look before you send it again."""


class TimedOut(WhetstoneError):
    """A snapshot or run was not finished within the time that you gave; it goes on."""


class Damaged(WhetstoneError):
    """What was downloaded is not what its hash says; nothing of it was kept."""


class JobFailed(WhetstoneError):
    """A snapshot or run ended badly; `error` says how and `advice` what to do."""

    def __init__(self, what: str, status: str, error: str, advice: str) -> None:
        super().__init__(f"{what} {status}: {error} {advice}".strip())
        self.status, self.error, self.advice = status, error, advice


class ApiError(WhetstoneError):
    """A refusal.

    Attributes:
        status: of HTTP.
        code: for programs, such as "already_sent".
        message: for people.
        fields: name of a field: what is wrong with it.
        extra: what else the server said, such as the id of the submission that is there already.
        request_id: to find the request in the server's log.
    """

    def __init__(
        self,
        status: int,
        *,
        code: str,
        message: str,
        fields: dict[str, list[str]] | None = None,
        extra: Json | None = None,
        request_id: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        self.status, self.code, self.message = status, code, message
        self.fields, self.extra = fields or {}, extra or {}
        self.request_id, self.retry_after_s = request_id, retry_after_s
        told = "; ".join(f"{name}: {' '.join(said)}" for name, said in self.fields.items())
        super().__init__(f"{status} {code}: {message}" + (f" ({told})" if told else ""))


class Invalid(ApiError):
    """400, 413, 415, 422, 428: the request breaks a rule; `fields` says which."""


class NotAllowed(ApiError):
    """401, 403: no valid token, or the role or scope is not enough."""


class NotFound(ApiError):
    """404: there is no such thing for you."""


class Conflict(ApiError):
    """409: the state has changed meanwhile; `code` says how."""


class Gone(ApiError):
    """410: it was there once; `extra["successor"]` may name what took its place."""


class Stale(ApiError):
    """412: somebody saved first; `extra["diff"]` is the difference."""


class TooMany(ApiError):
    """429, after all retries: `retry_after_s` says when to come back."""


class Unavailable(ApiError):
    """5xx, after all retries."""


class ImportRefused(ApiError):
    """Some rows are wrong; the chunk that they are in was not stored, chunks before it were.

    Attributes:
        errors: {line, field, rule, remedy} each; `line` counts your rows from 1.
        imported: what was stored before.
        import_id: give it again with the mended rows.
    """

    errors: list[Json]
    imported: Any
    import_id: str


KINDS: dict[int, type[ApiError]] = {
    401: NotAllowed, 403: NotAllowed, 404: NotFound, 409: Conflict, 410: Gone, 412: Stale, 429: TooMany,
}  # fmt: skip


def kind_of(status: int) -> type[ApiError]:
    return KINDS.get(status, Unavailable if status >= 500 else Invalid)
