"""Rows that say what is expected of them: gold items from a file, by the rules of the page, all or nothing with the rest."""

import io
import json

import pytest
from django.urls import reverse

from annotation.assignment import services
from annotation.assignment.models import Slot
from annotation.campaigns.selectors import campaign_progress
from annotation.campaigns.services import change_campaign
from annotation.errors import Invalid
from annotation.gold.models import GoldScore
from annotation.gold.services import make_gold
from annotation.items import import_runs, imports, mapping, staging
from annotation.items.models import Item
from annotation.items.services import import_items, withdraw_items
from annotation.people.models import AuditEvent
from tests.annotation.gold.test_services import PAIR, prefers, say
from tests.cast import Cast, make_campaign, make_cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture
def campaign(cast):
    return make_campaign(cast, items=0, protocol=PAIR, overlap=2)


def better(strength: int, /, **changes) -> dict:
    """The first of two responses by so much."""
    ranks = [1, 2] if strength > 0 else [2, 1]
    payload = {"items": [1, 2], "ranks": ranks, "strength": strength, "both_bad": False, "aspect": None}
    return {"question": "better", "target": None, "payload": payload | changes}


def gold(*answers: dict, **more) -> dict:
    return {"answers": [list(answers)], **more}


def row(n: int, **more) -> dict:
    return {"id": f"q-{n}", "prompt": f"Question {n}?", "responses": [f"A{n}", f"B{n}"], **more}


def load(campaign, *rows: dict, **options):
    data = b"".join(json.dumps(one).encode() + b"\n" for one in rows)
    return import_items(campaign, io.BytesIO(data), actor=campaign.created_by, **options)


def found(campaign, external_id: str) -> Item:
    items = Item.objects.select_related("prompt", "campaign__protocol")
    return items.get(campaign=campaign, external_id=external_id)


def places(campaign, *external_ids: str) -> int:
    items = Item.objects.filter(campaign=campaign, external_id__in=external_ids)
    return Slot.objects.filter(item_id__in=items.values("pk")).count()


def test_a_row_with_an_expected_answer_is_what_a_reviewer_would_make(cast, campaign, monkeypatch):
    monkeypatch.setattr(staging, "GOLD_AT_ONCE", 1)
    expected = gold(better(3), explanation="It says how.")
    practice = gold(better(-1), purpose="practice")
    done = load(campaign, row(0), row(1, gold=expected), row(2), row(3, gold=practice))
    assert (done.items, done.gold, done.slots) == (4, 2, 4)  # places for the two items of work alone
    made = found(campaign, "q-1")
    by_hand = make_gold(
        actor=cast.rita, item=found(campaign, "q-0"), answers=[[prefers(found(campaign, "q-0"), 3)]],
        explanation="It says how.",
    )  # fmt: skip
    ids = {item.pk: list(item.responses.order_by("itemresponse__position").values_list("pk", flat=True))
           for item in (made, by_hand)}  # fmt: skip
    (mine,), (theirs,) = (item.gold_answers["acceptable"][0] for item in (made, by_hand))
    assert mine["payload"].pop("items") == ids[made.pk] and theirs["payload"].pop("items") == ids[by_hand.pk]
    assert mine == theirs and made.gold_answers["explanation"] == "It says how."
    assert (made.purpose, found(campaign, "q-3").purpose, found(campaign, "q-2").purpose) == (
        "gold", "practice", "work",
    )  # fmt: skip
    assert not places(campaign, "q-1", "q-3")
    progress = campaign_progress(campaign)
    assert (progress.items, progress.answers_wanted) == (1, 2)
    event = AuditEvent.objects.get(action="items.import")
    assert event.after == {"items": 4, "updated": 0, "unchanged": 0, "gold": 2}
    assert (
        not AuditEvent.objects.filter(action="item.make_gold").exclude(target=f"item:{by_hand.pk}").exists()
    )


def test_it_is_mixed_in_and_scored_and_never_counted(cast, campaign):
    work = 30  # so many that the draw cannot leave one of three out
    rows = [row(n, gold=gold(better(3))) for n in range(3)]
    load(campaign, *rows, *(row(n) for n in range(3, work + 3)))
    campaign.refresh_from_db()
    campaign = change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"gold_share": 0.5}
    )
    while lease := services.lease_next(labeler=cast.lena, campaign=campaign):
        say(lease, 3 if lease.item.external_id == "q-0" else -3)
    scores = dict(GoldScore.objects.values_list("submission__item__external_id", "score"))
    assert scores == {"q-0": 1.0, "q-1": 0.0, "q-2": 0.0}
    assert campaign_progress(campaign).answers_counted == work
    assert set(Item.objects.filter(purpose="gold").values_list("counted", flat=True)) == {0}


def test_a_target_is_a_response_by_its_place(cast):
    campaign = make_campaign(cast, items=0, protocol=[{"key": "grade", "type": "critique"}])
    answers = [
        {"question": "grade", "target": n, "payload": {"ratings": {"overall": grade}}}
        for n, grade in ((2, 3), (1, 6))
    ]
    load(campaign, row(0, gold=gold(*answers)))
    item = found(campaign, "q-0")
    first, second = item.responses.order_by("itemresponse__position").values_list("pk", flat=True)
    stored = item.gold_answers["acceptable"][0]
    assert [(s["target"], s["payload"]["ratings"]) for s in stored] == [
        (second, {"overall": 3}),
        (first, {"overall": 6}),
    ]


