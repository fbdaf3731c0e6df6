"""A thousand labelers at once, each of whom thinks for half a minute: does the site hold them on this machine?

    python -m bench labelers            1,000 labelers for five minutes, two web processes
    python -m bench labelers --small    40 labelers who hardly think: does it run

Everybody is a browser session and sends what the labeling page sends: an answer as form fields, whose reply brings the item
after the next. One in fifty walks away from an item for good, one in twenty sends an answer twice, as a browser does that
missed the reply. Afterwards what was acknowledged is held against what the database has. The labelers share the machine
with the site; how much of it they and others took is said beside the times.
"""

from __future__ import annotations

import asyncio
import html
import os
import random
import re
import shutil
import statistics
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench import site

ABANDONED, SENT_TWICE = 0.02, 0.05
OVERLAP = 2
PROTOCOL = [{"key": "better", "type": "comparison", "title": "Which is better?", "required": True}]
FIELD = '<input type="hidden" name="{}" value="([^"]*)">'


@dataclass
class Ledger:
    """What the labelers saw: seconds of each request, submissions acknowledged, refusals."""

    opened: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    acknowledged: dict[str, int] = field(default_factory=dict)  # submission → labeler
    again: list[tuple[str, str]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    abandoned: int = 0


def run(small: bool) -> dict[str, Any]:
    """Latencies of the page and of "submit + next", answers a second, errors, the audit, and who took the processors."""
    data_dir = Path(tempfile.mkdtemp(prefix="whetstone-bench-"))
    os.environ["WHETSTONE_DATA_DIR"] = str(data_dir)
    os.environ["DJANGO_SETTINGS_MODULE"] = "annotation.project.settings"
    how = {"labelers": 40, "think_s": 2.0, "warm_s": 4.0, "seconds": 10.0, "items": 2_000}
    if not small:
        how = {"labelers": 1_000, "think_s": 30.0, "warm_s": 60.0, "seconds": 300.0, "items": 20_000}
    try:
        with site.database(data_dir) as places:
            return _measure(places, data_dir, **how)  # type: ignore[arg-type]
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


def _measure(
    places: Any, data_dir: Path, *, labelers: int, think_s: float, warm_s: float, seconds: float, items: int
) -> dict[str, Any]:
    campaign, people = _prepare(labelers, items)
    with site.start_web(data_dir, workers=2) as web:
        cookies = [site.cookies_of(person) for person in people]
        ledger = Ledger()
        asyncio.run(_crowd(web.url, campaign.slug, cookies, ledger, think_s, warm_s))
        ledger.opened.clear()
        ledger.sent.clear()
        before, began, own = site.cpu_of(web, places), time.perf_counter(), time.process_time()
        busy = _busy()
        asyncio.run(_crowd(web.url, campaign.slug, cookies, ledger, think_s, seconds))
        span = time.perf_counter() - began
        after, own, busy = site.cpu_of(web, places), time.process_time() - own, _busy() - busy
    if len(ledger.sent) < 2:
        raise RuntimeError(f"hardly anybody answered: {dict(ledger.refused)}")
    used = [a - b for a, b in zip(after, before, strict=True)]
    return {
        "labelers": labelers,
        "think time s": think_s,
        "answers": len(ledger.sent),
        "answers/s": round(len(ledger.sent) / span, 1),
        "submit + next": _spread(ledger.sent),
        "opening the page": _spread(ledger.opened),
        "errors": dict(ledger.refused),
        "abandoned": ledger.abandoned,
        "CPU ms per answer": {
            "web": round(used[0] * 1000 / len(ledger.sent), 1),
            "PostgreSQL": round(used[1] * 1000 / len(ledger.sent), 1),
        },
        "cores": {
            "site": round(sum(used) / span, 2),
            "labelers": round(own / span, 2),
            "others": round((busy - sum(used) - own) / span, 2),
        },
        "audit": _audit(campaign, ledger),
    }


def _prepare(labelers: int, items: int) -> tuple[Any, list[Any]]:
    from django.core.management import call_command

    from annotation.campaigns.services import create_campaign, open_campaign
    from annotation.items.services import import_items
    from annotation.people.models import User
    from annotation.people.services import grant_role

    call_command("collectstatic", interactive=False, verbosity=0)
    admin = User.objects.create(username="admin")
    campaign = create_campaign(
        actor=admin, name="A thousand", overlap=OVERLAP, guidelines="Compare.", protocol=PROTOCOL
    )
    people = User.objects.bulk_create([User(username=f"labeler-{k}") for k in range(labelers)])
    for person in people:
        grant_role(actor=admin, user=person, campaign=campaign, role="labeler")
    import_items(campaign, site.Lines(items), actor=admin)
    return open_campaign(actor=admin, campaign=campaign), people


async def _crowd(
    url: str, slug: str, cookies: list[dict[str, str]], ledger: Ledger, think_s: float, seconds: float
) -> None:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(
        base_url=url, timeout=60, limits=limits, headers={"User-Agent": "Mozilla/5.0"}
    ) as client:
        until = time.perf_counter() + seconds
        await asyncio.gather(
            *(
                Labeler(client, slug, number, own, ledger, think_s).work(until)
                for number, own in enumerate(cookies)
            )
        )


class Labeler:
    def __init__(
        self,
        client: httpx.AsyncClient,
        slug: str,
        number: int,
        cookies: dict[str, str],
        ledger: Ledger,
        think_s: float,
    ) -> None:
        self.client, self.slug, self.number, self.ledger, self.think_s = client, slug, number, ledger, think_s
        self.rng = random.Random(f"{number}/{len(ledger.acknowledged)}")
        self.token = cookies["csrftoken"]
        self.headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
            "X-CSRFToken": self.token,
            "Accept": "application/json",
        }

    async def work(self, until: float) -> None:
        """Reads, thinks, answers, until the time is up."""
        await asyncio.sleep(self.rng.random() * self.think_s)
        pages = items_of(await self.open())
        while pages and time.perf_counter() < until:
            left = until - time.perf_counter()
            if (thinks := self.rng.expovariate(1 / self.think_s)) > left:
                await asyncio.sleep(left)
                return
            await asyncio.sleep(thinks)
            if self.rng.random() < ABANDONED:
                self.ledger.abandoned += 1
                pages.pop(0)
                continue
            page = pages.pop(0)
            pages += await self.answer(page, beyond=[_assignment(p) for p in pages])

    async def open(self) -> str:
        """The labeling page; asked for again, as a person would, while the site says that it is busy."""
        for _attempt in range(5):
            began = time.perf_counter()
            response = await self.client.get(
                f"/campaigns/{self.slug}/label/", headers={**self.headers, "Accept": "text/html"}
            )
            self.ledger.opened.append(time.perf_counter() - began)
            if response.status_code == 200:
                return response.text
            self.ledger.refused[f"page {response.status_code}"] += 1
            await asyncio.sleep(float(response.headers.get("Retry-After", 1)))
        return ""

    async def answer(self, page: str, *, beyond: list[str]) -> list[str]:
        """Sends an answer and gives the items that the reply brought."""
        data: dict[str, Any] = {
            name: re.search(FIELD.format(name), page)[1]  # type: ignore[index]
            for name in ("protocol_version", "guidelines_version")
        }
        data |= {
            "idempotency_key": str(uuid.UUID(int=self.rng.getrandbits(128), version=4)),
            "active_ms": "20000", "better-choice": str(self.rng.choice([-2, -1, 0, 1, 2])), "revises": "",
            "want_next": "1", "beyond": beyond,
        }  # fmt: skip
        times = 2 if self.rng.random() < SENT_TWICE else 1
        stored = [
            await self.send(f"/campaigns/{self.slug}/label/{_assignment(page)}/", data) for _ in range(times)
        ]
        if len(stored) == 2 and all(stored):
            self.ledger.again.append((stored[0]["submission"], stored[1]["submission"]))
        following = (stored[0] or {}).get("next") or {}
        return [following["html"]] if "html" in following else []

    async def send(self, path: str, data: dict[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        try:
            response = await self.client.post(path, data=data, headers=self.headers)
        except httpx.HTTPError as error:
            self.ledger.refused[type(error).__name__] += 1
            return {}
        self.ledger.sent.append(time.perf_counter() - began)
        if response.status_code != 200:
            self.ledger.refused[f"{response.status_code} {response.text[:80]}"] += 1
            return {}
        reply = response.json()
        self.ledger.acknowledged[reply["submission"]] = self.number
        return reply


def items_of(page: str) -> list[str]:
    return [page[page.index('<form class="item"') :]] if '<form class="item"' in page else []


def _assignment(page: str) -> str:
    return re.search(r'data-assignment="(\d+)"', html.unescape(page))[1]  # type: ignore[index]


def _audit(campaign: Any, ledger: Ledger) -> dict[str, int]:
    """Acknowledged answers that are not there, stored twice, or beyond the overlap."""
    from django.db.models import Count, F, Q

    from annotation.items.models import Item
    from annotation.submissions.models import Submission

    stored = {str(pk) for pk in Submission.objects.filter(campaign=campaign).values_list("pk", flat=True)}
    twice = (
        Submission.objects.filter(campaign=campaign, revision=0)
        .values("item", "labeler").annotate(n=Count("pk")).filter(n__gt=1).count()
    )  # fmt: skip
    counted = (
        Submission.objects.filter(campaign=campaign, revision=0, status="counted")
        .values("item").annotate(n=Count("pk")).filter(n__gt=OVERLAP).count()
    )  # fmt: skip
    return {
        "acknowledged": len(ledger.acknowledged),
        "lost": len(set(ledger.acknowledged) - stored),
        "stored twice": twice + sum(a != b for a, b in ledger.again),
        "sent twice": len(ledger.again),
        "items beyond the overlap": counted,
        "count unlike its answers": Item.objects.filter(campaign=campaign, counted__gt=0)
        .annotate(n=Count("submissions", filter=Q(submissions__revision=0, submissions__status="counted")))
        .exclude(n=F("counted"))
        .count(),
    }


def _spread(seconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100)
    return {"n": len(seconds)} | {f"p{p} ms": round(cuts[p - 1] * 1000, 1) for p in (50, 95, 99)}


def _busy() -> float:
    """CPU seconds of the whole machine so far."""
    fields = [int(f) for f in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:8])) / site.TICKS
