"""Disagreement is counted as answers come in and equals a recount; decisions are new rows, and hold."""

import uuid

import pytest
from django.db import IntegrityError, connection, transaction

from annotation import tasks
from annotation.adjudication import selectors
from annotation.adjudication.models import Adjudication, AnswerError, Disagreement, Recount
from annotation.adjudication.services import adjudicate, compare_answers
from annotation.assignment.models import Assignment, Slot
from annotation.assignment.selectors import questions_for, screen_for
from annotation.assignment.services import change_item_overlap, lease_next, save_scores
from annotation.campaigns.models import Campaign
from annotation.campaigns.services import change_campaign, publish_protocol
from annotation.errors import Conflict, Invalid, TooLarge
from annotation.items.models import Item
from annotation.items.services import withdraw_items
from annotation.people.erasure import erase_person
from annotation.people.models import AuditEvent
from annotation.people.services import grant_role
from annotation.quality.selectors import consensus
from annotation.submissions.models import Submission
from annotation.submissions.services import reopen_last, submit
from feedback_types.base import Answer
from tests.cast import add_some_items, make_campaign, make_cast, make_labelers, make_user, send

pytestmark = pytest.mark.django_db
GRADE = [{"key": "grade", "type": "critique", "settings": {"criteria": ["overall"], "grades": 5}}]


@pytest.fixture
def cast():
    return make_cast()


def graded(assignment, value, **more):
    """Sends one grade for both responses."""
    (question,) = questions_for(assignment)
    payload = question.type.load({"grades": 5, "ratings": {"overall": value}})
    return submit(
        labeler=assignment.labeler,
        assignment_id=assignment.pk,
        idempotency_key=uuid.uuid4(),
        answers=[Answer("grade", target, payload) for target in assignment.response_order],
        **more,
    )


def disputed(cast, values=(1, 5), overlap=None, **fields):
    """A campaign with one item that as many labelers graded."""
    campaign = make_campaign(cast, items=1, overlap=overlap or len(values), protocol=GRADE, **fields)
    people = [cast.lena, cast.otto, *make_labelers(campaign, max(0, len(values) - 2))]
    sent = [
        graded(lease_next(labeler=person, campaign=campaign), value)
        for person, value in zip(people, values, strict=False)
    ]
    compare_answers()
    item = campaign.items.get()
    item.campaign = campaign
    return campaign, item, sent


def settle(cast, item, **fields):
    given = {
        "act": "choose",
        "reason": "It follows the guidelines.",
        "idempotency_key": uuid.uuid4(),
        "reviewer": cast.rita,
    }
    return adjudicate(item=item, **given | fields)


def slots_hold(item_id):
    """slots = max(0, overlap - counted - live leases), as the queue promises."""
    item = Item.objects.get(pk=item_id)
    live = Assignment.objects.filter(item=item, state=Assignment.State.LEASED).count()
    wanted = 0 if item.withdrawn_at else max(0, item.overlap - item.counted - live)
    assert item.counted <= item.overlap
    return Slot.objects.filter(item_id=item_id).count() == wanted


# --- How far they are apart ------------------------------------------------------------------------------------------


def test_a_row_by_hand(cast):
    """Grades 1, 1 and 5 of five: the distance of critiques is |1 - 5| / 4 = 1 at the ends, so the pairs are 0, 1, 1.

    Mean 2/3; three answers; no uncertainty: value 2. With an uncertainty of 0.5 from a reward model it is 3.
    """
    _campaign, item, _sent = disputed(cast, (1, 1, 5))
    row = Disagreement.objects.get(pk=item.pk)
    assert (row.answers, row.question, row.is_settled) == (3, "grade", False)
    assert row.spread == pytest.approx(2 / 3) and row.value == pytest.approx(2)
    save_scores(campaign=item.campaign, scores={item.pk: 0.5}, source="run 1")
    assert compare_answers() == 1
    assert Disagreement.objects.get(pk=item.pk).value == pytest.approx(3)
    for odd in (7.0, -1.0):  # another scale
        save_scores(campaign=item.campaign, scores={item.pk: odd}, source="run 2")
        compare_answers()
        assert Disagreement.objects.get(pk=item.pk).uncertainty is None


