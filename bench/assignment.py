"""What one judgement costs: "submit + next" through HTTP, in CPU of the web process and of PostgreSQL.

    python -m bench assignment            1,000 and 100,000 items
    python -m bench assignment --small    500 items and few cycles: does it run

CPU comes from the accounting of the processes, so that other work on the machine changes it little; wall-clock times hold
only on a quiet machine. The database is PostgreSQL with fsync on, in a directory of its own that is removed afterwards.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from bench.site import Lines, bare_request, cpu_of, database, sign_in, start_web

ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")
LABELERS = 24
CLIENTS = 4
CELLS = 20_000  # how often `submit + next` may run at most
PROTOCOL = [
    {"key": "better", "type": "comparison"},
    {"key": "grade", "type": "critique", "settings": {"criteria": ["overall"]}},
]


def run(small: bool) -> dict[str, Any]:
    """Figures for each number of items: import rows/s, CPU ms and statements a cycle, latency, plan of the next item."""
    data_dir = Path(tempfile.mkdtemp(prefix="whetstone-bench-"))
    os.environ["WHETSTONE_DATA_DIR"] = str(data_dir)
    os.environ["DJANGO_SETTINGS_MODULE"] = "annotation.project.settings"
    try:
        return _run(data_dir, [500] if small else [1_000, 100_000], cycles=60 if small else 800)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


def _run(data_dir: Path, sizes: list[int], cycles: int) -> dict[str, Any]:
    with database(data_dir) as places, start_web(data_dir) as web:
        return {f"{n:,} items": _measure(places, web, n, cycles) for n in sizes}


def _measure(places: Any, web: Any, n: int, cycles: int) -> dict[str, Any]:
    from django.db import connection

    campaign, labelers, imported = _prepare(n)
    clients = [sign_in(web.url, labeler) for labeler in labelers]
    path = f"/api/campaigns/{campaign.slug}"
    held = [client.post(f"{path}/next/", json={}).json()["assignment"] for client in clients]
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    _cycles(clients, held, 3 * len(clients))  # warm: caches, prepared statements
    before, began = cpu_of(web, places), time.perf_counter()
    latencies = _cycles(clients, held, cycles)
    wall, after = time.perf_counter() - began, cpu_of(web, places)
    statements = _statements(places, lambda: _cycles(clients, held, 10), 10)
    explained = _explain(campaign, labelers[0])
    bare = bare_request(clients[0], web)
    for client in clients:
        client.close()
    return {
        "import rows/s": round(imported),
        "CPU ms per cycle": round(sum(a - b for a, b in zip(after, before, strict=True)) * 1000 / cycles, 2),
        "  of which web": round((after[0] - before[0]) * 1000 / cycles, 2),
        "  of which PostgreSQL": round((after[1] - before[1]) * 1000 / cycles, 2),
        "CPU ms of a bare request": round(bare * 1000, 2),  # how fast this machine is today
        "statements per cycle": statements,
        "p50 ms": round(statistics.median(latencies) * 1000, 1),
        "p95 ms": round(statistics.quantiles(latencies, n=20)[18] * 1000, 1),
        "cycles/s": round(cycles / wall),
        **explained,
    }


def _prepare(n: int) -> tuple[Any, list[Any], float]:
    """An open campaign with n items of about 1.2 kB, imported from JSON lines, and its labelers; rows a second."""
    from annotation.campaigns.services import create_campaign, open_campaign
    from annotation.items.services import import_items
    from annotation.people.models import User
    from annotation.people.services import grant_role

    admin, _made = User.objects.get_or_create(username="admin")
    campaign = create_campaign(
        actor=admin, name=f"Bench {n}", overlap=3, guidelines="Compare.", protocol=PROTOCOL
    )
    labelers = [User.objects.get_or_create(username=f"labeler-{k}")[0] for k in range(LABELERS)]
    for labeler in labelers:
        grant_role(actor=admin, user=labeler, campaign=campaign, role="labeler")
    lines = Lines(n)
    began = time.perf_counter()
    import_items(campaign, lines, actor=admin)
    return open_campaign(actor=admin, campaign=campaign), labelers, n / (time.perf_counter() - began)


def _cycles(clients: list[httpx.Client], held: list[Any], cycles: int) -> list[float]:
    """Seconds of each "submit + next", by a few clients at once; `held` is what each labeler has on the screen."""
    latencies: list[float] = []
    turns = iter(range(cycles))
    lock = threading.Lock()

    def work(worker: int) -> None:
        mine = list(range(worker, len(clients), CLIENTS))
        for turn in range(CELLS):
            with lock:
                if next(turns, None) is None:
                    return
            k = mine[turn % len(mine)]
            began = time.perf_counter()
            reply = clients[k].post(f"/api/assignments/{held[k]['id']}/submit/", json=_answers(held[k]))
            latencies.append(time.perf_counter() - began)
            if reply.status_code != 201:
                raise RuntimeError(f"{reply.status_code}: {reply.text[:500]}")
            held[k] = reply.json()["next"]

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(work, range(CLIENTS)))
    return latencies


def _answers(assignment: dict[str, Any]) -> dict[str, Any]:
    ids = [response["id"] for response in assignment["responses"]]
    pair = {"items": ids, "ranks": [1, 2], "strength": 2}
    grades = [{"question": "grade", "target": i, "payload": {"ratings": {"overall": 1 + i % 7}}} for i in ids]
    return {
        "idempotency_key": str(uuid.uuid4()),
        "answers": [{"question": "better", "target": None, "payload": pair}, *grades],
        "active_ms": 5000,
        "next": True,
    }


# --- Accounting ------------------------------------------------------------------------------------------------------


def _statements(places: Any, act: Any, cycles: int) -> float:
    """Statements that reach the server in a cycle, begin and commit included, from its own log."""
    from django.db import connection

    def log_statements(value: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER SYSTEM SET log_statement = '{value}'")
            cursor.execute("SELECT pg_reload_conf()")
        time.sleep(0.5)

    log = places.log("postgres")
    log_statements("all")
    start = log.stat().st_size
    act()
    time.sleep(0.2)
    text = log.read_bytes()[start:].decode(errors="replace")
    log_statements("none")
    lines = [line for line in text.splitlines() if "LOG:  statement:" in line or "LOG:  execute" in line]
    if os.environ.get("WHETSTONE_BENCH_SHOW"):
        sys.stderr.write("\n".join(line[:160] for line in lines[: len(lines) // cycles + 3]) + "\n")
    return round(len(lines) / cycles, 1)


def _explain(campaign: Any, labeler: Any) -> dict[str, Any]:
    """Execution time and buffers of the statement that takes the next item, rolled back each time; medians."""
    from django.db import connection, transaction

    from annotation.assignment import queue

    class Undo(Exception):
        pass

    params = {
        "campaign": campaign.pk, "labeler": labeler.pk, "name": labeler.username, "protocol": campaign.protocol_id,
        "guidelines": campaign.guidelines_id, "lease_s": 1800, "beyond": [], "fresh": True, "on_screen": True, "seed": 1,
    }  # fmt: skip
    times, buffers = [], []
    for _turn in range(15):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE annotation_labelercursor SET held = '{}' WHERE campaign_id = %s AND labeler_id = %s",
                    [campaign.pk, labeler.pk],
                )
                cursor.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + queue.NEXT_AHEAD, params)
                plan = cursor.fetchone()[0][0]
                times.append(plan["Execution Time"])
                buffers.append(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])
                raise Undo
        except Undo:
            continue
    return {
        "next item, execution ms": round(statistics.median(times), 2),
        "next item, buffers": round(statistics.median(buffers)),
    }
