"""Gold items: never counted, never in a queue, mixed in by a keyed draw, scored by the types' distance, and what follows."""

import math
import uuid

import pytest
from django.db import IntegrityError, transaction
from django.test import override_settings

from annotation.assignment import order, queue, services
from annotation.assignment.models import Assignment, Slot
from annotation.campaigns.selectors import campaign_progress
from annotation.campaigns.services import change_campaign
from annotation.errors import Conflict, Invalid
from annotation.gold.answers import closeness, expected_of, said_of
from annotation.gold.models import GoldScore
from annotation.gold.selectors import gold_reports
from annotation.gold.services import make_gold
from annotation.items.models import Item
from annotation.items.services import withdraw_items
from annotation.people.erasure import erase_person
from annotation.people.models import AuditEvent, Membership
from annotation.people.services import grant_role
from annotation.submissions.selectors import answers_of
from annotation.submissions.services import reopen_last, submit
from feedback_types.base import Answer
from tests.cast import Cast, make_campaign, make_cast, make_labelers, send

pytestmark = pytest.mark.django_db

PAIR = [{"key": "better", "type": "comparison", "title": "Which is better?"}]


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def prefers(item: Item, first: int) -> dict:
    """The payload that says strength `first` for the first stored response (3 … -3), in the words of the type."""
    from annotation.gold.answers import screen_of

    question = item.campaign.protocol.questions[0]
    screen = screen_of(item)
    payload = question.type.parse({"choice": str(first)}, screen, question.settings, None)
    return {"question": "better", "target": None, "payload": payload.dump()}


def aside(cast, campaign, n: int, strength: int = -3) -> list[Item]:
    """The campaign's first n items of work as gold, the first response clearly better."""
    work = Item.objects.filter(campaign=campaign, purpose="work").order_by("pk")
    items = list(work.select_related("prompt", "campaign__protocol")[:n])
    return [
        make_gold(actor=cast.rita, item=item, answers=[[prefers(item, strength)]], explanation="It helps.")
        for item in items
    ]


def with_gold(cast, *, items: int, gold: int, **changes):
    campaign = make_campaign(cast, items=items, protocol=PAIR)
    made = aside(cast, campaign, gold)
    campaign = change_campaign(actor=cast.adam, campaign=campaign, version=campaign.version, changes=changes)
    return campaign, made


def say(assignment: Assignment, strength: int, **fields):
    """Answers with this strength for the response that was stored first."""
    item = Item.objects.select_related("prompt", "campaign__protocol").get(pk=assignment.item_id)
    row = prefers(item, strength)
    question = item.campaign.protocol.questions[0]
    return submit(
        labeler=assignment.labeler,
        assignment_id=assignment.pk,
        idempotency_key=uuid.uuid4(),
        answers=[Answer("better", None, question.type.load(row["payload"]))],
        **fields,
    )


def go_through(labeler, campaign, act) -> list[Assignment]:
    """Everything the labeler gets, `act` on each."""
    found = []
    while got := services.lease_next(labeler=labeler, campaign=campaign):
        found.append(got)
        act(got)
    return found


