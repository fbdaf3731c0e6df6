"""What reviewers found wrong with whose answers, counted as they decide, so that a page of labelers costs a page.

    ErrorTally(campaign 3, labeler 17, "misread", 4)     ErrorTally(campaign 3, labeler 17, "", 9)     in all

Errors of a decision that was superseded count no more.
"""

from __future__ import annotations

from django.db import connection

from annotation.adjudication.models import Adjudication
from annotation.rollups.services import Difference
from annotation.transactions import in_transaction

KEYS = ("campaign_id", "labeler_id", "category")
COUNTS = """
SELECT e.campaign_id, e.labeler_id, c.category, {n} AS n
FROM annotation_answererror e CROSS JOIN LATERAL unnest(ARRAY[e.category, '']) AS c (category)
"""
FOLLOW = f"""
INSERT INTO annotation_errortally (campaign_id, labeler_id, category, n)
{COUNTS.format(n="sum(CASE WHEN e.adjudication_id = %(made)s THEN 1 ELSE -1 END)")}
WHERE e.adjudication_id IN (%(made)s, %(before)s) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (campaign_id, labeler_id, category) DO UPDATE SET n = annotation_errortally.n + excluded.n
"""
TRUTH = f"""
{COUNTS.format(n="count(*)")}
WHERE NOT EXISTS (SELECT 1 FROM annotation_adjudication n WHERE n.supersedes_id = e.adjudication_id) GROUP BY 1, 2, 3
"""
WRONG = f"""
SELECT campaign_id, labeler_id, category, coalesce(t.n, 0) - coalesce(k.n, 0)
FROM ({TRUTH}) t FULL JOIN annotation_errortally k USING (campaign_id, labeler_id, category)
WHERE coalesce(t.n, 0) <> coalesce(k.n, 0) ORDER BY 1, 2, 3
"""


def follow(made: Adjudication) -> None:
    """Takes in the errors of a new decision, and out those of the one that it supersedes; the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(FOLLOW, {"made": made.pk, "before": made.supersedes_id})


def differences() -> list[Difference]:
    """Counts every error again and says which rows say otherwise."""
    with connection.cursor() as cursor:
        cursor.execute(WRONG)
        return [
            Difference("annotation_errortally", dict(zip(KEYS, row, strict=False)), {"n": row[-1]})
            for row in cursor.fetchall()
        ]


@in_transaction
def repair() -> int:
    """Adds what is missing; how many rows were wrong."""
    wrong = differences()
    with connection.cursor() as cursor:
        for row in wrong:
            cursor.execute(
                "INSERT INTO annotation_errortally (campaign_id, labeler_id, category, n)"
                " VALUES (%(campaign_id)s, %(labeler_id)s, %(category)s, %(n)s)"
                " ON CONFLICT (campaign_id, labeler_id, category) DO UPDATE SET n = annotation_errortally.n + excluded.n",
                {**row.keys, **row.missing},
            )
    return len(wrong)
