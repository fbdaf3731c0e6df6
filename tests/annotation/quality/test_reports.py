"""Statistics of a campaign's answers, by hand, and how they are computed, kept and asked for."""

import uuid
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from annotation.assignment.selectors import questions_for
from annotation.assignment.services import lease_next
from annotation.errors import NotFound
from annotation.items.models import Item
from annotation.items.services import NewItem, NewResponse, add_items
from annotation.people.models import AuditEvent
from annotation.quality import agreement, habits, leaderboard, reading, reliability, reports
from annotation.quality.bradley_terry import pairs_of
from annotation.quality.models import QualityReport
from annotation.submissions.services import submit
from feedback_types.base import Answer
from tests.cast import Cast, make_campaign, make_cast, make_labelers

pytestmark = pytest.mark.django_db
BETTER = [{"key": "better", "type": "comparison", "title": "Which is better?"}]
GRADE = [
    {
        "key": "grade",
        "type": "critique",
        "settings": {"criteria": ["overall"], "grades": 3, "tags": ["wordy"]},
    }
]


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def compare(labeler, campaign, choose, active_ms=60_000):
    """Answers every item; `choose` gets the responses in the order shown and says the strength (above 0: the first)."""
    while assignment := lease_next(labeler=labeler, campaign=campaign):
        (question,) = questions_for(assignment)
        responses = assignment.item.responses.in_bulk(assignment.response_order)
        strength = choose([responses[r] for r in assignment.response_order])
        ranks = [1, 1] if strength == 0 else [1, 2] if strength > 0 else [2, 1]
        payload = question.type.load(
            {"items": assignment.response_order, "ranks": ranks, "strength": strength}
        )
        submit(
            labeler=labeler, assignment_id=assignment.pk, idempotency_key=uuid.uuid4(),
            answers=[Answer("better", None, payload)], active_ms=active_ms,
        )  # fmt: skip


def duels(campaign, n, texts, start=0):
    """n items, each with one response of every source of `texts`."""
    add_items(
        campaign=campaign,
        items=[
            NewItem(f"Question {i}?", [NewResponse(text, source_name=name) for name, text in texts.items()])
            for i in range(start, start + n)
        ],
    )


def grade(labeler, campaign, said):
    """`said`: prompt -> (grade, whether it is wordy)."""
    while assignment := lease_next(labeler=labeler, campaign=campaign):
        (question,) = questions_for(assignment)
        value, wordy = said[assignment.item.prompt.messages[-1]["content"]]
        payload = question.type.load(
            {"grades": 3, "ratings": {"overall": value}, "tags": ["wordy"] if wordy else []}
        )
        submit(
            labeler=labeler, assignment_id=assignment.pk, idempotency_key=uuid.uuid4(),
            answers=[Answer("grade", target, payload) for target in assignment.response_order],
        )  # fmt: skip


def test_agreement_by_label_pair_and_part(cast):
    """Two labelers, twenty items with one response each. They always tick the same tag, and differ by one grade on five of
    the first ten items and on none of the last ten.

    Grades: lena 1 and 3 in turn; otto the same, but 2 on five of lena's 3s. Of 40 answers 20 are 1, 15 are 3, 5 are 2.
    Squared distances: 1-2 1/4, 2-3 1/4, 1-3 1. Observed: 5 units of 1/4 over 20 units = 1/16.
    Expected: 2 * (20*15*1 + 20*5/4 + 15*5/4) / (40*39) = 687.5/1560. alpha = 1 - 0.0625 * 1560/687.5 = 0.85818.
    """
    campaign = make_campaign(cast, items=20, responses=1, overlap=2, protocol=GRADE)
    prompts = [f"Question {n}?" for n in range(20)]
    lena = {p: (1 if n % 2 else 3, n % 2 == 0) for n, p in enumerate(prompts)}
    otto = lena | dict.fromkeys(prompts[0:10:2], (2, True))
    grade(cast.lena, campaign, lena)
    grade(cast.otto, campaign, otto)
    moments = {item.pk: n for n, item in enumerate(Item.objects.order_by("pk"))}
    found = agreement.report(campaign)
    (question,) = found["questions"]
    labels = {label["label"]: label for label in question["labels"]}
    assert set(labels) == {"grade:overall", "tag:wordy"}
    assert labels["grade:overall"]["alpha"] == pytest.approx(1 - 0.0625 * 1560 / 687.5)
    assert labels["tag:wordy"]["alpha"] == 1.0 and labels["tag:wordy"]["units"] == 20
    assert (found["items"], question["units"], len(moments)) == (20, 20, 20)
    assert [part["units"] for part in question["parts"]] == [10, 10]  # tenths would hold too few
    ((a, b, alpha, shared),) = found["pairs"]["cells"]
    assert {a, b} == {cast.lena.pk, cast.otto.pk} and shared == 20
    assert alpha == pytest.approx(question["alpha"], abs=0.02)  # two labelers are the whole group