def test_setting_aside_takes_the_places_and_what_was_counted(cast):
    campaign = make_campaign(cast, items=2, overlap=2, protocol=PAIR)
    sent = send(services.lease_next(labeler=cast.lena, campaign=campaign))
    item = Item.objects.get(pk=sent.item_id)
    before = campaign_progress(campaign)
    made = make_gold(actor=cast.rita, item=item, answers=[[prefers(item, -3)]], explanation="Because.")
    assert (made.purpose, made.counted) == ("gold", 0)
    assert not Slot.objects.filter(item_id=item.pk).exists()
    after = campaign_progress(campaign)
    assert (before.items, before.answers_counted, before.answers_wanted) == (2, 1, 4)
    assert (after.items, after.answers_counted, after.answers_wanted) == (1, 0, 2)
    event = AuditEvent.objects.get(action="item.make_gold")
    assert event.actor == cast.rita and event.before["purpose"] == "work" and event.after["purpose"] == "gold"
    # Nothing puts a place back: not another overlap, not the upkeep, not a recount.
    change_campaign(actor=cast.adam, campaign=campaign, version=campaign.version, changes={"overlap": 3})
    queue.recount([item.pk])
    order.refill([item.pk])
    services.tend_queues()
    assert not Slot.objects.filter(item_id=item.pk).exists() and Item.objects.get(pk=item.pk).counted == 0
    with pytest.raises(IntegrityError), transaction.atomic():
        Item.objects.filter(pk=item.pk).update(counted=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Item.objects.filter(pk=item.pk).update(purpose="silver")


def test_what_is_expected_must_fit_the_questions(cast):
    campaign = make_campaign(cast, items=2, protocol=PAIR)
    item, other = Item.objects.filter(campaign=campaign).order_by("pk")
    good, foreign = prefers(item, 1), prefers(other, 1)
    for answers, field in (
        ([], "answers"),
        ([[]], "answers.0.answers"),
        ([[good], [{**good, "payload": {"items": []}}]], "answers.1.0.payload"),
        ([[foreign]], "answers.0.0.payload"),
        ([[{**good, "question": "worse"}]], "answers.0.0.question"),
        ([[good, good]], "answers.0.1"),
    ):
        with pytest.raises(Invalid) as refused:
            make_gold(actor=cast.rita, item=item, answers=answers)
        assert any(name.startswith(field) for name in refused.value.fields), refused.value.fields
    for wrong in ({"explanation": "a\x00"}, {"explanation": "a" * 2001}, {"purpose": "work"}):
        with pytest.raises(Invalid):
            make_gold(actor=cast.rita, item=item, answers=[[good]], **wrong)
    withdraw_items(campaign=campaign, item_ids=[item.pk], actor=cast.adam)
    with pytest.raises(Conflict):
        make_gold(actor=cast.rita, item=item, answers=[[good]])


def test_the_share_is_kept_and_nobody_sees_one_twice(cast):
    """Two labelers, 60 items of work each, 60 gold items, a quarter of the leases: as the draw says, and all different."""
    campaign = make_campaign(cast, items=120, overlap=2, protocol=PAIR)
    aside(cast, campaign, 60)
    campaign = change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"gold_share": 0.25}
    )
    for labeler in make_labelers(campaign, 2):
        got = go_through(labeler, campaign, lambda lease: say(lease, -3))
        items = [lease.item_id for lease in got]
        assert len(items) == len(set(items))
        gold = sum(lease.item.purpose == "gold" for lease in got)
        assert (
            len(got) - gold == 60 and 0 < gold < 60
        )  # every item of work came, and the gold did not run out
        # What the keyed draw says is what came: the same lease would be drawn again.
        said = [queue.draw(campaign.pk, labeler.pk, n) < 0.25 * 2**63 for n in range(len(got))]
        assert said == [lease.item.purpose == "gold" for lease in got]
    assert Item.objects.filter(campaign=campaign, purpose="work", counted=2).count() == 60
    assert set(Item.objects.filter(campaign=campaign, purpose="gold").values_list("counted", flat=True)) == {
        0
    }


def test_the_draw_keeps_the_share_within_three_sigma():
    """20 labelers of one campaign, 500 leases each; the same each time, and another for another key."""
    for share in (0.05, 0.25, 0.5):
        drawn = sum(queue.draw(7, labeler, n) < share * 2**63 for labeler in range(20) for n in range(500))
        assert abs(drawn - 10_000 * share) < 3 * math.sqrt(10_000 * share * (1 - share))
    with override_settings(SECRET_KEY="another"):
        other = [queue.draw(7, 1, n) for n in range(20)]
    assert other != [queue.draw(7, 1, n) for n in range(20)] == [queue.draw(7, 1, n) for n in range(20)]


def test_scores_are_the_types_own_distance_and_follow_a_correction(cast):
    """Strength on -3 … 3, squared difference over 6²: from -3 to 0 is 9/36, so 0.75 close; the opposite is 0."""
    campaign, (gold,) = with_gold(cast, items=30, gold=1, gold_share=0.5)
    lease = next(x for x in go_until(cast.lena, campaign) if x.item_id == gold.pk)
    assert say(lease, 0).status == "counted"
    assert GoldScore.objects.get().score == pytest.approx(0.75)
    say(lease, 3, revises=reopen_last(labeler=cast.lena, campaign=campaign).pk)
    (report,) = gold_reports(campaign)
    assert (report.user, report.answers, report.mean) == (cast.lena, 1, pytest.approx(0.0))
    erase_person(user=cast.lena, actor=None, note=False)
    assert not GoldScore.objects.exists()


def go_until(labeler, campaign):
    """Leases until there are none, work answered on the way."""
    while got := services.lease_next(labeler=labeler, campaign=campaign):
        yield got
        if got.item.purpose == "work":
            send(got)


def test_the_closest_of_several_right_answers_counts(cast):
    campaign = make_campaign(cast, items=1, protocol=PAIR)
    item = Item.objects.get(campaign=campaign)
    lease = services.lease_next(labeler=cast.lena, campaign=campaign)
    make_gold(actor=cast.rita, item=item, answers=[[prefers(item, -3)], [prefers(item, 3)]])
    assert (
        say(lease, 2).status == "counted"
    )  # it was work when it was leased; scored all the same, and counted nowhere
    assert GoldScore.objects.get().score == pytest.approx(1 - 1 / 36)
    assert Item.objects.get().counted == 0


