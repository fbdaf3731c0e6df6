"""I-28: nothing is recorded without a recorded consent of the current version; withdrawing stops it; erasing erases it."""

import datetime as dt
import json
import uuid
from dataclasses import replace

import numpy as np
import psycopg.errors
import pytest
from django.db import InternalError, connection, transaction
from django.db.utils import IntegrityError
from django.utils import timezone, translation

from annotation.assignment.selectors import questions_for, screen_for
from annotation.assignment.services import lease_next
from annotation.consents import selectors, services
from annotation.consents.models import ConsentAct, ConsentText, Erasure
from annotation.errors import Conflict, NotFound
from annotation.people.models import AuditEvent
from annotation.submissions.models import Feedback, Submission
from annotation.submissions.selectors import form_data_of, summaries_of
from annotation.submissions.services import submit
from annotation.tasks import BEAT_SCHEDULE, condense_observed
from feedback_types import registry
from feedback_types.base import Answer, SyntheticLabeler
from tests.cast import make_campaign, make_cast, send

pytestmark = pytest.mark.django_db
SLUG = "implicit_signals"
PROTOCOL = [
    {"key": "better", "type": "comparison"},
    {"key": "seen", "type": "social_behavior"},
]
REFUSALS = (IntegrityError, InternalError)


@pytest.fixture
def cast():
    return make_cast()


@pytest.fixture
def campaign(cast):
    return make_campaign(cast, items=4, overlap=2, protocol=PROTOCOL)


def observed():
    return Feedback.objects.filter(type="social_behavior")


def agree(user):
    return services.grant(user=user, slug=SLUG, version=1)


def everything(assignment):
    """Answers to every question, also to those that were not asked: what a forged or an old page would send."""
    screen, rng = screen_for(assignment), np.random.default_rng(0)
    labeler = SyntheticLabeler(value=lambda prompt, text, at, head: 0.0)
    return [
        Answer(q.key, target, payload)
        for q in assignment.protocol.questions
        for target, payload in q.type.simulate(screen, q.settings, labeler, rng)
    ]


def test_without_consent_it_is_not_asked_and_nothing_is_stored(cast, campaign):
    lease = lease_next(labeler=cast.lena, campaign=campaign)
    assert [q.key for q in questions_for(lease)] == ["better"]
    sent = submit(
        labeler=cast.lena,
        assignment_id=lease.pk,
        idempotency_key=uuid.uuid4(),
        answers=everything(lease),
    )
    assert sent.status == "counted"  # refusing costs nothing
    assert observed().count() == 0
    assert [f.question for f in sent.feedback.all()] == ["better"]


def test_with_consent_every_exposure_is_stored(cast, campaign):
    act = agree(cast.lena)
    assert (act.version, act.kind, act.source) == (1, "granted", "page")
    lease = lease_next(labeler=cast.lena, campaign=campaign)
    assert [q.key for q in questions_for(lease)] == ["better", "seen"]
    send(lease)
    assert observed().count() == 2  # one for each response, whether something happened or not
    other = lease_next(labeler=cast.otto, campaign=campaign)
    assert [q.key for q in questions_for(other)] == ["better"]  # one person's consent is not another's


def test_withdrawing_stops_at_once_and_keeps_the_rest_of_the_answer(cast, campaign):
    agree(cast.lena)
    lease = lease_next(labeler=cast.lena, campaign=campaign)
    answers = everything(lease)  # on the screen already
    assert len(answers) == 3
    services.withdraw(user=cast.lena, slug=SLUG)
    sent = submit(labeler=cast.lena, assignment_id=lease.pk, idempotency_key=uuid.uuid4(), answers=answers)
    assert sent.status == "counted" and [f.question for f in sent.feedback.all()] == ["better"]
    agree(cast.lena)
    assert selectors.given(cast.lena.pk) == {SLUG}
    kinds = ConsentAct.objects.order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["granted", "withdrawn", "granted"]


def test_a_lost_reply_is_answered_with_the_same_row_although_consent_was_withdrawn_meanwhile(cast, campaign):
    agree(cast.lena)
    lease, key = lease_next(labeler=cast.lena, campaign=campaign), uuid.uuid4()
    answers = everything(lease)
    first = submit(labeler=cast.lena, assignment_id=lease.pk, idempotency_key=key, answers=answers)
    services.withdraw(user=cast.lena, slug=SLUG)
    rest = [a for a in answers if a.question == "better"]
    again = submit(labeler=cast.lena, assignment_id=lease.pk, idempotency_key=key, answers=rest)
    assert again.pk == first.pk and Submission.objects.count() == 1