WRONG = {
    "no object": ([], "gold", "not an expected answer"),
    "another key": (gold(better(1), comment="x"), "gold", "not an expected answer"),
    "no answers": ({"explanation": "x"}, "gold", "not an expected answer"),
    "purpose": (gold(better(1), purpose="work"), "gold.purpose", "neither gold nor practice"),
    "empty": ({"answers": []}, "gold.answers", "One to 10 lists"),
    "no list": ({"answers": [better(1)]}, "gold.answers.0.answers", "Send a list"),
    "question": (gold(better(1) | {"question": "worse"}), "gold.answers.0.0.question", "This campaign asks"),
    "target": (gold(better(1) | {"target": 1}), "gold.answers.0.0.target", "Answer about one of"),
    "another response": (gold(better(1, items=[1, 3])), "gold.answers.0.0.payload.items", "1, 2"),
    "twice": (gold(better(1), better(1)), "gold.answers.0.1", "answered twice"),
    "ranks": (gold(better(1, ranks=[2, 1])), "gold.answers.0.0.payload", "strength"),
    "text": (gold(better(1, strength="1")), "gold.answers.0.0.payload.strength", "integer"),
    "explanation": (gold(better(1), explanation="x" * 2001), "gold.explanation", "at most 2000"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_refuses_the_whole_file(campaign, name):
    given, field, rule = WRONG[name]
    with pytest.raises(Invalid) as refused:
        load(campaign, row(0), row(1, gold=given))
    (error,) = refused.value.extra["errors"]
    assert error["line"] == 2 and error["field"].startswith(field), error
    assert rule in error["rule"] and error["remedy"] and not Item.objects.exists()


def test_nothing_can_be_expected_before_anything_is_asked(cast):
    campaign = make_campaign(cast, items=0, is_open=False, protocol=PAIR)
    campaign.protocol = None
    with pytest.raises(Invalid) as refused:
        load(campaign, row(0, gold=gold(better(1))))
    assert "asks nothing yet" in refused.value.extra["errors"][0]["rule"]


def test_an_update_may_say_what_is_expected(cast, campaign):
    load(campaign, row(0), row(1), row(2, gold=gold(better(3))))
    kept = found(campaign, "q-2").gold_answers
    # The same again changes nothing; a row without `gold` leaves what is expected as it is.
    done = load(campaign, row(0, gold=gold(better(2))), row(2), update=True)
    assert (done.updated, done.unchanged, done.gold) == (1, 1, 1)
    assert found(campaign, "q-0").purpose == "gold" and found(campaign, "q-2").gold_answers == kept
    assert not places(campaign, "q-0")
    done = load(campaign, row(0, gold=gold(better(2))), row(2, gold=gold(better(3))), update=True)
    assert (done.updated, done.unchanged, done.gold) == (0, 2, 0)
    # Other responses need another expected answer, which is about the new ones.
    with pytest.raises(Invalid) as refused:
        load(campaign, row(2, responses=["C", "D"]), update=True)
    assert refused.value.extra["errors"][0]["field"] == "gold"
    done = load(campaign, row(2, responses=["C", "D"], gold=gold(better(-3))), update=True)
    assert (done.updated, done.gold) == (1, 1)
    item = found(campaign, "q-2")
    ids = list(item.responses.order_by("itemresponse__position").values_list("pk", flat=True))
    assert item.gold_answers["acceptable"][0][0]["payload"]["items"] == ids
    assert services.lease_next(labeler=cast.lena, campaign=campaign).item.external_id == "q-1"
    with pytest.raises(Invalid) as refused:
        load(campaign, row(1, gold=gold(better(1))), update=True)
    assert "somebody was given" in refused.value.extra["errors"][0]["rule"]


def test_a_withdrawn_item_does_not_come_back_as_gold(cast, campaign):
    load(campaign, row(1))
    withdraw_items(campaign=campaign, item_ids=[found(campaign, "q-1").pk], actor=cast.adam)
    with pytest.raises(Invalid) as refused:
        load(campaign, row(1, gold=gold(better(1))), update=True)
    assert "taken out of the queue" in refused.value.extra["errors"][0]["rule"]
    assert found(campaign, "q-1").purpose == "work"


def test_in_a_table_it_is_json_in_a_cell(client, cast, campaign, settings, tmp_path):
    settings.IMPORT_DIR = tmp_path
    cell = json.dumps(gold(better(3)))
    lines = ["prompt\tresponse a\tresponse b\tgold", f"Q0?\tA\tB\t{cell}", "Q1?\tA\tB\t"]
    stream = io.BytesIO("\n".join(lines).encode())
    job = imports.upload(actor=campaign.created_by, campaign=campaign, stream=stream, file_name="x.tsv")
    assert job.mapping["gold"] == "gold"
    client.force_login(cast.adam)
    page = reverse("campaign_import_one", args=[campaign.slug, job.pk])
    assert "gold: the answer is known" in client.get(page).content.decode()
    imports.start(actor=campaign.created_by, job=job)
    assert import_runs.run(job.pk).result["gold"] == 1
    assert list(Item.objects.order_by("pk").values_list("purpose", flat=True)) == ["gold", "work"]
    assert "1 with an expected answer." in client.get(page).content.decode()


def test_a_column_of_that_name_with_other_things_in_it_is_left_alone():
    guess = lambda value: mapping.guess(["prompt", "gold"], [{"prompt": "Q?", "gold": value}]).gold  # noqa: E731
    assert [guess(v) for v in (3, "B", None, '{"answers": []}', {"answers": []})] == [
        "",
        "",
        "",
        "gold",
        "gold",
    ]


def test_errors_name_the_column(campaign):
    chosen = mapping.Mapping(prompt="q", response_list="r", gold="right")
    questions = campaign.protocol.questions
    for value, field in (("{", "right"), ('{"answers": []}', "right.answers")):
        source = imports.Row(1, {"q": "Q?", "r": ["A", "B"], "right": value})
        with pytest.raises(ValueError) as refused:
            imports.parsed_row(source, chosen, (2, 2), (), questions)
        assert refused.value.field == field
