"""Agreement, consensus and reports, against numbers worked out by hand."""

import uuid

import pytest

from annotation.adjudication.selectors import queue_of
from annotation.adjudication.services import compare_answers
from annotation.assignment.selectors import questions_for
from annotation.assignment.services import lease_next, skip
from annotation.items.models import Item
from annotation.quality import selectors
from annotation.submissions.services import submit
from feedback_types.base import Answer
from tests.cast import Cast, make_campaign, make_cast, make_user

pytestmark = pytest.mark.django_db
ONE_GRADE = [{"key": "grade", "type": "critique", "settings": {"criteria": ["overall"], "grades": 2}}]


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def grade(labeler, campaign, grades):
    """Answers every item with the grade that `grades` has for its prompt, for both responses."""
    while assignment := lease_next(labeler=labeler, campaign=campaign):
        (question,) = questions_for(assignment)
        value = grades[assignment.item.prompt.messages[-1]["content"]]
        payload = question.type.load({"grades": 2, "ratings": {"overall": value}})
        submit(
            labeler=labeler,
            assignment_id=assignment.pk,
            idempotency_key=uuid.uuid4(),
            answers=[Answer("grade", target, payload) for target in assignment.response_order],
            active_ms=2000,
        )


def test_agreement_by_hand(cast):
    """Two labelers, grades 1 and 2, four items with two responses each: they differ on one item.

    Each response is a unit, so there are eight units and sixteen answers: six units agree, two differ.
    Answers: lena 2 2 1 1, otto 2 2 1 2 (each twice): 1 occurs 6 times, 2 occurs 10 times.
    Observed 2/8; expected 2 * 6 * 10 / (16 * 15) = 0.5; alpha = 1 - 0.25 / 0.5 = 0.5, whatever a difference weighs.
    """
    campaign = make_campaign(cast, items=4, overlap=2, protocol=ONE_GRADE)
    prompts = [f"Question {n}?" for n in range(4)]
    grade(cast.lena, campaign, dict(zip(prompts, [2, 2, 1, 1], strict=True)))
    assert selectors.agreement(campaign) == []  # nobody else has answered yet
    grade(cast.otto, campaign, dict(zip(prompts, [2, 2, 1, 2], strict=True)))
    (found,) = selectors.agreement(campaign)
    assert (found.question, found.type, found.units, found.answers) == ("grade", "critique", 8, 16)
    assert found.alpha == pytest.approx(0.5)
    assert found.low <= 0.5 <= found.high
    compare_answers()
    (disputed,) = queue_of(campaign)
    assert Item.objects.get(pk=disputed.item_id).prompt.messages[0]["content"] == "Question 3?"
    item = Item.objects.get(prompt__messages__0__content="Question 0?")
    said = selectors.consensus(item)
    assert [(c.answers, c.payload.ratings, c.spread) for c in said] == [(2, {"overall": 2}, 0.0)] * 2
    reports = {r.user.username: r for r in selectors.labeler_reports(campaign)}
    assert set(reports) == {"lena", "otto"}
    lena = reports["lena"]
    assert (lena.answers, lena.late, lena.revised, lena.skipped, lena.median_active_s) == (4, 0, 0, 0, 2.0)
    assert lena.compared == 8 and lena.closeness == reports["otto"].closeness
    assert lena.closeness == pytest.approx(1 - 2 / 8 * disputed.spread)


def test_machines_are_not_counted_as_people(cast):
    campaign = make_campaign(cast, items=2, overlap=2, protocol=ONE_GRADE)
    judge = make_user("judge", kind="ai")
    everything = {f"Question {n}?": 1 + n % 2 for n in range(2)}
    grade(cast.lena, campaign, everything)
    grade(judge, campaign, everything)
    assert selectors.agreement(campaign) == []
    (found,) = selectors.agreement(campaign, kinds=("human", "ai"))
    assert found.alpha == pytest.approx(1.0)


def test_skips_and_idle_members_are_in_the_report(cast):
    campaign = make_campaign(cast, items=1)
    skip(
        labeler=cast.otto,
        assignment_id=lease_next(labeler=cast.otto, campaign=campaign).pk,
        reason="language",
    )
    reports = {r.user.username: r for r in selectors.labeler_reports(campaign)}
    assert reports["otto"].skipped == 1 and reports["lena"].answers == 0
    assert reports["lena"].closeness is None and reports["lena"].median_active_s is None
