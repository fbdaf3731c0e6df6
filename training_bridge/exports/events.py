"""`native/feedback.jsonl`, one event a line, written by PostgreSQL's own COPY.

The database joins, orders and writes each line as JSON, keys sorted; this process hashes it and puts it on the disk. A row
costs about what a COPY of its columns costs, and memory holds a megabyte of lines. What the database does not know (which
prompts are held out, which a hash of the normalised text decides; pseudonyms; settings with their defaults) goes in before,
as temporary tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from feedback_types.protocol import load_protocol
from training_bridge.exports import cut
from training_bridge.exports.files import OPTIONS, HashingFile
from training_bridge.exports.texts import TextIndex

PIECE = 1 << 20

# Rows are joined and put in order first; what is written for each comes after, so that no long text is sorted.
# The columns in the order of their names. JSON holds no control characters as they are, so none has to be quoted in CSV
# with such a quote and delimiter: what COPY writes are the lines themselves. Only a reviewer's answer has an `adjudication`.
LINES = f"""
COPY (
  SELECT concat(
    '{{"active_ms":', coalesce(e.active_ms::text, 'null'),
    ',"adjudication":' || e.adjudication,
    ',"campaign":', %(campaign)s::text,
    ',"choice_set":', e.choice_set,
    ',"chosen_by":', to_json(e.chosen_by),
    ',"device_class":', to_json(e.device_class),
    ',"guidelines_version":', e.guidelines_version,
    ',"id":', e.id,
    ',"item":', e.item_id,
    ',"labeler":"', e.name,
    '","labeler_kind":', to_json(e.labeler_kind),
    ',"payload":', e.payload,
    ',"prompt":', e.prompt_id,
    ',"protocol_version":', e.protocol_version,
    ',"question":', to_json(e.question),
    ',"required":', coalesce(e.required, 'null'),
    ',"responses":', array_to_json(e.response_order),
    ',"revision":', e.revision,
    ',"round":', e.round_number,
    ',"settings":', coalesce(e.settings, 'null'),
    ',"split":"', CASE WHEN e.test IS NULL THEN 'train' ELSE 'test' END,
    '","status":', to_json(e.status),
    ',"submission":"', e.submission,
    '","submitted_at":"', e.submitted_at,
    '","target":', coalesce(e.target_id::text, 'null'),
    ',"total_ms":', coalesce(e.total_ms::text, 'null'),
    ',"type":', to_json(e.type),
    ',"version":', e.version, '}}')
  FROM (
    SELECT r.*, l.name, q.settings, q.required, t.prompt_id AS test
    FROM ({cut.ROWS}) r
    JOIN cut_labelers l ON l.id = r.labeler_id
    LEFT JOIN cut_questions q ON q.protocol = r.protocol_version AND q.question = r.question
    LEFT JOIN cut_tests t ON t.prompt_id = r.prompt_id
    ORDER BY r.submission, r.id OFFSET 0
  ) e
) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')
"""


def copy(source: cut.Cut, prompts: TextIndex, file: HashingFile) -> None:
    """Writes the events of a cut, those of one submission together. Raises KeyError for a question of no protocol."""
    _fill(source, prompts)
    waiting: list[bytes] = []
    size = rows = 0
    with (
        source.connection.cursor() as cursor,
        cursor.copy(LINES, source.parameters) as lines,
    ):
        for line in lines:
            data = bytes(line)
            waiting.append(data)
            size += len(data)
            rows += 1
            if size >= PIECE:
                file.write(b"".join(waiting))
                waiting.clear()
                size = 0
    file.write(b"".join(waiting))
    file.rows = rows


def _fill(source: cut.Cut, prompts: TextIndex) -> None:
    questions = [
        (
            number,
            q.key,
            orjson.dumps(q.settings.model_dump(mode="json"), option=OPTIONS).decode(),
            orjson.dumps(q.required).decode(),
        )
        for number, raw in source.all(cut.PROTOCOLS)
        for q in load_protocol(orjson.loads(raw), is_stored=True)
    ]
    with source.connection.cursor() as cursor:
        for table, rows in (
            ("cut_questions (protocol, question, settings, required)", iter(questions)),
            ("cut_labelers (id, name)", iter(source.labelers.items())),
            ("cut_tests (prompt_id)", ((pk,) for pk in prompts.marked())),
        ):
            with cursor.copy(f"COPY {table} FROM STDIN") as into:
                for row in rows:
                    into.write_row(row)


def _json(value: Any) -> str:
    return orjson.dumps(value, option=OPTIONS).decode()


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The events as they were written. Raises KeyError for one whose question is in no protocol."""
    with open(path, "rb", buffering=1 << 20) as file:
        for text in file:
            row = orjson.loads(text)
            if row["settings"] is None:
                raise KeyError((row["protocol_version"], row["question"]))
            yield row