def test_habits_by_hand(cast):
    """Lena always takes the first shown, in no time; otto the longer, and takes his minute."""
    campaign = make_campaign(cast, items=0, overlap=2, protocol=BETTER)
    duels(campaign, 12, {"short": "Yes.", "long": "Yes, and this is why: " + "because " * 60})
    compare(cast.lena, campaign, lambda shown: 2, active_ms=2_000)
    compare(cast.otto, campaign, lambda shown: 3 if len(shown[0].text) > len(shown[1].text) else -3)
    found = habits.report(campaign)
    (question,) = found["questions"]
    rows = {row["labeler"]: row for row in question["rows"]}
    lena, otto = rows[cast.lena.pk], rows[cast.otto.pk]
    assert lena["first"]["share"] == 1.0 and lena["first"]["n"] == 12 and lena["first"]["low"] > 0.5
    assert otto["longer"]["share"] == 1.0 and otto["longer"]["low"] > 0.5
    assert question["group"]["longer"]["share"] == pytest.approx((lena["longer"]["share"] + 1) / 2)
    reports_ = {row["labeler"]: row for row in found["labelers"]}
    # 506 characters in 2 s are 253 a second; in a minute 8.
    assert reports_[cast.lena.pk]["hasty"]["share"] == 1.0 and reports_[cast.otto.pk]["hasty"]["share"] == 0.0


def test_circles_are_counted():
    assert habits.circles({(1, 2): 1, (2, 3): 1, (3, 1): 1}) == (1, 1)
    assert habits.circles({(1, 2): 1, (2, 3): 1, (1, 3): 1}) == (1, 0)
    assert habits.circles({(1, 2): 1, (2, 3): 1}) == (0, 0)
    # The majority decides: 1 over 2 by two to one; where it is one to one, nothing is decided.
    assert habits.circles({(1, 2): 2, (2, 1): 1, (2, 3): 1, (3, 1): 1}) == (1, 1)
    assert habits.circles({(1, 2): 1, (2, 1): 1, (2, 3): 1, (3, 1): 1}) == (0, 0)


def test_circles_within_a_labeler_and_in_the_group(cast):
    """Lena goes in a circle over three responses to one prompt that stand in three items; otto does not."""
    campaign = make_campaign(cast, items=0, overlap=2, protocol=BETTER)
    three = [("a", "b"), ("b", "c"), ("c", "a")]
    add_items(
        campaign=campaign,
        items=[NewItem("Which?", [NewResponse(t, source_name=t) for t in two]) for two in three],
    )
    wins = set(three)
    compare(cast.lena, campaign, lambda shown: 2 if (shown[0].text, shown[1].text) in wins else -2)
    compare(cast.otto, campaign, lambda shown: 1 if shown[0].text < shown[1].text else -1)
    (question,) = habits.report(campaign)["questions"]
    rows = {row["labeler"]: (row["triads"], row["cycles"]) for row in question["rows"]}
    assert rows == {cast.lena.pk: (1, 1), cast.otto.pk: (1, 0)}
    # a over b and b over c by both; c over a once and a over c once: undecided, so no triad.
    assert (question["group"]["triads"], question["group"]["cycles"]) == (0, 0)


