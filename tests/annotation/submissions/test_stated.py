"""A stated reward as a labeler: its answers, its kind, and what it does not answer."""

import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from annotation.assignment.selectors import questions_for, screen_for
from annotation.assignment.services import lease_next
from annotation.errors import Conflict, Invalid
from annotation.items.services import NewItem, NewResponse, add_items
from annotation.people.models import AuditEvent, User
from annotation.quality import selectors
from annotation.submissions.models import Feedback, Submission
from annotation.submissions.services import submit
from annotation.submissions.stated import answer_by, reward_in, reward_of
from feedback_types.protocol import read_json
from feedback_types.proxy_reward.program import sha_of
from tests.cast import make_campaign, make_cast, send

pytestmark = pytest.mark.django_db

SHORT, LISTED, PLAIN = (
    "Eight minutes.",
    "Do this:\n\n- boil it\n- wait",
    "Put the egg in boiling water and then wait a while.",
)
PROXY = {"key": "proxy", "type": "proxy_reward", "settings": {"features": ["words", "lists"]}}


@pytest.fixture
def cast():
    return make_cast()


def campaign_of(cast, protocol, name, overlap=2):
    campaign = make_campaign(cast, items=0, protocol=protocol, name=name, overlap=overlap)
    texts = [NewResponse(text, source_name="p") for text in (SHORT, LISTED, PLAIN)]
    add_items(
        campaign=campaign, items=[NewItem("How do I boil an egg?", texts), NewItem("And two?", texts[::-1])]
    )
    return campaign


@pytest.fixture
def stated(cast):
    """A row in which lena states: two for lists, minus one for words."""
    campaign = campaign_of(cast, [PROXY], "Say what counts")
    assignment = lease_next(labeler=cast.lena, campaign=campaign)
    order = assignment.response_order
    texts = dict(assignment.item.responses.values_list("pk", "text"))
    places = {LISTED: 1, SHORT: 2, PLAIN: 3}
    weights = {"words": -1, "lists": 2}
    payload = {
        "mode": "sliders", "feature_set": 1, "weights": weights, "judgements": {}, "program": None, "program_sha": None,
        "tried": [{"weights": weights, "program": None, "t_ms": 5}], "pool": order,
        "ranks": [places[texts[i]] for i in order],
    }  # fmt: skip
    answers = read_json(
        questions_for(assignment),
        screen_for(assignment),
        [{"question": "proxy", "target": None, "payload": payload}],
    )
    sent = submit(
        labeler=cast.lena,
        assignment_id=assignment.pk,
        idempotency_key="018f0000-0000-4000-8000-000000000001",
        answers=answers,
    )
    return sent.feedback.get()


def test_it_prefers_what_it_states(cast, stated):
    asked = [{"key": "best", "type": "comparison", "settings": {"mode": "best", "both_bad": False}}]
    campaign = campaign_of(cast, asked, "Which is best?")

    report = answer_by(reward_of(stated), actor=cast.adam, campaign=campaign, name="proxy-1", beta=100)

    assert (report.answered, report.feedback) == (2, {"comparison": 2})
    for row in Feedback.objects.filter(submission__campaign=campaign).select_related("submission"):
        texts = dict(row.submission.item.responses.values_list("pk", "text"))
        assert texts[row.payload["items"][row.payload["ranks"].index(1)]] == LISTED
        assert row.submission.labeler_kind == "proxy" and row.submission.device_class == "program"
    assert answer_by(reward_of(stated), actor=cast.adam, campaign=campaign, name="proxy-1").answered == 0
    assert AuditEvent.objects.filter(campaign=campaign, action="proxy.answer", actor=cast.adam).exists()


