"""Leases, drafts, skips, flags, expiry: one labeler after the other."""

import datetime as dt

import pytest
from django.utils import timezone

from annotation.assignment import services
from annotation.assignment.models import Assignment, Flag, LabelerCursor, Skip, Slot
from annotation.assignment.selectors import order_for, screen_for
from annotation.campaigns.services import change_campaign, close_campaign, open_campaign, pause_campaign
from annotation.errors import Conflict, Invalid, NotFound, TooLarge, TooMany
from annotation.items.models import Item
from annotation.items.services import NewItem, NewResponse, add_items, withdraw_items
from annotation.people.models import AuditEvent
from annotation.people.services import revoke_role
from tests.cast import Cast, add_some_items, make_campaign, make_cast, make_labelers, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def lapse(assignment: Assignment) -> None:
    """Lets the lease time pass."""
    Assignment.objects.filter(pk=assignment.pk).update(lease_until=timezone.now() - dt.timedelta(seconds=1))


def held(labeler, campaign) -> int:
    return Assignment.objects.filter(labeler=labeler, campaign=campaign, state=1).count()


def test_a_lease_takes_a_slot_and_a_reload_gives_the_same_item(cast):
    campaign = make_campaign(cast, items=2, overlap=2)
    assert Slot.objects.count() == 4
    first = services.lease_next(labeler=cast.lena, campaign=campaign)
    again = services.lease_next(labeler=cast.lena, campaign=campaign)
    assert first and again and first.pk == again.pk
    assert Slot.objects.count() == 3
    assert first.protocol_id == campaign.protocol_id and first.guidelines_id == campaign.guidelines_id
    assert Assignment.objects.get(pk=first.pk).first_render_at is not None


def test_two_leases_at_most(cast):
    campaign = make_campaign(cast, items=4)
    first = services.lease_next(labeler=cast.lena, campaign=campaign)
    second = services.lease_next(labeler=cast.lena, campaign=campaign, beyond=[first.pk])
    assert second.pk != first.pk and second.item_id != first.item_id
    assert Assignment.objects.get(pk=second.pk).first_render_at is None  # prepared, not shown
    assert services.lease_next(labeler=cast.lena, campaign=campaign, beyond=[first.pk]).pk == second.pk
    assert services.lease_next(labeler=cast.lena, campaign=campaign, beyond=[first.pk, second.pk]) is None
    assert held(cast.lena, campaign) == 2
    send(first)
    third = services.lease_next(labeler=cast.lena, campaign=campaign, beyond=[second.pk])
    assert third.pk not in (first.pk, second.pk) and held(cast.lena, campaign) == 2


def test_nobody_gets_an_item_twice_and_everybody_gets_each_once(cast):
    campaign = make_campaign(cast, items=5, overlap=3)
    for labeler in (cast.lena, cast.otto, *make_labelers(campaign, 1)):
        seen = []
        while assignment := services.lease_next(labeler=labeler, campaign=campaign):
            seen.append(assignment.item_id)
            assert send(assignment).status == "counted"
        assert len(seen) == len(set(seen)) == 5
    assert Slot.objects.count() == 0
    assert set(Item.objects.values_list("counted", flat=True)) == {3}


def test_own_text_is_never_served(cast):
    campaign = make_campaign(cast, items=0)
    own, other = add_items(
        campaign=campaign,
        items=[
            NewItem(
                "Mine?",
                [NewResponse("I wrote this.", source="person", source_name="lena"), NewResponse("Not this.")],
            ),
            NewItem("Theirs?", [NewResponse("One."), NewResponse("Two.")]),
        ],
    )
    first = services.lease_next(labeler=cast.lena, campaign=campaign)
    assert first.item_id == other
    assert services.lease_next(labeler=cast.lena, campaign=campaign, beyond=[first.pk]) is None
    assert {services.lease_next(labeler=cast.otto, campaign=campaign).item_id} == {own}


def test_the_order_shown_follows_from_the_seed(cast):
    campaign = make_campaign(cast, items=30, responses=2)
    firsts = 0
    while assignment := services.lease_next(labeler=cast.lena, campaign=campaign):
        ids = sorted(assignment.response_order)
        assert assignment.response_order == order_for(assignment.order_seed, ids)
        assert [r.id for r in screen_for(assignment).responses] == assignment.response_order
        firsts += assignment.response_order == ids
        send(assignment)
    assert 4 <= firsts <= 26  # both orders occur; P(outside) < 2e-5


