"""Labelers who never give up: a process of its own, so that what was acknowledged is written down by somebody who lives.

    python -m bench.chaos.labelers PLAN.json

reads {"urls", "slug", "seed", "sessions": [{"sessionid", "csrftoken"}, …], "ledger": folder, "stop": file}. Every labeler
is a thread; each line of its ledger is one acknowledged submission: {"submission", "assignment", "key", "again"}. A request
that fails is sent again with the same key, to any of the web processes, until it is acknowledged or refused for good.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any, TextIO

import httpx

ABANDONED, SKIPPED, SENT_TWICE = 0.02, 0.03, 0.05  # shares of the items a labeler is given
PATIENCE_S = 120.0


class Labeler:
    def __init__(self, number: int, plan: dict[str, Any], ledger: TextIO):
        self.plan, self.ledger = plan, ledger
        self.rng = random.Random(f"{plan['seed']}/{number}")
        cookies = plan["sessions"][number]
        self.clients = [
            httpx.Client(
                base_url=url, cookies=cookies, headers={"X-CSRFToken": cookies["csrftoken"]}, timeout=20
            )
            for url in plan["urls"]
        ]

    def work(self) -> None:
        held: list[int] = []
        stop = Path(self.plan["stop"])
        while not stop.exists():
            path = f"/api/campaigns/{self.plan['slug']}/next/"
            found = self.send(path, {"beyond": held[-1:]} if held else {})
            assignment = found["assignment"] if found else None
            if assignment is None:
                held = []
                time.sleep(0.5)
                continue
            chance = self.rng.random()
            if chance < ABANDONED and not held:
                held = [assignment["id"]]  # walks away from it: the lease has to come back by itself
            elif chance < ABANDONED + SKIPPED:
                self.send(f"/api/assignments/{assignment['id']}/skip/", {"reason": "other"})
            else:
                self.answer(assignment)
                held = []

    def answer(self, assignment: dict[str, Any]) -> None:
        ids = [response["id"] for response in assignment["responses"]]
        body = {
            "idempotency_key": str(uuid.UUID(int=self.rng.getrandbits(128), version=4)),
            "answers": [
                {
                    "question": "better",
                    "target": None,
                    "payload": {"items": ids, "ranks": [1, 2], "strength": 2},
                }
            ],
        }
        path = f"/api/assignments/{assignment['id']}/submit/"
        for again in range(2 if self.rng.random() < SENT_TWICE else 1):
            stored = self.send(path, body)
            if stored is not None:
                line = {
                    "submission": stored["submission"]["id"],
                    "assignment": assignment["id"],
                    "key": body["idempotency_key"],
                    "again": again,
                }
                self.ledger.write(json.dumps(line) + "\n")
                self.ledger.flush()

    def send(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The acknowledgement, or None for a refusal that another try would not change."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            client = self.rng.choice(self.clients)
            try:
                reply = client.post(path, json=body)
            except httpx.TransportError:
                time.sleep(0.2)
                continue
            if reply.status_code in (200, 201):
                return dict(reply.json())
            if reply.status_code in (429, 500, 502, 503, 504):
                if reply.status_code == 500:
                    sys.stderr.write(f"500 at {path}: {reply.text[:200]}\n")
                time.sleep(min(2.0, float(reply.headers.get("Retry-After", "0.3"))))
                continue
            if reply.status_code in (404, 409):
                return None
            raise RuntimeError(f"{path}: {reply.status_code} {reply.text[:300]}")
        raise RuntimeError(f"{path}: no answer for {PATIENCE_S:.0f} s")


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    failures: list[str] = []

    def live(number: int) -> None:
        with open(Path(plan["ledger"]) / f"{number}.jsonl", "w", encoding="utf-8") as ledger:
            try:
                Labeler(number, plan, ledger).work()
            except RuntimeError as error:
                failures.append(str(error))

    threads = [threading.Thread(target=live, args=(n,)) for n in range(len(plan["sessions"]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.stderr.write("\n".join(failures) + "\n")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