def test_it_is_never_counted_as_a_person(cast, stated):
    campaign = make_campaign(cast, items=2, overlap=3, name="With people")
    for person in (cast.lena, cast.otto):
        for _ in range(2):
            send(lease_next(labeler=person, campaign=campaign), seed=person.pk)
    before = selectors.agreement(campaign)

    answer_by(reward_of(stated), actor=cast.adam, campaign=campaign, name="proxy-1")

    assert selectors.agreement(campaign) == before
    with_it = selectors.agreement(campaign, kinds=("human", "proxy"))
    assert with_it[0].answers == before[0].answers + 2
    kinds = Submission.objects.filter(campaign=campaign).values_list("labeler_kind", flat=True)
    assert sorted(kinds) == ["human"] * 4 + ["proxy"] * 2


def test_what_was_not_stated_is_not_answered(cast, stated):
    attribute = {"key": "tone", "type": "critique", "settings": {"criteria": ["tone"]}}
    best = {"key": "best", "type": "comparison", "settings": {"mode": "best"}}
    optional = campaign_of(cast, [best, attribute | {"required": False}], "Tone if you like")
    report = answer_by(reward_of(stated), actor=None, campaign=optional, name="proxy-1")
    assert report.feedback == {"comparison": 2}

    required = campaign_of(cast, [best, attribute], "Tone in any case")
    with pytest.raises(Invalid, match="says nothing about"):
        answer_by(reward_of(stated), actor=None, campaign=required, name="proxy-1")
    described = campaign_of(cast, [PROXY], "State one yourself")
    with pytest.raises(Invalid, match="says nothing about"):
        answer_by(reward_of(stated), actor=None, campaign=described, name="proxy-1")
    assert not Submission.objects.filter(campaign__in=[required, described]).exists()


def test_who_and_when(cast, stated):
    campaign = make_campaign(cast, items=1, name="Not yet", is_open=False)
    with pytest.raises(Conflict):
        answer_by(reward_of(stated), actor=None, campaign=campaign, name="proxy-1")
    opened = make_campaign(cast, items=1, name="Open")
    with pytest.raises(Invalid, match="somebody else"):
        answer_by(reward_of(stated), actor=None, campaign=opened, name=cast.otto.username)


def test_files_say_what_is_wrong_with_them():
    assert reward_in(json.dumps({"type": "proxy_reward", "payload": PROGRAM}))("one two") == -2
    for text in ("", "[]", "{}", '{"type": "proxy_reward"}', '{"type": "no_such", "payload": {}}'):
        with pytest.raises(Invalid):
            reward_in(text)
    comparison = {"items": [1, 2], "ranks": [1, 2], "strength": 1, "both_bad": False, "aspect": None}
    with pytest.raises(Invalid, match="states no reward"):
        reward_in(json.dumps({"type": "comparison", "payload": comparison}))


PROGRAM = {
    "mode": "program", "feature_set": 1, "weights": {}, "judgements": {}, "program": "-words",
    "program_sha": sha_of("-words"), "tried": [{"weights": {}, "program": "-words", "t_ms": None}], "pool": [1, 2, 3],
    "ranks": [1, 2, 3],
}  # fmt: skip


def test_the_command_answers_by_a_row_or_a_file(cast, stated, tmp_path, capsys):
    campaign = make_campaign(cast, items=2, overlap=2, name="By command")
    call_command("answer_by_reward", campaign.slug, feedback=stated.pk, limit=1)
    assert "1 items answered; comparison 1, critique 2" in capsys.readouterr().out
    file = tmp_path / "proxy.json"
    file.write_text(json.dumps({"type": "proxy_reward", "payload": PROGRAM}))
    call_command("answer_by_reward", campaign.slug, file=file, name="shorter")
    assert User.objects.get(username="shorter").kind == "proxy"
    assert Submission.objects.filter(labeler__username="shorter").count() == 2
    for wrong in ({"feedback": 10**9}, {"file": tmp_path / "none.json"}):
        with pytest.raises(CommandError, match="There is no"):
            call_command("answer_by_reward", campaign.slug, **wrong)
    with pytest.raises(CommandError, match="There is no campaign"):
        call_command("answer_by_reward", "nowhere", feedback=stated.pk)
