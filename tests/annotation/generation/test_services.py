"""Rows of streams: who may be asked, what an ended row refuses, who wrote which part, and candidates for every prompt."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError

from annotation.assignment.services import lease_next
from annotation.errors import Conflict, Invalid, NotFound
from annotation.generation import candidates
from annotation.generation.models import Generation
from annotation.generation.selectors import spans, untrue
from annotation.generation.services import ask_to_stop, begin, end, give_up_lost, set_live
from annotation.items.models import Item
from tests.cast import Cast, make_campaign, make_cast

LIVE_STOP = [{"key": "halt", "type": "e_stop", "settings": {"response": "live"}}]


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


def begun(cast: Cast, **more: Any) -> Generation:
    campaign = make_campaign(cast, items=1, responses=1, protocol=LIVE_STOP)
    set_live(actor=cast.adam, campaign=campaign, source="policy", sampling={"seed": 7})
    assignment = lease_next(labeler=cast.lena, campaign=campaign)
    assert assignment is not None
    asked = {"target": str(assignment.response_order[0]), "prefix": "", "note": ""} | more
    return begin(labeler=cast.lena, assignment=assignment, question="halt", asked=asked)


def test_a_policy_is_asked_only_where_one_is_live_and_what_the_question_asks(cast: Cast) -> None:
    row = begun(cast)
    assert row.messages == [{"role": "user", "content": "Question 0?"}] and row.state == "running"
    assignment = row.assignment
    assert assignment is not None
    ask = {"labeler": cast.lena, "assignment": assignment}
    with pytest.raises(NotFound):
        begin(**ask, question="other", asked={})
    with pytest.raises(Invalid):  # no response of this screen
        begin(**ask, question="halt", asked={"target": "12345"})
    with pytest.raises(NotFound):  # no generation of this screen
        target = {"target": str(assignment.response_order[0])}
        begin(**ask, question="halt", asked=target, continues=uuid.uuid4())
    set_live(actor=cast.adam, campaign=row.campaign, source="off")
    with pytest.raises(Conflict) as refused:
        begin(**ask, question="halt", asked=target)
    assert refused.value.code == "live_off"
    with pytest.raises(Invalid, match="temperature"):
        set_live(actor=cast.adam, campaign=row.campaign, source="policy", sampling={"temperature": 9})


def test_a_row_is_written_once_more_and_then_never(cast: Cast) -> None:
    row = begun(cast, prefix="Otters can ")
    assert row.prefix == "Otters can"
    assert ask_to_stop(generation=row).stop_asked_at is not None
    done = {
        "generation_id": row.pk,
        "state": "stopped",
        "finish": "asked",
        "text": " swim",
        "tokens": [(5, -0.1)],
    }
    assert end(**done) and not end(**{**done, "text": "another"})
    row.refresh_from_db()
    assert (row.text, row.served_chars, row.served_tokens) == (" swim", 5, 1)
    assert row.spans == [{"by": "person", "start": 0, "end": 10}, {"by": "policy", "start": 10, "end": 15}]
    for change in (lambda: Generation.objects.update(text="x"), lambda: Generation.objects.all().delete()):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()
    assert row.assignment is not None
    assert untrue(row.assignment, {str(row.pk): "Otters can sw"}) == ""
    assert "another text" in untrue(row.assignment, {str(row.pk): "Otters fly"})
    assert "not of this screen" in untrue(row.assignment, {str(uuid.uuid4()): "", str(row.pk): ""})
    assert "not of this screen" in untrue(row.assignment, {"0199…": ""})


def test_who_wrote_what_is_kept_up_to_the_first_change(cast: Cast) -> None:
    before = Generation(prefix="Hi there", text=" friend.")
    before.spans = [{"by": "person", "start": 0, "end": 8}, {"by": "policy", "start": 8, "end": 16}]
    assert spans(before, "Hi there fried eggs") == [
        {"by": "person", "start": 0, "end": 8},
        {"by": "policy", "start": 8, "end": 13},
        {"by": "person", "start": 13, "end": 19},
    ]
    assert spans(before, "Hi there fri") == [before.spans[0], {"by": "policy", "start": 8, "end": 12}]
    assert spans(None, "") == []


def test_a_stream_whose_process_died_is_given_up(cast: Cast) -> None:
    row = begun(cast)
    assert give_up_lost() == 0
    with connection.cursor() as cursor:
        cursor.execute("UPDATE annotation_generation SET created_at = now() - interval '1 hour'")
    assert give_up_lost() == 1
    row.refresh_from_db()
    assert row.state == "failed" and row.error == {**(row.error or {}), "code": "lost"}


class FakePolicy(threading.Thread):
    """Speaks the protocol of the policy's socket: real sockets, made-up words. Some prompts it refuses."""

    def __init__(self, socket: Path):
        super().__init__(daemon=True)
        self.socket, self.loop, self.seeds = socket, asyncio.new_event_loop(), []

    def run(self) -> None:
        self.loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_unix_server(self._answer, self.socket)
        async with server:
            await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = json.loads(await reader.readline())
        seed = request["sampling"]["seed"]
        self.seeds.append(seed)
        told: list[dict[str, Any]] = [
            {
                "event": "begin",
                "policy": {"id": 12, "name": "canary", "sha256": "ab"},
                "prefix": "",
                "seed": seed,
            },
            {"event": "piece", "text": f"Otters {seed}.", "ids": [1, 2], "logprobs": [-0.5, -0.25]},
            {"event": "end", "finish": "stop"},
        ]
        if "Question 1?" in request["messages"][0]["content"]:
            told = [{"event": "failed", "code": "refused", "message": "no"}]
        writer.writelines(json.dumps(line).encode() + b"\n" for line in told)
        writer.close()


