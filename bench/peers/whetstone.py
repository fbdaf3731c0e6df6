"""This project, as the harness that measures annotation servers over HTTP wants it. See README.md.

A labeler is a browser session: it signs in with a password and sends what the labeling page sends, form fields and all.
The page keeps the item behind the one on the screen, and the reply to an answer brings the one after; so does this adapter
with `prefetch=1` (the default): then `next_task` costs a request only at the beginning. With `prefetch=0` the next item is
asked for when it is wanted, by the page's own request for it.

The prompt begins with the harness's key of the item, since the page shows no identifiers.
"""

from __future__ import annotations

import asyncio
import html
import io
import json
import re
import tarfile
import time
import uuid
from collections import deque
from collections.abc import Iterator
from typing import Any

import httpx
from adapters.base import ApiError, BaseAdapter, ExportResult, LabelerSession, Row, Task
from data import item

TIMEOUT = httpx.Timeout(180, connect=30)
CHOICES = {"A": "1", "B": "-1", "tie": "0"}  # as the page has them when response A is on the left
PROTOCOL = [
    {
        "key": "pref",
        "type": "comparison",
        "title": "Which is better?",
        "required": True,
        "settings": {"strengths": 1, "both_bad": False},
    }
]
PAGE = 500  # items a request, when their keys are looked up
HOME = "bench-people"  # the campaign by whose invitation the accounts are made
CSRF = re.compile(r'csrfmiddlewaretoken" value="([^"]+)"')
EXT_ID = re.compile(r"item-(\d{8})")


def ok(response: httpx.Response, *codes: int) -> httpx.Response:
    if response.status_code not in (codes or (200, 201)):
        raise ApiError(response.status_code, response.text)
    return response


async def patient(send: Any, *codes: int) -> httpx.Response:
    """Asks again when told to wait; for what is not measured."""
    while (response := await send()).status_code == 429:
        await asyncio.sleep(float(response.headers.get("Retry-After", 1)))
    return ok(response, *codes)


