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

from bench.snapshot import ROOT, filled, prepared

ANSWERS_PER_ITEM = 10

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
    # Without triggers: they are not what is measured here, and take minutes.
    fill = f"SET session_replication_role = replica;\n{filled(n, ANSWERS_PER_ITEM)}"
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
