"""Where the rows of an import wait until all of them are known to be good, and the one step that makes items of them.

stage = Stage(campaign)
stage.add(parsed)                       # batch by batch; each may be a transaction of its own
done = stage.finish(errors, update=False)    # in one transaction: the last checks, the items, their places in the queue

The table is not logged: rows that wait need not survive a crash of the database, and `finish` notices if they did not.
Duplicates are found by the database, so memory does not grow with the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection
from django.utils.translation import gettext as _

from annotation.assignment import queue
from annotation.assignment.lanes import Lanes
from annotation.assignment.services import fill_slots, refresh_order
from annotation.campaigns.models import Campaign
from annotation.errors import Conflict, Invalid
from annotation.gold import answers
from annotation.items import updates
from annotation.items.jsonl import Errors, ParsedItem
from annotation.items.writer import copy_rows

CHUNK = 10_000  # rows that become items by one statement
COLUMNS = (
    "import_id", "n", "external_id", "messages", "prompt_sha256", "responses", "metadata", "language",
    "skills", "priority", "split_group", "gold",
)  # fmt: skip
GOLD_AT_ONCE = 500
Told = Callable[[int], None]


def refuse_if_closed(campaign: Campaign) -> None:
    """Raises Conflict `campaign_closed`."""
    if campaign.state == Campaign.State.CLOSED:
        raise Conflict(_("The campaign is closed; open it again to add items."), code="campaign_closed")


@dataclass(frozen=True)
class Finished:
    """What an import did. `duplicate_prompts` are rows whose prompt reads the same as another one's; they were kept. `gold`
    are items that were set aside with what their rows say is expected, new ones and updated ones."""

    items: int
    updated: int
    unchanged: int
    responses: int
    slots: int
    duplicate_prompts: int
    gold: int


class Lost(Exception):
    """The database lost rows that waited (it crashed meanwhile): the file is to be read again from its beginning."""


class Stage:
    """The waiting rows of one import. Without a number of its own it draws one."""

    def __init__(self, campaign: Campaign, number: int | None = None) -> None:
        self.campaign = campaign
        self.number: int = (
            number if number is not None else _one("SELECT nextval('annotation_import_id_seq')")[0]
        )
        self._own = {"stage": self.number, "campaign": campaign.pk}

    def add(self, rows: Sequence[ParsedItem]) -> None:
        copy_rows("stagedrow", COLUMNS, (self._columns(row) for row in rows))

    def count(self) -> int:
        return int(
            _one("SELECT count(*) FROM annotation_stagedrow WHERE import_id = %(stage)s", self._own)[0]
        )

    def analyze(self) -> None:
        """Tells the planner how many rows wait; in a transaction of its own, since it holds up others who do it."""
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE annotation_stagedrow")

    def discard(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM annotation_stagedrow WHERE import_id = %(stage)s", self._own)

    def finish(
        self,
        errors: Errors,
        *,
        update: bool,
        expected: int,
        rows: int,
        unit: str = "line",
        told: Told | None = None,
    ) -> Finished:
        """Makes items of everything that waits, in the caller's transaction, or raises what is wrong with it.

        Args:
            errors: what is wrong with the rows so far; what only shows now is added.
            expected: how many rows must be waiting. rows: how many the file has.
            told: called with how many rows have become items.
        Raises Invalid or Conflict with `extra["errors"]`; Lost.
        """
        refuse_if_closed(self.campaign)
        queue.lock_writers(self.campaign.pk)
        if self.count() != expected:
            raise Lost
        lanes = Lanes(self.campaign.pk)
        self._find_twice(errors)
        self._find_split_groups(errors)
        if update:
            changed = updates.apply(self.campaign, self.number, errors, lanes)
        else:
            changed = updates.Changed()
            self._find_known(errors)
        refuse_if_wrong(errors, rows, unit)
        duplicates = self._duplicate_prompts() + changed.duplicate_prompts
        items, responses, first, last, gold = self._publish(lanes, told)
        if gold:
            self._name_responses(first, last)
        if changed.has_moved:
            refresh_order(campaign=self.campaign)
        slots = fill_slots(campaign=self.campaign, first_item_id=first, last_item_id=last) if items else 0
        self.discard()
        return Finished(
            items, changed.updated, changed.unchanged, responses, slots, duplicates, changed.gold + gold
        )

    def _columns(self, row: ParsedItem) -> tuple[Any, ...]:
        responses = orjson.dumps([(r.text, r.sha256, r.source) for r in row.responses]).decode()
        return (
            self.number, row.line, row.external_id, row.messages.decode(), row.prompt_sha256, responses,
            row.metadata and row.metadata.decode(), row.language,
            None if row.skills is None else orjson.dumps(row.skills).decode(), row.priority, row.split_group,
            row.gold and row.gold.decode(),
        )  # fmt: skip

    def _lanes(self, lanes: Lanes) -> dict[str, list[Any]]:
        """The lane of each combination of language and skills that waits, found or made; three lists side by side."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT DISTINCT coalesce(language, ''), coalesce(skills, '[]')::text FROM annotation_stagedrow"
                " WHERE import_id = %(stage)s",
                self._own,
            )
            said = cursor.fetchall()
        numbers = [
            lanes.number(code or self.campaign.language, orjson.loads(skills)) for code, skills in said
        ]
        return {"codes": [code for code, _s in said], "skills": [s for _code, s in said], "lanes": numbers}

    def _publish(self, lanes: Lanes, told: Told | None) -> tuple[int, int, int, int, int]:
        """(items, responses, first item id, last item id, rows that say what is expected)."""
        with connection.cursor() as cursor:
            # Foreign keys are checked statement by statement; otherwise millions of checks wait in memory for the commit.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            items, responses, first, last, gold, after = 0, 0, 0, 0, 0, -1
            known = self._lanes(lanes)
            overlap = Campaign.objects.values_list("overlap", flat=True).get(pk=self.campaign.pk)
            while True:
                cursor.execute(
                    PUBLISH,
                    {
                        **self._own, **known, "after": after, "chunk": CHUNK, "overlap": overlap,
                        "round": self.campaign.round_number, "language": self.campaign.language,
                    },
                )  # fmt: skip
                after, n, low, high, texts, aside = cursor.fetchone()
                if not n:
                    break
                items, responses, first, last = items + n, responses + texts, first or low, high
                gold += aside
                if told:
                    told(items)
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        return items, responses, first, last, gold

    def _name_responses(self, first: int, last: int) -> None:
        """What is expected of the new items (ids first to last), of which the file calls the responses 1, 2, …"""
        after = first - 1
        with connection.cursor() as cursor:
            while True:
                cursor.execute(ASIDE, {**self._own, "after": after, "last": last, "most": GOLD_AT_ONCE})
                if not (rows := cursor.fetchall()):
                    return
                named = [answers.renumbered(orjson.loads(gold), ids) for _id, gold, ids in rows]
                cursor.execute(
                    "UPDATE annotation_item i SET gold_answers = v.gold::jsonb"
                    " FROM unnest(%s::bigint[], %s::text[]) AS v(id, gold) WHERE i.id = v.id",
                    [[row[0] for row in rows], [orjson.dumps(gold).decode() for gold in named]],
                )
                after = rows[-1][0]

    def _find_twice(self, errors: Errors) -> None:
        self._found(
            errors,
            """
            SELECT n, external_id FROM (
              SELECT n, external_id, row_number() OVER (PARTITION BY external_id ORDER BY n) AS time
              FROM annotation_stagedrow WHERE import_id = %(stage)s AND external_id IS NOT NULL) d WHERE time > 1
            """,
            _("the id %(id)s is in the file twice"),
            _("Give each row its own id."),
        )

    def _find_known(self, errors: Errors) -> None:
        self._found(
            errors,
            "SELECT t.n, t.external_id FROM annotation_stagedrow t JOIN annotation_item i"
            " ON i.campaign_id = %(campaign)s AND i.external_id = t.external_id WHERE t.import_id = %(stage)s",
            _("the campaign has an item %(id)s already"),
            _("Give it another id, or ask for an update."),
        )

    def _found(self, errors: Errors, sql: str, rule: str, remedy: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT n, external_id, count(*) OVER () FROM ({sql}) f ORDER BY n LIMIT 100", self._own
            )
            for n, external_id, _total in (rows := cursor.fetchall()):
                errors.add(n, "id", rule % {"id": external_id}, remedy, is_duplicate=True)
        if rows:
            errors.total += rows[0][2] - len(rows)

    def _find_split_groups(self, errors: Errors) -> None:
        """One prompt in two groups might be trained on and tested on."""
        with connection.cursor() as cursor:
            cursor.execute(SPLIT_GROUPS, self._own)
            for n, group, other in cursor.fetchall():
                errors.add(
                    n,
                    "split_group",
                    _("the same prompt is in the split groups %(group)s and %(other)s")
                    % {"group": repr(group), "other": repr(other)},
                    _("Give rows with the same prompt the same group."),
                )

    def _duplicate_prompts(self) -> int:
        return int(
            _one(
                "SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM annotation_stagedrow"
                " WHERE import_id = %(stage)s GROUP BY prompt_sha256) d",
                self._own,
            )[0]
        )


