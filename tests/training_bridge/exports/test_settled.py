"""Settled answers in the labelers' place: what stands in the cut, worked out by hand; nothing overruled is in any view."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.db import connection

from annotation.adjudication.models import Adjudication
from annotation.adjudication.selectors import questions_of
from annotation.adjudication.services import adjudicate
from annotation.assignment.services import lease_next
from annotation.errors import Invalid
from annotation.models import Feedback, Submission, User
from annotation.people.erasure import erase_person
from feedback_types.base import Answer
from tests.cast import PROTOCOL, make_campaign, make_cast, send
from tests.training_bridge.exports.test_snapshot import lines, snap, tree
from tests.training_bridge.test_pages import signed_in
from tests.training_bridge.world import START, World, person
from training_bridge.exports import compare as comparison
from training_bridge.exports.cut import ANSWERS_OF_ONE, FIRST_SETTLED_EVENT, settled_screen
from training_bridge.exports.exchange import EXCHANGES
from training_bridge.exports.filters import Filters
from training_bridge.exports.snapshot import build, faults
from training_bridge.lineage import trace
from training_bridge.models import Snapshot
from training_bridge.services import build_snapshot, take_snapshot

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toys")]


class Settled(World):
    """Four items: all of one mind; two against one, of whom Rita chose the one; 2 and -2, where she wrote a tie; 1 alone."""

    def __init__(self, slug: str = "world"):
        super().__init__(slug=slug, n_prompts=4, n_labelers=3)
        self.rita = person(f"{slug}-rita", campaign=self.campaign, role="reviewer")
        said = ((2, 2, 2), (2, 2, -2), (2, -2), (1,))
        for item, strengths in zip(self.items, said, strict=True):
            for labeler, strength in zip(self.labelers, strengths, strict=False):
                self.say(item, labeler, strength)
        self.chosen = self.settle(
            self.items[1], chosen=self.items[1].submissions.get(labeler=self.labelers[2])
        )
        self.written = self.settle(self.items[2], strength=0)

    def settle(
        self,
        item: Any,
        *,
        chosen: Submission | None = None,
        strength: int = 0,
        seen: Adjudication | None = None,
        reviewer: User | None = None,
    ) -> Adjudication:
        order = list(item.responses.order_by("itemresponse__position").values_list("pk", flat=True))
        ranks = [1, 1] if strength == 0 else [1, 2] if strength > 0 else [2, 1]
        payload = {"items": order, "ranks": ranks, "strength": strength, "both_bad": False, "aspect": None}
        (question,) = questions_of(self.protocol.pk)
        return adjudicate(
            reviewer=reviewer or self.rita,
            item=item,
            act="choose" if chosen else "write",
            chosen=chosen and chosen.pk,
            answers=[] if chosen else [Answer("better", None, question.type.load(payload))],
            reason="It is so.",
            seen=seen and seen.pk,
            idempotency_key=uuid.uuid4(),
        )

    def name(self, user: User) -> str:
        return user.pseudonym(self.campaign.pk)


@pytest.fixture
def world() -> Settled:
    return Settled()


def events(built: Any) -> list[dict[str, Any]]:
    return lines(built.path / "native/feedback.jsonl")


def said(world: World, built: Any) -> dict[int, list[tuple[int, bool]]]:
    """Number of an item -> [(strength, was it decided by a reviewer)], sorted."""
    found: dict[int, list[tuple[int, bool]]] = {}
    for row in events(built):
        number = [item.pk for item in world.items].index(row["item"])
        found.setdefault(number, []).append((row["payload"]["strength"], "adjudication" in row))
    return {number: sorted(rows) for number, rows in sorted(found.items())}


LABELERS_ALONE = {
    0: [(2, False)] * 3,
    1: [(-2, False), (2, False), (2, False)],
    2: [(-2, False), (2, False)],
    3: [(1, False)],
}
SETTLED = LABELERS_ALONE | {1: [(-2, True)], 2: [(0, True)]}


def test_a_reviewers_answer_takes_the_place_of_the_labelers(world: Settled, tmp_path: Path) -> None:
    built = snap(world, tmp_path, settled=True)
    assert said(world, built) == SETTLED
    counts = built.manifest["counts"]
    assert (counts["settled_items"], counts["items"], counts["feedback"], counts["submissions"]) == (
        2,
        4,
        6,
        6,
    )
    assert built.manifest["left_out"] == {"superseded": 0, "gold": 0, "overruled": 5}
    assert built.manifest["filters"]["settled"] is True
    assert list(faults(built.path)) == []
    rows = [row for split in ("train", "test") for row in view(built, f"preference/{split}")]
    by_item = {n: [r["chosen"][0]["content"][:3] for r in rows if r["prompt"][0]["content"].startswith(f"Question {n} ")]
               for n in range(4)}  # fmt: skip
    assert by_item == {0: ["A g"] * 3, 1: ["Bad"], 2: [], 3: ["A g"]}  # a tie gives no pair
    (decided,) = [row for row in rows if row["labeler"] == world.name(world.rita)]
    assert json.loads(decided["extra"])["adjudication"] == world.chosen.pk
    card = (built.path / "README.md").read_text()
    assert "A reviewer has settled 2 of these items" in card and "5 submissions left out" in card
    assert "one reviewer speaks for everybody" in card


def test_two_snapshots_tell_what_settling_changed(world: Settled, tmp_path: Path) -> None:
    """Five answers of labelers are gone, two of Rita's are there, and what stays is the same to the byte."""
    plain, settled = snap(world, tmp_path), snap(world, tmp_path, settled=True)
    found = comparison.compare(plain.path, settled.path)
    assert found["types"]["comparison"] == {"before": 9, "after": 6, "added": 2, "removed": 5, "changed": 0}
    assert found["filters"] == {
        "settled": [None, True],
        "submitted_until": [m.manifest["filters"]["submitted_until"] for m in (plain, settled)],
    }
    table = b"".join(EXCHANGES["csv"].rows(settled.path, "all")).decode()
    assert table.count("\r\n") == 1 + 6 and table.count(world.name(world.rita)) == 2


