"""What a snapshot costs: rows a second and peak memory, of the whole build and of its parts.

    python -m bench snapshot            10,000 and 100,000 answers
    python -m bench snapshot --small    500: does it run

Each build is a process of its own, so that its peak memory is its own. Memory that does not grow with the answers is the
promise; the rate is of native files (JSONL and Parquet) and the views together.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PROTOCOL = [{"key": "better", "type": "comparison", "settings": {}}]
WORDS = "The kettle is on the stove and the water will boil soon, so please wait a little while. "

# n answers: 20 labelers in turn, `each` to an item of two responses; prompts and responses of about 450 characters.
FILL = """
INSERT INTO annotation_user (id, username, password, is_superuser, first_name, last_name, email, is_staff, is_active,
                             date_joined, kind, pseudonym_key, language)
    SELECT 1000 + k, 'labeler' || k, '', false, '', '', '', false, true,
           now(), 'human', md5(k::text), '' FROM generate_series(1, 20) k;
INSERT INTO annotation_campaign (id, name, slug, state, overlap, lease_s, language, round_number, version, created_by_id)
    VALUES (1, 'Bench', 'bench', 'draft', {each}, 1800, 'en', 1, 1, 1001);
INSERT INTO annotation_protocol (id, campaign_id, number, questions_json, created_by_id)
    VALUES (1, 1, 1, '{protocol}', 1001);
INSERT INTO annotation_guidelines (id, campaign_id, number, markdown, created_by_id) VALUES (1, 1, 1, '', 1001);
INSERT INTO annotation_prompt (id, campaign_id, messages, language, sha256)
    SELECT k, 1, jsonb_build_array(jsonb_build_object('role', 'user', 'content', 'Question ' || k || ': {words}')),
           'en', encode(sha256(k::text::bytea), 'hex') FROM generate_series(1, {items}) k;
INSERT INTO annotation_response (id, prompt_id, text, n_codepoints, sha256, source, source_name)
    SELECT 2 * k + side, k, 'Answer ' || side || repeat('{words}', 5), 455, repeat('0', 64), 'import', ''
    FROM generate_series(1, {items}) k, generate_series(0, 1) side;
INSERT INTO annotation_item (id, campaign_id, prompt_id, round_number, priority, overlap, counted)
    SELECT k, 1, k, 1, 0, {each}, {each} FROM generate_series(1, {items}) k;
INSERT INTO annotation_itemresponse (item_id, response_id, position)
    SELECT k, 2 * k + side, side FROM generate_series(1, {items}) k, generate_series(0, 1) side;
INSERT INTO annotation_assignment (id, campaign_id, item_id, labeler_id, state, lease_until, protocol_id, guidelines_id,
                                   response_order, order_seed)
    SELECT k, 1, 1 + (k - 1) / {each}, 1001 + k % 20, 2, now(), 1, 1,
           ARRAY[2 * (1 + (k - 1) / {each}), 2 * (1 + (k - 1) / {each}) + 1], 1 FROM generate_series(1, {n}) k;
INSERT INTO annotation_submission (id, campaign_id, item_id, assignment_id, labeler_id, labeler_kind, revision, status,
        idempotency_key, request_sha256, protocol_version, guidelines_version, active_ms, total_ms, device_class, ui_version)
    SELECT uuidv7(), 1, 1 + (k - 1) / {each}, k, 1001 + k % 20, 'human', 0, 'counted',
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

BUILD = """
import json, pathlib, resource, sys, time
import django
django.setup()
from training_bridge.exports.filters import Filters
from training_bridge.exports.snapshot import build
loaded_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
stages, began = {}, time.monotonic()
def progress(stage, done, total):
    stages.setdefault(stage, [time.monotonic(), 0])[1] = time.monotonic()
built = build(campaign_id=1, slug="bench", filters=Filters(), root=pathlib.Path(sys.argv[1]), progress=progress)
wall_s = time.monotonic() - began
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "rows": built.manifest["counts"]["feedback"],
    "seconds": round(wall_s, 2),
    "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
    "rows_per_s": round(built.manifest["counts"]["feedback"] / wall_s),
    "events_s": round(stages["events"][1] - stages["events"][0], 2),
    "views_s": round(stages["views"][1] - stages["views"][0], 2),
    "peak_rss_mb": round(used.ru_maxrss / 1024),
    "rss_mb_before": round(loaded_mb),
    "files_mb": round(sum(f["bytes"] for f in built.manifest["files"].values()) / 1e6, 1),
    "sha256": built.sha256,
}))
"""


def run(small: bool) -> dict[str, Any]:
    """For each number of answers: rows/s, seconds, CPU, peak memory; and whether a second build was the same."""
    found = {}
    for n in [500] if small else [10_000, 100_000]:
        data_dir = Path(tempfile.mkdtemp(prefix="whetstone-bench-"))
        try:
            found[f"{n:,} answers"] = _run(data_dir, n)
        finally:
            shutil.rmtree(data_dir, ignore_errors=True)
    return found


def filled(n: int, each: int = 1) -> str:
    """SQL that fills an empty database with one campaign of n answers, `each` to an item."""
    return FILL.format(n=n, each=each, items=n // each, protocol=json.dumps(PROTOCOL), words=WORDS)


@contextmanager
def prepared(data_dir: Path, fill: str) -> Iterator[dict[str, str]]:
    """A database of its own in a directory, migrated and filled by SQL; gives the environment that leads to it."""
    from annotation.project import embedded

    environment = {
        **os.environ,
        "WHETSTONE_DATA_DIR": str(data_dir),
        "DJANGO_SETTINGS_MODULE": "annotation.project.settings",
    }
    leases = embedded.ensure_running("postgres", places=embedded.Places(data_dir))
    try:
        prepare = (
            "import django, sys; django.setup();"
            "from django.core.management import call_command; call_command('migrate', verbosity=0, interactive=False);"
            "from django.db import connection; connection.ensure_connection();"
            "connection.connection.execute(sys.stdin.read())"
        )
        subprocess.run(
            [sys.executable, "-c", prepare], env=environment, cwd=ROOT, input=fill, text=True, check=True
        )
        yield environment
    finally:
        for lease in leases:
            lease.release()


def _run(data_dir: Path, n: int) -> dict[str, Any]:
    with prepared(data_dir, filled(n)) as environment:
        builds = [
            json.loads(
                subprocess.run(
                    [sys.executable, "-c", BUILD, str(data_dir / f"snapshots-{k}")],
                    env=environment,
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                ).stdout
            )
            for k in range(2)
        ]
    first, second = builds
    return {**first, "second_build_is_the_same": first.pop("sha256") == second["sha256"]}