def test_a_consent_to_an_older_text_is_none(cast, campaign, monkeypatch):
    agree(cast.lena)
    newer = replace(registry.consents()[SLUG], version=2)
    monkeypatch.setitem(registry.consents(), SLUG, newer)
    assert selectors.given(cast.lena.pk) == frozenset()
    (standing,) = selectors.standings(cast.lena)
    assert standing.is_outdated and not standing.is_given
    with pytest.raises(Conflict) as refused:
        services.grant(user=cast.lena, slug=SLUG, version=1)  # the page was open before the text changed
    assert refused.value.code == "consent_changed"
    services.grant(user=cast.lena, slug=SLUG, version=2)
    assert selectors.given(cast.lena.pk) == {SLUG}


def test_the_words_that_were_agreed_to_are_kept_once_for_each_language(cast, campaign):
    agree(cast.lena)
    agree(cast.lena)  # agreeing twice is agreeing once
    agree(cast.otto)
    with translation.override("zh-hans"):
        agree(cast.rita)
    assert ConsentAct.objects.count() == 3
    texts = {t.language: t for t in ConsentText.objects.all()}
    assert set(texts) == {"en", "zh-hans"}
    assert (
        texts["en"].text.startswith("Observing how you read\n") and texts["zh-hans"].text != texts["en"].text
    )


def test_unknown_consents_and_idle_withdrawals(cast):
    with pytest.raises(NotFound):
        services.grant(user=cast.lena, slug="everything", version=1)
    with pytest.raises(NotFound):
        services.erase(user=cast.lena, slug="everything")
    assert services.withdraw(user=cast.lena, slug=SLUG) is None
    assert ConsentAct.objects.count() == 0


# --- Erasure ---------------------------------------------------------------------------------------------------------


def test_erasing_deletes_one_persons_observed_answers_and_nothing_else(cast, campaign):
    agree(cast.lena)
    agree(cast.otto)
    mine = [send(lease_next(labeler=cast.lena, campaign=campaign)) for _ in range(2)]
    send(lease_next(labeler=cast.otto, campaign=campaign))
    drafted = lease_next(labeler=cast.lena, campaign=campaign)
    drafted.draft = {"better-strength": "1", "seen-5-reaction": "up", "seen-5-recorder": "plain"}
    drafted.save(update_fields=["draft"])
    assert observed().count() == 6

    erasure = services.erase(user=cast.lena, slug=SLUG)
    assert (erasure.answers, erasure.drafts) == (4, 1)
    assert observed().filter(submission__labeler=cast.lena).count() == 0
    assert observed().filter(submission__labeler=cast.otto).count() == 2
    assert Feedback.objects.filter(type="comparison").count() == 3
    drafted.refresh_from_db()
    assert drafted.draft == {"better-strength": "1"}
    audit = AuditEvent.objects.get(action="observed.erase")
    assert audit.actor == cast.lena and audit.after == {"consent": SLUG, "answers": 4, "drafts": 1}
    # Undo and the list of own answers read what is left.
    submission = Submission.objects.get(pk=mine[0].pk)
    assert not any(name.startswith("seen") and "recorder" in name for name in form_data_of(submission))
    assert len(summaries_of(submission)) == 1
    assert services.erase(user=cast.lena, slug=SLUG).answers == 0
    assert Erasure.objects.count() == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE annotation_feedback SET payload = '{}' WHERE type = 'comparison'",
        "DELETE FROM annotation_feedback WHERE type = 'comparison'",
        "UPDATE annotation_feedback SET question = 'x' WHERE type = 'social_behavior'",
        "UPDATE annotation_feedback SET type = 'comparison' WHERE type = 'social_behavior'",
        "UPDATE annotation_submission SET status = 'late'",
        "DELETE FROM annotation_auditevent",
        "UPDATE annotation_consentact SET kind = 'granted'",
        "DELETE FROM annotation_consentact",
        "DELETE FROM annotation_consenttext",
    ],
)
def test_the_way_through_the_trigger_is_narrow(cast, campaign, statement):
    """Also inside the transaction that names the type, only its own payloads give way."""
    agree(cast.lena)
    send(lease_next(labeler=cast.lena, campaign=campaign))
    with (
        pytest.raises(REFUSALS) as refused,
        transaction.atomic(),
        services._open_to_change("social_behavior"),
    ):
        with connection.cursor() as cursor:
            cursor.execute(statement)
    assert isinstance(refused.value.__cause__, psycopg.errors.RestrictViolation)


def test_outside_of_it_nothing_gives_way(cast, campaign):
    agree(cast.lena)
    send(lease_next(labeler=cast.lena, campaign=campaign))
    with transaction.atomic(), services._open_to_change("social_behavior"):
        pass  # closed again within the same transaction, which a test runs in
    for act in (observed().delete, lambda: observed().update(payload={})):
        with pytest.raises(REFUSALS), transaction.atomic():
            act()
    assert observed().count() == 2


# --- Retention -------------------------------------------------------------------------------------------------------