def view(built: Any, name: str) -> list[dict[str, Any]]:
    path = built.path / f"{name}.jsonl"
    return lines(path) if path.is_file() else []


def test_a_settled_row_says_everything(world: Settled, tmp_path: Path) -> None:
    built = snap(world, tmp_path, settled=True)
    good, bad = world.items[1].responses.order_by("itemresponse__position").values_list("pk", flat=True)
    (row,) = [row for row in events(built) if row.get("adjudication") == world.chosen.pk]
    assert row.pop("split") in ("train", "test")
    choice_set = Feedback.objects.get(submission=world.chosen.chosen_id).choice_set
    assert row == {
        "active_ms": None,
        "adjudication": world.chosen.pk,
        "campaign": world.campaign.pk,
        "choice_set": choice_set,
        "chosen_by": "",
        "device_class": "",
        "guidelines_version": 1,
        "id": FIRST_SETTLED_EVENT + world.chosen.pk * ANSWERS_OF_ONE,
        "item": world.items[1].pk,
        "labeler": world.name(world.rita),
        "labeler_kind": "human",
        "payload": {"items": [good, bad], "ranks": [2, 1], "strength": -2, "both_bad": False, "aspect": None},
        "prompt": world.items[1].prompt_id,
        "protocol_version": 1,
        "question": "better",
        "required": True,
        "responses": [good, bad],
        "revision": 0,
        "round": 1,
        "settings": {"mode": "auto", "strengths": 3, "ties": True, "both_bad": True, "aspect": ""},
        "status": "counted",
        "submission": settled_screen(world.chosen.pk),
        "submitted_at": world.chosen.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "target": None,
        "total_ms": None,
        "type": "comparison",
        "version": 1,
    }
    table = pq.read_table(built.path / "native/feedback.parquet").to_pylist()
    assert [r["adjudication"] for r in table] == [r.get("adjudication") for r in events(built)]
    labelers = {r["submission"]: r for r in events(built) if "adjudication" not in r}
    before = {r["submission"]: r for r in events(snap(world, tmp_path))}
    assert labelers == {pk: before[pk] for pk in labelers}  # the others are as they always are


def test_without_the_filter_nothing_is_different(tmp_path: Path) -> None:
    """The same name and bytes as before anybody settled anything, and no word of it anywhere."""
    world = World(n_prompts=2, n_labelers=2)
    world.answer_all()
    before = snap(world, tmp_path / "a")
    rita = person("rita", campaign=world.campaign, role="reviewer")
    adjudicate(
        reviewer=rita, item=world.items[0], act="choose", chosen=world.items[0].submissions.all()[0].pk,
        reason="So.", idempotency_key=uuid.uuid4(),
    )  # fmt: skip
    after = snap(world, tmp_path / "b", settled=False)
    assert after.sha256 == before.sha256 and tree(after.path) == tree(before.path)
    assert Filters().dump().keys() == {
        "rounds", "questions", "types", "labelers", "labelers_excluded", "labeler_kinds", "submitted_from",
        "submitted_until", "include_late", "agreement_at_least", "test_percent", "data_license", "legal_basis",
    }  # fmt: skip
    for path in after.path.rglob("*.*"):
        assert b"settled" not in path.read_bytes() and b"adjudication" not in path.read_bytes(), path


