"""No acknowledged answer is lost, doubled or counted beyond the overlap, whatever is killed meanwhile.

    python -m bench.chaos                         10,000 answers and 200 kills
    python -m bench.chaos --answers 500 --kills 8 does it run

Labelers answer through two web processes. One after another of these is killed with SIGKILL: a web process, every process
of PostgreSQL, both web processes, everything at once. Each ledger is written by a process that is not killed. In the end,
after a quiet time longer than a lease, everything in the database is counted again. The database runs with fsync on.
(SIGKILL cannot show what the disk itself forgets; a start-up check looks at fsync, full_page_writes and synchronous_commit.)
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.site import ROOT, Lines, children_of

LABELERS, OVERLAP, LEASE_S = 16, 3, 30
PROTOCOL = [{"key": "better", "type": "comparison"}]
VICTIMS = ("one web process", "one web process", "PostgreSQL", "both web processes", "everything")


class Site:
    """Two web processes over one PostgreSQL, each of which may be killed and comes back."""

    def __init__(self, data_dir: Path):
        import httpx

        from annotation.project import embedded

        self.embedded, self.httpx = embedded, httpx
        self.places = embedded.Places(data_dir)
        embedded.ensure_running("postgres", "valkey", places=self.places)
        self.ports = [_free_port(), _free_port()]
        self.web: list[subprocess.Popen[bytes] | None] = [None, None]

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def start(self) -> None:
        """Starts what is not running and waits until it answers."""
        self.embedded.ensure_running("postgres", "valkey", places=self.places)
        for n, port in enumerate(self.ports):
            if self.web[n] is None:
                command = [sys.executable, "-m", "uvicorn", "annotation.project.asgi:application"]
                log = open(self.places.data_dir / f"web-{n}.log", "ab")
                options = ["--port", str(port), "--log-level", "warning"]
                self.web[n] = subprocess.Popen([*command, *options], cwd=ROOT, stdout=log, stderr=log)
        for url in self.urls:
            deadline = time.monotonic() + 90
            while True:
                try:
                    if self.httpx.get(f"{url}/healthz", timeout=5).status_code == 200:
                        break
                except self.httpx.TransportError:
                    pass  # not listening yet; the deadline speaks
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{url} does not come back")
                time.sleep(0.1)

    def kill(self, victim: str, rng: random.Random) -> None:
        if victim == "one web process":
            self._kill_web(rng.randrange(2))
        elif victim == "both web processes":
            self._kill_web(0)
            self._kill_web(1)
        elif victim == "PostgreSQL":
            self._kill_postgres()
        else:
            self._kill_postgres()
            self._kill_web(0)
            self._kill_web(1)

    def _kill_web(self, n: int) -> None:
        process = self.web[n]
        if process is not None:
            process.kill()
            process.wait()
            self.web[n] = None

    def _kill_postgres(self) -> None:
        (pid_file,) = self.places.postgres_dir.glob("*/postmaster.pid")
        postmaster = int(pid_file.read_text().split()[0])
        for pid in (postmaster, *children_of(postmaster)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # a backend that had just ended
        deadline = time.monotonic() + 20
        while (
            self.embedded.keeper.is_held(self.places.lock("postgres.keeper")) and time.monotonic() < deadline
        ):
            time.sleep(0.05)  # its keeper sees that it is gone, and goes too

    def stop(self) -> None:
        for process in self.web:
            if process is not None:
                process.terminate()
                process.wait(20)


def run(answers: int, kills: int, seed: int, data_dir: Path) -> dict[str, Any]:
    os.environ["WHETSTONE_DATA_DIR"] = str(data_dir)
    os.environ["DJANGO_SETTINGS_MODULE"] = "annotation.project.settings"
    site = Site(data_dir)
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    site.start()
    campaign, people = _prepare(answers)
    ledger, stop = data_dir / "ledger", data_dir / "stop"
    ledger.mkdir()
    plan = {
        "urls": site.urls, "slug": campaign.slug, "seed": seed, "ledger": str(ledger), "stop": str(stop),
        "sessions": [_session(user) for user in people],
    }  # fmt: skip
    (data_dir / "plan.json").write_text(json.dumps(plan))
    command = [sys.executable, "-m", "bench.chaos.labelers", str(data_dir / "plan.json")]
    labelers = subprocess.Popen(command, cwd=ROOT)
    rng, killed, least = random.Random(seed), Counter[str](), None
    began = time.monotonic()
    try:
        for n in range(kills):
            before = _acknowledged(ledger)
            goal = answers * (n + 1) // (kills + 1)
            while _acknowledged(ledger) < max(goal, before + 1):  # progress after each fault
                if labelers.poll() is not None:
                    raise RuntimeError("the labelers gave up; see above")
                time.sleep(rng.uniform(0.05, 0.3))
            victim = rng.choice(VICTIMS)
            site.kill(victim, rng)
            killed[victim] += 1
            site.start()
            done = _acknowledged(ledger) - before
            least = done if least is None else min(least, done)
            print(
                f"\r{n + 1} of {kills} kills, {_acknowledged(ledger):,} acknowledged", end="", file=sys.stderr
            )
        while _acknowledged(ledger) < answers and labelers.poll() is None:
            time.sleep(0.3)
        print(file=sys.stderr)
    finally:
        stop.touch()
        labelers.wait(180)
    seconds = time.monotonic() - began
    time.sleep(LEASE_S + 2)
    audit = _audit(campaign, ledger)
    site.stop()
    return {
        "seed": seed,
        "seconds": round(seconds),
        "kills": dict(sorted(killed.items())),
        "labelers ended well": labelers.returncode == 0,
        **audit,
    }


def _prepare(answers: int) -> tuple[Any, list[Any]]:
    from annotation.campaigns.services import create_campaign, open_campaign
    from annotation.items.services import import_items
    from annotation.people.models import User
    from annotation.people.services import grant_role

    admin = User.objects.create_user("admin")
    campaign = create_campaign(
        actor=admin, name="Chaos", overlap=OVERLAP, lease_s=LEASE_S, guidelines="Compare.", protocol=PROTOCOL
    )
    people = [User.objects.create_user(f"labeler-{n}") for n in range(LABELERS)]
    for user in people:
        grant_role(actor=admin, user=user, campaign=campaign, role="labeler")
    import_items(campaign, Lines(answers), actor=admin)
    return open_campaign(actor=admin, campaign=campaign), people


def _session(user: Any) -> dict[str, str]:
    from django.conf import settings
    from django.middleware.csrf import _get_new_csrf_string
    from django.test import Client

    browser = Client()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    session = browser.cookies[settings.SESSION_COOKIE_NAME].value
    return {settings.SESSION_COOKIE_NAME: session, settings.CSRF_COOKIE_NAME: _get_new_csrf_string()}


def _acknowledged(ledger: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in ledger.glob("*.jsonl"))


def _audit(campaign: Any, ledger: Path) -> dict[str, Any]:
    """Everything that was acknowledged, held against everything that is stored; all figures but the first two must be 0."""
    from django.db import connections

    from annotation.assignment.models import Assignment, Slot
    from annotation.assignment.services import release_expired
    from annotation.items.models import Item
    from annotation.submissions.models import Feedback, Submission

    connections.close_all()
    while release_expired():
        pass
    lines = [json.loads(line) for path in ledger.glob("*.jsonl") for line in path.read_text().splitlines()]
    stored = {
        str(row["id"]): row
        for row in Submission.objects.filter(campaign=campaign).values(
            "id", "item_id", "labeler_id", "status", "idempotency_key", "assignment_id"
        )
    }
    one_key: dict[str, set[str]] = {}
    for line in lines:
        one_key.setdefault(line["key"], set()).add(line["submission"])
    counted = Counter(row["item_id"] for row in stored.values() if row["status"] == "counted")
    pairs = Counter((row["item_id"], row["labeler_id"]) for row in stored.values())
    slots = Counter(Slot.objects.filter(campaign_id=campaign.pk).values_list("item_id", flat=True))
    leases = Counter(
        Assignment.objects.filter(campaign=campaign, state=Assignment.State.LEASED).values_list(
            "item_id", flat=True
        )
    )
    items = list(Item.objects.filter(campaign=campaign).values_list("pk", "counted", "overlap"))
    answered = set(
        Feedback.objects.filter(submission__campaign=campaign).values_list("submission_id", flat=True)
    )
    return {
        "acknowledged": len(one_key),
        "stored": len(stored),
        "lost": sum(line["submission"] not in stored for line in lines),
        "half stored": sum(row["id"] not in answered for row in stored.values()),
        "keys with two submissions": sum(len(ids) > 1 for ids in one_key.values()),
        "answered twice by one labeler": sum(n > 1 for n in pairs.values()),
        "items beyond their overlap": sum(n > OVERLAP for n in counted.values()),
        "counters that drifted": sum(said != counted[item] for item, said, _overlap in items),
        "places lost or made up": sum(
            slots[item] != max(0, overlap - said - leases[item]) for item, said, overlap in items
        ),
    }


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__.partition("\n")[0])
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    data_dir = Path(tempfile.mkdtemp(prefix="whetstone-chaos-"))
    try:
        found = run(options.answers, options.kills, options.seed, data_dir)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)
    print(json.dumps(found, indent=2))
    wrong = [name for name, n in list(found.items())[6:] if n]
    if wrong or not found["labelers ended well"]:
        raise SystemExit(f"Broken: {', '.join(wrong) or 'a labeler was refused'}")


if __name__ == "__main__":
    main()
