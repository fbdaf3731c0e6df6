"""Who is given what: by language and skills, from the next item on, and with a word when there is nothing."""

import io
import json

import pytest

from annotation.assignment import lanes, services
from annotation.assignment.models import LabelerCursor, Lane, Slot
from annotation.assignment.selectors import closed_to
from annotation.campaigns.selectors import labeler_progress
from annotation.campaigns.services import change_campaign
from annotation.errors import Conflict, Invalid
from annotation.items.models import Item, Prompt
from annotation.items.services import NewItem, NewResponse, add_items, import_items
from annotation.people.models import AuditEvent, Membership
from annotation.people.services import change_routing
from tests.cast import Cast, make_campaign, make_cast, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture
def campaign(cast):
    return make_campaign(cast, items=0, skills=["law", "medicine"])


def stream(row) -> io.BytesIO:
    return io.BytesIO(json.dumps(row).encode())


def add(campaign, *wanted) -> list[int]:
    """Items, each of (language, skills)."""
    texts = [NewResponse("A"), NewResponse("B")]
    return add_items(
        campaign=campaign,
        items=[NewItem("Q?", texts, language=code, skills=skills) for code, skills in wanted],
    )


def route(cast, campaign, user, languages=(), skills=()):
    member = Membership.objects.get(user=user, campaign=campaign, role="labeler")
    return change_routing(actor=cast.adam, membership=member, languages=languages, skills=skills)


def all_for(labeler, campaign) -> list[int]:
    found = []
    while assignment := services.lease_next(labeler=labeler, campaign=campaign):
        found.append(assignment.item_id)
        send(assignment)
    return found


@pytest.mark.parametrize(
    ("reads", "written", "may"),
    [
        ([], "de", True),
        (["en"], "en", True),
        (["EN-gb"], "en", True),
        (["zh"], "zh-Hant", True),
        (["zh-Hans"], "zh-Hant", False),
        (["en"], "eng", False),
        (["de", "fr"], "fr", True),
    ],
)
def test_languages_match_as_people_mean_them(cast, campaign, reads, written, may):
    items = add(campaign, (written, []))
    route(cast, campaign, cast.lena, reads)
    assert all_for(cast.lena, campaign) == (items if may else [])


def test_a_labeler_needs_every_skill_of_an_item(cast, campaign):
    plain, law, both = add(campaign, ("en", []), ("en", ["law"]), ("en", ["medicine", "law"]))
    route(cast, campaign, cast.lena, skills=["law"])
    assert set(all_for(cast.lena, campaign)) == {plain, law}
    with pytest.raises(Conflict) as refused:
        services.assign_item(actor=cast.adam, campaign=campaign, item_id=both, labeler=cast.lena)
    assert refused.value.code == "no_place"
    route(cast, campaign, cast.lena, skills=["law", "medicine"])  # holds at once, also for what was passed by
    assert all_for(cast.lena, campaign) == [both]


def test_a_rare_language_is_found_without_a_look_at_the_others(cast, campaign):
    add(campaign, *[("en", [])] * 50)
    (rare,) = add(campaign, ("sw", []))
    route(cast, campaign, cast.lena, ["sw"])
    assert services.lease_next(labeler=cast.lena, campaign=campaign).item_id == rare
    place = LabelerCursor.objects.filter(labeler_id=cast.lena.pk).values_list("lanes__0", "lanes__1").get()
    assert place == (None, Slot.objects.order_by("pos").last().pos + 1)  # the other lane was left where it is
    assert labeler_progress(cast.lena, campaign).open_places == 0
    assert labeler_progress(cast.otto, campaign).open_places == 50


def test_an_empty_queue_says_why(client, cast, campaign):
    add(campaign, ("de", []), ("en", ["law"]), ("fr", ["law"]))
    route(cast, campaign, cast.lena, ["en"])
    assert closed_to(campaign, cast.lena.pk) == {"languages": "de", "skills": "law"}
    client.force_login(cast.lena)
    page = client.get(f"/campaigns/{campaign.slug}/label/").content.decode()
    assert "other languages than yours (de)" in page and "(law)" in page
    route(cast, campaign, cast.lena, [], ["law"])
    assert closed_to(campaign, cast.lena.pk) is None
    assert len(all_for(cast.lena, campaign)) == 3
    assert "other languages" not in client.get(f"/campaigns/{campaign.slug}/label/").content.decode()


