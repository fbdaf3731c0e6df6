"""Campaign changes while people work: refused with a remedy, or what was said is kept and marked; nothing is lost."""

import pytest

from annotation.assignment.models import Assignment, Slot
from annotation.assignment.services import lease_next, save_draft
from annotation.campaigns import services
from annotation.campaigns.retired import retired
from annotation.errors import Conflict, Invalid, Stale
from annotation.items.models import Item
from annotation.people.models import AuditEvent
from annotation.quality.selectors import consensus
from annotation.submissions.models import Feedback, Submission
from annotation.submissions.selectors import summaries_of
from feedback_types.protocol import load_protocol
from tests.cast import make_campaign, make_cast, send

pytestmark = pytest.mark.django_db

TWO = [{"key": "grade", "type": "critique", "settings": {"criteria": ["overall", "humour"], "grades": 7}}]
ONE = [{"key": "grade", "type": "critique", "settings": {"criteria": ["overall"], "grades": 7}}]
FEWER_GRADES = [
    {"key": "grade", "type": "critique", "settings": {"criteria": ["overall", "humour"], "grades": 5}}
]
OTHER_TYPE = [{"key": "grade", "type": "comparison"}]
RENAMED = [{"key": "mark", "type": "critique", "settings": {"criteria": ["overall", "humour"], "grades": 7}}]


@pytest.fixture
def cast():
    return make_cast()


@pytest.fixture
def at_work(cast):
    """Two items that two people answer: lena has sent one, otto has the same on his screen with a draft."""
    campaign = make_campaign(cast, items=2, overlap=2, protocol=TWO)
    sent = send(lease_next(labeler=cast.lena, campaign=campaign))
    lease = lease_next(labeler=cast.otto, campaign=campaign)
    save_draft(labeler=cast.otto, assignment_id=lease.pk, data={"grade-note": "half a thought"})
    return campaign, sent, lease


def change(**changes):
    return lambda cast, c: services.change_campaign(
        actor=cast.adam, campaign=c, version=c.version, changes=changes
    )


def publish(questions):
    return lambda cast, c: services.publish_protocol(actor=cast.adam, campaign=c, questions=questions)


def act(name):
    return lambda cast, c: getattr(services, f"{name}_campaign")(actor=cast.adam, campaign=c)


def guidelines(cast, campaign):
    services.publish_guidelines(actor=cast.adam, campaign=campaign, markdown="Other words.")


# what an admin does -> (refused with, status of the answer that was on a screen, places that are open then)
CHANGES = {
    "overlap up": (change(overlap=3), None, "counted", 2 * 3 - 2),
    "overlap down to what was answered": (change(overlap=1), None, "late", 1),
    "overlap below 1": (change(overlap=0), "overlap", "counted", 2),
    "overlap above 100": (change(overlap=101), "overlap", "counted", 2),
    "overlap as text": (change(overlap="3"), "overlap", "counted", 2),
    "guidelines": (guidelines, None, "counted", 2),
    "a criterion less": (publish(ONE), None, "counted", 2),
    "other questions": (publish(OTHER_TYPE), None, "counted", 2),
    "no questions": (publish([]), "protocol", "counted", 2),
    "a value twice": (
        publish([{**TWO[0], "settings": {"criteria": ["overall", " Overall "]}}]),
        "questions.1.settings.criteria",
        "counted",
        2,
    ),
    "an empty value": (
        publish([{**TWO[0], "settings": {"criteria": [""]}}]),
        "questions.1.settings.criteria",
        "counted",
        2,
    ),
    "pause": (act("pause"), None, "counted", 2),
    "close": (act("close"), None, "late", 3),
}


@pytest.mark.parametrize("what", CHANGES)
def test_work_under_way_outlives_every_change(cast, at_work, what):
    """The answer that was sent stays and reads the same; the screen that is out can be sent, by its own versions."""
    campaign, sent, lease = at_work
    do, at_fault, status, places = CHANGES[what]
    before, rows = summaries_of(sent), list(Feedback.objects.order_by("id").values_list("payload", flat=True))
    known = AuditEvent.objects.count()
    if at_fault:
        with pytest.raises(Invalid) as refused:
            do(cast, campaign)
        assert any(name.startswith(at_fault) for name in refused.value.fields), refused.value.fields
    else:
        do(cast, campaign)
    assert AuditEvent.objects.count() == known + (0 if at_fault else 1)
    out = Assignment.objects.get(pk=lease.pk)
    assert (out.state, out.draft) == (Assignment.State.LEASED, {"grade-note": "half a thought"})
    late = send(
        Assignment.objects.select_related("campaign", "item__prompt", "labeler").get(pk=lease.pk),
        protocol_version=1,
        guidelines_version=1,
    )
    assert late.status == status and late.protocol_version == 1
    assert Slot.objects.filter(campaign_id=campaign.pk).count() == places
    assert summaries_of(Submission.objects.get(pk=sent.pk)) == before
    assert list(Feedback.objects.order_by("id").values_list("payload", flat=True))[: len(rows)] == rows
    assert consensus(Item.objects.get(pk=sent.item_id))