def test_candidates_for_every_prompt_and_one_that_is_not_generated(
    cast: Cast, tmp_path: Path, settings: Any
) -> None:
    settings.POLICY_SOCKET = tmp_path / "policy.sock"
    policy = FakePolicy(settings.POLICY_SOCKET)
    policy.start()
    while not settings.POLICY_SOCKET.exists():
        pass
    campaign = make_campaign(cast, items=6, responses=2)
    with pytest.raises(Conflict):
        candidates.start(actor=cast.adam, campaign=campaign, n=2)
    set_live(actor=cast.adam, campaign=campaign, source="policy")
    with pytest.raises(Invalid):
        candidates.start(actor=cast.adam, campaign=campaign, n=40)
    batch = candidates.start(actor=cast.adam, campaign=campaign, n=2, sampling={"seed": 7})
    with pytest.raises(Conflict):
        candidates.start(actor=cast.adam, campaign=campaign, n=2)
    assert candidates.write(batch.pk) == 5
    batch.refresh_from_db()
    assert (batch.done, batch.failed, batch.prompts) == (5, 1, 6) and batch.ended_at and batch.error
    made = Item.objects.filter(campaign=campaign, external_id__startswith=f"candidates-{batch.pk}-")
    assert made.count() == 5
    response = made.first().responses.order_by("pk").first()
    assert response.checkpoint_id == 12 and response.source_name == "canary"
    assert response.sampling["policy"]["sha256"] == "ab" and response.sampling["logprob"] == -0.75
    assert response.text == f"Otters {response.sampling['seed']}." and len(set(policy.seeds)) == 12
    assert candidates.write(batch.pk) == 0  # a message that comes twice
    assert Item.objects.filter(campaign=campaign).count() == 11


def test_a_worker_writes_what_was_asked_for(worker: None, transactional_db: None, settings: Any) -> None:
    """Without a policy process: each prompt is counted as not generated, with the reason, and the batch ends."""
    Path(settings.POLICY_SOCKET).unlink(missing_ok=True)
    people = make_cast()
    campaign = make_campaign(people, items=2, responses=2)
    set_live(actor=people.adam, campaign=campaign, source="policy")
    batch = candidates.start(actor=people.adam, campaign=campaign, n=2)
    deadline = time.monotonic() + 20
    while batch.ended_at is None and time.monotonic() < deadline:
        time.sleep(0.05)
        batch.refresh_from_db()
    assert (batch.done, batch.failed) == (0, 2) and batch.error == "The policy is not running at the moment."