def test_an_altered_text_is_not_shown(cast):
    campaign = make_campaign(cast, items=1)
    assignment = services.lease_next(labeler=cast.lena, campaign=campaign)
    response = assignment.item.responses.first()
    type(response).objects.filter(pk=response.pk).update(text="something else")
    with pytest.raises(RuntimeError, match="hash"):
        screen_for(assignment)


def test_expiry_gives_the_place_back_at_the_tail(cast):
    campaign = make_campaign(cast, items=2)
    first = services.lease_next(labeler=cast.lena, campaign=campaign)
    assert services.release_expired() == 0
    lapse(first)
    assert services.release_expired() == 1
    assert services.release_expired() == 0
    assert Assignment.objects.get(pk=first.pk).state == Assignment.State.EXPIRED
    seen = set()
    while assignment := services.lease_next(labeler=cast.otto, campaign=campaign):
        seen.add(assignment.item_id)
        send(assignment)
    assert first.item_id in seen and len(seen) == 2


def test_a_lapsed_lease_that_was_not_released_yet_is_kept(cast):
    campaign = make_campaign(cast, items=2)
    first = services.lease_next(labeler=cast.lena, campaign=campaign)
    lapse(first)
    assert services.lease_next(labeler=cast.lena, campaign=campaign).pk == first.pk
    assert services.release_expired() == 0  # asking for it started its time anew


def test_who_lost_an_item_may_get_it_again_with_the_draft(cast):
    campaign = make_campaign(cast, items=1)
    first = services.lease_next(labeler=cast.lena, campaign=campaign)
    services.save_draft(labeler=cast.lena, assignment_id=first.pk, data={"better-strength": "2"})
    lapse(first)
    services.release_expired()
    again = services.lease_next(labeler=cast.lena, campaign=campaign)
    assert again.pk == first.pk and again.draft == {"better-strength": "2"}
    assert again.response_order == first.response_order


def test_heartbeat_extends_reclaims_and_says_when_it_is_over(cast):
    campaign = make_campaign(cast, items=1)
    first = services.lease_next(labeler=cast.lena, campaign=campaign)
    lapse(first)
    assert services.heartbeat(labeler=cast.lena, assignment_id=first.pk).lease_until > timezone.now()
    lapse(first)
    services.release_expired()
    assert services.heartbeat(labeler=cast.lena, assignment_id=first.pk).state == Assignment.State.LEASED
    assert Slot.objects.count() == 0
    assert services.lease_next(labeler=cast.lena, campaign=campaign).pk == first.pk
    lapse(first)
    services.release_expired()
    services.lease_next(labeler=cast.otto, campaign=campaign)
    with pytest.raises(Conflict) as refused:
        services.heartbeat(labeler=cast.lena, assignment_id=first.pk)
    assert refused.value.code == "expired"
    with pytest.raises(NotFound):
        services.heartbeat(labeler=cast.stan, assignment_id=first.pk)


def test_skip_frees_the_place_for_others_only(cast):
    campaign = make_campaign(cast, items=1)
    first = services.lease_next(labeler=cast.lena, campaign=campaign)
    with pytest.raises(Invalid) as refused:
        services.skip(labeler=cast.lena, assignment_id=first.pk, reason="")
    assert "reason" in refused.value.fields
    services.skip(labeler=cast.lena, assignment_id=first.pk, reason="unclear", note="what?")
    services.skip(labeler=cast.lena, assignment_id=first.pk, reason="unclear")  # again is the same
    assert Skip.objects.get().note == "what?" and Slot.objects.count() == 1
    assert services.lease_next(labeler=cast.lena, campaign=campaign) is None
    assert services.lease_next(labeler=cast.otto, campaign=campaign).item_id == first.item_id
    with pytest.raises(Conflict) as refused:
        send(first)
    assert refused.value.code == "skipped"


def test_skipping_without_end_is_slowed_down(cast, monkeypatch):
    monkeypatch.setattr(services, "SKIPS_PER_MINUTE", 3)
    campaign = make_campaign(cast, items=5)
    for _n in range(3):
        services.skip(
            labeler=cast.lena,
            assignment_id=services.lease_next(labeler=cast.lena, campaign=campaign).pk,
            reason="other",
        )
    fourth = services.lease_next(labeler=cast.lena, campaign=campaign)
    for _again in range(2):
        with pytest.raises(TooMany) as refused:
            services.skip(labeler=cast.lena, assignment_id=fourth.pk, reason="other")
    assert refused.value.extra == {"retry_after_s": 60}
    assert AuditEvent.objects.filter(campaign=campaign, action="notice.many_skips").count() == 1