def test_rows_follow_answers_corrections_machines_and_erasure_and_equal_a_recount(cast):
    campaign = make_campaign(cast, items=6, overlap=3)
    judge = make_user("judge", kind="ai")
    grant_role(actor=cast.adam, user=judge, campaign=campaign, role="labeler")

    def recount():
        """By the group's own numbers of each item, which are another way through the same answers."""
        assert tasks.compare_answers() >= 0 and not Recount.objects.exists()
        for item in campaign.items.all():
            widest = max((c.spread or 0.0 for c in consensus(item)), default=0.0)
            people = Submission.objects.filter(
                item=item, superseded_by=None, status="counted", labeler_kind="human"
            )
            row = Disagreement.objects.filter(pk=item.pk).first()
            assert (row.spread if row else 0.0) == pytest.approx(widest)
            assert (row.answers if row else 0) == people.count()

    for n, person in enumerate((cast.lena, judge, cast.otto)):
        while lease := lease_next(labeler=person, campaign=campaign):
            send(lease, seed=n * 100 + lease.item_id)
        recount()
    last = reopen_last(labeler=cast.lena, campaign=campaign)
    send(last.assignment, seed=999, revises=last.pk)
    recount()
    assert Disagreement.objects.filter(spread__gt=0).exists()
    erase_person(user=cast.otto, actor=cast.adam)
    recount()
    assert not Disagreement.objects.filter(spread__gt=0).exists()


def test_comparing_one_item_costs_the_same_among_many(cast, django_assert_num_queries):
    campaign, _item, _sent = disputed(cast)
    add_some_items(campaign, 50, start=10)
    graded(lease_next(labeler=cast.lena, campaign=campaign), 3)
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(
            "EXPLAIN (FORMAT json) "
            + str(selectors.queue_of(campaign)[:31].query).replace("= False", "= false")
        )
        plan = str(cursor.fetchone()[0])
    assert "disagreement_by_value" in plan and "'Node Type': 'Sort'" not in plan
    with django_assert_num_queries(12):
        assert compare_answers() == 1


def test_the_queue_is_read_page_by_page_in_both_orders(cast):
    campaign = make_campaign(cast, items=0)
    ids = add_some_items(campaign, 7)
    values = [3.0, 1.0, 2.0, 2.0, 2.0, 0.5, 0.0]
    Disagreement.objects.bulk_create(
        Disagreement(item_id=pk, campaign_id=campaign.pk, value=v, spread=v / 10, answers=2)
        for pk, v in zip(ids, values, strict=True)
    )
    for by in selectors.ORDERS:
        seen, after = [], None
        while page := list(selectors.queue_of(campaign, by=by, after=after)[:2]):
            seen += [row.item_id for row in page]
            after = selectors.place(selectors.place_of(page[-1], by))
        assert seen == [ids[n] for n in (0, 2, 3, 4, 1, 5)]  # not the one on which all agree
    for odd in ("", "nan:1", "1", "x:1", "1:x", "inf:2", "1:-3"):
        assert selectors.place(odd) is None
    withdraw_items(campaign=campaign, item_ids=[ids[0]], actor=cast.adam)
    assert next(r.item_id for r in selectors.queue_of(campaign)) == ids[2]


# --- Decisions -------------------------------------------------------------------------------------------------------


