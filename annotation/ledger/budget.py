"""The budget stops a campaign: no lease is given out that could not be paid.

    spent + committed + the price of one more answer > budget  →  no new lease, paused for its budget, one audit row

`spent` is what the ledger owes for answers, bonuses and adjustments; `committed` what the leases that people have out will
cost. What is on screens may be sent and is paid, late answers too: these alone can overshoot.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from annotation.campaigns.models import Campaign, PayPer
from annotation.people.services import record_audit
from annotation.transactions import in_transaction
from annotation.webhooks.events import emit

REASON = "budget"
NEAR = 100  # so many answers before the end, leases are given out one after the other
FIRST_GUESS_S = 60.0  # active time of an answer, before one was timed
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Account:
    """In millionths of the campaign's currency. `price` is what one more answer is expected to cost."""

    budget: int | None
    spent: int
    committed: int
    price: int

    @property
    def left(self) -> int | None:
        """What is free to be given out; None without a budget."""
        return None if self.budget is None else self.budget - self.spent - self.committed

    @property
    def is_used_up(self) -> bool:
        """Whether one more answer could not be paid."""
        return self.left is not None and self.price > self.left


def account(campaign: Campaign) -> Account:
    """As of one moment: answers that arrive turn from a lease into what was spent, and are in neither or both never."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum(earned_micros), 0)::bigint, coalesce(sum(active_ms), 0)::bigint,
                   coalesce(sum(timed), 0)::bigint,
                   (SELECT count(*) FROM annotation_assignment a JOIN annotation_user u ON u.id = a.labeler_id
                    WHERE a.campaign_id = %(c)s AND a.state = 1 AND u.kind = 'human')
            FROM (SELECT earned_micros, active_ms, timed FROM annotation_campaigntally WHERE campaign_id = %(c)s
                  UNION ALL
                  SELECT earned_micros, active_ms, timed FROM annotation_tallychange WHERE campaign_id = %(c)s) t
            """,
            {"c": campaign.pk},
        )
        spent, active_ms, timed, leases = cursor.fetchone()
    price = 0
    if campaign.pay_per == PayPer.ANSWER:
        price = campaign.rate_micros
    elif campaign.pay_per == PayPer.HOUR:
        each_ms = active_ms / timed if timed else FIRST_GUESS_S * 1000
        price = round(campaign.rate_micros * each_ms / HOUR_MS)
    return Account(campaign.budget_micros, spent, leases * price, price)


def may_lease(campaign: Campaign) -> bool:
    """Whether one more lease fits into the budget; if not, the campaign is paused. In the transaction of the lease."""
    if campaign.budget_micros is None or not campaign.pay_per:
        return True
    now = account(campaign)
    if now.left is not None and now.left < NEAR * now.price:
        # Whoever else is about to lease waits until this one has, and counts it.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [(0x4255 << 40) + campaign.pk])
        now = account(campaign)
    if now.is_used_up:
        stop(campaign, now)
        return False
    return True


@in_transaction
def stop(campaign: Campaign, account: Account) -> None:
    """Pauses an open campaign for its budget, once."""
    locked = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    if locked.is_open and locked.budget_micros == account.budget:
        locked.state, locked.paused_for = Campaign.State.PAUSED, REASON
        locked.version += 1
        locked.save(update_fields=["state", "paused_for", "version"])
        record_audit(
            actor=None,
            campaign=locked,
            action="campaign.pause",
            target=locked.slug,
            before={"state": Campaign.State.OPEN.value},
            after={
                "state": Campaign.State.PAUSED.value,
                "reason": REASON,
                "spent_micros": account.spent,
                "committed_micros": account.committed,
                "budget_micros": account.budget,
            },
        )
        emit("campaign.paused", locked)
    campaign.state, campaign.paused_for, campaign.version = locked.state, locked.paused_for, locked.version


def stop_all() -> int:
    """Campaigns whose budget is used up while nobody asks for an item; how many were stopped. A periodic task."""
    stopped = 0
    for campaign in Campaign.objects.filter(state=Campaign.State.OPEN, budget_micros__isnull=False).exclude(
        pay_per=""
    ):
        now = account(campaign)
        if now.is_used_up:
            stop(campaign, now)
            stopped += not campaign.is_open
    return stopped
