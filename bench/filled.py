"""Campaigns of any size in a minute: prompts, responses, items and slots written by SQL, as an import would leave them.

    campaign = make(admin, "Bench", n=1_000_000, overlap=1, strategy="oldest", rare_every=10_000)

Every `rare_every`th item is in Swahili; all others in English. Texts are about 1.2 kB an item.
"""

from __future__ import annotations

from typing import Any

BATCH = 50_000
RARE = "sw"

# Foreign keys are right by construction and not looked at; counts are made by the triggers as always.
ITEMS = """
WITH n AS (
  SELECT nextval('annotation_item_id_seq') AS item, nextval('annotation_prompt_id_seq') AS prompt,
         nextval('annotation_response_id_seq') AS first, nextval('annotation_response_id_seq') AS second, k
  FROM generate_series(%(from)s::bigint, %(to)s::bigint) k
), texts AS (
  SELECT n.*, CASE WHEN %(rare)s > 0 AND k %% %(rare)s = 0 THEN 2 ELSE 1 END AS lane,
         k || ': ' || repeat('river stone because simple ', 10) || '?' AS asked,
         repeat('otter bright kettle window ', 15) || k AS one, repeat('slowly question river stone ', 15) || k AS two FROM n
), p AS (
  INSERT INTO annotation_prompt (id, campaign_id, messages, language, sha256)
  SELECT prompt, %(campaign)s, jsonb_build_array(jsonb_build_object('role', 'user', 'content', asked)),
         CASE lane WHEN 2 THEN 'sw' ELSE 'en' END, encode(sha256(convert_to(asked, 'UTF8')), 'hex') FROM texts
), r AS (
  INSERT INTO annotation_response (id, prompt_id, text, n_codepoints, sha256, source, source_name)
  SELECT id, prompt, body, length(body), encode(sha256(convert_to(body, 'UTF8')), 'hex'), 'policy', 'p' FROM (
    SELECT first AS id, prompt, one AS body FROM texts UNION ALL SELECT second, prompt, two FROM texts) t
), i AS (
  INSERT INTO annotation_item (id, campaign_id, prompt_id, round_number, priority, overlap, lane)
  SELECT item, %(campaign)s, prompt, 1, k %% 7, %(overlap)s, lane FROM texts
), links AS (
  INSERT INTO annotation_itemresponse (item_id, response_id, position)
  SELECT item, first, 0 FROM texts UNION ALL SELECT item, second, 1 FROM texts
)
SELECT min(item), max(item) FROM texts
"""


def make(
    admin: Any,
    name: str,
    *,
    n: int,
    overlap: int,
    protocol: list[dict[str, Any]],
    strategy: str = "oldest",
    rare_every: int = 0,
) -> Any:
    """An open campaign of n items with their places in the queue."""
    from django.db import connection, transaction

    from annotation.assignment.models import Lane
    from annotation.assignment.services import fill_slots
    from annotation.campaigns.services import create_campaign, open_campaign

    campaign = create_campaign(
        actor=admin, name=name, overlap=overlap, guidelines="Compare.", protocol=protocol, strategy=strategy
    )
    for number, language in ((1, "en"), (2, RARE)):
        Lane.objects.create(campaign=campaign, number=number, language=language, skills=[])
    first, last = 0, 0
    for start in range(0, n, BATCH):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(
                ITEMS,
                {
                    "from": start,
                    "to": min(start + BATCH, n) - 1,
                    "campaign": campaign.pk,
                    "overlap": overlap,
                    "rare": rare_every,
                },
            )
            low, high = cursor.fetchone()
            first, last = first or low, high
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        fill_slots(campaign=campaign, first_item_id=first, last_item_id=last)
    return open_campaign(actor=admin, campaign=campaign)
