"""Answers: one for each key, one for each assignment, corrections as new rows, late ones marked."""

import datetime as dt
import uuid

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from annotation.assignment import services
from annotation.assignment.models import Assignment, Slot
from annotation.assignment.selectors import questions_for, screen_for
from annotation.campaigns.services import close_campaign, pause_campaign, publish_guidelines
from annotation.errors import Conflict, Invalid, NotFound
from annotation.items.models import Item
from annotation.people.models import AuditEvent
from annotation.submissions.models import Feedback, Submission
from annotation.submissions.selectors import answers_of, form_data_of, latest, summaries_of
from annotation.submissions.services import reopen_last, submit
from feedback_types.base import Answer
from feedback_types.protocol import read_form
from tests.cast import Cast, answer, make_campaign, make_cast, make_labelers, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture
def campaign(cast):
    return make_campaign(cast, items=3, overlap=1)


def lease(labeler, campaign) -> Assignment:
    return services.lease_next(labeler=labeler, campaign=campaign)


def expire(assignment: Assignment) -> None:
    Assignment.objects.filter(pk=assignment.pk).update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    assert services.release_expired() == 1


def test_an_answer_is_stored_with_what_was_on_offer(cast, campaign):
    assignment = lease(cast.lena, campaign)
    sent = send(assignment, device_class="phone", ui_version="1")
    assert (sent.status, sent.revision, sent.supersedes_id) == ("counted", 0, None)
    assert (sent.protocol_version, sent.guidelines_version, sent.labeler_kind) == (1, 1, "human")
    assert (sent.active_ms, sent.device_class) == (4200, "phone") and sent.total_ms >= 0
    rows = list(Feedback.objects.filter(submission=sent).order_by("id"))
    assert [(r.question, r.type, r.target_id) for r in rows] == [
        ("better", "comparison", None),
        ("grade", "critique", assignment.response_order[0]),
        ("grade", "critique", assignment.response_order[1]),
    ]
    assert all(row.choice_set for row in rows)
    assert answers_of(sent) == answer(assignment)
    assert len(summaries_of(sent)) == 3
    assert Item.objects.get(pk=assignment.item_id).counted == 1
    assert Assignment.objects.get(pk=assignment.pk).state == Assignment.State.SUBMITTED


def test_the_same_key_gives_the_same_row(cast, campaign):
    assignment, key = lease(cast.lena, campaign), uuid.uuid4()
    first = send(assignment, key=key)
    assert send(assignment, key=key).pk == first.pk
    assert Submission.objects.count() == 1


def test_the_same_key_with_another_answer_is_refused(cast, campaign):
    assignment, key = lease(cast.lena, campaign), uuid.uuid4()
    first = send(assignment, key=key, seed=0)
    other = next(seed for seed in range(1, 50) if answer(assignment, seed) != answer(assignment, 0))
    with pytest.raises(Conflict) as refused:
        send(assignment, key=key, seed=other)
    assert refused.value.code == "key_reused" and refused.value.extra == {"submission": str(first.pk)}
    second = lease(cast.lena, campaign)
    with pytest.raises(Conflict) as refused:
        send(second, key=key)
    assert refused.value.code == "key_reused"
    assert Item.objects.get(pk=second.item_id).counted == 0  # nothing of the second was kept


def test_another_key_is_told_that_an_answer_was_sent(cast, campaign):
    assignment = lease(cast.lena, campaign)
    first = send(assignment)
    with pytest.raises(Conflict) as refused:
        send(assignment)
    assert refused.value.code == "already_sent" and refused.value.extra == {"submission": str(first.pk)}


def test_keys_of_two_people_do_not_meet(cast, campaign):
    key = uuid.uuid4()
    assert send(lease(cast.lena, campaign), key=key).pk != send(lease(cast.otto, campaign), key=key).pk


def test_a_foreign_assignment_is_not_there(cast, campaign):
    assignment = lease(cast.lena, campaign)
    for labeler in (cast.otto, cast.stan, cast.adam):
        with pytest.raises(NotFound):
            submit(
                labeler=labeler,
                assignment_id=assignment.pk,
                idempotency_key=uuid.uuid4(),
                answers=answer(assignment),
            )
    for bad in (0, -1, 2**63, "1", None, True):
        with pytest.raises(NotFound):
            submit(labeler=cast.lena, assignment_id=bad, idempotency_key=uuid.uuid4(), answers=[])


def test_undo_sends_a_new_revision(cast, campaign):
    with pytest.raises(NotFound) as nothing:
        reopen_last(labeler=cast.lena, campaign=campaign)
    assert nothing.value.code == "nothing_to_undo"
    assignment = lease(cast.lena, campaign)
    first = send(assignment, seed=0)
    other = next(seed for seed in range(1, 50) if answer(assignment, seed) != answer(assignment, 0))
    assert reopen_last(labeler=cast.lena, campaign=campaign).pk == first.pk
    data = form_data_of(first)
    assert read_form(questions_for(assignment), screen_for(assignment), data) == answer(assignment, 0)
    key = uuid.uuid4()
    second = send(assignment, key=key, seed=other, revises=first.pk)
    assert send(assignment, key=key, seed=other, revises=first.pk).pk == second.pk
    assert (second.revision, second.supersedes_id, second.status) == (1, first.pk, "counted")
    assert Item.objects.get(pk=assignment.item_id).counted == 1
    assert list(latest(campaign)) == [second]
    with pytest.raises(Conflict) as refused:
        send(assignment, revises=first.pk)
    assert refused.value.code == "revised_meanwhile" and refused.value.extra == {"submission": str(second.pk)}
    close_campaign(actor=cast.adam, campaign=campaign)
    with pytest.raises(Conflict) as refused:
        send(assignment, revises=second.pk)
    assert refused.value.code == "campaign_closed"
    with pytest.raises(Conflict):
        reopen_last(labeler=cast.lena, campaign=campaign)


