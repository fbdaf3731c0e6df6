"""Who earns what, once; who is paid, once; and a book that nobody edits."""

import datetime as dt
import uuid
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from annotation.assignment.models import Assignment
from annotation.assignment.services import lease_next, release_expired
from annotation.campaigns.models import Campaign
from annotation.errors import Conflict, Invalid, Stale
from annotation.ledger import currencies, selectors, services
from annotation.ledger.models import LedgerEntry, Payout
from annotation.people.erasure import erase_person
from annotation.people.models import AuditEvent
from annotation.rollups.services import differences, fold_all
from annotation.submissions.models import Submission
from annotation.submissions.services import submit
from tests.cast import Cast, answer, make_campaign, make_cast, make_user, send

pytestmark = pytest.mark.django_db
TODAY = timezone.now().astimezone(dt.UTC).date()


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def terms(cast: Cast, campaign: Campaign, **values: object) -> Campaign:
    given = {
        "currency": "EUR",
        "pay_per": "answer",
        "rate": "0.125",
        "budget": None,
        "pays_late": True,
        **values,
    }
    campaign.refresh_from_db()
    return services.set_terms(actor=cast.adam, campaign=campaign, version=campaign.version, **given)


def answer_one(labeler, campaign, *, took_s: float = 10.0, active_ms: int | None = 4200) -> Submission:
    lease = lease_next(labeler=labeler, campaign=campaign)
    Assignment.objects.filter(pk=lease.pk).update(
        first_render_at=timezone.now() - dt.timedelta(seconds=took_s)
    )
    return submit(
        labeler=labeler,
        assignment_id=lease.pk,
        idempotency_key=uuid.uuid4(),
        answers=answer(lease),
        active_ms=active_ms,
    )


def late_one(labeler, campaign) -> Submission:
    """An answer to a lease that is out when the campaign is closed; it is open again afterwards."""
    lease = lease_next(labeler=labeler, campaign=campaign)
    Assignment.objects.filter(pk=lease.pk).update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    release_expired()
    Campaign.objects.filter(pk=campaign.pk).update(state="closed")
    sent = send(Assignment.objects.select_related("campaign").get(pk=lease.pk))
    Campaign.objects.filter(pk=campaign.pk).update(state="open")
    assert sent.status == "late"
    return sent


def book(campaign: Campaign) -> list[tuple[str, str, int]]:
    fold_all()
    entries = LedgerEntry.objects.filter(campaign=campaign).order_by("id")
    return [(e.labeler.username, e.kind, e.micros) for e in entries]


def test_first_answers_of_people_earn_once_by_the_terms_of_the_moment(cast):
    campaign = make_campaign(cast, items=6, overlap=3)
    answer_one(cast.lena, campaign)  # before there were terms
    terms(cast, campaign)
    first = answer_one(cast.lena, campaign)
    send(
        Assignment.objects.get(pk=first.assignment_id), seed=1, revises=first.pk
    )  # a correction earns nothing
    late_one(cast.otto, campaign)
    robot = make_user("robot", kind="simulated")
    campaign.memberships.create(user=robot, role="labeler")
    answer_one(robot, campaign)
    terms(cast, campaign, rate="0.2", pays_late=False)
    answer_one(cast.lena, campaign)
    late_one(cast.otto, campaign)
    assert book(campaign) == [
        ("lena", "answer", 125_000),
        ("otto", "answer", 125_000),
        ("lena", "answer", 200_000),
    ]
    assert book(campaign)[3:] == [] and differences() == []
    assert LedgerEntry.objects.first().submission_id == first.pk
    costs = selectors.costs(campaign)
    # 450000 for lena's two and the robot's one paid or not: 4 answers count, of 18 wanted.
    assert (costs.spent, costs.accepted, costs.left, costs.per_accepted) == (450_000, 4, 14, 112_500)
    assert costs.forecast == 450_000 + 14 * 112_500