def test_an_import_says_language_skills_and_priority(cast, campaign):
    row = {"id": "a", "prompt": "Q?", "responses": ["A", "B"]}
    said = row | {"language": "zh-Hant", "skills": ["law"], "priority": 7}
    import_items(campaign, stream(said), actor=cast.adam)
    item = Item.objects.get()
    assert item.priority == 7 and Prompt.objects.get().language == "zh-Hant"
    assert list(Lane.objects.values_list("number", "language", "skills")) == [(1, "zh-hant", ["law"])]
    changed = import_items(
        campaign, stream(row | {"language": "en", "priority": 1}), actor=cast.adam, update=True
    )
    assert changed.updated == 1  # what is not said stays
    item.refresh_from_db()
    assert item.priority == 1 and Prompt.objects.get().language == "en"
    lane = Lane.objects.get(number=item.lane)
    assert (lane.language, lane.skills) == ("en", ["law"]) and Slot.objects.get().lane == item.lane == 2
    assert import_items(campaign, stream(row), actor=cast.adam, update=True).unchanged == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("language", "English"), ("language", 7), ("language", "en_US"), ("skills", "law"), ("skills", ["cooking"]),
        ("skills", [1]), ("priority", 1001), ("priority", True), ("priority", "high"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named(cast, campaign, field, value):
    row = {"prompt": "Q?", "responses": ["A", "B"], field: value}
    with pytest.raises(Invalid) as refused:
        import_items(campaign, stream(row), actor=cast.adam)
    (error,) = refused.value.extra["errors"]
    assert (error["line"], error["field"]) == (1, field) and error["rule"] and error["remedy"]


def test_lanes_are_few(cast, campaign, monkeypatch):
    monkeypatch.setattr(lanes, "MAX_LANES", 2)
    add(campaign, ("en", []), ("de", []))
    with pytest.raises(Invalid) as refused:
        add(campaign, ("fr", []))
    assert refused.value.code == "too_many_lanes" and Item.objects.count() == 2


def test_a_skill_that_items_ask_for_stays(cast, campaign):
    add(campaign, ("en", ["law"]))
    with pytest.raises(Conflict) as refused:
        change_campaign(
            actor=cast.adam, campaign=campaign, version=campaign.version, changes={"skills": ["medicine"]}
        )
    assert refused.value.code == "skill_in_use"
    changed = change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"skills": ["law", " tax "]}
    )
    assert changed.skills == ["law", "tax"]


def test_routing_is_audited_once_and_checked(cast, campaign):
    known = AuditEvent.objects.count()
    member = route(cast, campaign, cast.lena, ["zh-Hant", "en"], ["law"])
    assert (member.languages, member.skills) == (["en", "zh-hant"], ["law"])
    route(cast, campaign, cast.lena, ["en", "ZH-hant"], ["law"])
    assert AuditEvent.objects.count() == known + 1
    for languages, skills, field in ((["english"], [], "languages"), ([], ["cooking"], "skills")):
        with pytest.raises(Invalid) as refused:
            route(cast, campaign, cast.lena, languages, skills)
        assert field in refused.value.fields
    admin = Membership.objects.get(user=cast.adam, campaign=campaign)
    with pytest.raises(Invalid):
        change_routing(actor=cast.adam, membership=admin, languages=[], skills=[])


def test_routing_by_api_and_page(client, cast, campaign):
    client.force_login(cast.adam)
    base = f"/api/campaigns/{campaign.slug}"

    def patch(path, body):
        return client.patch(f"{base}/{path}", json.dumps(body), content_type="application/json")

    assert patch("labelers/lena/", {"languages": ["de"]}).json()["languages"] == ["de"]
    assert patch("labelers/lena/", {"languages": "de"}).status_code == 422
    assert patch("labelers/rita/", {"languages": ["de"]}).status_code == 404  # no labeler
    names = [row["username"] for row in client.get(f"{base}/labelers/").json()["results"]]
    assert names == ["lena", "otto"]
    body = {"version": campaign.version, "strategy": "oldest", "control_share": 0.2, "skills": ["law"]}
    assert {k: v for k, v in patch("", body).json().items() if k in body} == body | {
        "version": campaign.version + 1
    }
    member = Membership.objects.get(user=cast.lena, campaign=campaign)
    url = f"/campaigns/{campaign.slug}/people/{member.pk}/items/"
    assert "de" in client.get(url).content.decode()
    assert client.post(url, {"languages": "en, zh", "skills": ["law"]}).status_code == 302
    assert client.post(url, {"languages": "english"}).status_code == 422
    member.refresh_from_db()
    assert (member.languages, member.skills) == (["en", "zh"], ["law"])