def test_reliability_tells_who_guesses_and_what_is_believed(cast):
    campaign = make_campaign(cast, items=30, responses=1, overlap=4, protocol=GRADE)
    good = [cast.lena, cast.otto, *make_labelers(campaign, 1)]
    (spammer,) = make_labelers(campaign, 1, prefix="spammer")
    truth = {f"Question {n}?": (1 + 2 * (n % 2), False) for n in range(30)}
    for labeler in good:
        grade(labeler, campaign, truth)
    grade(spammer, campaign, dict.fromkeys(truth, (3, False)))
    (model,) = reliability.report(campaign)["models"]  # the tag was never ticked: one class, no model
    assert (model["label"], model["classes"], model["units"]) == ("grade:overall", [1, 3], 30)
    rows = {row["labeler"]: row for row in model["labelers"]}
    assert min(rows[who.pk]["informative"] for who in good) > 0.5 > rows[spammer.pk]["informative"]
    assert rows[spammer.pk]["competence"] < 0.5 < rows[cast.lena.pk]["competence"]
    item = Item.objects.get(prompt__messages__0__content="Question 0?")  # three say 1, one says 3
    assert reliability.beliefs(campaign, [item]) == {item.pk: []}
    assert reports.compute(campaign.pk, "reliability")
    (belief,) = reliability.beliefs(campaign, [item])[item.pk]
    assert (belief.value, belief.answers) == (1, 4) and belief.probability > 0.95
    assert sum(belief.probabilities.values()) == pytest.approx(1, abs=1e-3)


def test_leaderboard_counts_sources(cast):
    """strong is preferred to weak in 12 judgements and weak in 4; length explains nothing, since both are equally long."""
    campaign = make_campaign(cast, items=0, overlap=2, protocol=BETTER)
    duels(campaign, 8, {"strong": "good", "weak": "poor"})
    compare(cast.lena, campaign, lambda shown: 2 if shown[0].text == "good" else -2)
    turn = iter(range(8))
    compare(
        cast.otto, campaign,
        lambda shown: (1 if next(turn) % 2 else -1) * (1 if shown[0].text == "good" else -1),
    )  # fmt: skip
    (board,) = leaderboard.report(campaign)["questions"]
    first, second = board["rows"]
    assert (first["source"], first["wins"], first["losses"], first["responses"]) == ("strong", 12, 4, 8)
    assert (second["source"], second["wins"], second["losses"], second["responses"]) == ("weak", 4, 12, 8)
    assert first["rating"]["value"] + second["rating"]["value"] == pytest.approx(2000, abs=0.2)
    assert (board["judgements"], board["of_labelers"], board["ties"], board["groups"]) == (16, 2, 0, 1)
    assert board["twice_as_long"]["odds"] == pytest.approx(1)


