"""Why an endpoint gave no answer, in words that are safe to show to anybody: no address, no key, nothing of what it sent."""

from __future__ import annotations

from django.utils.translation import gettext as _

from annotation.errors import Refused

RETRIED = frozenset({"unreachable", "busy", "failing"})  # as long as no token has come
ILL = frozenset(
    {"unreachable", "failing", "no_first_token", "stalled", "took_too_long", "unexpected", "broken_off"}
)


class EndpointFailed(Refused):
    """`code` is one of WORDS; `excerpt` is the safe beginning of what the endpoint said, for those who run it only."""

    status = 502

    def __init__(self, code: str, *, excerpt: str = "", retry_after_s: float | None = None, **values: str):
        extra = {"retry_after_s": max(1, round(retry_after_s))} if retry_after_s is not None else {}
        super().__init__(_words(code) % values, code=code, extra=extra)
        self.excerpt = excerpt
        self.retry_after_s = retry_after_s


def _words(code: str) -> str:
    return {
        "address_refused": _("This server may not connect to the address of the endpoint. Ask its operator."),
        "unreachable": _("The endpoint cannot be reached."),
        "certificate": _(
            "The endpoint's certificate was refused: %(why)s. There is no way to skip this check."
        ),
        "no_secure_connection": _("The endpoint does not speak https."),
        "key_lost": _("The stored key can no longer be read. Enter it again."),
        "key_refused": _("The endpoint refused the key."),
        "redirected": _("The endpoint pointed to another address, which is not followed."),
        "busy": _("The endpoint is busy. Try again later."),
        "failing": _("The endpoint reported an error of its own."),
        "not_accepted": _("The endpoint did not accept the request."),
        "no_first_token": _("The endpoint did not begin to answer in time."),
        "stalled": _("The endpoint stopped in the middle of its answer."),
        "took_too_long": _("The endpoint took too long to finish its answer."),
        "too_much": _("The endpoint sent more than an answer can be."),
        "unexpected": _("The endpoint answered, but not in the expected form."),
        "broken_off": _("The endpoint broke off before its answer was complete."),
        "resting": _("The endpoint failed several times in a row and is left alone for a moment."),
        "cannot_continue": _("This endpoint cannot go on from a text that has begun; its settings say so."),
        "inactive": _("This endpoint is switched off."),
    }[code]
