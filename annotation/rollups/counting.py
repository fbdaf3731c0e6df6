"""The SQL of the counts: how changes are folded into a table, and what a recount from the rows would say.

Both have the shape of `TallyChange`. A statement has one snapshot, so a table, the changes that are not folded yet and the
rows themselves can be compared while everybody works: truth - (table + changes) is 0 in every column, or somebody cheated.
"""

from __future__ import annotations

from dataclasses import dataclass

from annotation.rollups.models import STOCK, WORK

MEASURES = (*WORK, *STOCK)


@dataclass(frozen=True)
class Table:
    """One table of counts: its keys, as columns and as expressions over a change; what it sums; which changes concern it."""

    name: str
    keys: dict[str, str]
    measures: dict[str, str]
    concerns: str = "true"

    @property
    def columns(self) -> str:
        return ", ".join([*self.keys, *self.measures])

    def sums(self, source: str) -> str:
        """The changes of a source, summed by the keys of the table."""
        keys = ", ".join(f"{expression} AS {name}" for name, expression in self.keys.items())
        sums = ", ".join(f"sum({expression})::bigint AS {name}" for name, expression in self.measures.items())
        numbers = ", ".join(str(n + 1) for n in range(len(self.keys)))
        return (
            f"SELECT {keys}, {sums} FROM {source} WHERE {self.concerns} GROUP BY {numbers} ORDER BY {numbers}"
        )

    def add(self, sums: str) -> str:
        """Adds what a query gives; whoever is not there yet begins at 0."""
        total = ", ".join(f"{m} = {self.name}.{m} + excluded.{m}" for m in self.measures)
        return (
            f"INSERT INTO {self.name} ({self.columns}) {sums}"
            f" ON CONFLICT ({', '.join(self.keys)}) DO UPDATE SET {total}"
        )

    def difference(self) -> str:
        """Keys, and what is missing from each sum: the rows' own count less what pages read. No row: nothing is missing."""
        keys, less = ", ".join(self.keys), ", ".join([*self.keys, *(f"-{m}" for m in self.measures)])
        sums = ", ".join(f"sum({m})::bigint AS {m}" for m in self.measures)
        return f"""
            WITH truth AS ({TRUTH}), counted AS (
              SELECT {self.columns} FROM {self.name} UNION ALL ({self.sums("annotation_tallychange")})
            ), both_ways AS (({self.sums("truth")}) UNION ALL SELECT {less} FROM counted)
            SELECT {keys}, {sums} FROM both_ways GROUP BY {keys}
            HAVING {" OR ".join(f"sum({m}) <> 0" for m in self.measures)} ORDER BY {keys}
        """


WORKED = {m: m for m in WORK}
TABLES = (
    Table("annotation_campaigntally", {"campaign_id": "campaign_id"}, {m: m for m in MEASURES}),
    Table(
        "annotation_campaignhour",
        {"campaign_id": "campaign_id", "hour": "date_trunc('hour', at, 'UTC')"},
        WORKED,
        "at IS NOT NULL",
    ),
    Table(
        "annotation_labelertally",
        {"campaign_id": "campaign_id", "labeler_id": "labeler_id"},
        WORKED,
        "labeler_id IS NOT NULL",
    ),
    Table(
        "annotation_labelerday",
        {"campaign_id": "campaign_id", "labeler_id": "labeler_id", "day": "(at AT TIME ZONE 'UTC')::date"},
        WORKED,
        "labeler_id IS NOT NULL",
    ),
    Table(
        "annotation_reasontally",
        {"campaign_id": "campaign_id", "reason": "reason"},
        {"n": "skipped + flagged + open_flags"},
        "reason <> ''",
    ),
)

