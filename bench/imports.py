"""What an import costs: rows a second and peak memory, for each of the large formats.

    python -m bench imports             100,000 rows of JSON lines, CSV and Parquet, and a million of JSON lines
    python -m bench imports --small     2,000 rows of each: does it run

A row is 1.2 kB: a prompt, two responses, an id, a number for the metadata. The worker's own function runs in a process of
its own, so that its peak memory is its own: from the file on the disk (the command's way in stands for the upload) to items
with their places in the queue. The floor is 3,000 rows a second, validated; memory must not grow with the rows. CPU seconds
are of the worker's process and of its backend of PostgreSQL, one after the other: a busy machine changes them little, and
rows per CPU second are what a quiet one gives at least.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.snapshot import ROOT, prepared

WORDS = "The kettle is on the stove and the water will boil soon, so please wait a little while. "
CAMPAIGN = """
INSERT INTO annotation_user (id, username, password, is_superuser, first_name, last_name, email, is_staff, is_active,
                             date_joined, kind, pseudonym_key, language)
    VALUES (1001, 'admin', '', false, '', '', '', false, true, now(), 'human', 'x', '');
INSERT INTO annotation_campaign (id, name, slug, state, overlap, lease_s, language, round_number, version, created_by_id)
    VALUES (1, 'Bench', 'bench', 'draft', 2, 1800, 'en', 1, 1, 1001);
INSERT INTO annotation_protocol (id, campaign_id, number, questions_json, created_by_id)
    VALUES (1, 1, 1, '[{"key": "better", "type": "comparison", "settings": {}}]', 1001);
UPDATE annotation_campaign SET protocol_id = 1;
"""

RUN = """
import json, os, pathlib, resource, sys, time
import django
django.setup()
from django.db import connection
from annotation.campaigns.models import Campaign
from annotation.items import import_runs, imports

def cpu_s():
    ticks = pathlib.Path(f"/proc/{connection.connection.info.backend_pid}/stat").read_text().rsplit(")", 1)[1].split()
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime, (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")

def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

path = pathlib.Path(sys.argv[1])
campaign = Campaign.objects.get(slug="bench")
mapping = {"prompt": "question", "responses": ["one", "two"], "id": "id", "metadata": ["topic"]}
job = imports.register(actor=None, campaign=campaign, path=path, file_name=path.name)
imports.start(actor=None, job=job, mapping=mapping, wakes=False)
before, began, cpu, read = peak_mb(), time.monotonic(), cpu_s(), []
done = import_runs.run(job.pk, told=lambda job: read.append(time.monotonic()))
seconds, cpu = time.monotonic() - began, [round(b - a, 2) for a, b in zip(cpu, cpu_s())]
assert done.status == "complete", done.message
print(json.dumps({"format": job.format, "rows": done.rows, "mb": round(job.size / 1e6, 1), "seconds": round(seconds, 2),
                  "reading_s": round(read[-1] - began, 2), "rows_per_s": round(done.rows / seconds),
                  "cpu_s": dict(zip(("worker", "postgres"), cpu)), "rows_per_cpu_s": round(done.rows / sum(cpu)),
                  "rss_mb_before": round(before), "rss_mb_peak": round(peak_mb())}))
"""


def run(small: bool) -> dict[str, Any]:
    """For each file: rows a second from the first byte to the last place in the queue, and peak RSS of the process."""
    sizes = {"jsonl": [2_000], "csv": [2_000], "parquet": [2_000]}
    if not small:
        sizes = {"jsonl": [100_000, 1_000_000], "csv": [100_000], "parquet": [100_000]}
    found = {}
    for kind, counts in sizes.items():
        for n in counts:
            data_dir = Path(tempfile.mkdtemp(prefix="whetstone-bench-"))
            try:
                found[f"{kind}, {n:,} rows"] = _run(data_dir, kind, n)
            finally:
                shutil.rmtree(data_dir, ignore_errors=True)
    return found


def _run(data_dir: Path, kind: str, n: int) -> dict[str, Any]:
    path = data_dir / f"rows.{kind}"
    WRITERS[kind](path, n)
    with prepared(data_dir, CAMPAIGN) as environment:
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(path)],
            env={**os.environ, **environment},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return dict(json.loads(done.stdout))


def rows(n: int) -> Iterator[dict[str, Any]]:
    """1.2 kB each as JSON."""
    for k in range(n):
        yield {
            "id": f"row-{k}",
            "question": f"Question {k}: {WORDS * 3}",
            "one": f"Answer {k}: {WORDS * 5}",
            "two": f"Other answer {k}: {WORDS * 4}",
            "topic": k % 7,
        }


def _jsonl(path: Path, n: int) -> None:
    with path.open("w") as file:
        for row in rows(n):
            file.write(json.dumps(row) + "\n")


def _csv(path: Path, n: int) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "question", "one", "two", "topic"])
        writer.writeheader()
        writer.writerows(rows(n))


def _parquet(path: Path, n: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.Table.from_pylist(list(rows(1))).schema
    with pq.ParquetWriter(path, schema) as out:
        batch: list[dict[str, Any]] = []
        for row in rows(n):
            batch.append(row)
            if len(batch) == 10_000:
                out.write_table(pa.Table.from_pylist(batch, schema=schema))
                batch = []
        if batch:
            out.write_table(pa.Table.from_pylist(batch, schema=schema))


WRITERS = {"jsonl": _jsonl, "csv": _csv, "parquet": _parquet}
