"""The relay: takes messages that are due, sends them, writes down what came of it. Run by a worker, any number at once.

    waiting ──claim (attempt + 1, due again in two minutes)──▶ send ──2xx──▶ delivered
       ▲──────────────── due later ◀──────────────────────────────┘ failed, until the waits are used up ──▶ given up

At least once: a worker that dies after sending leaves the message due, and it comes again under the same id. Messages of
one webhook are sent in no promised order. A webhook whose receiver fails is left alone for a moment and then asked for one
message, so that it costs the others nothing.
"""

from __future__ import annotations

import datetime as dt
import random
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import orjson
from django.db import transaction
from django.db.models import ExpressionWrapper, F, Q, QuerySet
from django.db.models.fields import BooleanField
from django.db.models.functions import Coalesce, Now

from annotation.endpoints.failures import EndpointFailed
from annotation.endpoints.keys import unseal
from annotation.people.services import record_audit
from annotation.transactions import in_transaction
from annotation.webhooks.catalogue import body
from annotation.webhooks.events import refresh_hooked
from annotation.webhooks.models import Delivery, Webhook
from annotation.webhooks.sending import Message, Outcome, send

AT_ONCE = 8  # messages of one webhook
THREADS = 16
LEASE = dt.timedelta(minutes=2)  # longer than an attempt takes
REST_S = 30.0
LONGEST_REST_S = 3600.0
# After each failure; the sum is a day.
WAITS_S = (5, 60, 300, 1800, 7200, 21_600, 55_435)
GIVE_UP = dt.timedelta(seconds=sum(WAITS_S))
KEEP = dt.timedelta(days=30)

CLAIM = """
WITH due AS (
  SELECT d.id FROM annotation_webhook w CROSS JOIN LATERAL (
    SELECT id FROM annotation_delivery
    WHERE webhook_id = w.id AND state = 'waiting' AND due_at <= statement_timestamp()
    ORDER BY due_at, id LIMIT CASE WHEN w.failing_since IS NULL THEN %(most)s ELSE 1 END
    FOR UPDATE SKIP LOCKED
  ) d
  WHERE w.is_active AND w.id <> ALL(%(busy)s::bigint[]) AND (w.rests_until IS NULL OR w.rests_until <= statement_timestamp())
  LIMIT %(room)s
)
UPDATE annotation_delivery d
SET attempts = d.attempts + 1, attempted_at = statement_timestamp(), due_at = statement_timestamp() + %(lease)s
FROM due WHERE d.id = due.id RETURNING d.*
"""


def relay(*, for_s: float = 60.0) -> int:
    """Sends what is due, and what becomes due meanwhile, for at most so long; how many attempts were made."""
    ends_at = time.monotonic() + for_s
    attempts = 0
    running: dict[Future[Outcome], Delivery] = {}
    with ThreadPoolExecutor(THREADS, thread_name_prefix="webhook") as pool:
        while True:
            if time.monotonic() < ends_at and len(running) < THREADS:
                busy = {delivery.webhook_id for delivery in running.values()}
                for delivery in _claim(busy=busy, room=2 * THREADS - len(running)):
                    running[pool.submit(attempt, delivery)] = delivery
                    attempts += 1
            if not running:
                return attempts
            done, _pending = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in done:
                record(running.pop(future), future.result())


def prune() -> int:
    """Messages that are over leave the log after a month; how many."""
    return (
        Delivery.objects.exclude(state=Delivery.State.WAITING).filter(created_at__lt=Now() - KEEP).delete()[0]
    )


def attempt(delivery: Delivery) -> Outcome:
    """Sends one message under the secrets of its webhook; asks the database nothing."""
    try:
        secrets = _secrets(delivery.webhook)
    except EndpointFailed as failed:
        return Outcome(None, failed.code, "", 0)
    timestamp = delivery.created_at.isoformat().replace("+00:00", "Z")
    told = orjson.dumps(body(delivery.kind, timestamp, delivery.data), option=orjson.OPT_SORT_KEYS)
    return send(delivery.webhook.url, secrets, Message(delivery.message_id, told))