def test_flags_are_kept_once_and_an_admin_withdraws_the_item(cast):
    campaign = make_campaign(cast, items=2, overlap=2)
    first = services.lease_next(labeler=cast.lena, campaign=campaign)
    services.flag(labeler=cast.lena, assignment_id=first.pk, reason="harmful")
    flag = services.flag(labeler=cast.lena, assignment_id=first.pk, reason="harmful", note="see line 2")
    assert Flag.objects.get() == flag and flag.note == "see line 2"
    assert Assignment.objects.get(pk=first.pk).state == Assignment.State.LEASED
    services.resolve_flag(actor=cast.adam, flag=flag, withdraw=True)
    assert Item.objects.get(pk=first.item_id).withdrawn_at is not None
    assert Slot.objects.filter(item_id=first.item_id).count() == 0
    lapse(first)
    services.release_expired()  # a withdrawn item gets no slot back
    assert Slot.objects.filter(item_id=first.item_id).count() == 0
    assert Flag.objects.get().resolved_at is not None


def test_harmful_content_leaves_every_queue_until_an_admin_has_looked(cast):
    campaign = make_campaign(cast, items=1, overlap=3)
    campaign = change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"hold_after": 2}
    )
    first, second = (services.lease_next(labeler=p, campaign=campaign) for p in (cast.lena, cast.otto))
    for reason in ("harmful", "private", "broken"):  # one person, however many reasons, is one
        services.flag(labeler=cast.lena, assignment_id=first.pk, reason=reason)
    assert Item.objects.get().held_at is None
    report = services.flag(labeler=cast.otto, assignment_id=second.pk, reason="private")
    assert Item.objects.get().held_at is not None and Slot.objects.count() == 0
    assert AuditEvent.objects.get(action="notice.item_held").after == {"reports": 2}
    assert send(first).status == "counted"  # what is out stays out and counts
    services.skip(labeler=cast.otto, assignment_id=second.pk, reason="uncomfortable")
    third = make_labelers(campaign, 1)[0]
    assert Slot.objects.count() == 0 and services.lease_next(labeler=third, campaign=campaign) is None
    services.resolve_flag(actor=cast.adam, flag=report, withdraw=False)
    assert Slot.objects.count() == 2 and Item.objects.get().held_at is None  # three wanted, one given
    LabelerCursor.objects.update(swept_at=None)
    assert services.lease_next(labeler=third, campaign=campaign).item_id == first.item_id


def test_no_report_holds_an_item_back_where_the_campaign_says_never(cast):
    campaign = make_campaign(cast, items=1, overlap=2, is_open=False)
    campaign = change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"hold_after": 0}
    )
    first = services.lease_next(labeler=cast.lena, campaign=open_campaign(actor=cast.adam, campaign=campaign))
    services.flag(labeler=cast.lena, assignment_id=first.pk, reason="harmful")
    assert Item.objects.get().held_at is None and Slot.objects.count() == 1


def test_who_is_suspended_gives_everything_back_at_once(cast):
    campaign = make_campaign(cast, items=2)
    held = services.lease_next(labeler=cast.lena, campaign=campaign)
    behind = services.lease_next(labeler=cast.lena, campaign=campaign, beyond=[held.pk])
    services.save_draft(labeler=cast.lena, assignment_id=held.pk, data={"a": "b"})
    assert services.lease_next(labeler=cast.otto, campaign=campaign) is None
    revoke_role(actor=cast.adam, user=cast.lena, campaign=campaign, role="labeler")
    assert AuditEvent.objects.get(action="role.revoke").after == {"leases_given_back": 2}
    LabelerCursor.objects.update(swept_at=None)
    assert services.lease_next(labeler=cast.otto, campaign=campaign).item_id in (held.item_id, behind.item_id)
    assert Assignment.objects.get(pk=held.pk).draft == {"a": "b"}


def test_drafts_have_limits(cast):
    campaign = make_campaign(cast, items=1)
    first = services.lease_next(labeler=cast.lena, campaign=campaign)
    with pytest.raises(TooLarge):
        services.save_draft(labeler=cast.lena, assignment_id=first.pk, data={"a": "x" * 1_000_001})
    for bad in ("a\x00b", "\ud800"):
        with pytest.raises(Invalid):
            services.save_draft(labeler=cast.lena, assignment_id=first.pk, data={"a": bad})
    with pytest.raises(NotFound):
        services.save_draft(labeler=cast.otto, assignment_id=first.pk, data={})
    send(first)
    with pytest.raises(Conflict) as refused:
        services.save_draft(labeler=cast.lena, assignment_id=first.pk, data={"a": "late"})
    assert refused.value.code == "already_sent"