def test_after_thirty_days_only_totals_remain(cast, campaign):
    agree(cast.lena)
    send(lease_next(labeler=cast.lena, campaign=campaign))
    before = {f.pk: registry.get(f.type).load(f.payload) for f in observed()}
    assert services.condense_old(now=timezone.now() + dt.timedelta(days=29)) == 0
    assert services.condense_old(now=timezone.now() + dt.timedelta(days=31)) == 2
    for row in observed():
        payload, was = registry.get(row.type).load(row.payload), before[row.pk]
        assert payload.condensed and payload.reaction_ms is None and len(payload.segments) <= 1
        assert all(event.t_ms is None for event in payload.events)
        # What the law reads stays.
        assert (payload.reaction, payload.exposed_ms, payload.pace, payload.reread, payload.signs) == (
            was.reaction, was.exposed_ms, was.pace, was.reread, was.signs,
        )  # fmt: skip
    assert services.condense_old(now=timezone.now() + dt.timedelta(days=31)) == 0  # once is enough
    audit = AuditEvent.objects.get(action="observed.condense")
    assert audit.actor is None and audit.after == {"answers": {"social_behavior": 2}}


def test_the_sweep_is_scheduled_like_the_others(db):
    assert BEAT_SCHEDULE["condense-observed"]["task"] == "annotation.tasks.condense_observed"
    assert condense_observed() == 0


# --- Pages -----------------------------------------------------------------------------------------------------------


def test_a_person_agrees_withdraws_and_erases_on_the_privacy_page(client, cast, campaign):
    client.force_login(cast.lena)
    shown = client.get("/privacy/").content.decode()
    assert "Observing how you read" in shown and campaign.name in shown and "free consent" in shown
    assert "I agree: switch it on" in shown
    assert client.post(f"/privacy/{SLUG}/grant/", {"version": "1"}).status_code == 302
    assert selectors.given(cast.lena.pk) == {SLUG}
    send(lease_next(labeler=cast.lena, campaign=campaign))
    assert "Withdraw: stop recording" in client.get("/privacy/").content.decode()
    client.post(f"/privacy/{SLUG}/withdraw/")
    assert selectors.given(cast.lena.pk) == frozenset() and observed().count() == 2
    client.post(f"/privacy/{SLUG}/erase/")
    assert observed().count() == 0
    assert "2 recorded answers deleted" in client.get("/privacy/").content.decode()


@pytest.mark.parametrize("version", ["", "x", "9", "１", "1" * 50])
def test_agreeing_to_no_text_is_refused_in_words(client, cast, campaign, version):
    client.force_login(cast.lena)
    answer = client.post(f"/privacy/{SLUG}/grant/", {"version": version})
    assert answer.status_code in (409, 422) and ConsentAct.objects.count() == 0


def test_a_withdrawn_draft_keeps_what_was_typed_and_drops_what_was_observed(client, cast, campaign):
    client.force_login(cast.lena)
    lease = lease_next(labeler=cast.lena, campaign=campaign)
    target = screen_for(lease).responses[0].id
    client.post(
        f"/campaigns/{campaign.slug}/label/{lease.pk}/draft/",
        {"better-strength": "1", f"seen-{target}-reaction": "up"},
    )
    lease.refresh_from_db()
    assert lease.draft == {"better-strength": "1"}


def test_my_data_is_all_mine_and_only_mine(client, cast, campaign):
    agree(cast.lena)
    sent = send(lease_next(labeler=cast.lena, campaign=campaign))
    send(lease_next(labeler=cast.otto, campaign=campaign))
    services.withdraw(user=cast.lena, slug=SLUG)
    client.force_login(cast.lena)
    answer = client.get("/privacy/my-data.json")
    assert answer["Content-Disposition"].startswith("attachment")
    data = json.loads(answer.content)
    assert data["format"] == 1 and data["account"]["username"] == "lena"
    assert [s["id"] for s in data["submissions"]] == [str(sent.pk)]
    assert {f["type"] for f in data["submissions"][0]["feedback"]} == {"comparison", "social_behavior"}
    assert [c["act"] for c in data["consents"]] == ["withdrawn", "granted"]
    assert data["consents"][0]["text"].startswith("Observing how you read")
    text = answer.content.decode()
    assert "otto" not in text and "canary-policy" not in text and "password" not in text


def test_a_campaign_that_only_observes_asks_nothing_of_those_who_refuse(cast, client):
    campaign = make_campaign(cast, items=1, protocol=PROTOCOL[1:])
    assert lease_next(labeler=cast.lena, campaign=campaign) is None
    client.force_login(cast.lena)
    page = client.get(f"/campaigns/{campaign.slug}/label/").content.decode()
    assert "Nothing is asked of you here." in page and "/privacy/" in page
    services.grant(user=cast.lena, slug=SLUG, version=1)
    assert lease_next(labeler=cast.lena, campaign=campaign) is not None