@in_transaction
def record(delivery: Delivery, outcome: Outcome) -> None:
    """What came of an attempt: delivered, due later, or given up; and whether the webhook is switched off with it."""
    rows = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.WAITING)
    if not outcome.failure:
        rows.update(state=Delivery.State.DELIVERED, **said(outcome))
        Webhook.objects.filter(pk=delivery.webhook_id, failing_since__isnull=False).update(
            failing_since=None, rests_until=None
        )
        return
    webhook = Webhook.objects.select_for_update(no_key=True).get(pk=delivery.webhook_id)
    if delivery.attempts > len(WAITS_S):
        rows.update(state=Delivery.State.GIVEN_UP, **said(outcome))
    else:
        wait_s = max(WAITS_S[delivery.attempts - 1] * random.uniform(1.0, 1.1), outcome.wait_s or 0.0)
        rows.update(due_at=Now() + dt.timedelta(seconds=min(wait_s, 2 * WAITS_S[-1])), **said(outcome))
    rest_s = min(max(REST_S, outcome.wait_s or 0.0), LONGEST_REST_S)
    Webhook.objects.filter(pk=webhook.pk).update(
        failing_since=Coalesce(F("failing_since"), Now()),
        rests_until=Now() + dt.timedelta(seconds=rest_s if _is_ill(outcome) else 0),
    )
    has_failed_for_a_day = Webhook.objects.filter(pk=webhook.pk, failing_since__lte=Now() - GIVE_UP).exists()
    if webhook.is_active and (outcome.failure == "gone" or has_failed_for_a_day):
        _switch_off(webhook, "gone" if outcome.failure == "gone" else "failing")


def said(outcome: Outcome) -> dict[str, Any]:
    """What of an outcome is kept."""
    return {name: getattr(outcome, name) for name in ("status", "failure", "excerpt", "duration_ms")}


def _is_ill(outcome: Outcome) -> bool:
    """Whether the receiver is unwell, and not just unwilling to take this one message."""
    return outcome.status is None or outcome.status >= 500 or outcome.status == 429


def _switch_off(webhook: Webhook, reason: str) -> None:
    Webhook.objects.filter(pk=webhook.pk).update(is_active=False, switched_off=reason)
    refresh_hooked(webhook.campaign_id)
    record_audit(
        actor=None,
        campaign=webhook.campaign,
        action="notice.webhook_off",
        target=f"webhook:{webhook.pk}",
        after={"reason": reason},
    )


def _claim(*, busy: set[int], room: int) -> list[Delivery]:
    """Messages that are ours for two minutes, each with its webhook."""
    with transaction.atomic():
        claimed = list(
            Delivery.objects.raw(
                CLAIM, {"most": AT_ONCE, "busy": sorted(busy), "lease": LEASE, "room": max(0, room)}
            )
        )
    webhooks = with_secrets().in_bulk({delivery.webhook_id for delivery in claimed})
    for delivery in claimed:
        delivery.webhook = webhooks[delivery.webhook_id]
    return claimed


def with_secrets() -> QuerySet[Webhook]:
    """Webhooks that know whether their old secret still signs: by the clock of the database."""
    is_valid = ExpressionWrapper(Q(old_secret_until__gt=Now()), output_field=BooleanField())
    return Webhook.objects.annotate(is_old_secret_valid=is_valid)


def _secrets(webhook: Webhook) -> list[str]:
    """The secrets that sign now, the current one first. Raises EndpointFailed `key_lost`."""
    sealed = [webhook.sealed_secret]
    if webhook.is_old_secret_valid:  # type: ignore[attr-defined]
        sealed.append(webhook.sealed_old_secret)
    return [unseal(one) for one in sealed]