FOLD = """
WITH due AS MATERIALIZED (
  SELECT id FROM annotation_tallychange ORDER BY id LIMIT %s
), taken AS MATERIALIZED (
  DELETE FROM annotation_tallychange WHERE id IN (SELECT id FROM due) RETURNING *
), {steps}, entered AS (
  INSERT INTO annotation_ledgerentry (campaign_id, labeler_id, submission_id, kind, micros, currency, answers, active_ms, at)
  SELECT t.campaign_id, t.labeler_id, t.submission_id, t.pay_per, t.earned_micros, c.currency, 1, t.active_ms, t.at
  FROM taken t JOIN annotation_campaign c ON c.id = t.campaign_id WHERE t.submission_id IS NOT NULL ORDER BY t.id
)
SELECT count(*) FROM taken
""".format(steps=", ".join(f"s{n} AS ({t.add(t.sums('taken'))})" for n, t in enumerate(TABLES)))


def _rows(columns: str, source: str, **values: str) -> str:
    """Changes as a query over a table's rows; what is not named is 0."""
    assert set(values) <= set(MEASURES)
    return f"SELECT {columns}, {', '.join(values.get(m, '0') for m in MEASURES)} FROM {source}"


# What the rows say, one change for each row; the triggers of migrations 0010, 0013 and 0015 say the same of one write. What
# was earned is what stands in the ledger, and what the next fold will enter there.
TRUTH = f"""
SELECT campaign_id, labeler_id, at, reason, {", ".join(MEASURES)} FROM (
  {
    _rows(
        "campaign_id, labeler_id, submitted_at AS at, '' AS reason",
        "annotation_submission",
        counted="(revision = 0 AND status = 'counted')::int",
        late="(revision = 0 AND status = 'late')::int",
        revised="(revision > 0)::int",
        timed="(revision = 0 AND active_ms IS NOT NULL)::int",
        active_ms="CASE WHEN revision = 0 THEN coalesce(active_ms, 0) ELSE 0 END",
        idle_ms="CASE WHEN revision = 0 AND active_ms IS NOT NULL"
        " THEN greatest(coalesce(total_ms, active_ms) - active_ms, 0) ELSE 0 END",
    )
}
  UNION ALL {
    _rows(
        "a.campaign_id, a.labeler_id, s.created_at, 'skip:' || s.reason",
        "annotation_skip s JOIN annotation_assignment a ON a.id = s.assignment_id",
        skipped="1",
    )
}
  UNION ALL {
    _rows(
        "a.campaign_id, a.labeler_id, f.created_at, 'flag:' || f.reason",
        "annotation_flag f JOIN annotation_assignment a ON a.id = f.assignment_id",
        flagged="1",
    )
}
  UNION ALL {
    _rows(
        "a.campaign_id, NULL, NULL, 'open:' || f.reason",
        "annotation_flag f JOIN annotation_assignment a ON a.id = f.assignment_id WHERE f.resolved_at IS NULL",
        open_flags="1",
    )
}
  UNION ALL {
    _rows(
        "campaign_id, NULL, NULL, ''",
        "annotation_item WHERE purpose = 'work'",
        items="1",
        complete="(withdrawn_at IS NULL AND counted >= overlap)::int",
        begun="(withdrawn_at IS NULL AND counted > 0 AND counted < overlap)::int",
        withdrawn="(withdrawn_at IS NOT NULL)::int",
        wanted="CASE WHEN withdrawn_at IS NULL THEN overlap ELSE 0 END",
        answers="counted",
    )
}
  UNION ALL {
    _rows(
        "campaign_id, labeler_id, at, ''",
        "annotation_ledgerentry WHERE kind IN ('answer', 'hour', 'bonus', 'adjustment')",
        earned_micros="micros",
    )
}
  UNION ALL {
    _rows(
        "campaign_id, labeler_id, at, ''",
        "annotation_tallychange WHERE submission_id IS NOT NULL",
        earned_micros="earned_micros",
    )
}
) rows ({", ".join(("campaign_id", "labeler_id", "at", "reason", *MEASURES))})
"""