def refuse_if_wrong(errors: Errors, rows: int, unit: str = "line") -> None:
    """Raises Conflict when ids that are there already are all that is wrong, Invalid for anything else."""
    if not errors.total:
        return
    errors.shown.sort(key=lambda e: e["line"])
    first = errors.shown[0]
    where = f"{first['field']}: " if first["field"] else ""
    place = (_("Line %(n)d") if unit == "line" else _("Row %(n)d")) % {"n": first["line"]}
    message = _("Nothing was imported: %(total)d errors. %(place)s, %(where)s%(rule)s. %(remedy)s") % {
        "total": errors.total, "place": place, "where": where, "rule": first["rule"], "remedy": first["remedy"],
    }  # fmt: skip
    extra = {"errors": errors.shown, "total": errors.total, "rows": rows, "unit": unit}
    fields = {
        f"{unit} {e['line']}" + (f", {e['field']}" if e["field"] else ""): [f"{e['rule']}. {e['remedy']}"]
        for e in errors.shown[:10]
    }
    if errors.only_duplicates:
        raise Conflict(message, code="duplicate_ids", fields=fields, extra=extra)
    raise Invalid(message, code="bad_rows", fields=fields, extra=extra)


def _one(sql: str, params: Any = None) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return tuple(cursor.fetchone())


