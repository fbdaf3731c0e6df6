"""One campaign: its settings, items, people, answers, snapshots, runs and models."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whetstone_client.errors import Json
from whetstone_client.importing import CHUNK_ROWS, Imported, Progress, import_items
from whetstone_client.jobs import Run, Snapshot
from whetstone_client.labeling import Submission, Task
from whetstone_client.transport import Transport


@dataclass(frozen=True)
class EventPage:
    """Some events, and the cursor behind them: keep it once you have dealt with them."""

    events: list[Json]
    after: str


class Campaign:
    """A campaign as you may see it; `data` is what the API says of it."""

    def __init__(self, transport: Transport, data: Json) -> None:
        self.transport, self.data = transport, data
        self.slug = str(data["slug"])
        self._path = f"campaigns/{self.slug}/"

    @property
    def state(self) -> str:
        """draft, open, paused or closed."""
        return str(self.data["state"])

    @property
    def version(self) -> int:
        return int(self.data["version"])

    def refresh(self) -> Campaign:
        self.data = self.transport.get(self._path)
        return self

    # --- What it is --------------------------------------------------------------------------------------------------

    def change(self, **changes: Any) -> Campaign:
        """Changes settings of the version that you saw. Raises Stale when somebody saved first: `refresh`, then decide."""
        self.data = self.transport.send(
            "PATCH", self._path, json=changes, headers={"If-Match": f'"{self.version}"'}, is_safe=False
        )
        return self

    def open(self) -> Campaign:
        return self._move("open")

    def pause(self) -> Campaign:
        return self._move("pause")

    def close(self) -> Campaign:
        return self._move("close")

    def publish_guidelines(self, markdown: str) -> Json:
        return self._post("guidelines/", {"markdown": markdown})

    def publish_protocol(self, questions: Sequence[Json]) -> Json:
        return self._post("protocol/", {"questions": list(questions)})

    def progress(self) -> Json:
        """{"campaign": …, "mine": …}."""
        found: Json = self.transport.get(f"{self._path}progress/")
        return found

    # --- Items -------------------------------------------------------------------------------------------------------

    def import_items(
        self,
        rows: Iterable[Json],
        *,
        import_id: str = "",
        update: bool = True,
        chunk_rows: int = CHUNK_ROWS,
        progress: bool | Progress = False,
    ) -> Imported:
        """Imports rows ({"id", "prompt", "responses", "metadata"}) from any iterable, chunk by chunk, in constant memory.

        Args:
            import_id: names this import; rows without an `id` get one from it, so that running it again adds nothing.
            update: rows whose id is known replace it as long as nobody was given the item; False refuses them instead, and
                then a lost answer is not asked for again.
            progress: True for a bar; or what to call with an Imported after each chunk.
        Raises ImportRefused naming rows; chunks before are stored, and the same call goes on there.
        """
        return import_items(
            self.transport, self.slug, rows, import_id=import_id, update=update, chunk_rows=chunk_rows,
            progress=progress,
        )  # fmt: skip

    def items(self, **filters: Any) -> Iterator[Json]:
        """Items with prompt, responses and how many answers they have. `filters`: state, round, external_id."""
        return self.transport.pages(f"{self._path}items/", {"page_size": 500, **filters})

    # --- People ------------------------------------------------------------------------------------------------------

    def invite(self, role: str = "labeler", *, max_uses: int = 1, days: int = 14) -> str:
        """A link that makes whoever opens it a member."""
        return str(self._post("invitations/", {"role": role, "max_uses": max_uses, "days": days})["link"])

    def invite_many(self, people: Iterable[Mapping[str, Any]], *, days: int = 14) -> list[Json]:
        """An invitation for one use for each person, in their order: all of them, or none. `link` is shown this once.

        Args: people: {"note": "anna@example.org"}, up to 1,000, each note once; with "role" (labeler unless it says
            otherwise) and, for labelers, lists of "languages" and "skills".
        """
        said = self._post("invitations/bulk/", {"people": [dict(one) for one in people], "days": days})
        return list(said["invitations"])

    def invitations(self) -> Iterator[Json]:
        return self.transport.pages(f"{self._path}invitations/")

    def revoke_invitation(self, invitation_id: int) -> None:
        self.transport.send("DELETE", f"{self._path}invitations/{invitation_id}/", is_safe=True)

    # --- Answering ---------------------------------------------------------------------------------------------------

    def next(self, beyond: Sequence[int] = ()) -> Task | None:
        """The item that you hold, or a new one; with `beyond`, the one after those. None when there is none."""
        said = self.transport.post(f"{self._path}next/", {"beyond": list(beyond)}, is_safe=True)
        return Task(self.transport, said["assignment"]) if said["assignment"] else None

    def tasks(self) -> Iterator[Task]:
        """One item after another, until there is none; answer or skip each before you take the next."""
        while (task := self.next()) is not None:
            yield task

    def undo(self) -> tuple[Submission, Task, list[Json]]:
        """Your last submission, its screen, and your answers. To change it: `task.submit(…, revises=submission.id)`."""
        said = self.transport.post(f"{self._path}undo/", is_safe=True)
        return Submission.read(said["submission"]), Task(self.transport, said["assignment"]), said["answers"]

    # --- Feedback ----------------------------------------------------------------------------------------------------

    def feedback(self, **filters: Any) -> Iterator[Json]:
        """The latest revision of every answer, under pseudonyms. `filters`: question, type, status, item."""
        return self.transport.pages(f"{self._path}feedback/", {"page_size": 500, **filters})

    def event_pages(
        self, after: str = "", *, limit: int = 500, follow: bool = False, poll_s: float = 5.0
    ) -> Iterator[EventPage]:
        """What labelers said since the cursor, in order, each event once; with `follow`, on and on.

        Keep `after` of the last page that you have dealt with, and give it again when your program starts anew.
        """
        while True:
            said = self.transport.get(f"{self._path}events/", {"after": after, "limit": limit})
            after = said["after"]
            if said["events"]:
                yield EventPage(said["events"], after)
            if not said["more"]:
                if not follow:
                    return
                time.sleep(poll_s)

    def events(self, after: str = "", *, follow: bool = False, poll_s: float = 5.0) -> Iterator[Json]:
        for page in self.event_pages(after, follow=follow, poll_s=poll_s):
            yield from page.events

    # --- Snapshots, runs, models -------------------------------------------------------------------------------------

    def take_snapshot(self, **filters: Any) -> Snapshot:
        """A cut of what was said until now; `wait` for it. `filters`: rounds, types, test_percent, …"""
        body: Json = {"filters": filters} if filters else {}
        return Snapshot(self.transport, self._post("snapshots/", body))

    def snapshots(self) -> Iterator[Snapshot]:
        for row in self.transport.pages(f"{self._path}snapshots/"):
            yield Snapshot(self.transport, row)

    def start_run(
        self, method: str, *, config: Json | None = None, seed: int = 0, priority: int = 0, **inputs: Any
    ) -> Run:
        """Starts a run. `inputs`: snapshot, parent, baseline, reward_model, compared_with, prompts_from, by their ids (or a
        Snapshot). A lost answer is not asked for again, or there might be two."""
        given = {n: v.id if isinstance(v, Snapshot) else v for n, v in inputs.items() if v is not None}
        body = {"method": method, "config": config or {}, "seed": seed, "priority": priority, **given}
        return Run(self.transport, self._post("runs/", body))

    def runs(self) -> Iterator[Run]:
        for row in self.transport.pages(f"{self._path}runs/"):
            yield Run(self.transport, row)

    def checkpoints(self) -> Iterator[Json]:
        """Reward models and policies that the campaign may use."""
        return self.transport.pages(f"{self._path}checkpoints/")

    def promote(self, checkpoint: int) -> Json:
        """Makes a policy the live one. Raises Conflict if it is live already."""
        return self._post(f"checkpoints/{checkpoint}/promote/", {})

    def undo_promotion(self) -> Json:
        """The policy that was live before is live again; which one that is."""
        return self._post("checkpoints/undo/", {})

    def rounds(self) -> list[Json]:
        found: list[Json] = self.transport.get(f"{self._path}rounds/")
        return found

    # --- Webhooks ----------------------------------------------------------------------------------------------------

    def create_webhook(self, url: str, kinds: Sequence[str]) -> Json:
        """Tells an address of yours what happens; the answer has the `secret` that signs, which is given this once."""
        return self._post("webhooks/", {"url": url, "kinds": list(kinds)})

    def _post(self, path: str, body: Json) -> Json:
        said: Json = self.transport.post(f"{self._path}{path}", body, is_safe=False)
        return said

    def _move(self, act: str) -> Campaign:
        # Opening what is open changes nothing, so it may be asked twice.
        self.data = self.transport.post(f"{self._path}{act}/", is_safe=True)
        return self

    def __repr__(self) -> str:
        return f"<Campaign {self.slug} {self.state}>"
