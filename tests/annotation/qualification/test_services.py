"""Newcomers practise before the first item: feedback after each answer, a mean that decides, attempts, and no way around."""

import uuid

import pytest
from django.test import Client

from annotation.assignment import services
from annotation.campaigns.services import change_campaign
from annotation.errors import Conflict, Invalid
from annotation.gold.answers import screen_of
from annotation.gold.services import make_gold
from annotation.items.models import Item
from annotation.people.erasure import erase_person
from annotation.people.models import AuditEvent
from annotation.qualification.models import PracticeAnswer, Qualification
from annotation.qualification.selectors import standing
from annotation.qualification.services import answer_practice, go_on, next_practice, try_again
from annotation.submissions.models import Submission
from feedback_types.base import Answer, Screen
from tests.annotation.gold.test_services import PAIR, prefers
from tests.cast import make_campaign, make_cast, send

pytestmark = pytest.mark.django_db


def with_practice(cast, *, items=4, practice=2, **changes):
    """The first items are for practice, the first response clearly better in each."""
    campaign = make_campaign(cast, items=items, protocol=PAIR, overlap=2)
    work = (
        Item.objects.filter(campaign=campaign).select_related("prompt", "campaign__protocol").order_by("pk")
    )
    for item in list(work[:practice]):
        make_gold(
            actor=cast.rita,
            item=item,
            answers=[[prefers(item, -3)]],
            explanation="Why so.",
            purpose="practice",
        )
    changes = {"practice_first": True, "practice_pass": 0.7, "practice_retries": 1} | changes
    return change_campaign(actor=cast.adam, campaign=campaign, version=campaign.version, changes=changes)


def say(labeler, assignment, strength):
    item = Item.objects.select_related("prompt", "campaign__protocol").get(pk=assignment.item_id)
    kind = item.campaign.protocol.questions[0].type
    payload = kind.load(prefers(item, strength)["payload"])
    return answer_practice(
        labeler=labeler,
        assignment=assignment,
        idempotency_key=uuid.uuid4(),
        answers=[Answer("better", None, payload)],
    )


def attempt(labeler, campaign, *strengths):
    for strength in strengths:
        assignment = next_practice(labeler=labeler, campaign=campaign)
        said = say(labeler, assignment, strength)
        assert next_practice(labeler=labeler, campaign=campaign) is None  # the comparison comes first
        go_on(labeler=labeler, campaign=campaign)
    return said


def test_nothing_to_practise_on_is_refused_as_a_setting():
    cast = make_cast()
    campaign = make_campaign(cast, items=1, protocol=PAIR)
    with pytest.raises(Invalid) as refused:
        change_campaign(
            actor=cast.adam, campaign=campaign, version=campaign.version, changes={"practice_first": True}
        )
    assert "practice_first" in refused.value.fields