def test_paused_gives_what_is_held_and_closed_gives_nothing(cast):
    campaign = make_campaign(cast, items=3)
    first = services.lease_next(labeler=cast.lena, campaign=campaign)
    paused = pause_campaign(actor=cast.adam, campaign=campaign)
    assert services.lease_next(labeler=cast.lena, campaign=paused).pk == first.pk
    assert services.lease_next(labeler=cast.otto, campaign=paused) is None
    assert services.lease_next(labeler=cast.lena, campaign=paused, beyond=[first.pk]) is None
    closed = close_campaign(actor=cast.adam, campaign=campaign)
    assert services.lease_next(labeler=cast.lena, campaign=closed) is None


def test_overlap_up_and_down(cast):
    campaign = make_campaign(cast, items=2, overlap=2)
    while assignment := services.lease_next(labeler=cast.lena, campaign=campaign):
        send(assignment)
    campaign = change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"overlap": 4}
    )
    assert Slot.objects.count() == 6
    out = services.lease_next(labeler=cast.otto, campaign=campaign)
    campaign = change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"overlap": 1}
    )
    assert Slot.objects.count() == 0
    assert send(out).status == "late"  # its item has its one answer
    with pytest.raises(Conflict) as refused:
        campaign = change_campaign(
            actor=cast.adam, campaign=campaign, version=campaign.version, changes={"overlap": 3}
        )
        for labeler in make_labelers(campaign, 2):
            while assignment := services.lease_next(labeler=labeler, campaign=campaign):
                send(assignment)
        change_campaign(actor=cast.adam, campaign=campaign, version=campaign.version, changes={"overlap": 2})
    assert refused.value.extra == {"counted": 3} and refused.value.status == 409


def test_a_lowered_overlap_takes_no_place_twice_when_leases_end(cast):
    campaign = make_campaign(cast, items=1, overlap=3)
    labelers = make_labelers(campaign, 3)
    out = [services.lease_next(labeler=labeler, campaign=campaign) for labeler in labelers]
    change_campaign(actor=cast.adam, campaign=campaign, version=campaign.version, changes={"overlap": 2})
    for assignment in out:
        lapse(assignment)
    assert services.release_expired() == 3
    assert Slot.objects.count() == 2  # as many as the item still wants


def test_slots_behind_a_cursor_are_found(cast):
    campaign = make_campaign(cast, items=3)
    LabelerCursor.objects.create(campaign_id=campaign.pk, labeler_id=cast.lena.pk, pos=10**9)
    first = services.lease_next(labeler=cast.lena, campaign=campaign)  # by the look behind the cursor
    assert first is not None
    LabelerCursor.objects.filter(labeler_id=cast.lena.pk).update(swept_at=timezone.now())
    assert services.lease_next(labeler=cast.lena, campaign=campaign, beyond=[first.pk]) is None
    assert services.tend_queues() == 2  # all cursors had passed them
    LabelerCursor.objects.filter(labeler_id=cast.lena.pk).update(
        lanes=[Slot.objects.order_by("pos").first().pos - 1]
    )
    assert services.lease_next(labeler=cast.lena, campaign=campaign, beyond=[first.pk]) is not None


def test_upkeep_leaves_alone_what_nobody_may_take(cast):
    campaign = make_campaign(cast, items=2, overlap=2)
    while assignment := services.lease_next(labeler=cast.lena, campaign=campaign):
        send(assignment)
    assert Slot.objects.count() == 2 and services.tend_queues() == 0


def test_newcomers_start_at_the_low_mark(cast):
    campaign = make_campaign(cast, items=3)
    while assignment := services.lease_next(labeler=cast.lena, campaign=campaign):
        send(assignment)
    add_some_items(campaign, 1, start=10)
    services.tend_queues()
    first = services.lease_next(labeler=cast.otto, campaign=campaign)
    assert first is not None
    assert (
        LabelerCursor.objects.get(labeler_id=cast.otto.pk).pos
        == LabelerCursor.objects.get(labeler_id=cast.lena.pk).lanes[0]
    )


def test_withdrawn_items_leave_the_queue(cast):
    campaign = make_campaign(cast, items=2)
    ids = list(Item.objects.values_list("pk", flat=True))
    assert withdraw_items(campaign=campaign, item_ids=[ids[0]], actor=cast.adam) == 1
    assert withdraw_items(campaign=campaign, item_ids=[ids[0]], actor=cast.adam) == 0
    assert services.lease_next(labeler=cast.lena, campaign=campaign).item_id == ids[1]
    assert AuditEvent.objects.filter(action="items.withdraw").count() == 1