def test_overlap_below_the_answers_given_is_refused_with_the_number(cast, at_work):
    campaign, _sent, lease = at_work
    send(lease)
    while more := lease_next(labeler=cast.otto, campaign=campaign):
        send(more)
    with pytest.raises(Conflict) as refused:
        change(overlap=1)(cast, campaign)
    assert refused.value.code == "overlap_below_counted" and refused.value.extra == {"counted": 2}
    assert set(Item.objects.values_list("overlap", flat=True)) == {2}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (TWO, []),
        (ONE, [("grade", "criteria", ["humour"])]),
        (FEWER_GRADES, [("grade", "grades", [7])]),
        (OTHER_TYPE, [("grade", "", ["critique"])]),
        (RENAMED, [("grade", "", ["critique"])]),
    ],
)
def test_what_is_taken_out_while_in_use_is_told_kept_and_marked(cast, at_work, after, expected):
    campaign, sent, _lease = at_work
    published = services.publish_protocol(actor=cast.adam, campaign=campaign, questions=after)
    assert [(r.question, r.setting, r.values) for r in published.retired] == expected
    assert all(r.answers == 2 for r in published.retired)  # one screen, two responses
    row = AuditEvent.objects.latest("id")
    assert [r["setting"] for r in row.after.get("retired", [])] == [setting for _q, setting, _v in expected]
    assert Feedback.objects.filter(submission=sent).count() == 2
    assert sent.protocol_version != published.number  # by which pages mark it


def test_what_nobody_answered_is_taken_out_in_silence(cast):
    campaign = make_campaign(cast, items=1, protocol=TWO)
    assert retired(campaign, load_protocol(TWO), load_protocol(ONE)) == []


@pytest.mark.parametrize(
    ("second", "diff"),
    [
        (change(name="Second"), {"name": {"yours": "Second", "now": "First"}}),
        (change(overlap=9), {"overlap": {"yours": 9, "now": 3}}),
        (change(name="First"), {}),  # the same, by chance
    ],
)
def test_the_second_admin_is_told_the_difference(cast, at_work, second, diff):
    campaign, *_ = at_work
    seen = campaign.version
    services.change_campaign(
        actor=cast.adam, campaign=campaign, version=seen, changes={"name": "First", "overlap": 3}
    )
    known = AuditEvent.objects.count()
    campaign.version = seen
    with pytest.raises(Stale) as refused:
        second(cast, campaign)
    assert refused.value.extra["diff"] == diff and refused.value.status == 412
    assert AuditEvent.objects.count() == known


def test_two_versions_of_the_questions_and_of_the_guidelines(cast, at_work):
    campaign, *_ = at_work
    seen = campaign.version
    services.publish_protocol(actor=cast.adam, campaign=campaign, questions=ONE, version=seen)
    with pytest.raises(Stale) as refused:
        services.publish_protocol(actor=cast.adam, campaign=campaign, questions=OTHER_TYPE, version=seen)
    now = refused.value.extra["diff"]["questions"]
    assert now["yours"] == OTHER_TYPE and now["now"][0]["settings"]["criteria"] == ["overall"]
    with pytest.raises(Stale) as refused:
        services.publish_guidelines(actor=cast.adam, campaign=campaign, markdown="Mine.", version=seen)
    assert refused.value.extra["diff"]["guidelines"]["yours"] == "Mine."


def test_settings_and_guidelines_together_are_one_row_of_the_history(cast, at_work):
    campaign, *_ = at_work
    known = AuditEvent.objects.count()
    saved = services.save_settings(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"name": "New"}, markdown="New."
    )
    (row,) = AuditEvent.objects.order_by("-id")[: AuditEvent.objects.count() - known]
    assert row.action == "campaign.change" and row.after == {"name": "New", "guidelines": 2}
    assert saved.version == campaign.version + 1 and saved.guidelines.markdown == "New."
