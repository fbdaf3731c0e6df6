"""What a campaign costs, what labelers earned and were paid; read from counts, so that no page adds up a million entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, Exists, OuterRef, QuerySet, Sum
from django.utils.translation import gettext as _

from annotation.campaigns.models import Campaign
from annotation.errors import NotFound
from annotation.ledger import currencies
from annotation.ledger.budget import account
from annotation.ledger.models import LedgerEntry, Payout
from annotation.people.models import User
from annotation.rendering.cells import csv_row
from annotation.rollups import selectors as rollups

PAID = (LedgerEntry.Kind.PAYOUT.value, LedgerEntry.Kind.UNDO.value)
COLUMNS = ("payout", "labeler", "from", "until", "answers", "active_hours", "amount", "currency", "state")


@dataclass(frozen=True)
class Costs:
    """Amounts in millionths of `currency`. `accepted` are answers that count; a forecast is None before there is one."""

    currency: str
    spent: int
    committed: int
    paid: int
    budget: int | None
    accepted: int
    left: int  # answers still wanted
    price: int

    @property
    def owed(self) -> int:
        return self.spent - self.paid

    @property
    def per_accepted(self) -> float | None:
        """What one answer that counts has cost, everything included; None before there is one."""
        return self.spent / self.accepted if self.accepted else None

    @property
    def forecast(self) -> int | None:
        """What the campaign will have cost when nothing is wanted any more, at the cost of an answer so far."""
        if not self.left:
            return self.spent
        each = self.per_accepted or self.price
        return round(self.spent + self.left * each) if each else None

    @property
    def is_short(self) -> bool:
        """Whether the budget ends before the answers do."""
        return self.budget is not None and self.forecast is not None and self.forecast > self.budget


@dataclass(frozen=True)
class Balance:
    """One labeler's account in one campaign, in millionths of its currency."""

    labeler_id: int
    earned: int
    paid: int
    answers: int
    active_ms: int

    @property
    def owed(self) -> int:
        return self.earned - self.paid


def costs(campaign: Campaign) -> Costs:
    now, n = account(campaign), rollups.counts(campaign.pk)
    paid = LedgerEntry.objects.filter(campaign=campaign, kind__in=PAID).aggregate(sum=Sum("micros"))["sum"]
    return Costs(
        currency=campaign.currency,
        spent=now.spent,
        committed=now.committed,
        paid=-(paid or 0),
        budget=campaign.budget_micros,
        accepted=n["answers"],
        left=max(0, n["wanted"] - n["answers"]),
        price=now.price,
    )


def balances(campaign: Campaign) -> list[Balance]:
    """Everybody who answered, earned or was paid, those who are owed most first."""
    work = rollups.work_of_labelers(campaign.pk)
    paid = _paid(campaign.pk)
    found = [
        Balance(pk, own.earned_micros, paid.get(pk, 0), own.answers, own.active_ms)
        for pk, own in work.items()
        if own.answers or own.earned_micros or pk in paid
    ]
    return sorted(found, key=lambda b: (-b.owed, b.labeler_id))


def own_balance(labeler: User, campaign: Campaign) -> Balance:
    """What one labeler earned in one campaign and was paid."""
    days = [work for _day, work in rollups.own_days(labeler.pk, campaign.pk)]
    return Balance(
        labeler.pk,
        sum(w.earned_micros for w in days),
        _paid(campaign.pk, labeler.pk).get(labeler.pk, 0),
        sum(w.answers for w in days),
        sum(w.active_ms for w in days),
    )


def entries(campaign: Campaign) -> QuerySet[LedgerEntry]:
    """The ledger, as it is written."""
    return LedgerEntry.objects.filter(campaign=campaign).select_related("labeler")


def payouts(campaign: Campaign) -> QuerySet[Payout]:
    """Payouts with `labelers`, `micros` (paid, above 0) and `is_undone`, latest first."""
    against = LedgerEntry.objects.filter(payout=OuterRef("pk"), kind=LedgerEntry.Kind.UNDO)
    lines = LedgerEntry.objects.filter(payout=OuterRef("pk"), kind=LedgerEntry.Kind.PAYOUT).order_by()
    totals = lines.values("payout")
    return (
        Payout.objects.filter(campaign=campaign)
        .select_related("created_by")
        .annotate(
            labelers=totals.annotate(n=Count("pk")).values("n"),
            micros=totals.annotate(n=-Sum("micros")).values("n"),
            is_undone=Exists(against),
        )
        .order_by("-id")
    )


def payout_of(campaign: Campaign, payout_id: int) -> Payout:
    """Raises NotFound for another campaign's."""
    found = payouts(campaign).filter(pk=payout_id).first() if 0 < payout_id < 2**63 else None
    if found is None:
        raise NotFound(_("There is no such payout."))
    return found


def payout_rows(payout: Payout) -> Iterator[bytes]:
    """One line for each labeler: RFC 4180 in UTF-8 with a byte order mark; no cell is a formula. The same bytes each time,
    as long as the payout stands and nobody in it was renamed or erased."""
    state = "undone" if payout.is_undone else "paid"  # type: ignore[attr-defined]
    lines = payout.lines.filter(kind=LedgerEntry.Kind.PAYOUT).select_related("labeler").order_by("id")
    yield b"\xef\xbb\xbf" + csv_row(COLUMNS)
    for line in lines.iterator(chunk_size=1000):
        yield csv_row(
            [
                payout.pk,
                line.labeler.username,
                payout.since.isoformat() if payout.since else "",
                payout.until.isoformat(),
                line.answers,
                f"{line.active_ms / 3_600_000:.4f}",
                currencies.text(-line.micros, line.currency),
                line.currency,
                state,
            ]
        )


def _paid(campaign_id: int, labeler_id: int | None = None) -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT labeler_id, -sum(micros)::bigint FROM annotation_ledgerentry"
            " WHERE campaign_id = %(c)s AND kind IN ('payout', 'undo') AND (%(l)s::bigint IS NULL OR labeler_id = %(l)s)"
            " GROUP BY labeler_id",
            {"c": campaign_id, "l": labeler_id},
        )
        return dict(cursor.fetchall())