PUBLISH = """
WITH s AS MATERIALIZED (
  SELECT t.*, nextval('annotation_prompt_id_seq') AS prompt_id, nextval('annotation_item_id_seq') AS item_id,
         (SELECT k.lane FROM unnest(%(codes)s::text[], %(skills)s::text[], %(lanes)s::int[]) AS k(code, skills, lane)
          WHERE k.code = coalesce(t.language, '') AND k.skills = coalesce(t.skills, '[]')::text) AS lane
  FROM (SELECT * FROM annotation_stagedrow WHERE import_id = %(stage)s AND n > %(after)s ORDER BY n LIMIT %(chunk)s) t
), r AS MATERIALIZED (
  SELECT prompt_id, item_id, place - 1 AS position, said, nextval('annotation_response_id_seq') AS response_id
  FROM (SELECT s.prompt_id, s.item_id, e.place, e.said
        FROM s, jsonb_array_elements(s.responses) WITH ORDINALITY e(said, place)
        ORDER BY s.n, e.place) o
), p AS (
  INSERT INTO annotation_prompt (id, campaign_id, messages, language, external_id, sha256, split_group)
  SELECT prompt_id, %(campaign)s, messages, coalesce(nullif(language, ''), %(language)s), external_id, prompt_sha256,
         split_group FROM s
), q AS (
  INSERT INTO annotation_response (id, prompt_id, text, n_codepoints, sha256, source, source_name)
  SELECT response_id, prompt_id, said->>0, char_length(said->>0), said->>1, 'import', said->>2 FROM r
), i AS (
  INSERT INTO annotation_item
    (id, campaign_id, prompt_id, external_id, round_number, priority, overlap, lane, counted, metadata, purpose,
     gold_answers)
  SELECT item_id, %(campaign)s, prompt_id, external_id, %(round)s, coalesce(priority, 0), %(overlap)s, lane, 0,
         metadata, coalesce(gold->>'purpose', 'work'), gold FROM s
), l AS (
  INSERT INTO annotation_itemresponse (item_id, response_id, position) SELECT item_id, response_id, position FROM r
)
SELECT max(n), count(*), min(item_id), max(item_id), (SELECT count(*) FROM r), count(gold) FROM s
"""

ASIDE = """
SELECT i.id, i.gold_answers::text,
       ARRAY(SELECT l.response_id FROM annotation_itemresponse l WHERE l.item_id = i.id ORDER BY l.position)
FROM annotation_item i
WHERE i.campaign_id = %(campaign)s AND i.purpose <> 'work' AND i.id > %(after)s AND i.id <= %(last)s
ORDER BY i.id LIMIT %(most)s
"""

# Nothing is asked of the campaign's prompts unless groups are in use, here or there.
SPLIT_GROUPS = """
WITH used AS (
  SELECT EXISTS (SELECT 1 FROM annotation_stagedrow WHERE import_id = %(stage)s AND split_group <> '') AS here,
         EXISTS (SELECT 1 FROM annotation_prompt WHERE campaign_id = %(campaign)s AND split_group <> '') AS there
)
SELECT n, split_group, other FROM (
  SELECT t.n, t.split_group, first_value(t.split_group) OVER (PARTITION BY t.prompt_sha256 ORDER BY t.n) AS other
  FROM annotation_stagedrow t, used WHERE t.import_id = %(stage)s AND used.here
  UNION ALL
  SELECT t.n, t.split_group, p.split_group
  FROM used, annotation_stagedrow t
  JOIN LATERAL (SELECT split_group FROM annotation_prompt
                WHERE campaign_id = %(campaign)s AND sha256 = t.prompt_sha256 LIMIT 1) p ON true
  WHERE t.import_id = %(stage)s AND (used.here OR used.there)) f
WHERE split_group <> other ORDER BY n LIMIT 100
"""