def test_the_name_of_a_cut_without_the_filter_is_the_one_it_always_had(tmp_path: Path) -> None:
    """Made before there was such a filter. What depends on the installed pyarrow (Parquet) is left out of it."""
    with connection.cursor() as cursor:  # numbers of its own: what a process remembers by number stays true
        for table in (
            "user",
            "campaign",
            "guidelines",
            "protocol",
            "prompt",
            "item",
            "response",
            "assignment",
            "feedback",
        ):
            cursor.execute(f"ALTER SEQUENCE annotation_{table}_id_seq RESTART WITH 9000001")
    world = World(slug="pinned", n_prompts=3)
    world.answer_all()
    manifest = snap(world, tmp_path).manifest
    del manifest["writer"]
    for name in [name for name in manifest["files"] if name.endswith(".parquet")]:
        del manifest["files"][name]
    said = json.dumps(manifest, sort_keys=True).encode()
    assert hashlib.sha256(said).hexdigest() == PINNED


PINNED = "bca0d612aff037a2e58f8520139f0aace42275e0afac41151b46949e6298fcb1"


def test_the_other_filters_decide_about_decisions_too(world: Settled, tmp_path: Path) -> None:
    """A decision that they leave out settles nothing: the labelers' answers stand there."""
    sam = person("sam", campaign=world.campaign, role="reviewer", kind="ai")
    world.settle(world.items[3], strength=-3, reviewer=sam)
    rita, lena = world.name(world.rita), world.name(world.labelers[0])

    def with_(**filters: Any) -> dict[int, list[tuple[int, bool]]]:
        return said(world, snap(world, tmp_path, settled=True, **filters))

    assert with_() == SETTLED  # an AI judge's decisions are taken on request
    assert with_(labeler_kinds=["human", "ai"]) == SETTLED | {3: [(-3, True)]}
    assert with_(labelers_excluded=[rita]) == LABELERS_ALONE
    assert with_(labelers=[rita]) == {1: [(-2, True)], 2: [(0, True)]}
    assert with_(labelers=[lena]) == {0: [(2, False)], 1: [(2, False)], 2: [(2, False)], 3: [(1, False)]}
    assert with_(labelers=[lena, rita]) == {0: [(2, False)], 1: [(-2, True)], 2: [(0, True)], 3: [(1, False)]}
    assert with_(submitted_until=START + timedelta(days=1)) == LABELERS_ALONE
    assert with_(submitted_from=START + timedelta(days=1)) == {1: [(-2, True)], 2: [(0, True)]}
    assert with_(questions=["other"]) == {} == with_(types=["critique"])
    assert with_(types=["comparison"], questions=["better"]) == SETTLED
    assert with_(rounds=[2]) == {}
    # Agreement is asked of labelers: the unanimous item stays by it, the settled ones by Rita's word.
    assert with_(agreement_at_least=1) == {0: [(2, False)] * 3, 1: [(-2, True)], 2: [(0, True)]}
    with pytest.raises(Invalid, match="cannot be used"):
        take_snapshot(campaign=world.campaign, actor=None, filters={"labelers": [rita]})
    take_snapshot(campaign=world.campaign, actor=None, filters={"labelers": [rita], "settled": True})


def test_the_decision_that_held_at_the_instant(world: Settled, tmp_path: Path) -> None:
    """A later decision takes the place of the one before; a cut of before it has the first; a manifest is enough to make
    the same cut again, after more was said and settled."""
    first = snap(world, tmp_path, settled=True)
    again = world.settle(world.items[2], strength=3, seen=world.written)
    world.settle(world.items[0], strength=-1)
    later = snap(world, tmp_path, settled=True)
    assert said(world, later) == SETTLED | {0: [(-1, True)], 2: [(3, True)]}
    (row,) = [row for row in events(later) if row.get("adjudication") == again.pk]
    assert row["revision"] == 1
    assert (
        said(world, snap(world, tmp_path, settled=True, submitted_until=world.written.created_at)) == SETTLED
    )
    rebuilt = build(
        campaign_id=world.campaign.pk,
        slug=world.slug,
        filters=Filters.read(first.manifest["filters"]),
        root=tmp_path / "again",
    )
    assert rebuilt.sha256 == first.sha256 and tree(rebuilt.path) == tree(first.path)


def test_gold_and_late_answers_stay_where_they_were(world: Settled, tmp_path: Path) -> None:
    gold = world.add_item(50, purpose="gold")
    world.say(gold, world.labelers[0])
    world.settle(gold)
    world.say(world.items[3], world.labelers[1], -1, status="late")
    world.settle(world.items[3], strength=1)
    built = snap(world, tmp_path, settled=True)
    assert said(world, built) == SETTLED | {3: [(1, True)]}
    assert built.manifest["left_out"] == {"superseded": 0, "gold": 1, "overruled": 7}


