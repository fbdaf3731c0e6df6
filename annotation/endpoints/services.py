"""Admins say where a policy is served, try it, change it, and take it away. A key goes in and never comes out.

endpoint = create_endpoint(actor=adam, base_url="https://api.example.org/v1", name="Large", model="large-7b", key="sk-…")
trial = try_endpoint(actor=adam, endpoint=endpoint, prompt="Say hello.")     # nothing that it says is stored
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from annotation.endpoints import keys
from annotation.endpoints.addresses import check
from annotation.endpoints.client import stream
from annotation.endpoints.failures import EndpointFailed
from annotation.endpoints.models import Endpoint
from annotation.errors import Conflict, Invalid, NotFound
from annotation.generation.sampling import Sampling
from annotation.inputs import is_text
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.transactions import in_transaction
from annotation.webhooks.models import Webhook

KEY = re.compile(r"[!-~]{1,512}")
QUOTES = frozenset("\"'`\\")
SECONDS = {"connect_s": 60, "first_token_s": 600, "between_tokens_s": 600, "total_s": 3600}  # at most
TEXTS = {"name": 80, "model": 200}  # characters at most
CHOICES = {"continuation": Endpoint.Continuation.values, "length_field": Endpoint.LengthField.values}
FLAGS = ("is_shared", "is_active")
PLAIN = (*TEXTS, "base_url", *CHOICES, *SECONDS, *FLAGS)  # what everybody who runs it may see
CHANGEABLE = (*PLAIN, "key")
TRIAL_S = 30
TRIAL_TOKENS = 48
TRIAL_CHARACTERS = 500


@in_transaction
def create_endpoint(
    *, actor: User, name: str, base_url: str, model: str, key: str = "", **settings: Any
) -> Endpoint:
    """Keeps an endpoint; nothing is sent to it yet. `settings` are the other fields of CHANGEABLE. Raises Invalid."""
    values = {"name": name, "base_url": base_url, "model": model, **settings}
    endpoint = Endpoint(created_by=actor)
    _set(endpoint, _checked(endpoint, values, key), key)
    _save(endpoint)
    endpoint.refresh_from_db()
    record_audit(
        actor=actor,
        action="endpoint.create",
        target=f"endpoint:{endpoint.pk}",
        after=_plain(endpoint) | {"key": "given" if key else "none"},
    )
    return endpoint


@in_transaction
def change_endpoint(*, actor: User, endpoint: Endpoint, changes: Mapping[str, Any]) -> Endpoint:
    """Changes some fields. `key` replaces the stored one, an empty one takes it away. Raises Invalid, NotFound.

    With another address the key is asked for again: it was entrusted to the old one.
    """
    now = Endpoint.objects.select_for_update().filter(pk=endpoint.pk, removed_at=None).first()
    if now is None:
        raise NotFound(_("This endpoint was removed."))
    key = changes.get("key")
    values = {name: value for name, value in changes.items() if name != "key"}
    before = _plain(now)
    checked = _checked(now, values, key)
    if now.has_key and key is None and checked.get("base_url", now.base_url) != now.base_url:
        raise Invalid(
            _("The endpoint was not saved; mend the marked fields."),
            fields={"key": [_("Enter the key again: it was given for the other address.")]},
        )
    _set(now, checked, key)
    _save(now)
    after = _plain(now)
    changed = {name for name in PLAIN if before[name] != after[name]}
    if changed or key is not None:
        record_audit(
            actor=actor,
            action="endpoint.change",
            target=f"endpoint:{now.pk}",
            before={name: before[name] for name in sorted(changed)},
            after={name: after[name] for name in sorted(changed)}
            | ({} if key is None else {"key": "changed" if key else "removed"}),
        )
    return now


@in_transaction
def remove_endpoint(*, actor: User, endpoint: Endpoint) -> None:
    """Nobody can use it from now on, and its key is gone; the row stays for the responses that came from it."""
    gone = Endpoint.objects.filter(pk=endpoint.pk, removed_at=None).update(
        removed_at=Now(), is_active=False, sealed_key=""
    )
    if gone:
        record_audit(
            actor=actor,
            action="endpoint.remove",
            target=f"endpoint:{endpoint.pk}",
            before={"name": endpoint.name, "base_url": endpoint.base_url, "model": endpoint.model},
        )


@dataclass(frozen=True)
class Trial:
    """What came of a short prompt: the text so far, and if something went wrong, what."""

    text: str
    first_token_s: float | None
    total_s: float
    failure: EndpointFailed | None = None


def try_endpoint(*, actor: User, endpoint: Endpoint, prompt: str) -> Trial:
    """Sends a short prompt, whatever happened to others before, and waits for at most half a minute. Raises Invalid."""
    if not is_text(prompt) or not prompt.strip() or len(prompt) > TRIAL_CHARACTERS:
        rule = _("1 to %(n)d characters.") % {"n": TRIAL_CHARACTERS}
        raise Invalid(_("Write a short prompt."), fields={"prompt": [rule]})
    trial = async_to_sync(_try)(endpoint, prompt)
    _record_trial(actor=actor, endpoint=endpoint, outcome=trial.failure.code if trial.failure else "answered")
    return trial


async def _try(endpoint: Endpoint, prompt: str) -> Trial:
    began = time.monotonic()
    texts: list[str] = []
    first_token_s = failure = None
    messages = [{"role": "user", "content": prompt}]
    sampling = Sampling(max_new_tokens=TRIAL_TOKENS)
    try:
        async with (
            asyncio.timeout(TRIAL_S),
            aclosing(stream(endpoint, messages, sampling=sampling, is_trial=True)) as tokens,
        ):
            async for text in tokens:
                first_token_s = first_token_s or time.monotonic() - began
                texts.append(text)
    except EndpointFailed as failed:
        failure = failed
    except TimeoutError:
        failure = EndpointFailed("took_too_long" if texts else "no_first_token")
    return Trial("".join(texts), first_token_s, time.monotonic() - began, failure)


@in_transaction
def _record_trial(*, actor: User, endpoint: Endpoint, outcome: str) -> None:
    record_audit(
        actor=actor, action="endpoint.try", target=f"endpoint:{endpoint.pk}", after={"outcome": outcome}
    )


@in_transaction
def reseal_keys() -> tuple[int, int]:
    """Seals every key and every webhook's secret by the first of the site's encryption keys; how many were, and how many
    none of them opens."""
    done = lost = 0
    for model, name in (
        (Endpoint, "sealed_key"),
        (Webhook, "sealed_secret"),
        (Webhook, "sealed_old_secret"),
    ):
        rows: Any = model._default_manager.select_for_update().exclude(**{name: ""}).order_by("pk")
        for row in rows:
            try:
                setattr(row, name, keys.reseal(getattr(row, name)))
            except EndpointFailed:
                lost += 1
                continue
            row.save(update_fields=[name])
            done += 1
    record_audit(actor=None, action="endpoint.reseal", after={"keys": done, "lost": lost})
    return done, lost


# --- Helpers ---------------------------------------------------------------------------------------------------------


def _plain(endpoint: Endpoint) -> dict[str, Any]:
    return {name: getattr(endpoint, name) for name in PLAIN}


def _set(endpoint: Endpoint, values: Mapping[str, Any], key: str | None) -> None:
    for name, value in values.items():
        setattr(endpoint, name, value)
    if key is not None:
        endpoint.sealed_key = keys.seal(key)


def _checked(endpoint: Endpoint, values: Mapping[str, Any], key: Any) -> dict[str, Any]:
    """The values as they are stored. Raises Invalid with a sentence for each field that breaks a rule."""
    wrong: dict[str, list[str]] = {}
    checked: dict[str, Any] = {}
    for name, value in values.items():
        try:
            checked[name] = _check_one(name, value)
        except Invalid as invalid:
            wrong |= invalid.fields
        except ValueError as error:
            wrong[name] = [str(error)]
    if key is not None and key != "":
        if not isinstance(key, str) or not KEY.fullmatch(key) or QUOTES & set(key):
            wrong["key"] = [
                _("1 to 512 ASCII characters without spaces, line breaks, quotes and backslashes.")
            ]
    total_s, first_token_s = (
        checked.get(name, getattr(endpoint, name)) for name in ("total_s", "first_token_s")
    )
    if not wrong and total_s < first_token_s:
        wrong["total_s"] = [_("Not shorter than the wait for the first token.")]
    if not wrong and "name" in checked:
        same = Endpoint.objects.filter(
            created_by_id=endpoint.created_by_id, name=checked["name"], removed_at=None
        )
        if same.exclude(pk=endpoint.pk).exists():
            raise _name_taken()
    if wrong:
        raise Invalid(_("The endpoint was not saved; mend the marked fields."), fields=wrong)
    return checked


def _save(endpoint: Endpoint) -> None:
    try:
        with transaction.atomic():
            endpoint.save()
    except IntegrityError as error:  # somebody was faster
        raise _name_taken() from error


def _name_taken() -> Conflict:
    return Conflict(
        _("You have an endpoint of this name."),
        code="name_taken",
        fields={"name": [_("Choose another name.")]},
    )


def _check_one(name: str, value: Any) -> Any:
    if name == "base_url":
        return check(value).base_url
    if name in TEXTS:
        if (
            not isinstance(value, str)
            or not value.strip()
            or len(value) > TEXTS[name]
            or not value.isprintable()
        ):
            raise ValueError(_("1 to %(n)d characters, on one line.") % {"n": TEXTS[name]})
        return value.strip()
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise ValueError(_("Choose one of: %(choices)s.") % {"choices": ", ".join(CHOICES[name])})
        return value
    if name in SECONDS:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= SECONDS[name]:
            raise ValueError(
                _("A whole number from %(low)d to %(high)d.") % {"low": 1, "high": SECONDS[name]}
            )
        return value
    if name in FLAGS:
        if not isinstance(value, bool):
            raise ValueError(_("true or false."))
        return value
    raise ValueError(_("Unknown field; known: %(known)s.") % {"known": ", ".join(CHANGEABLE)})