def test_active_time_is_paid_up_to_the_time_there_was(cast):
    campaign = make_campaign(cast, items=3)
    terms(cast, campaign, pay_per="hour", rate="18")  # 0.005 a second
    answer_one(cast.lena, campaign, took_s=10, active_ms=4200)
    answer_one(cast.lena, campaign, took_s=2, active_ms=3_600_000)  # the browser says an hour
    answer_one(cast.lena, campaign, active_ms=None)
    (_n, _k, first), (_n2, kind, second) = book(campaign)
    assert (first, kind) == (21_000, "hour") and 10_000 <= second < 200_000  # 2 s and the test's own


def test_the_book_is_never_edited(cast):
    campaign = terms(cast, make_campaign(cast, items=2))
    answer_one(cast.lena, campaign)
    fold_all()
    entry = LedgerEntry.objects.get()
    for act in (lambda: LedgerEntry.objects.update(micros=1), lambda: entry.delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            act()
    with pytest.raises(IntegrityError), transaction.atomic():
        LedgerEntry.objects.create(
            campaign=campaign,
            labeler=cast.lena,
            kind="answer",
            micros=1,
            currency="EUR",
            submission_id=entry.submission_id,
        )


def test_terms_are_checked_and_leave_one_row(cast):
    campaign = make_campaign(cast, items=2)
    before = AuditEvent.objects.count()
    for field, bad in (
        ("currency", "XYZ"), ("currency", ""), ("currency", "eur"), ("pay_per", "word"), ("rate", "0"), ("rate", -1),
        ("rate", 0.5), ("rate", "1e400"), ("rate", "0.0000001"), ("rate", "NaN"), ("rate", True), ("rate", "１"),
        ("budget", "-1"), ("budget", 10**12), ("budget", []), ("pays_late", "yes"),
    ):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            terms(cast, campaign, **{field: bad})
        assert list(refused.value.fields) == [field]
    assert AuditEvent.objects.count() == before
    campaign = terms(cast, campaign, budget="10")
    assert (campaign.rate_micros, campaign.budget_micros) == (125_000, 10_000_000)
    terms(cast, campaign, budget="10")  # nothing new
    assert AuditEvent.objects.count() == before + 1
    with pytest.raises(Stale) as stale:
        services.set_terms(
            actor=cast.adam, campaign=campaign, version=1, currency="EUR", pay_per="answer", rate="1", budget=None,
            pays_late=True,
        )  # fmt: skip
    assert stale.value.extra["diff"]["rate_micros"] == {"yours": 1_000_000, "now": 125_000}
    answer_one(cast.lena, campaign)
    with pytest.raises(Conflict) as fixed:
        terms(cast, campaign, currency="USD")
    assert fixed.value.code == "currency_fixed"
    terms(cast, campaign, pay_per="", rate=None)  # from now on nothing is paid
    answer_one(cast.lena, campaign)
    assert len(book(campaign)) == 1


def test_a_bonus_and_an_adjustment_count_as_spent(cast):
    campaign = make_campaign(cast, items=2)
    give = lambda **w: services.grant(  # noqa: E731
        **{"actor": cast.adam, "campaign": campaign, "labeler": cast.lena, "kind": "bonus", "amount": "5",
           "note": "hard ones", "key": uuid.UUID(int=1), **w}
    )  # fmt: skip
    with pytest.raises(Conflict, match="currency"):
        give()
    terms(cast, campaign)
    entry, before = give(), AuditEvent.objects.count()
    assert give() == entry and AuditEvent.objects.count() == before  # the same request again
    with pytest.raises(Conflict) as reused:
        give(amount="6")
    assert reused.value.code == "key_reused"
    give(kind="adjustment", amount="-1.5", note="twice by mistake", key=uuid.UUID(int=2))
    for bad in (
        {"amount": "-1"},
        {"amount": 0},
        {"note": " "},
        {"note": "a\nb"},
        {"kind": "payout"},
        {"labeler": cast.stan},
    ):
        with pytest.raises(Invalid) as refused:
            give(**bad, **({} if "key" in bad else {"key": uuid.UUID(int=9)}))
        assert list(refused.value.fields) == list(bad)
    assert selectors.costs(campaign).spent == 3_500_000
    assert selectors.own_balance(cast.lena, campaign).owed == 3_500_000
    fold_all()
    assert selectors.costs(campaign).spent == 3_500_000 and differences() == []


def test_a_payout_pays_whole_coins_once_and_is_undone_by_its_opposite(cast):
    campaign = terms(cast, make_campaign(cast, items=3, overlap=2), rate="0.125")
    lena, otto = [answer_one(cast.lena, campaign) for _ in range(3)], answer_one(cast.otto, campaign)
    assert lena and otto
    pay = lambda key, until=TODAY: services.pay_out(  # noqa: E731
        actor=cast.adam, campaign=campaign, until=until, key=uuid.UUID(int=key)
    )
    for bad in (TODAY + dt.timedelta(days=1), "30.11.2026", None):
        with pytest.raises(Invalid):
            pay(1, bad)
    with pytest.raises(Conflict):  # nothing was earned by then
        pay(1, TODAY - dt.timedelta(days=1))
    payout, audits = pay(1), AuditEvent.objects.count()
    assert pay(1) == payout and AuditEvent.objects.count() == audits
    paid = {e.labeler.username: e.micros for e in LedgerEntry.objects.filter(payout=payout)}
    assert paid == {"lena": -370_000, "otto": -120_000}  # 0.375 and 0.125 in cents; the rest stays owed
    assert {b.labeler_id: b.owed for b in selectors.balances(campaign)} == {
        cast.lena.pk: 5_000,
        cast.otto.pk: 5_000,
    }
    with pytest.raises(Conflict) as nothing:
        pay(2)
    assert nothing.value.code == "nothing_owed" and Payout.objects.count() == 1
    rows = (
        b"".join(selectors.payout_rows(selectors.payout_of(campaign, payout.pk)))
        .decode("utf-8-sig")
        .split("\r\n")
    )
    assert rows[0].startswith("payout,labeler,from,until") and len(rows) == 4
    assert rows[1] == f"{payout.pk},lena,,{TODAY},3,0.0035,0.37,EUR,paid"  # 3 × 4.2 s
    services.undo_payout(actor=cast.adam, payout=payout)
    services.undo_payout(actor=cast.adam, payout=payout)
    assert AuditEvent.objects.count() == audits + 1
    assert selectors.own_balance(cast.lena, campaign).owed == 375_000
    assert selectors.payout_of(campaign, payout.pk).is_undone
    assert LedgerEntry.objects.filter(payout=pay(3)).count() == 2 and differences() == []


def test_a_name_that_a_spreadsheet_would_compute_is_text(cast):
    campaign = terms(cast, make_campaign(cast, items=1), rate="1")
    evil = make_user("+1-1@x")
    campaign.memberships.create(user=evil, role="labeler")
    answer_one(evil, campaign)
    payout = services.pay_out(actor=cast.adam, campaign=campaign, until=str(TODAY), key=uuid.uuid4())
    rows = b"".join(selectors.payout_rows(selectors.payout_of(campaign, payout.pk))).decode("utf-8-sig")
    assert ",'+1-1@x," in rows


def test_what_an_erased_person_earned_stays_in_the_book_under_a_number(cast):
    campaign = terms(cast, make_campaign(cast, items=2, overlap=2))
    answer_one(cast.lena, campaign)
    fold_all()
    answer_one(cast.lena, campaign)
    erase_person(user=cast.lena, actor=None, note=False)
    assert book(campaign) == [(f"erased-{cast.lena.pk}", "answer", 125_000)] * 2
    assert not Submission.objects.exists() and differences() == []
    assert selectors.costs(campaign).spent == 250_000


@pytest.mark.parametrize(
    ("amount", "currency", "micros", "text", "payable"),
    [
        ("0.12", "EUR", 120_000, "0.12", 120_000), ("1.5", "EUR", 1_500_000, "1.50", 1_500_000),
        (Decimal("0.003"), "USD", 3_000, "0.003", 0), ("1234.5", "JPY", 1_234_500_000, "1234.5", 1_234_000_000),
        ("1.2345", "KWD", 1_234_500, "1.2345", 1_234_000), (-2, "EUR", -2_000_000, "-2.00", 0),
        ("7", "JPY", 7_000_000, "7", 7_000_000),
    ],
)  # fmt: skip
def test_amounts(amount, currency, micros, text, payable):
    assert currencies.micros(amount) == micros
    assert currencies.text(micros, currency) == text and currencies.micros(text) == micros
    assert currencies.payable(micros, currency) == payable