@pytest.mark.parametrize("who", ["reviewer", "chosen labeler"])
def test_an_erased_decision_gives_the_item_back_to_the_labelers(
    who: str, tmp_path: Path, settings: Any
) -> None:
    """Also when the person erased is in the snapshot only by the answer that a reviewer chose."""
    settings.ERASURE_LIST = tmp_path / "erasures.jsonl"
    settings.DATA_DIR = tmp_path
    world = Settled()
    emma = world.labelers[2]
    filters = {"settled": True, "labelers_excluded": [world.name(emma)]}
    taken = take_snapshot(campaign=world.campaign, actor=None, filters=filters)
    build_snapshot(str(taken.pk))
    taken.refresh_from_db()
    assert said(world, taken)[1] == [(-2, True)]
    erase_person(user=world.rita if who == "reviewer" else emma, actor=world.owner)
    successor = Snapshot.objects.get(supersedes=taken)
    build_snapshot(str(successor.pk))
    successor.refresh_from_db()
    kept = {1: [(2, False)] * 2} | ({2: [(-2, False), (2, False)]} if who == "reviewer" else {})
    assert said(world, successor) == {0: [(2, False)] * 2, 2: [(0, True)], 3: [(1, False)]} | kept


def test_every_view_has_the_settled_answer_and_none_that_it_overrules(tmp_path: Path) -> None:
    """Rita chose Lena's answer everywhere, so each view holds Lena's rows in Rita's name, and none of Otto's."""
    cast = make_cast()
    protocol = [*PROTOCOL, {"key": "better_text", "type": "improvement"}]
    campaign = make_campaign(cast, items=12, overlap=2, protocol=protocol)
    for n, labeler in enumerate((cast.lena, cast.otto)):
        while lease := lease_next(labeler=labeler, campaign=campaign):
            send(lease, seed=n * 100 + lease.item_id)
    for item in campaign.items.all():
        chosen = item.submissions.get(labeler=cast.lena)
        adjudicate(
            reviewer=cast.rita, item=item, act="choose", chosen=chosen.pk, reason="So.", idempotency_key=uuid.uuid4()
        )  # fmt: skip
    plain, settled = (
        build(campaign_id=campaign.pk, slug=campaign.slug, filters=Filters(settled=which), root=tmp_path)
        for which in (False, True)
    )
    views = {path.parent.name for path in settled.path.rglob("*.jsonl")} - {"native"}
    assert {"preference", "unpaired"} <= views  # edits give rows only if they were drawn as better
    lena, rita = (user.pseudonym(campaign.pk) for user in (cast.lena, cast.rita))
    for name in views:
        before, after = (
            [row for split in ("train", "test") for row in view(built, f"{name}/{split}")]
            for built in (plain, settled)
        )
        assert {row["labeler"] for row in after} == {rita}
        assert without_names(after) == without_names([row for row in before if row["labeler"] == lena])


def without_names(rows: list[dict[str, Any]]) -> list[str]:
    of_the_answer = ("event", "submission", "labeler", "extra")
    return sorted(json.dumps({k: v for k, v in row.items() if k not in of_the_answer}) for row in rows)


def test_a_row_leads_to_the_decision(world: Settled, tmp_path: Path) -> None:
    taken = take_snapshot(campaign=world.campaign, actor=world.researcher, filters={"settled": True})
    build_snapshot(str(taken.pk))
    taken.refresh_from_db()
    for row in events(taken):
        traced = trace(taken, row["id"])
        assert traced.holds, [check.what for check in traced.checks if not check.holds]
        assert (traced.adjudication and traced.adjudication.pk) == row.get("adjudication")
        assert (traced.assignment is None) == ("adjudication" in row)
    (row,) = [row for row in events(taken) if row.get("adjudication") == world.chosen.pk]
    researcher = signed_in(world.researcher)
    page = researcher.get(f"/data/{taken.pk}/answers/{row['id']}/").content.decode()
    assert "Everything holds" in page and f"decision {world.chosen.pk} of a reviewer" in page
    assert world.rita.username not in page
    listed = researcher.get(f"/data/{taken.pk}/answers/").content.decode()
    assert listed.count("settled</span>") == 2
    dumped = trace(taken, row["id"]).dump()
    assert dumped["adjudication"] == {"id": world.chosen.pk, "item": world.items[1].pk, "act": "choose"}
    assert dumped["assignment"] is None


def test_the_form_takes_them_and_tells_who_settled(world: Settled) -> None:
    researcher = signed_in(world.researcher)
    address = f"/campaigns/{world.slug}/data/new/"
    page = researcher.get(address).content.decode()
    assert 'name="settled"' in page and world.name(world.rita) in page
    form = {"labeler_kinds": ["human"], "include_late": "on", "test_percent": "20"}
    assert researcher.post(address, form | {"settled": "on"}).status_code == 302
    assert Snapshot.objects.get().filters["settled"] is True
    assert researcher.post(address, form).status_code == 302
    assert "settled" not in Snapshot.objects.latest("created_at").filters