def test_work_comes_after_practice_and_the_mean_decides():
    """-3 is right, 3 the opposite, 0 is 0.75 close: (1 + 0.75) / 2 = 0.875 qualifies, (0 + 0.75) / 2 does not."""
    cast = make_cast()
    campaign = with_practice(cast)
    assert services.lease_next(labeler=cast.lena, campaign=campaign) is None
    attempt(cast.lena, campaign, -3, 0)
    now = standing(cast.lena, campaign)
    assert (now.state, now.mean, now.attempt) == ("qualified", pytest.approx(0.875), 1)
    work = services.lease_next(labeler=cast.lena, campaign=campaign)
    assert work.item.purpose == "work" and send(work).status == "counted"
    assert Submission.objects.count() == 1  # what was said in practice is none

    attempt(cast.otto, campaign, 3, 0)
    assert services.lease_next(labeler=cast.otto, campaign=campaign) is None
    now = standing(cast.otto, campaign)
    assert (now.state, now.mean, now.retries_left) == ("failed", pytest.approx(0.375), 1)
    assert next_practice(labeler=cast.otto, campaign=campaign) is None
    try_again(labeler=cast.otto, campaign=campaign)
    attempt(cast.otto, campaign, 3, 3)
    with pytest.raises(Conflict) as refused:
        try_again(labeler=cast.otto, campaign=campaign)
    assert refused.value.code == "no_retry"
    assert (
        AuditEvent.objects.filter(action="notice.not_qualified", target=f"user:{cast.otto.pk}").count() == 1
    )
    attempts = Qualification.objects.filter(labeler=cast.otto).order_by("attempt")
    assert list(attempts.values_list("attempt", "state", "mean")) == [
        (1, "failed", 0.375),
        (2, "failed", 0.0),
    ]
    # An admin lets somebody in by giving them an item by name; from then on they need no practice.
    item = Item.objects.filter(campaign=campaign, purpose="work").first()
    services.assign_item(actor=cast.adam, campaign=campaign, item_id=item.pk, labeler=cast.otto)
    assert services.lease_next(labeler=cast.otto, campaign=campaign) is not None
    erase_person(user=cast.otto, actor=None, note=False)
    assert not PracticeAnswer.objects.filter(qualification__labeler=cast.otto).exists()


def test_an_answer_is_taken_once_and_a_practice_item_goes_no_other_way():
    cast = make_cast()
    campaign = with_practice(cast)
    lease = next_practice(labeler=cast.lena, campaign=campaign)
    assert next_practice(labeler=cast.lena, campaign=campaign).pk == lease.pk
    with pytest.raises(Conflict) as refused:
        services.skip(labeler=cast.lena, assignment_id=lease.pk, reason="other")
    assert refused.value.code == "practice"
    with pytest.raises(Conflict) as refused:
        send(lease)
    assert refused.value.code == "practice"
    say(cast.lena, lease, -3)
    with pytest.raises(Conflict) as refused:
        say(cast.lena, lease, 3)
    assert refused.value.code == "already_sent"
    assert PracticeAnswer.objects.get().score == 1.0
    services.release_expired()
    assert Item.objects.get(pk=lease.item_id).counted == 0


def test_by_the_api():
    cast = make_cast()
    campaign = with_practice(cast, practice_retries=0)
    client = Client()
    client.force_login(cast.lena, backend="django.contrib.auth.backends.ModelBackend")
    api = f"/api/campaigns/{campaign.slug}/"
    for number, strength in ((1, 3), (2, 3)):
        got = client.post(f"{api}next/", {}, "application/json").json()
        assert got["practice"] == {"number": number, "of": 2, "attempt": 1}
        mine = Item.objects.select_related("prompt", "campaign__protocol").get(
            assignments__pk=got["assignment"]["id"]
        )
        question, stored = mine.campaign.protocol.questions[0], screen_of(mine)
        by_id = {r.id: r for r in stored.responses}
        shown = Screen(stored.prompt, tuple(by_id[r["id"]] for r in got["assignment"]["responses"]))
        choice = strength if shown.responses == stored.responses else -strength
        payload = question.type.parse({"choice": str(choice)}, shown, question.settings, None)
        answer = {"question": "better", "target": None, "payload": payload.dump()}
        sent = client.post(
            f"/api/assignments/{got['assignment']['id']}/submit/",
            {"idempotency_key": str(uuid.uuid4()), "answers": [answer]},
            "application/json",
        )
        assert sent.status_code == 201 and sent.json()["submission"] is None
        practice = sent.json()["practice"]
        assert (practice["score"], practice["expected"]["explanation"]) == (0.0, "Why so.")
    assert practice["qualification"]["state"] == "failed"
    assert client.get(f"{api}qualification/").json()["retries_left"] == 0
    assert client.post(f"{api}qualification/", {}, "application/json").json()["code"] == "no_retry"
    got = client.post(f"{api}next/", {}, "application/json").json()
    assert got == {"assignment": None, "reason": "not_qualified", "practice": None}
