"""How each labeler does on gold items, kept so that a page of labelers costs a page.

A row is written anew in the transaction of each gold answer, by a pass over that labeler's own gold answers; and in one
statement for a whole campaign when an admin changes how many of the latest are looked at.

    GoldTally(campaign 3, labeler 17, answers 41, mean 0.83, latest_answers 20, latest_mean 0.79)
"""

from __future__ import annotations

from typing import Any

from django.db import connection

from annotation.rollups.services import Difference
from annotation.transactions import in_transaction

KEYS = ("campaign_id", "labeler_id")
MEASURES = ("answers", "mean", "latest_answers", "latest_mean")
EPSILON = 1e-9  # a mean may come out otherwise in its last digits, in another order of summing

# One row for each answer in its latest revision, newest first.
ANSWERS = """
SELECT g.campaign_id, g.labeler_id, avg(g.score) AS score, min(g.created_at) AS at,
       row_number() OVER (PARTITION BY g.campaign_id, g.labeler_id ORDER BY max(g.id) DESC) AS place
FROM annotation_goldscore g
WHERE (%(campaign)s::bigint IS NULL OR g.campaign_id = %(campaign)s)
  AND (%(labeler)s::bigint IS NULL OR g.labeler_id = %(labeler)s)
  AND NOT EXISTS (SELECT 1 FROM annotation_submission n WHERE n.supersedes_id = g.submission_id)
GROUP BY g.campaign_id, g.labeler_id, g.submission_id
"""
TRUTH = f"""
SELECT a.campaign_id, a.labeler_id, count(*) AS answers, avg(a.score) AS mean,
       count(*) FILTER (WHERE a.place <= c.gold_window) AS latest_answers,
       avg(a.score) FILTER (WHERE a.place <= c.gold_window) AS latest_mean
FROM ({ANSWERS}) a JOIN annotation_campaign c ON c.id = a.campaign_id
GROUP BY a.campaign_id, a.labeler_id
"""
KEEP = f"""
INSERT INTO annotation_goldtally ({", ".join((*KEYS, *MEASURES))}) {TRUTH} ORDER BY 1, 2
ON CONFLICT (campaign_id, labeler_id) DO UPDATE SET {", ".join(f"{m} = excluded.{m}" for m in MEASURES)}
"""
WRONG = f"""
SELECT coalesce(t.campaign_id, k.campaign_id), coalesce(t.labeler_id, k.labeler_id),
       {", ".join(f"coalesce(t.{m}, 0) - coalesce(k.{m}, 0)" for m in MEASURES)}
FROM ({TRUTH}) t FULL JOIN annotation_goldtally k ON k.campaign_id = t.campaign_id AND k.labeler_id = t.labeler_id
WHERE {" OR ".join(f"abs(coalesce(t.{m}, 0) - coalesce(k.{m}, 0)) > {EPSILON}" for m in MEASURES)}
ORDER BY 1, 2
"""
EVERYBODY = {"campaign": None, "labeler": None}


def keep(*, campaign_id: int, labeler_id: int | None = None) -> None:
    """Writes the rows of one labeler, or of everybody in a campaign; the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(KEEP, {"campaign": campaign_id, "labeler": labeler_id})
        if labeler_id is not None and not cursor.rowcount:  # no gold answer is left
            cursor.execute(
                "DELETE FROM annotation_goldtally WHERE campaign_id = %s AND labeler_id = %s",
                [campaign_id, labeler_id],
            )


def differences() -> list[Difference]:
    """Counts every gold answer again and says which rows say otherwise."""
    with connection.cursor() as cursor:
        cursor.execute(WRONG, EVERYBODY)
        rows = cursor.fetchall()
    return [_difference(row) for row in rows]


@in_transaction
def repair() -> int:
    """Writes every row anew that is wrong; how many."""
    wrong = differences()
    for row in wrong:
        keep(**row.keys)
    return len(wrong)


def _difference(row: tuple[Any, ...]) -> Difference:
    missing = dict(zip(MEASURES, row[len(KEYS) :], strict=True))
    return Difference(
        "annotation_goldtally",
        dict(zip(KEYS, row, strict=False)),
        {name: n for name, n in missing.items() if abs(n) > EPSILON},
    )