def test_leaderboard_by_hand():
    """12 : 4, from each side as often, and eight prompts: in four of them strong won both times, in four once.

    The difference is log 3 or 190.8 points (the weak prior takes a little off). By prompt the score is 2 - 1.5 = 1/2 or
    1 - 1.5 = -1/2, the information 16 * 3/16 = 3, so the variance is 8/4 / 9 and the standard error 0.471 or 81.9 points:
    the difference is 2.3 of them, so the order is sure. With eight of the twelve left out it is a draw,
    which the sides decide.
    """
    rows, prompts = [], []
    for prompt in range(8):
        for said, outcome in enumerate(
            (1.0, float(prompt % 2))
        ):  # by whoever stands first: strong, then weak
            is_first = (prompt // 2 + said) % 2
            rows.append((0, 1, outcome) if is_first else (1, 0, 1 - outcome))
            prompts.append(prompt)
    length = [[1.0, 0.0]] * 16
    board = leaderboard.board(
        pairs_of(rows, length, prompts), ["strong", "weak"], {"strong": 8}, np.arange(16) % 2
    )
    first, second = board["rows"]
    gap = first["rating"]["value"] - second["rating"]["value"]
    assert gap == pytest.approx(190.8, rel=0.03)
    assert first["rating"]["high"] - first["rating"]["value"] == pytest.approx(1.96 * 81.9 / 2, rel=0.05)
    assert (first["rank"], second["rank"]) == ([1, 1], [2, 2])
    assert board["shown_first"]["odds"] == pytest.approx(1, abs=0.01)
    assert board["flip"] == {"votes": 8, "rival": "weak"}


def test_a_small_campaign_is_computed_on_the_spot_and_a_large_one_by_a_worker(cast, monkeypatch):
    campaign = make_campaign(cast, items=3, responses=1, overlap=2, protocol=GRADE)
    said = {f"Question {n}?": (1 + n % 3, False) for n in range(3)}
    grade(cast.lena, campaign, said)
    report = reports.read(campaign, "agreement")
    assert report.data["questions"] == [] and report.computed_at is None
    with pytest.raises(NotFound):
        reports.read(campaign, "nonsense")

    monkeypatch.setattr(reports, "ON_THE_SPOT", 2)  # now three answers are many
    assert reports.read(campaign, "agreement").data is None
    sent = []
    monkeypatch.setattr(reports, "_send", lambda *about: sent.append(about))
    assert reports.refresh() == 4 and {s for _c, s in sent} == set(reports.STATISTICS)
    assert reports.compute(campaign.pk, "agreement")
    assert not reports.compute(campaign.pk, "agreement")  # nothing has changed
    report = reports.read(campaign, "agreement")
    assert report.data["questions"] == [] and report.computed_at and not report.is_old

    # The answers of another labeler make it old, and it is not due before some time has passed.
    a_minute_ago = timezone.now() - timedelta(minutes=1)
    QualityReport.objects.update(computed_at=a_minute_ago, tried_at=a_minute_ago)
    grade(cast.otto, campaign, said)
    report = reports.read(campaign, "agreement")
    assert report.is_old and report.data["questions"] == []
    sent.clear()
    reports.refresh()
    assert (campaign.pk, "agreement") not in sent
    QualityReport.objects.update(tried_at=timezone.now() - timedelta(minutes=11))
    reports.refresh()
    assert (campaign.pk, "agreement") in sent
    assert reports.compute(campaign.pk, "agreement")
    assert reports.read(campaign, "agreement").data["questions"][0]["alpha"] == 1.0


def test_asking_leaves_one_audit_row_and_is_sent_once_committed(
    cast, django_capture_on_commit_callbacks, monkeypatch
):
    campaign = make_campaign(cast, items=1)
    sent = []
    monkeypatch.setattr(reports, "_send", lambda *about: sent.append(about))
    before = AuditEvent.objects.count()
    with django_capture_on_commit_callbacks(execute=True):
        row = reports.ask(actor=cast.rita, campaign=campaign, statistic="leaderboard")
    assert row.is_awaited and sent == [(campaign.pk, "leaderboard")]
    assert AuditEvent.objects.count() == before + 1
    assert reports.compute(campaign.pk, "leaderboard")
    assert not QualityReport.objects.get().is_awaited


def test_a_failure_is_told_and_the_old_figures_stay(cast, monkeypatch):
    campaign = make_campaign(cast, items=1)
    reports.compute(campaign.pk, "habits")
    computed_at = QualityReport.objects.get().computed_at

    def fails(campaign):
        raise ZeroDivisionError("no labelers")

    monkeypatch.setattr(reports, "STATISTICS", {**reports.STATISTICS, "habits": fails})
    QualityReport.objects.update(asked_at=timezone.now())
    assert reports.compute(campaign.pk, "habits")
    row = QualityReport.objects.get()
    assert row.problem == "ZeroDivisionError" and row.data["labelers"]
    assert row.computed_at == computed_at < row.tried_at and not row.is_awaited


def test_a_sample_is_whole_prompts_in_an_order_that_stays(cast, django_assert_num_queries):
    campaign = make_campaign(cast, items=30, responses=1, overlap=2, protocol=GRADE)
    said = {f"Question {n}?": (1 + n % 3, False) for n in range(30)}
    for labeler in (cast.lena, cast.otto):
        grade(labeler, campaign, said)
    with django_assert_num_queries(5):  # how many there are, their prompts, and three of the block
        (everything,) = reading.blocks(campaign)
    assert len(everything.told) == 60
    some = [told.item_id for block in reading.blocks(campaign, budget=10) for told in block.told]
    assert some == [told.item_id for block in reading.blocks(campaign, budget=10) for told in block.told]
    assert 10 <= len(some) <= 60 and len(some) == 2 * len(set(some))
