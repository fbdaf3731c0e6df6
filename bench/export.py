"""What a million events cost as lines of JSON, against PostgreSQL's own COPY of the same rows.

    python -m bench export            100,000 and 1,000,000 events
    python -m bench export --small    2,000: does it run

Both write a file from one consistent cut, one after the other, three times, in a process of their own: COPY writes the same
columns of the same joined rows in the same order, as text; the export writes them as JSON, hashed, synced to the disk. The
promise is half the rate of COPY, and memory that does not grow: peak RSS of the process beyond what it had before it began.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.snapshot import PROTOCOL, ROOT, WORDS, prepared

ITEMS_PER_EVENT = 10  # so many people answer each item

# n events: n / 10 items of two responses, each answered by ten of twenty labelers.
FILL = """
SET session_replication_role = replica;
INSERT INTO annotation_user (id, username, password, is_superuser, first_name, last_name, email, is_staff, is_active,
                             date_joined, kind, pseudonym_key, language)
    SELECT 1000 + k, 'labeler' || k, '', false, '', '', '', false, true,
           now(), 'human', md5(k::text), '' FROM generate_series(1, 20) k;
INSERT INTO annotation_campaign (id, name, slug, state, overlap, lease_s, language, round_number, version, created_by_id)
    VALUES (1, 'Bench', 'bench', 'draft', 10, 1800, 'en', 1, 1, 1001);
INSERT INTO annotation_protocol (id, campaign_id, number, questions_json, created_by_id)
    VALUES (1, 1, 1, '{protocol}', 1001);
INSERT INTO annotation_guidelines (id, campaign_id, number, markdown, created_by_id) VALUES (1, 1, 1, '', 1001);
INSERT INTO annotation_prompt (id, campaign_id, messages, language, sha256)
    SELECT k, 1, jsonb_build_array(jsonb_build_object('role', 'user', 'content', 'Question ' || k || ': {words}')),
           'en', encode(sha256(k::text::bytea), 'hex') FROM generate_series(1, {items}) k;
INSERT INTO annotation_response (id, prompt_id, text, n_codepoints, sha256, source, source_name)
    SELECT 2 * k + side, k, 'Answer ' || side || repeat('{words}', 5), 455, repeat('0', 64), 'import', ''
    FROM generate_series(1, {items}) k, generate_series(0, 1) side;
INSERT INTO annotation_item (id, campaign_id, prompt_id, round_number, priority, overlap, counted, is_gold)
    SELECT k, 1, k, 1, 0, 10, 10, false FROM generate_series(1, {items}) k;
INSERT INTO annotation_itemresponse (item_id, response_id, position)
    SELECT k, 2 * k + side, side FROM generate_series(1, {items}) k, generate_series(0, 1) side;
INSERT INTO annotation_assignment (id, campaign_id, item_id, labeler_id, state, lease_until, protocol_id, guidelines_id,
                                   response_order, order_seed)
    SELECT k, 1, 1 + (k - 1) / 10, 1001 + k % 20, 2, now(), 1, 1,
           ARRAY[2 * (1 + (k - 1) / 10), 2 * (1 + (k - 1) / 10) + 1], 1 FROM generate_series(1, {n}) k;
INSERT INTO annotation_submission (id, campaign_id, item_id, assignment_id, labeler_id, labeler_kind, revision, status,
        idempotency_key, request_sha256, protocol_version, guidelines_version, active_ms, total_ms, device_class, ui_version)
    SELECT uuidv7(), 1, 1 + (k - 1) / 10, k, 1001 + k % 20, 'human', 0, 'counted',
           gen_random_uuid(), repeat('0', 64), 1, 1, 5000, 6000, 'desktop', '1'
    FROM generate_series(1, {n}) k;
INSERT INTO annotation_feedback (submission_id, question, type, version, payload, choice_set)
    SELECT s.id, 'better', 'comparison', 1,
           jsonb_build_object('items', jsonb_build_array(2 * s.item_id, 2 * s.item_id + 1), 'ranks', jsonb_build_array(1, 2),
                              'strength', 1 + s.item_id % 3, 'both_bad', false, 'aspect', null),
           jsonb_build_object('kind', 'pair', 'items', jsonb_build_array(2 * s.item_id, 2 * s.item_id + 1),
                              'options', '[-3, -2, -1, 0, 1, 2, 3, "both_bad"]'::jsonb)
    FROM annotation_submission s;
ANALYZE;
"""

RUN = """
import json, os, pathlib, resource, sys, time
import django
django.setup()
from training_bridge.exports import cut, events
from training_bridge.exports.files import HashingFile
from training_bridge.exports.filters import Filters
from training_bridge.exports.texts import TextIndex

root = pathlib.Path(sys.argv[1])

def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def copy(source):
    began = time.monotonic()
    with open(root / "copy.txt", "wb", buffering=1 << 20) as file, source.connection.cursor() as cursor:
        with cursor.copy(f"COPY ({cut.FEEDBACK}) TO STDOUT", source.parameters) as rows:
            for row in rows:
                file.write(row)
    return time.monotonic() - began

def export(source, prompts):
    began = time.monotonic()
    with HashingFile(root, f"native-{time.monotonic_ns()}/feedback.jsonl") as file:
        events.copy(source, prompts, file)
    found = time.monotonic() - began
    (root / file.name).unlink()
    return found, file

seconds = {"copy": [], "export": []}
for _ in range(3):
    with cut.open_cut(1, Filters()) as source:
        if not seconds["export"]:
            prompts = TextIndex(root / "none")
            for n, (pk, *_rest) in enumerate(source.stream(cut.PROMPTS)):
                prompts.add(pk, 0, mark=n % 5 == 0)  # a fifth is held out
            before = peak_mb()
        took, file = export(source, prompts)
        seconds["export"].append(took)
        peak = peak_mb()
        seconds["copy"].append(copy(source))
copied = (root / "copy.txt").stat().st_size
print(json.dumps({"events": file.rows, "mb": round(file.bytes / 1e6, 1), "copy_mb": round(copied / 1e6, 1),
                  "seconds": seconds, "rss_mb_before": round(before), "rss_mb_grown": round(peak - before)}))
"""


def run(small: bool) -> dict[str, Any]:
    """For each number of events: seconds and rows/s of both, their ratio (median of three), and how memory grew."""
    found = {}
    for n in [2_000] if small else [100_000, 1_000_000]:
        data_dir = Path(tempfile.mkdtemp(prefix="whetstone-bench-"))
        try:
            found[f"{n:,} events"] = _run(data_dir, n)
        finally:
            shutil.rmtree(data_dir, ignore_errors=True)
    return found


def _run(data_dir: Path, n: int) -> dict[str, Any]:
    fill = FILL.format(n=n, items=n // ITEMS_PER_EVENT, protocol=json.dumps(PROTOCOL), words=WORDS)
    with prepared(data_dir, fill) as environment:
        out = data_dir / "out"
        out.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(out)],
            env={**os.environ, **environment},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    found = json.loads(done.stdout)
    seconds = {name: [round(s, 2) for s in values] for name, values in found["seconds"].items()}
    rates = {name: found["events"] / statistics.median(values) for name, values in found["seconds"].items()}
    return {
        **found,
        "seconds": seconds,
        "rows_per_s": {name: round(rate) for name, rate in rates.items()},
        "export_against_copy": round(rates["export"] / rates["copy"], 3),
    }