def test_a_first_answer_revises_nothing(cast, campaign):
    with pytest.raises(Conflict) as refused:
        send(lease(cast.lena, campaign), revises=uuid.uuid4())
    assert refused.value.code == "nothing_to_revise"


def test_a_late_answer_takes_its_place_back_if_it_is_free(cast, campaign):
    assignment = lease(cast.lena, campaign)
    expire(assignment)
    assert Slot.objects.filter(item_id=assignment.item_id).count() == 1
    assert send(assignment).status == "counted"
    assert Slot.objects.filter(item_id=assignment.item_id).count() == 0


def test_a_late_answer_is_kept_when_its_place_is_taken(cast):
    campaign = make_campaign(cast, items=1)
    assignment = lease(cast.lena, campaign)
    expire(assignment)
    taken = lease(cast.otto, campaign)
    assert send(assignment).status == "late"
    assert send(taken).status == "counted"
    assert Item.objects.get().counted == 1 and Submission.objects.count() == 2


def test_a_late_answer_takes_any_free_place_of_its_item(cast):
    campaign = make_campaign(cast, items=1, overlap=2)
    assignment = lease(cast.lena, campaign)
    expire(assignment)
    other = lease(cast.otto, campaign)
    assert send(assignment).status == "counted" and send(other).status == "counted"
    assert Slot.objects.count() == 0 and Item.objects.get().counted == 2


def test_paused_counts_and_closed_keeps(cast, campaign):
    first, second = lease(cast.lena, campaign), lease(cast.otto, campaign)
    pause_campaign(actor=cast.adam, campaign=campaign)
    assert send(first).status == "counted"
    close_campaign(actor=cast.adam, campaign=campaign)
    second.campaign.refresh_from_db()
    assert send(second).status == "late"
    assert Item.objects.get(pk=second.item_id).counted == 0


def test_versions_that_changed_under_the_page_are_a_conflict(cast, campaign):
    assignment = lease(cast.lena, campaign)
    publish_guidelines(actor=cast.adam, campaign=campaign, markdown="New.")
    campaign.refresh_from_db()
    expire(assignment)
    again = lease(cast.otto, campaign)  # otto gets the new ones
    assert again.guidelines_id == campaign.guidelines_id
    assert send(assignment, guidelines_version=1).guidelines_version == 1  # lena answered under the old ones
    with pytest.raises(Conflict) as refused:
        send(again, guidelines_version=1)
    assert refused.value.code == "versions_changed"
    assert refused.value.extra == {"changed": {"guidelines_version": {"shown": 1, "now": 2}}}
    assert send(again, guidelines_version=2, protocol_version=1).guidelines_version == 2


@pytest.mark.parametrize("nonsense", [-5, 1e308, float("nan"), float("inf"), True, "12", None, 10**18])
def test_durations_that_cannot_be_are_ignored(
    cast, campaign, nonsense
):  # B41, B61: the database's clock counts
    assignment = lease(cast.lena, campaign)
    sent = submit(
        labeler=cast.lena,
        assignment_id=assignment.pk,
        idempotency_key=uuid.uuid4(),
        answers=answer(assignment),
        active_ms=nonsense,
        total_ms=nonsense,
        device_class="mainframe",
    )
    assert sent.active_ms is None and 0 <= sent.total_ms < 60_000 and sent.device_class == ""


def test_keys_are_uuids_and_questions_are_known(cast, campaign):
    assignment = lease(cast.lena, campaign)
    for bad in ("", "x", "a" * 500, 7, None):
        with pytest.raises(Invalid) as refused:
            submit(labeler=cast.lena, assignment_id=assignment.pk, idempotency_key=bad, answers=[])
        assert "idempotency_key" in refused.value.fields
    payload = answer(assignment)[0].payload
    for wrong in (Answer("nothing", None, payload), Answer("better", 10**9, payload)):
        with pytest.raises(Invalid):
            submit(
                labeler=cast.lena, assignment_id=assignment.pk, idempotency_key=uuid.uuid4(), answers=[wrong]
            )


@pytest.mark.parametrize("model", [Submission, Feedback, AuditEvent])
@pytest.mark.parametrize("act", ["update", "delete"])
def test_the_database_refuses_to_edit_what_was_said(cast, campaign, model, act):  # I-9, I-27
    send(lease(cast.lena, campaign))
    table = model._meta.db_table
    sql = {"update": f"UPDATE {table} SET id = id", "delete": f"DELETE FROM {table}"}[act]
    with (
        pytest.raises(IntegrityError, match="never changed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
    assert model.objects.exists()


def test_the_database_refuses_more_than_the_overlap(cast, campaign):  # I-3
    send(lease(cast.lena, campaign))
    with pytest.raises(IntegrityError, match="item_never_counts_beyond_overlap"), transaction.atomic():
        Item.objects.filter(counted=1).update(counted=2)


def test_an_answer_costs_few_statements(cast, django_assert_max_num_queries):
    campaign = make_campaign(cast, items=2, overlap=2)
    send(lease(make_labelers(campaign, 1)[0], campaign))  # fills the caches of the process
    assignment = lease(cast.lena, campaign)
    answers, key = answer(assignment), uuid.uuid4()
    with django_assert_max_num_queries(
        7
    ):  # and a prepared one that Django does not see; two are begin and commit
        submit(labeler=cast.lena, assignment_id=assignment.pk, idempotency_key=key, answers=answers)
