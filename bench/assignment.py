"""What one judgement costs: "submit + next" through HTTP, in CPU of the web process and of PostgreSQL.

    python -m bench assignment            1,000 to 1,000,000 items, every strategy, up to 1,000 leases out, overlap 1 and 5
    python -m bench assignment --small    500 items and few cycles: does it run

CPU comes from the accounting of the processes, so that other work on the machine changes it little; wall-clock times hold
only on a quiet machine. The database is PostgreSQL with fsync on, in a directory of its own that is removed afterwards.
WHETSTONE_BENCH_PLANS names a file for the plans of the next-item statement in the largest campaign.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench import filled
from bench.site import bare_request, cpu_of, database, sign_in, start_web

ACTIVE = 10  # labelers at work; other leases are held by people who do nothing
RARE_EVERY = 10_000
FEW_PAGES = 300
CLIENTS = 4
CELLS = 20_000  # how often `submit + next` may run at most
PROTOCOL = [
    {"key": "better", "type": "comparison"},
    {"key": "grade", "type": "critique", "settings": {"criteria": ["overall"]}},
]


@dataclass(frozen=True)
class Cell:
    """One row of the table."""

    items: int
    overlap: int = 1
    strategy: str = "oldest"
    leases: int = 10

    @property
    def name(self) -> str:
        return f"{self.items:,} items, overlap {self.overlap}, {self.strategy}, {self.leases:,} leases"


def cells(smallest: int, middle: int, largest: int, leases: int) -> list[Cell]:
    """A sample of the grid; those of one campaign one after the other, changed from cell to cell by the services."""
    strategies = ("oldest", "least_covered", "random", "priority", "uncertainty")
    return [
        Cell(smallest),
        *[Cell(middle, strategy=strategy) for strategy in strategies],
        Cell(middle, overlap=5),
        Cell(middle, overlap=5, strategy="least_covered"),
        Cell(largest),
        Cell(largest, overlap=5, leases=leases),
        Cell(largest, overlap=5, strategy="priority", leases=leases),
    ]


def run(small: bool) -> dict[str, Any]:
    """Figures for each cell: CPU ms and statements a cycle, latency, cost of the next-item statement and of a new order."""
    data_dir = Path(tempfile.mkdtemp(prefix="whetstone-bench-"))
    os.environ["WHETSTONE_DATA_DIR"] = str(data_dir)
    os.environ["DJANGO_SETTINGS_MODULE"] = "annotation.project.settings"
    try:
        with database(data_dir) as places, start_web(data_dir) as web:
            grid = cells(300, 1_200, 600, 20) if small else cells(1_000, 100_000, 1_000_000, 1_000)
            return _grid(places, web, grid, cycles=60 if small else 200)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


def _grid(places: Any, web: Any, grid: list[Cell], cycles: int) -> dict[str, Any]:
    from django.db import connection

    from annotation.people.models import User

    admin, _made = User.objects.get_or_create(username="admin")
    result: dict[str, Any] = {}
    made: dict[int, tuple[Any, float]] = {}
    for cell in grid:
        if cell.items not in made:
            began = time.perf_counter()
            campaign = filled.make(
                admin,
                f"Bench {cell.items}",
                n=cell.items,
                overlap=1,
                protocol=PROTOCOL,
                rare_every=RARE_EVERY,
            )
            made[cell.items] = campaign, time.perf_counter() - began
        changed = _change(admin, made[cell.items][0], cell)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        result[cell.name] = changed | _measure(places, web, made[cell.items][0], cell, cycles)
        print(f"{cell.name}: {result[cell.name]}", file=sys.stderr, flush=True)
    largest = grid[-1]
    if where := os.environ.get("WHETSTONE_BENCH_PLANS"):
        plans = _plans(made[largest.items][0], admin)
        Path(where).write_text("\n".join(plans), encoding="utf-8")
    small, large = (
        next(c for c in grid if c.items == n and c.overlap == 1) for n in (grid[0].items, largest.items)
    )
    ratio = result[large.name]["CPU ms per cycle"] / result[small.name]["CPU ms per cycle"]
    return result | {f"CPU at {large.items:,} items to {small.items:,}": round(ratio, 2)}


def _change(admin: Any, campaign: Any, cell: Cell) -> dict[str, Any]:
    """Makes the campaign what the cell asks for, as an admin would; how long the new order took."""
    from annotation.assignment import services
    from annotation.campaigns.services import change_campaign
    from annotation.items.models import Item

    campaign.refresh_from_db()
    wanted = {"overlap": cell.overlap, "strategy": cell.strategy}
    changes = {name: value for name, value in wanted.items() if value != getattr(campaign, name)}
    if not changes:
        return {}
    change_campaign(actor=admin, campaign=campaign, version=campaign.version, changes=changes)
    if cell.strategy == "uncertainty":
        ids = Item.objects.filter(campaign=campaign).values_list("pk", flat=True)
        services.save_scores(
            campaign=campaign, scores={pk: (pk * 7919 % 1000) / 1000 for pk in ids}, source="bench"
        )
    services.want_order(campaign=campaign)
    began = time.perf_counter()
    moved = services.order_queues()
    campaign.refresh_from_db()
    seconds = time.perf_counter() - began
    return {"places put in order": moved, "  in seconds": round(seconds, 1)}


def _measure(places: Any, web: Any, campaign: Any, cell: Cell, cycles: int) -> dict[str, Any]:
    from annotation.assignment.models import Assignment

    labelers = _people(campaign, ACTIVE, "labeler")
    for labeler in _people(campaign, max(0, cell.leases - ACTIVE), "idle"):
        lease_next(labeler, campaign)
    clients = [sign_in(web.url, labeler) for labeler in labelers]
    path = f"/api/campaigns/{campaign.slug}"
    held = [client.post(f"{path}/next/", json={}).json()["assignment"] for client in clients]
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
        "CPU ms per cycle": round(sum(a - b for a, b in zip(after, before, strict=True)) * 1000 / cycles, 2),
        "  of which web": round((after[0] - before[0]) * 1000 / cycles, 2),
        "  of which PostgreSQL": round((after[1] - before[1]) * 1000 / cycles, 2),
        "CPU ms of a bare request": round(bare * 1000, 2),  # how fast this machine is today
        "statements per cycle": statements,
        "leases out": Assignment.objects.filter(campaign=campaign, state=1).count(),
        "p50 ms": round(statistics.median(latencies) * 1000, 1),
        "p95 ms": round(statistics.quantiles(latencies, n=20)[18] * 1000, 1),
        "cycles/s": round(cycles / wall, 1),
        "load": round(os.getloadavg()[0], 1),
        **explained,
    }


def _people(campaign: Any, n: int, prefix: str) -> list[Any]:
    from annotation.people.models import Membership, Role, User

    User.objects.bulk_create([User(username=f"{prefix}-{k}") for k in range(n)], ignore_conflicts=True)
    people = list(User.objects.filter(username__in=[f"{prefix}-{k}" for k in range(n)]).order_by("pk"))
    Membership.objects.bulk_create(
        [Membership(user=user, campaign=campaign, role=Role.LABELER) for user in people],
        ignore_conflicts=True,
    )
    return people


def lease_next(labeler: Any, campaign: Any) -> Any:
    from annotation.assignment import services

    return services.lease_next(labeler=labeler, campaign=campaign)


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


class Undo(Exception):
    """What was tried is not kept."""


def _explain(campaign: Any, labeler: Any) -> dict[str, Any]:
    """Execution time and buffers of the statement that takes the next item, rolled back each time; medians."""
    plans = [_plan(campaign, labeler, "JSON")[0] for _turn in range(15)]
    pages = [p["Plan"]["Shared Hit Blocks"] + p["Plan"]["Shared Read Blocks"] for p in plans]
    if statistics.median(pages) > FEW_PAGES:  # a plan that looks at more than one item: worth reading
        print("\n".join(_plan(campaign, labeler, "TEXT")), file=sys.stderr)
    return {
        "next item, execution ms": round(statistics.median(p["Execution Time"] for p in plans), 2),
        "next item, buffers": round(statistics.median(pages)),
    }


def _plan(campaign: Any, labeler: Any, form: str) -> Any:
    from django.db import connection, transaction

    from annotation.assignment import queue

    params = {
        "campaign": campaign.pk, "labeler": labeler.pk, "name": labeler.username, "protocol": campaign.protocol_id,
        "guidelines": campaign.guidelines_id, "lease_s": 1800, "beyond": [], "fresh": True, "on_screen": True, "seed": 1,
    }  # fmt: skip
    found: Any = None
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(queue.OPEN_CURSOR, params)
            cursor.execute(
                "UPDATE annotation_labelercursor SET held = '{}' WHERE campaign_id = %s AND labeler_id = %s",
                [campaign.pk, labeler.pk],
            )
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT {form}) {queue.NEXT_AHEAD}", params)
            rows = cursor.fetchall()
            found = rows[0][0] if form == "JSON" else [row[0] for row in rows]
            raise Undo
    except Undo:
        return found


def _plans(campaign: Any, admin: Any) -> list[str]:
    """The plans of a newcomer, a labeler in the middle of the queue, and a newcomer who reads one rare language."""
    from annotation.assignment import order
    from annotation.people.models import Membership
    from annotation.people.services import change_routing

    order.advance_low_marks()
    (newcomer,) = _people(campaign, 1, "newcomer")
    (rare,) = _people(campaign, 1, "rare")
    member = Membership.objects.get(user=rare, campaign=campaign)
    change_routing(actor=admin, membership=member, languages=[filled.RARE], skills=[])
    (middle,) = _people(campaign, 1, "middle")
    _put_in_the_middle(campaign, middle)
    text = []
    for title, labeler in (
        ("A newcomer", newcomer),
        ("In the middle of the queue", middle),
        (f"A newcomer who reads {filled.RARE} only: every {RARE_EVERY:,}th item", rare),
    ):
        _plan(campaign, labeler, "TEXT")  # warm
        text += [f"== {title}", *_plan(campaign, labeler, "TEXT"), ""]
    return text


def _put_in_the_middle(campaign: Any, labeler: Any) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO annotation_labelercursor (campaign_id, labeler_id, pos, held)"
            " SELECT %s, %s, (min(pos) + max(pos)) / 2, '{}' FROM annotation_slot WHERE campaign_id = %s",
            [campaign.pk, labeler.pk, campaign.pk],
        )