def test_choosing_settles_the_item_and_says_what_was_wrong(cast):
    campaign, item, (low, high) = disputed(cast)
    assert [r.item_id for r in selectors.queue_of(campaign)] == [item.pk] and selectors.settled(item) is None
    known = AuditEvent.objects.count()
    key = uuid.uuid4()
    given = {"chosen": high.pk, "errors": {low.pk: "misread"}, "idempotency_key": key}
    made = settle(cast, item, **given)
    assert AuditEvent.objects.count() == known + 1
    assert AuditEvent.objects.latest("id").action == "item.adjudicate"
    assert (made.act, made.chosen_id, made.supersedes_id) == ("choose", high.pk, None)
    found = selectors.settled(item)
    assert {a.payload.ratings["overall"] for a in found.answers} == {5} and len(found.answers) == 2
    assert not selectors.queue_of(campaign).exists()
    assert settle(cast, item, **given).pk == made.pk  # the reply was lost, and it came again
    with pytest.raises(Conflict, match="another decision"):
        settle(cast, item, **given | {"chosen": low.pk, "errors": {}})
    (errors,) = selectors.errors_by_labeler(campaign)
    assert (errors.labeler, errors.overruled, errors.counts) == (cast.lena, 1, {"misread": 1})
    # A new answer does not take the decision away.
    Recount.objects.create(item_id=item.pk)
    compare_answers()
    assert not selectors.queue_of(campaign).exists()


def test_another_decision_is_a_new_row_that_has_seen_the_first(cast):
    campaign, item, (low, high) = disputed(cast)
    first = settle(cast, item, chosen=high.pk, errors={low.pk: "facts"})
    with pytest.raises(Conflict) as refused:
        settle(cast, item, chosen=low.pk, reviewer=cast.adam)
    assert refused.value.code == "settled_meanwhile" and refused.value.extra == {"adjudication": first.pk}
    screen = selectors.screen_of(item, selectors.order_of(item))
    (question,) = selectors.questions_of(selectors.protocol_id_of(item))
    three = question.type.load({"grades": 5, "ratings": {"overall": 3}})
    answers = [Answer("grade", r.id, three) for r in screen.responses]
    second = settle(cast, item, act="write", answers=answers, seen=first.pk, errors={high.pk: "style"})
    assert second.supersedes == first and [d.pk for d in selectors.history(item)] == [second.pk, first.pk]
    assert {a.payload.ratings["overall"] for a in selectors.settled(item).answers} == {3}
    (errors,) = selectors.errors_by_labeler(campaign)  # those of the first decision hold no longer
    assert errors.labeler == cast.otto and errors.counts == {"style": 1}
    for table in ("adjudication", "answererror"):
        for change in (f"DELETE FROM annotation_{table}", f"UPDATE annotation_{table} SET id = 999"):
            with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
                connection.cursor().execute(change)
    with pytest.raises(IntegrityError), transaction.atomic():  # no second first decision
        Adjudication.objects.bulk_create([copy_of(first)])


def copy_of(row):
    row.pk, row.idempotency_key = None, uuid.uuid4()
    return row


def test_blind_is_for_those_who_have_not_seen(cast):
    campaign, item, (low, _high) = disputed(cast)
    grant_role(actor=cast.adam, user=cast.lena, campaign=campaign, role="reviewer")
    (question,) = selectors.questions_of(selectors.protocol_id_of(item))
    payload = question.type.load({"grades": 5, "ratings": {"overall": 4}})
    answers = [Answer("grade", target, payload) for target in selectors.order_of(item)]
    with pytest.raises(Conflict, match="not blind"):
        settle(cast, item, act="blind", answers=answers, reviewer=cast.lena)
    with pytest.raises(Invalid, match="not blind"):
        settle(cast, item, act="blind", answers=answers, errors={low.pk: "style"})
    made = settle(cast, item, act="blind", answers=answers)
    assert sorted(made.response_order) == sorted(selectors.order_of(item))
    with pytest.raises(Conflict, match="not blind"):
        settle(cast, item, act="blind", answers=answers, seen=made.pk)
    assert settle(cast, item, act="write", answers=answers, seen=made.pk, errors={low.pk: "style"})