class Session(LabelerSession):
    def __init__(self, adapter: Adapter, username: str, password: str) -> None:
        self.adapter, self.labeler_key, self.password = adapter, username, password
        self.c = httpx.AsyncClient(
            base_url=adapter.base_url,
            timeout=TIMEOUT,
            trust_env=False,
            headers={"Referer": adapter.base_url + "/"},
        )
        self.behind: deque[Task] = deque()  # what the page has prepared
        self.joined: set[str] = set()
        self.held: list[str] = []  # assignments on the page

    async def form(self, path: str, fields: dict[str, str], *codes: int) -> httpx.Response:
        page = await patient(lambda: self.c.get(path))
        token = CSRF.findall(page.text)[-1]
        return await patient(lambda: self.c.post(path, data={"csrfmiddlewaretoken": token, **fields}), *codes)

    async def start(self) -> Session:
        await self.form("/accounts/login/", {"login": self.labeler_key, "password": self.password}, 302)
        return self

    async def join(self, project: str) -> None:
        if project not in self.joined:
            await self.form(await self.adapter.invitation(project), {}, 302)
            self.joined.add(project)

    async def next_task(self, project: str) -> Task | None:
        await self.join(project)
        if self.behind:
            return self.behind.popleft()
        if not self.held:
            page = ok(await self.c.get(f"/campaigns/{project}/label/")).text
            if (task := self.read(page)) is None:
                return None
            if self.adapter.prefetch:
                await self.look_behind(project, [task.id])
            return task
        await self.look_behind(project, self.held)
        return self.behind.popleft() if self.behind else None

    async def look_behind(self, project: str, beyond: list[str]) -> None:
        reply = ok(await self.c.get(f"/campaigns/{project}/label/next/", params={"beyond": beyond})).json()
        self.take(reply)

    def take(self, reply: dict[str, Any]) -> None:
        if (found := reply.get("next")) and "html" in found and (task := self.read(found["html"])):
            self.behind.append(task)

    def read(self, text: str) -> Task | None:
        """Assignment, key, form fields and which response is on the left, out of the page or the fragment."""
        start = text.find('<form class="item"')
        if start < 0:
            return None
        text = text[start:]
        number = int(EXT_ID.search(text)[1])
        assignment = re.search(r'data-assignment="(\d+)"', text)[1]
        fields = {
            name: re.search(rf'name="{name}" value="([^"]*)"', text)[1]
            for name in ("csrfmiddlewaretoken", "idempotency_key", "protocol_version", "guidelines_version")
        }
        shown, one = html.unescape(text), item(number)
        a_is_left = shown.find(one["response_a"][:80]) < shown.find(one["response_b"][:80])
        self.held = [*self.held, assignment][-2:]
        return Task(assignment, f"item-{number:08d}", (fields, a_is_left))

    async def submit(self, project: str, task: Task, label: str, key: str = "", **extra: Any) -> str:
        fields, a_is_left = task.raw
        choice = CHOICES[label] if a_is_left else CHOICES[{"A": "B", "B": "A"}.get(label, label)]
        if key:
            fields = fields | {"idempotency_key": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{task.id}:{key}"))}
        data: dict[str, Any] = {**fields, "revises": "", "active_ms": "1000", "pref-choice": choice}
        data["csrfmiddlewaretoken"] = self.c.cookies.get("csrftoken")
        if self.adapter.prefetch:
            data |= {"want_next": "1", "beyond": [t.id for t in self.behind]}
        reply = ok(
            await self.c.post(
                f"/campaigns/{project}/label/{task.id}/", data=data, headers={"Accept": "application/json"}
            )
        ).json()
        self.held = [a for a in self.held if a != task.id]
        self.take(reply)
        self.adapter.who[reply["submission"]] = self.labeler_key
        return reply["submission"]

    async def skip(self, project: str, task: Task) -> str:
        data = {"reason": "other", "csrfmiddlewaretoken": self.c.cookies.get("csrftoken")}
        ok(
            await self.c.post(
                f"/campaigns/{project}/label/{task.id}/skip/",
                data=data,
                headers={"Accept": "application/json"},
            )
        )
        self.held = [a for a in self.held if a != task.id]
        return task.id

    async def close(self) -> None:
        await self.c.aclose()


class Adapter(BaseAdapter):
    """options: token (of an admin, with all scopes), password (the admin's), prefetch (1)."""

    name = "whetstone"

    def __init__(self, base_url: str, options: dict[str, str]) -> None:
        super().__init__(base_url, options)
        self.prefetch = options.get("prefetch", "1") == "1"
        self.c = httpx.AsyncClient(
            base_url=self.base_url + "/api", timeout=httpx.Timeout(900, connect=30), trust_env=False,
            headers={"Authorization": "Bearer " + options["token"]},
        )  # fmt: skip
        self.admin = Session(self, "bench-admin", options.get("password", "Bench-Pass-admin-7"))
        self.invitations: dict[str, str] = {}
        self.ext_ids: dict[int, str] = {}
        self.who: dict[str, str] = {}  # submission → labeler: an export knows people by pseudonyms alone

    async def admin_login(self) -> None:
        ok(await self.c.get("/me/"))
        await self.admin.start()

    async def version(self) -> str:
        return str((await self.c.get("/schema/", params={"format": "json"})).json()["info"]["version"])

    async def invitation(self, project: str) -> str:
        if project not in self.invitations:
            fields = {"role": "labeler", "max_uses": "1000", "days": "14"}
            page = await self.admin.form(f"/campaigns/{project}/people/", fields, 200)
            self.invitations[project] = re.search(r"/join/[^\"<\s]+", page.text)[0]
        return self.invitations[project]

    async def create_project(self, title: str, overlap: int = 1) -> str:
        made = ok(
            await self.c.post(
                "/campaigns/",
                json={
                    "name": title[:120],
                    "overlap": overlap,
                    "guidelines": "Compare.",
                    "protocol": PROTOCOL,
                },
            )
        ).json()
        ok(await self.c.post(f"/campaigns/{made['slug']}/open/", json={}))
        return made["slug"]

    async def delete_project(self, project: str) -> None:
        """Answers are never deleted: a campaign is closed."""
        ok(await self.c.post(f"/campaigns/{project}/close/", json={}))

    async def import_items(self, project: str, items: list[dict[str, str]], labeled_by: Any = None) -> None:
        if labeled_by:
            raise NotImplementedError(
                "finished answers come from labelers alone; label first and use --project"
            )
        lines = [
            json.dumps({"id": i["ext_id"], "prompt": f"{i['ext_id']}\n\n{i['prompt']}",
                        "responses": [i["response_a"], i["response_b"]]})
            for i in items
        ]  # fmt: skip
        reply = await self.c.post(
            f"/campaigns/{project}/items/import/",
            content="\n".join(lines).encode(),
            headers={"Content-Type": "application/x-ndjson"},
        )
        if ok(reply).json()["items"] != len(items):
            raise ApiError(200, reply.text)

    async def labelers(self, n: int) -> list[tuple[str, str]]:
        campaigns = ok(await self.c.get("/me/")).json()["campaigns"]
        if not any(c["slug"] == HOME for c in campaigns):
            await self.create_project(HOME)
        accounts = [(f"labeler{k:03d}", f"Bench-Pass-{k:03d}-of-many") for k in range(n)]
        for username, password in accounts:
            session = Session(self, username, password)
            fields = {"username": username, "password": password, "email": ""}
            await session.form(await self.invitation(HOME), fields, 302, 422)  # 422: made by an earlier run
            await session.close()
        return accounts

    async def login(self, credential: tuple[str, str]) -> Session:
        return await Session(self, *credential).start()

    async def export(self, project: str, path: str, mode: str = "sync") -> ExportResult:
        """sync: the events, page by page, by cursor, as JSON lines. snapshot: taken, built by a worker, downloaded.

        Before the clock starts: an answer is among the events a second after it was sent, and events name items by number,
        so the numbers are looked up.
        """
        await asyncio.sleep(1.2)
        await self.look_up(project)
        return await (self.events if mode == "sync" else self.snapshot)(project, path)

    async def look_up(self, project: str) -> None:
        address: str | None = f"/campaigns/{project}/items/?page_size={PAGE}"
        while address:
            page = ok(await self.c.get(address)).json()
            self.ext_ids |= {one["id"]: one["external_id"] for one in page["results"]}
            address = page["next"]

    async def events(self, project: str, path: str) -> ExportResult:
        began, phases, size, cursor = time.perf_counter(), {}, 0, ""
        with open(path, "wb") as out:
            while True:
                page = ok(
                    await self.c.get(f"/campaigns/{project}/events/", params={"after": cursor, "limit": 1000})
                ).json()
                phases.setdefault("first_byte", time.perf_counter() - began)
                size += out.write(b"".join(json.dumps(e).encode() + b"\n" for e in page["events"]))
                cursor = page["after"]
                if not page["more"]:
                    break
        return ExportResult(path, time.perf_counter() - began, size, phases)

    async def snapshot(self, project: str, path: str) -> ExportResult:
        began, size = time.perf_counter(), 0
        one = ok(await self.c.post(f"/campaigns/{project}/snapshots/", json={}), 202).json()
        while one["status"] not in ("complete", "failed"):
            await asyncio.sleep(0.2)
            one = ok(await self.c.get(f"/snapshots/{one['id']}/")).json()
        if one["status"] == "failed":
            raise ApiError(200, json.dumps(one))
        phases = {"create": time.perf_counter() - began}
        async with self.c.stream("GET", f"/snapshots/{one['id']}/download/") as response:
            if response.status_code != 200:
                raise ApiError(response.status_code, (await response.aread()).decode(errors="replace"))
            with open(path, "wb") as out:
                async for piece in response.aiter_bytes():
                    size += out.write(piece)
        return ExportResult(path, time.perf_counter() - began, size, phases)

    def read_export(self, path: str) -> Iterator[Row]:
        known = {
            event["labeler"]: self.who[event["submission"]]
            for event in lines_of(path)
            if event["submission"] in self.who
        }
        for event in lines_of(path):
            who = known.get(event["labeler"], event["labeler"])
            yield Row(self.ext_ids[event["item"]], who, label_of(event), event["submission"])

    # The labeling page
    ui_ready = "form.item input[type=radio]:not([disabled])"
    ui_text = "form.item:not([hidden]) .prompt"

    def ui_login(self, page: Any, credential: tuple[str, str]) -> None:
        page.goto(self.base_url + "/accounts/login/")
        page.fill("input[name=login]", credential[0])
        page.fill("input[name=password]", credential[1])
        page.click("form[action='/accounts/login/'] button[type=submit]")
        page.wait_for_url(lambda url: "/accounts/login" not in url)

    def ui_label_url(self, project: str) -> str:
        return f"{self.base_url}/campaigns/{project}/label/"

    def ui_label(self, page: Any) -> None:
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Enter")

    async def close(self) -> None:
        await self.admin.close()
        await self.c.aclose()


def label_of(event: dict[str, Any]) -> str:
    """A, B or tie; response A was imported first, so its number is the smaller one."""
    strength, shown = event["payload"]["strength"], event["payload"]["items"]
    if strength == 0:
        return "tie"
    return "A" if (strength > 0) == (shown[0] == min(shown)) else "B"


def lines_of(path: str) -> Iterator[dict[str, Any]]:
    """Events of a file of JSON lines, or of the tar of a snapshot."""
    if tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            name = next(n for n in tar.getnames() if n.endswith("native/feedback.jsonl"))
            for line in io.BufferedReader(tar.extractfile(name)):
                yield json.loads(line)
    else:
        with open(path, "rb") as lines:
            for line in lines:
                yield json.loads(line)
