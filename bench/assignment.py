"""What one judgement costs: "submit + next" through HTTP, in CPU of the web process and of PostgreSQL.

    python -m bench assignment            1,000 and 100,000 items
    python -m bench assignment --small    500 items and few cycles: does it run

CPU comes from the accounting of the processes, so that other work on the machine changes it little; wall-clock times hold
only on a quiet machine. The database is PostgreSQL with fsync on, in a directory of its own that is removed afterwards.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

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
    import django

    from annotation.project import embedded

    places = embedded.Places(data_dir)
    leases = embedded.ensure_running("postgres", places=places)
    django.setup()
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    web = _start_web(data_dir)
    try:
        return {f"{n:,} items": _measure(places, web, n, cycles) for n in sizes}
    finally:
        web.process.terminate()
        web.process.wait(20)
        connections.close_all()
        for connection in connections.all():
            connection.close_pool()  # type: ignore[attr-defined]
        for lease in leases:
            lease.release()
        for _attempt in range(100):  # the keeper stops the server when the last lease is gone
            if not list(places.postgres_dir.glob("*/postmaster.pid")):
                break
            time.sleep(0.1)


def _measure(places: Any, web: Any, n: int, cycles: int) -> dict[str, Any]:
    from django.db import connection

    campaign, labelers, imported = _prepare(n)
    clients = [_sign_in(web.url, labeler) for labeler in labelers]
    path = f"/api/campaigns/{campaign.slug}"
    held = [client.post(f"{path}/next/", json={}).json()["assignment"] for client in clients]
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    _cycles(clients, held, 3 * len(clients))  # warm: caches, prepared statements
    before, began = _cpu(web, places), time.perf_counter()
    latencies = _cycles(clients, held, cycles)
    wall, after = time.perf_counter() - began, _cpu(web, places)
    statements = _statements(places, lambda: _cycles(clients, held, 10), 10)
    explained = _explain(campaign, labelers[0])
    bare = _bare_request(clients[0], web)
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
    lines = _Lines(n)
    began = time.perf_counter()
    import_items(campaign, lines, actor=admin)
    return open_campaign(actor=admin, campaign=campaign), labelers, n / (time.perf_counter() - began)


class _Lines:
    """JSON lines made beforehand, handed out in pieces."""

    def __init__(self, n: int) -> None:
        rng = random.Random(0)
        words = [
            "river",
            "stone",
            "because",
            "simple",
            "otter",
            "bright",
            "kettle",
            "window",
            "slowly",
            "question",
        ]
        text = lambda size: " ".join(rng.choice(words) for _w in range(size))  # noqa: E731
        rows = (
            {"id": k, "prompt": f"{k}: {text(40)}?", "responses": [text(60), text(60)], "metadata": {"k": k}}
            for k in range(n)
        )
        self.pieces: Iterator[bytes] = iter(
            [b"".join(json.dumps(row).encode() + b"\n" for row in batch) for batch in _batches(rows, 500)]
        )

    def read(self, size: int = -1) -> bytes:
        return next(self.pieces, b"")


def _batches(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch


# --- The site --------------------------------------------------------------------------------------------------------


class Web:
    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process, self.url = process, url


def _start_web(data_dir: Path) -> Web:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "annotation.project.asgi:application", "--port", str(port)]
    log = (data_dir / "web.log").open("wb")
    process = subprocess.Popen([*command, "--log-level", "warning"], cwd=ROOT, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    for _attempt in range(300):
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                return Web(process, url)
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"the site did not start: {(data_dir / 'web.log').read_text()[-2000:]}")


def _sign_in(url: str, user: Any) -> httpx.Client:
    """A browser's cookies: a session in the database and a CSRF token."""
    from django.conf import settings
    from django.middleware.csrf import _get_new_csrf_string
    from django.test import Client

    browser = Client()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    token = _get_new_csrf_string()
    cookies = {
        settings.SESSION_COOKIE_NAME: browser.cookies[settings.SESSION_COOKIE_NAME].value,
        settings.CSRF_COOKIE_NAME: token,
    }
    return httpx.Client(base_url=url, cookies=cookies, headers={"X-CSRFToken": token}, timeout=30)


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


def _cpu(web: Web, places: Any) -> tuple[float, float]:
    """(web, PostgreSQL) CPU seconds so far; of PostgreSQL the postmaster, its children, and those that have ended."""
    (pid_file,) = places.postgres_dir.glob("*/postmaster.pid")
    postmaster = int(pid_file.read_text().split()[0])
    own, ended = _times(postmaster)
    return _times(web.process.pid)[0], own + ended + sum(_times(child)[0] for child in _children(postmaster))


def _bare_request(client: httpx.Client, web: Web, requests: int = 300) -> float:
    """CPU seconds of the web process for a request that does next to nothing: to tell the code from the machine."""
    before = _times(web.process.pid)[0]
    for _turn in range(requests):
        client.get("/healthz").raise_for_status()
    return (_times(web.process.pid)[0] - before) / requests


def _times(pid: int) -> tuple[float, float]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system, ended_user, ended_system = (int(f) / TICKS for f in fields[11:15])
    return user + system, ended_user + ended_system


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


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