def test_what_is_refused(cast):
    campaign, item, (low, high) = disputed(cast)
    other = add_some_items(campaign, 1, start=5)[0]
    with pytest.raises(Conflict) as refused:
        settle(cast, Item.objects.get(pk=other), chosen=low.pk)
    assert refused.value.code == "nothing_to_settle"
    cases = [
        ({"chosen": None}, "chosen"),
        ({"chosen": "nonsense"}, "chosen"),
        ({"chosen": uuid.uuid4()}, "chosen"),
        ({"reason": "  "}, "reason"),
        ({"reason": "a\x00b"}, "reason"),
        ({"reason": 7}, "reason"),
        ({"act": "guess"}, "act"),
        ({"act": "write", "answers": []}, "answers"),
        ({"errors": {low.pk: "nonsense"}}, "errors"),
        ({"errors": {high.pk: "style"}}, "errors"),  # the one that is chosen is not overruled
        ({"errors": {uuid.uuid4(): "style"}}, "errors"),
        ({"errors": {"x": "style"}}, "errors"),
        ({"idempotency_key": "x"}, "idempotency_key"),
    ]
    for fields, at_fault in cases:
        with pytest.raises(Invalid) as refused:
            settle(cast, item, **{"chosen": high.pk} | fields)
        assert at_fault in refused.value.fields, fields
    with pytest.raises(TooLarge):
        settle(cast, item, chosen=high.pk, reason="x" * 2001)
    assert not Adjudication.objects.exists()


def test_the_campaigns_own_errors(cast):
    campaign, item, (low, high) = disputed(cast)
    campaign = change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version,
        changes={"error_categories": [" Wrong   unit ", "Rude"], "shows_errors": True},
    )  # fmt: skip
    item.campaign = campaign
    with pytest.raises(Invalid):
        settle(cast, item, chosen=high.pk, errors={low.pk: "misread"})
    settle(cast, item, chosen=high.pk, errors={low.pk: "Wrong unit"})
    assert selectors.errors_of(cast.lena, campaign) == {"Wrong unit": 1}
    assert selectors.errors_of(cast.otto, campaign) == {}
    # Taken out of the list while in use: it stays where it was said, and is no longer offered.
    campaign = change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version,
        changes={"error_categories": ["Rude"], "shows_errors": False},
    )  # fmt: skip
    assert selectors.errors_by_labeler(campaign)[0].counts == {"Wrong unit": 1}
    assert "Wrong unit" not in selectors.categories_of(campaign)
    assert selectors.errors_of(cast.lena, campaign) == {}
    for odd in ("Rude", ["a", " A "], [""], ["x" * 61], ["a\x00"], ["e"] * 31, [3], None):
        with pytest.raises(Invalid) as refused:
            change_campaign(
                actor=cast.adam,
                campaign=campaign,
                version=campaign.version,
                changes={"error_categories": odd},
            )
        assert "error_categories" in refused.value.fields


def test_erasure_takes_the_words_and_opens_the_item_again(cast):
    _campaign, item, (low, high, _low) = disputed(cast, (1, 5, 1))
    settle(cast, item, chosen=high.pk, errors={low.pk: "style"}, reason="As otto said.")
    erase_person(user=cast.otto, actor=cast.adam)
    row = Adjudication.objects.get()
    assert (row.answers, row.reason, row.chosen) == ([], "", None)
    assert selectors.settled(item) is None and AnswerError.objects.count() == 1
    erase_person(user=cast.lena, actor=cast.adam)
    assert not AnswerError.objects.exists()
    compare_answers()
    assert not Disagreement.objects.get(pk=item.pk).is_settled


# --- More answers where they differ ----------------------------------------------------------------------------------


def extra(cast, campaign, below, up_to):
    return change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version,
        changes={"extra_below": below, "extra_up_to": up_to},
    )  # fmt: skip


