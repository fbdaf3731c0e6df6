"""A campaign's life, its versions, and two admins at once."""

import pytest

from annotation.assignment.services import acknowledge_guidelines, lease_next
from annotation.campaigns import selectors, services
from annotation.campaigns.models import Campaign, Guidelines, Protocol
from annotation.errors import Conflict, Invalid, Stale
from annotation.people.models import AuditEvent, Membership
from tests.cast import PROTOCOL, Cast, make_campaign, make_cast, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def test_a_campaign_is_made_and_its_maker_administers_it(cast):
    campaign = services.create_campaign(actor=cast.adam, name="  Été chez nous ")
    assert (campaign.name, campaign.slug, campaign.state, campaign.version) == (
        "Été chez nous",
        "ete-chez-nous",
        "draft",
        1,
    )
    assert Membership.objects.get().role == "admin"
    assert services.create_campaign(actor=cast.adam, name="Été chez nous").slug == "ete-chez-nous-2"
    assert services.create_campaign(actor=cast.adam, name="日本").slug == "campaign"
    with pytest.raises(Conflict) as refused:
        services.create_campaign(actor=cast.adam, name="x", slug="campaign")
    assert refused.value.code == "slug_taken"


BAD = [
    {"overlap": 0}, {"overlap": -1}, {"overlap": 10**6}, {"overlap": "3"}, {"overlap": 2.0}, {"overlap": True},
    {"overlap": None},
    {"lease_s": 29}, {"lease_s": 604_801}, {"lease_s": "60"},
    {"name": ""}, {"name": "  "}, {"name": "x" * 121}, {"name": "a\x00b"}, {"name": "a\nb"}, {"name": 5}, {"name": "\ud800"},
    {"language": "x" * 11}, {"language": ""},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_odd_values_are_refused(cast, bad):  # B81
    campaign = make_campaign(cast, items=0)
    with pytest.raises(Invalid) as refused:
        services.change_campaign(actor=cast.adam, campaign=campaign, version=campaign.version, changes=bad)
    assert set(refused.value.fields) == set(bad)
    with pytest.raises(Invalid) as refused:
        services.create_campaign(actor=cast.adam, **{"name": "New", **bad})
    assert set(refused.value.fields) == set(bad)


@pytest.mark.parametrize("slug", ["Über", "a b", "x" * 61, "../x", "A"])
def test_odd_addresses_are_refused(cast, slug):
    with pytest.raises(Invalid) as refused:
        services.create_campaign(actor=cast.adam, name="New", slug=slug)
    assert "slug" in refused.value.fields


@pytest.mark.parametrize("field", ["state", "slug", "version", "created_by", "id"])
def test_only_some_fields_can_be_changed(cast, field):
    campaign = make_campaign(cast, items=0)
    with pytest.raises(Invalid) as refused:
        services.change_campaign(
            actor=cast.adam, campaign=campaign, version=campaign.version, changes={field: 1}
        )
    assert set(refused.value.fields) == {field}


def test_who_saves_second_gets_the_difference(cast):  # F8, B77
    campaign = make_campaign(cast, items=0)
    seen = campaign.version
    services.change_campaign(
        actor=cast.adam, campaign=campaign, version=seen, changes={"name": "Mine", "overlap": 4}
    )
    with pytest.raises(Stale) as refused:
        services.change_campaign(
            actor=cast.adam,
            campaign=campaign,
            version=seen,
            changes={"name": "Yours", "overlap": 4, "language": "de"},
        )
    assert refused.value.status == 412
    assert refused.value.extra == {
        "diff": {"name": {"yours": "Yours", "now": "Mine"}, "language": {"yours": "de", "now": "en"}},
        "version": seen + 1,
        "your_version": seen,
    }
    assert Campaign.objects.get().name == "Mine"
    for publish in (
        lambda: services.publish_guidelines(actor=cast.adam, campaign=campaign, markdown="x", version=seen),
        lambda: services.publish_protocol(
            actor=cast.adam, campaign=campaign, questions=PROTOCOL, version=seen
        ),
    ):
        with pytest.raises(Stale):
            publish()


def test_the_life_of_a_campaign(cast):
    campaign = services.create_campaign(actor=cast.adam, name="Empty")
    with pytest.raises(Invalid) as refused:
        services.open_campaign(actor=cast.adam, campaign=campaign)
    assert set(refused.value.fields) == {"protocol", "guidelines"}
    services.publish_guidelines(actor=cast.adam, campaign=campaign, markdown="Be kind.")
    services.publish_protocol(actor=cast.adam, campaign=campaign, questions=PROTOCOL)
    with pytest.raises(Conflict):
        services.pause_campaign(actor=cast.adam, campaign=campaign)
    for act, state in (
        (services.open_campaign, "open"),
        (services.open_campaign, "open"),
        (services.pause_campaign, "paused"),
        (services.open_campaign, "open"),
        (services.close_campaign, "closed"),
        (services.open_campaign, "open"),
    ):
        assert act(actor=cast.adam, campaign=campaign).state == state == campaign.state
    actions = list(
        AuditEvent.objects.filter(campaign=campaign).order_by("id").values_list("action", flat=True)
    )
    assert actions == [
        "campaign.create", "guidelines.publish", "protocol.publish",
        "campaign.open", "campaign.pause", "campaign.open", "campaign.close", "campaign.open",
    ]  # fmt: skip


def test_versions_are_numbered_and_kept(cast):
    campaign = make_campaign(cast, items=2)
    lease = lease_next(labeler=cast.lena, campaign=campaign)
    services.publish_guidelines(actor=cast.adam, campaign=campaign, markdown="Second.")
    services.publish_protocol(actor=cast.adam, campaign=campaign, questions=PROTOCOL[:1])
    campaign.refresh_from_db()
    assert list(Guidelines.objects.order_by("number").values_list("number", flat=True)) == [1, 2]
    assert campaign.guidelines.markdown == "Second." and campaign.protocol.number == 2
    assert campaign.protocol.questions_json[0]["settings"]["ties"] is True  # spelled out
    assert send(lease).protocol_version == 1
    acknowledge_guidelines(labeler=cast.lena, campaign=campaign, number=2)
    assert lease_next(labeler=cast.lena, campaign=campaign).protocol_id == campaign.protocol_id


def test_questions_must_fit_the_items(cast):
    campaign = make_campaign(cast, items=2, responses=1, protocol=PROTOCOL[1:])
    with pytest.raises(Conflict) as refused:
        services.publish_protocol(actor=cast.adam, campaign=campaign, questions=PROTOCOL)
    assert refused.value.code == "items_do_not_fit" and refused.value.extra["items"] == 2
    assert Protocol.objects.count() == 1
    for odd in (
        "x",
        [],
        [{}],
        [{"key": "a", "type": "nothing"}],
        [{"key": "a", "type": "comparison", "settings": {"x": 1}}],
    ):
        with pytest.raises(Invalid):
            services.publish_protocol(actor=cast.adam, campaign=campaign, questions=odd)
    for odd in (None, 5, "a\x00", "x" * 200_001):
        with pytest.raises(Invalid):
            services.publish_guidelines(actor=cast.adam, campaign=campaign, markdown=odd)


def test_each_act_leaves_one_audit_row_and_a_refused_one_none(cast):  # I-27
    campaign = make_campaign(cast, items=1)
    acts = [
        lambda: services.create_campaign(actor=cast.adam, name="Other", guidelines="x", protocol=PROTOCOL),
        lambda: services.change_campaign(
            actor=cast.adam,
            campaign=campaign,
            version=campaign.version,
            changes={"name": "New", "overlap": 3},
        ),
        lambda: services.publish_guidelines(actor=cast.adam, campaign=campaign, markdown="x"),
        lambda: services.publish_protocol(actor=cast.adam, campaign=campaign, questions=PROTOCOL),
        lambda: services.pause_campaign(actor=cast.adam, campaign=campaign),
        lambda: services.open_campaign(actor=cast.adam, campaign=campaign),
        lambda: services.close_campaign(actor=cast.adam, campaign=campaign),
    ]
    for act in acts:
        before = AuditEvent.objects.count()
        act()
        assert AuditEvent.objects.count() == before + 1
    before = AuditEvent.objects.count()
    for refused in (
        lambda: services.create_campaign(actor=cast.adam, name="Third", protocol="odd"),
        lambda: services.change_campaign(
            actor=cast.adam, campaign=campaign, version=0, changes={"name": "x"}
        ),
        lambda: services.pause_campaign(actor=cast.adam, campaign=campaign),
    ):
        with pytest.raises((Invalid, Stale, Conflict)):
            refused()
    assert AuditEvent.objects.count() == before and not Campaign.objects.filter(name="Third").exists()
    event = AuditEvent.objects.filter(action="campaign.change").latest("id")
    assert event.before == {"name": "Everyday answers", "overlap": 1} and event.after == {
        "name": "New",
        "overlap": 3,
    }


def test_progress_counts(cast):
    campaign = make_campaign(cast, items=3, overlap=2)
    send(lease_next(labeler=cast.lena, campaign=campaign))
    first = lease_next(labeler=cast.otto, campaign=campaign)
    send(first)
    lease_next(labeler=cast.otto, campaign=campaign)
    progress = selectors.campaign_progress(campaign)
    assert (
        progress.items,
        progress.answers_counted,
        progress.answers_wanted,
        progress.leases,
        progress.labelers,
    ) == (3, 2, 6, 1, 2)
    assert progress.items_complete + progress.items_begun in (1, 2) and progress.items_withdrawn == 0
    assert progress.share == pytest.approx(2 / 6)
    mine = selectors.labeler_progress(cast.lena, campaign)
    assert (mine.today, mine.this_week, mine.total, mine.late, mine.skipped) == (1, 1, 1, 0, 0)
    assert mine.active_minutes_today == pytest.approx(0.07)
    send(lease_next(labeler=cast.lena, campaign=campaign))
    assert selectors.campaign_progress(campaign).answers_counted == 3
    assert selectors.seconds_per_answer(campaign) == 4.2 and selectors.labelers_at_work(campaign) == 1
