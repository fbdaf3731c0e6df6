"""The outbox: what happened becomes a message for each webhook that wants it, in the transaction in which it happens.

    emit("campaign.opened", campaign)
    emit("flag.created", campaign_id, item=17, flag=3, reason="broken")

A campaign knows which kinds its webhooks want (`Campaign.hooked`), so that whoever has it in hand pays nothing where nobody
listens. Given the number of a campaign, one statement finds out.
"""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any

from django.db import connection, transaction
from kombu.exceptions import OperationalError as BrokerError

from annotation.campaigns.models import Campaign
from annotation.webhooks.catalogue import KINDS

log = logging.getLogger(__name__)

INSERT = """
INSERT INTO annotation_delivery (event, webhook_id, kind, data)
SELECT %(event)s, w.id, %(kind)s::varchar, jsonb_build_object('campaign', c.slug) || %(data)s::jsonb
FROM annotation_webhook w JOIN annotation_campaign c ON c.id = w.campaign_id
WHERE w.campaign_id = %(campaign)s AND w.is_active AND %(kind)s::varchar = ANY(w.kinds)
"""

REFRESH = """
UPDATE annotation_campaign SET hooked = coalesce(
  (SELECT array_agg(DISTINCT kind ORDER BY kind) FROM annotation_webhook w, unnest(w.kinds) kind
   WHERE w.campaign_id = %(campaign)s AND w.is_active), '{}')
WHERE id = %(campaign)s
"""


def emit(kind: str, campaign: Campaign | int, **data: Any) -> int:
    """Writes the messages of one event; how many. A worker is woken after the commit, and a sweep finds what it missed."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("an event belongs in the transaction of what happened")
    if set(data) != set(KINDS[kind].fields):
        raise ValueError(f"{kind} has the fields {KINDS[kind].fields}, not {tuple(data)}")
    if isinstance(campaign, Campaign) and kind not in campaign.hooked:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            INSERT,
            {
                "event": uuid.uuid4(),
                "kind": kind,
                "campaign": campaign if isinstance(campaign, int) else campaign.pk,
                "data": json.dumps(data, default=str),
            },
        )
        written = cursor.rowcount
    if written:
        wake_on_commit()
    return written


def refresh_hooked(campaign_id: int) -> None:
    """The kinds that somebody wants, at the campaign; after every change of its webhooks, in the same transaction."""
    with connection.cursor() as cursor:
        cursor.execute(REFRESH, {"campaign": campaign_id})


def wake_on_commit() -> None:
    transaction.on_commit(wake, robust=True)


def wake() -> None:
    """Wakes a worker; if the broker is away the sweep sends what is due."""
    from annotation import tasks

    try:
        tasks.send_webhooks.apply_async(expires=60)
    except BrokerError as error:
        log.warning("The broker cannot be reached; messages to webhooks wait for the sweep: %s", error)