def test_below_the_floors_a_word_and_then_a_pause_that_gives_everything_back(cast):
    campaign, _gold = with_gold(
        cast, items=46, gold=6, gold_share=0.5, gold_warn=0.8, gold_pause=0.3, gold_window=2
    )
    mine = Membership.objects.get(user=cast.lena, campaign=campaign)
    scores, paused = 0, False
    while lease := services.lease_next(labeler=cast.lena, campaign=campaign):
        prepared = services.lease_next(labeler=cast.lena, campaign=campaign, beyond=[lease.pk])
        is_gold = lease.item.purpose == "gold"
        say(lease, -3 if scores < 1 else 3)  # the first is right, the others are as wrong as can be
        scores += is_gold
        mine.refresh_from_db()
        if scores < 2:  # nobody is judged by fewer than the window
            assert mine.gold_warned_at is None and mine.suspended_at is None
        elif scores == 2:  # mean 0.5: below the warn floor
            assert mine.gold_warned_at is not None and mine.suspended_at is None
        else:  # mean 0: below the pause floor
            assert (mine.suspended_at is not None, mine.paused_by) == (True, "gold")
            paused = True
            break
    assert paused
    if prepared is not None:
        prepared.refresh_from_db()
        assert prepared.state == Assignment.State.EXPIRED
    assert not Assignment.objects.filter(labeler=cast.lena, state=1).exists()
    free = Slot.objects.filter(campaign_id=campaign.pk).count()
    done = Item.objects.filter(campaign=campaign, purpose="work", counted=1).count()
    assert free + done == 40  # every place is open again or answered
    assert services.lease_next(labeler=cast.lena, campaign=campaign) is None
    notices = AuditEvent.objects.filter(actor=None, target=f"user:{cast.lena.pk}")
    assert list(notices.order_by("pk").values_list("action", flat=True)) == [
        "notice.gold_low",
        "role.pause_by_gold",
    ]
    assert notices.last().after["mean"] == 0.0

    # An admin lets the labeler in again: what was is forgiven, and only new answers are judged.
    grant_role(actor=cast.adam, user=cast.lena, campaign=campaign, role="labeler")
    mine.refresh_from_db()
    assert (mine.suspended_at, mine.paused_by, mine.gold_warned_at) == (None, "", None)
    again = next(x for x in go_until(cast.lena, campaign) if x.item.purpose == "gold")
    say(again, 3)
    mine.refresh_from_db()
    assert mine.suspended_at is None


def test_a_gold_lease_that_ran_out_may_be_taken_up_and_sent(cast):
    campaign, (gold,) = with_gold(cast, items=30, gold=1, gold_share=0.5)
    lease = next(x for x in go_until(cast.lena, campaign) if x.item_id == gold.pk)
    Assignment.objects.filter(pk=lease.pk).update(lease_until="2020-01-01T00:00Z")
    assert services.release_expired() == 1
    assert not Slot.objects.filter(item_id=gold.pk).exists()
    assert services.heartbeat(labeler=cast.lena, assignment_id=lease.pk).state == Assignment.State.LEASED
    assert say(lease, -3).status == "counted"


def test_an_answer_is_expected_as_it_was_given_whatever_was_shown_first(cast):
    """Lena saw the second response first. Her answer becomes the expected one, and she who says the same is right."""
    campaign = make_campaign(cast, items=1, overlap=2, protocol=PAIR)
    lease = services.lease_next(labeler=cast.lena, campaign=campaign)
    Assignment.objects.filter(pk=lease.pk).update(response_order=sorted(lease.response_order, reverse=True))
    lease.refresh_from_db()
    sent = send(lease)
    item = Item.objects.select_related("prompt", "campaign__protocol").get()
    (said,) = answers_of(sent)
    row = {"question": "better", "target": None, "payload": said.payload.dump()}
    stored = make_gold(actor=cast.rita, item=item, answers=[[row]]).gold_answers["acceptable"]
    assert stored[0][0]["payload"]["items"] == lease.response_order
    assert closeness(expected_of(Item.objects.get()), said_of(stored[0]), {"better"}) == [
        ("better", "comparison", 1.0)
    ]
    with pytest.raises(Invalid) as refused:
        payload = row["payload"] | {"items": [1, 2]}
        make_gold(actor=cast.rita, item=item, answers=[[row | {"payload": payload}]])
    assert "answers.0.0.payload.items" in refused.value.fields