def test_a_complete_item_below_the_threshold_gets_one_place_more_up_to_the_limit(cast):
    """Grades 1 and 5: agreement 0. A third 1: pairs 0, 1, 1, agreement 1/3, below 0.5 again. A fourth is the limit."""
    campaign = make_campaign(cast, items=2, overlap=2, protocol=GRADE)
    campaign = extra(cast, campaign, 0.5, 4)
    more = make_labelers(campaign, 4)
    known = AuditEvent.objects.count()
    for person, value in ((cast.lena, 1), (cast.otto, 5)):
        while lease := lease_next(labeler=person, campaign=campaign):
            graded(lease, value if lease.item_id == campaign.items.first().pk else 2)
        if person == cast.lena:
            compare_answers()
            assert AuditEvent.objects.count() == known  # not complete yet
    first, second = campaign.items.order_by("pk")
    if second.pk == campaign.items.first().pk:
        first, second = second, first
    for n, (overlap, value) in enumerate(((3, 1), (4, 1), (4, 5))):
        compare_answers()
        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.overlap, second.overlap) == (overlap, 2) and slots_hold(first.pk)
        lease = lease_next(labeler=more[n], campaign=campaign)
        if n < 2:
            graded(lease, value)
        else:
            assert lease is None
    rows = AuditEvent.objects.filter(action="items.extra_places")
    assert [r.after["items"] for r in rows] == [1, 1] and {r.actor for r in rows} == {None}


def test_who_gets_no_place_more(cast):
    campaign, item, _sent = disputed(cast)
    campaign = extra(cast, campaign, 1.0, 5)
    for change in (
        lambda: Campaign.objects.filter(pk=campaign.pk).update(state="closed"),
        lambda: withdraw_items(campaign=campaign, item_ids=[item.pk], actor=cast.adam),
    ):
        Campaign.objects.filter(pk=campaign.pk).update(state="open")
        change()
        Recount.objects.create(item_id=item.pk)
        compare_answers()
        item.refresh_from_db()
        assert item.overlap == 2 and slots_hold(item.pk)
    for below, up_to in (
        (0.5, None),
        (None, 3),
        (0, 3),
        (1.1, 3),
        (0.5, 1),
        (0.5, 101),
        (True, 3),
        ("0.5", 3),
    ):
        with pytest.raises(Invalid) as refused:
            extra(cast, campaign, below, up_to)
        assert {"extra_below", "extra_up_to"} & set(refused.value.fields)


def test_an_item_keeps_its_own_overlap(cast):
    campaign, item, _sent = disputed(cast)
    (other,) = add_some_items(campaign, 1, start=9)
    known = AuditEvent.objects.count()
    assert change_item_overlap(actor=cast.adam, item=item, overlap=4).has_own_overlap
    assert AuditEvent.objects.count() == known + 1 and slots_hold(item.pk)
    assert (
        change_item_overlap(actor=cast.adam, item=item, overlap=4) and AuditEvent.objects.count() == known + 1
    )
    lease_next(labeler=make_labelers(campaign, 1, "late")[0], campaign=campaign)
    change_item_overlap(actor=cast.adam, item=item, overlap=3)
    assert slots_hold(item.pk) and slots_hold(other)
    for odd in (0, 101, True, "3", None):
        with pytest.raises(Invalid):
            change_item_overlap(actor=cast.adam, item=item, overlap=odd)
    with pytest.raises(Conflict) as refused:
        change_item_overlap(actor=cast.adam, item=item, overlap=1)
    assert refused.value.extra == {"counted": 2}
    # All others get fewer: this one stays, though it has more answers than that. All get more: this one, too.
    for overlap, own, others in ((1, 3, 1), (5, 5, 5), (2, 2, 2)):
        campaign = change_campaign(
            actor=cast.adam, campaign=campaign, version=campaign.version, changes={"overlap": overlap}
        )
        item.refresh_from_db()
        assert (item.overlap, Item.objects.get(pk=other).overlap) == (own, others)
        assert slots_hold(item.pk) and slots_hold(other)


def test_answers_to_earlier_questions_are_decided_by_their_own(cast):
    campaign, item, (_low, high) = disputed(cast)
    publish_protocol(actor=cast.adam, campaign=campaign, questions=[{"key": "better", "type": "comparison"}])
    campaign.refresh_from_db()
    item.campaign = campaign
    assert [q.key for q in selectors.questions_of(selectors.protocol_id_of(item))] == ["grade"]
    made = settle(cast, item, chosen=high.pk)
    assert made.protocol.number == 1 and len(selectors.settled(item).answers) == 2
    assert screen_for(high.assignment).prompt == selectors.screen_of(item, made.response_order).prompt
