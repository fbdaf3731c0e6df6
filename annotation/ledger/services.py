"""Terms, bonuses, payouts: each leaves one audit row. What answers earn is entered when counts are folded (`rollups/`).

set_terms(actor=adam, campaign=c, version=3, currency="EUR", pay_per="answer", rate="0.12", budget="500", pays_late=True)
grant(actor=adam, campaign=c, labeler=lena, kind="bonus", amount="5", note="for the hard ones", key=key)
payout = pay_out(actor=adam, campaign=c, until=date(2026, 11, 30), key=key)       undo_payout(actor=adam, payout=payout)
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connection
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.campaigns.models import Campaign, PayPer
from annotation.errors import Conflict, Invalid, Stale
from annotation.inputs import is_text, request_key
from annotation.ledger import currencies
from annotation.ledger.models import LedgerEntry, Payout
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.rollups.services import fold_all
from annotation.transactions import in_transaction

GRANTS = (LedgerEntry.Kind.BONUS.value, LedgerEntry.Kind.ADJUSTMENT.value)
NOTE_CHARACTERS = 200


@in_transaction
def set_terms(
    *,
    actor: User,
    campaign: Campaign,
    version: int,
    currency: Any,
    pay_per: Any,
    rate: Any,
    budget: Any,
    pays_late: Any,
) -> Campaign:
    """What labelers are paid from now on; answers that are in already keep what they earned.

    Args:
        currency: a code of ISO 4217, or "" if nothing is paid.
        pay_per: "answer", "hour" (of active time) or "" for nothing.
        rate, budget: decimal text or whole numbers; budget None or "" for no limit.
    Raises Invalid naming the field; Stale if somebody saved first; Conflict `currency_fixed` once something was earned.
    """
    values = _terms(currency, pay_per, rate, budget, pays_late)
    locked = Campaign.objects.select_for_update(of=("self",), no_key=True).get(pk=campaign.pk)
    before = {name: getattr(locked, name) for name in values}
    changed = {name: value for name, value in values.items() if value != before[name]}
    if version != locked.version:
        raise Stale(yours=values, now=before, version=locked.version, your_version=version)
    if not changed:
        return locked
    if "currency" in changed and before["currency"] and _has_entries(locked):
        raise Conflict(
            _(
                "Labelers have earned %(currency)s here already; the currency of a campaign cannot change then."
            )
            % {"currency": before["currency"]},
            code="currency_fixed",
            fields={"currency": [_("It stays %(currency)s.") % {"currency": before["currency"]}]},
        )
    for name, value in changed.items():
        setattr(locked, name, value)
    locked.version += 1
    locked.save(update_fields=[*changed, "version"])
    record_audit(
        actor=actor,
        campaign=locked,
        action="campaign.terms",
        target=locked.slug,
        before={name: before[name] for name in changed},
        after=changed,
    )
    return locked


@in_transaction
def grant(
    *, actor: User, campaign: Campaign, labeler: User | None, kind: Any, amount: Any, note: Any, key: Any
) -> LedgerEntry:
    """A bonus, or an adjustment (which may take something away), with its reason. The same key again is the same entry.

    Raises Invalid naming the field; Conflict `no_currency` before the campaign has terms.
    """
    key = request_key(key, "key")
    errors: dict[str, list[str]] = {}
    if kind not in GRANTS:
        errors["kind"] = [_("Choose one of: %(kinds)s.") % {"kinds": ", ".join(GRANTS)}]
    micros = _amount(amount, "amount", errors)
    if micros == 0 or (micros < 0 and kind != LedgerEntry.Kind.ADJUSTMENT):
        errors.setdefault("amount", [_("More than 0; only an adjustment may be less.")])
    if not isinstance(note, str) or not note.strip() or len(note) > NOTE_CHARACTERS or not _is_line(note):
        errors["note"] = [
            _("Say what for, in one line of at most %(n)d characters.") % {"n": NOTE_CHARACTERS}
        ]
    if labeler is None or not _has_part(labeler, campaign):
        errors["labeler"] = [_("Nobody of this name has a part in the campaign.")]
    if errors:
        raise Invalid(_("Nothing was entered; mend the marked fields."), fields=errors)
    assert labeler is not None
    campaign = _lock(campaign)
    if not campaign.currency:
        raise Conflict(_("Choose a currency under the campaign's terms first."), code="no_currency")
    same = LedgerEntry.objects.filter(campaign=campaign, kind__in=GRANTS, key=key).first()
    if same is not None:
        if (same.labeler_id, same.kind, same.micros) != (labeler.pk, kind, micros):
            raise Conflict(_("This key was used for another entry. Draw a new one."), code="key_reused")
        return same
    entry = LedgerEntry.objects.create(
        campaign=campaign,
        labeler=labeler,
        kind=kind,
        micros=micros,
        currency=campaign.currency,
        note=note.strip(),
        key=key,
        created_by=actor,
    )
    record_audit(
        actor=actor,
        campaign=campaign,
        action=f"ledger.{kind}",
        target=f"user:{labeler.pk}",
        after={"micros": micros, "currency": campaign.currency, "entry": entry.pk},
    )
    return entry


@in_transaction
def pay_out(*, actor: User, campaign: Campaign, until: Any, key: Any) -> Payout:
    """Marks as paid what every labeler is owed for days up to and with `until` (UTC), in whole coins; the rest stays owed.

    The same key again is the same payout; another key right after finds nothing owed, so nobody is paid twice.
    Raises Invalid for a day in the future; Conflict `nothing_owed`.
    """
    key = request_key(key, "key")
    until = _day(until)
    fold_all()
    campaign = _lock(campaign)
    same = Payout.objects.filter(campaign=campaign, key=key).first()
    if same is not None:
        if same.until != until:
            raise Conflict(_("This key was used for another payout. Draw a new one."), code="key_reused")
        return same
    since = _since(campaign)
    lines = [
        (labeler, amount, answers, active_ms)
        for labeler, owed, answers, active_ms in _owed(campaign, since, until)
        if (amount := currencies.payable(owed, campaign.currency)) > 0
    ]
    if not lines:
        raise Conflict(
            _("Nobody is owed a whole coin up to that day; nothing was paid."), code="nothing_owed"
        )
    payout = Payout.objects.create(
        campaign=campaign, key=key, since=since, until=until, currency=campaign.currency, created_by=actor
    )
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            campaign=campaign,
            labeler_id=labeler,
            payout=payout,
            kind=LedgerEntry.Kind.PAYOUT,
            micros=-amount,
            currency=campaign.currency,
            answers=answers,
            active_ms=active_ms,
            created_by=actor,
        )
        for labeler, amount, answers, active_ms in lines
    )
    record_audit(
        actor=actor,
        campaign=campaign,
        action="payout.make",
        target=f"payout:{payout.pk}",
        after={
            "until": until.isoformat(),
            "labelers": len(lines),
            "micros": sum(line[1] for line in lines),
            "currency": campaign.currency,
        },
    )
    return payout


@in_transaction
def undo_payout(*, actor: User, payout: Payout) -> Payout:
    """It was not paid after all: an entry against each of its lines; what it covered is owed again. Twice is once."""
    _lock(payout.campaign)
    lines = list(LedgerEntry.objects.filter(payout=payout, kind=LedgerEntry.Kind.PAYOUT).order_by("id"))
    if LedgerEntry.objects.filter(payout=payout, kind=LedgerEntry.Kind.UNDO).exists():
        return payout
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            campaign_id=line.campaign_id,
            labeler_id=line.labeler_id,
            payout=payout,
            kind=LedgerEntry.Kind.UNDO,
            micros=-line.micros,
            currency=line.currency,
            answers=line.answers,
            active_ms=line.active_ms,
            created_by=actor,
        )
        for line in lines
    )
    record_audit(
        actor=actor,
        campaign=payout.campaign,
        action="payout.undo",
        target=f"payout:{payout.pk}",
        after={"labelers": len(lines), "micros": sum(-line.micros for line in lines)},
    )
    return payout


# --- Helpers ---------------------------------------------------------------------------------------------------------


def _lock(campaign: Campaign) -> Campaign:
    return Campaign.objects.select_for_update(of=("self",), no_key=True).get(pk=campaign.pk)


def _has_part(labeler: User, campaign: Campaign) -> bool:
    return (
        labeler.memberships.filter(campaign=campaign).exists()
        or labeler.submissions.filter(campaign=campaign).exists()
    )


def _has_entries(campaign: Campaign) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM annotation_ledgerentry WHERE campaign_id = %(c)s)"
            " OR EXISTS (SELECT 1 FROM annotation_tallychange WHERE campaign_id = %(c)s AND submission_id IS NOT NULL)",
            {"c": campaign.pk},
        )
        return cursor.fetchone()[0]


def _since(campaign: Campaign) -> dt.date | None:
    """The first day that no payout covers; None if there was none yet."""
    kept = Payout.objects.filter(campaign=campaign).exclude(lines__kind=LedgerEntry.Kind.UNDO)
    last = kept.aggregate(last=Max("until"))["last"]
    return last + dt.timedelta(days=1) if last else None


def _owed(campaign: Campaign, since: dt.date | None, until: dt.date) -> list[tuple[int, int, int, int]]:
    """(labeler, micros owed, answers and active ms since), for everybody who ever earned; earlier payouts are off."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH earned AS (
              SELECT labeler_id, sum(earned_micros) AS micros,
                     sum(counted + late) FILTER (WHERE day >= %(since)s) AS answers,
                     sum(active_ms) FILTER (WHERE day >= %(since)s) AS active_ms
              FROM annotation_labelerday WHERE campaign_id = %(c)s AND day <= %(until)s GROUP BY labeler_id
            ), paid AS (
              SELECT labeler_id, sum(micros) AS micros FROM annotation_ledgerentry
              WHERE campaign_id = %(c)s AND kind IN ('payout', 'undo') GROUP BY labeler_id
            )
            SELECT labeler_id, (e.micros + coalesce(p.micros, 0))::bigint, coalesce(answers, 0)::bigint,
                   coalesce(active_ms, 0)::bigint
            FROM earned e LEFT JOIN paid p USING (labeler_id) ORDER BY labeler_id
            """,
            {"c": campaign.pk, "since": since or dt.date(1970, 1, 1), "until": until},
        )
        return cursor.fetchall()


def _terms(currency: Any, pay_per: Any, rate: Any, budget: Any, pays_late: Any) -> dict[str, Any]:
    errors: dict[str, list[str]] = {}
    if pay_per not in ("", *PayPer.values):
        errors["pay_per"] = [_("Empty, or one of: %(choices)s.") % {"choices": ", ".join(PayPer.values)}]
    if currency not in ("", *currencies.CODES) or (pay_per and not currency):
        errors["currency"] = [_("Three letters of ISO 4217, such as EUR.")]
    rate_micros = _amount(rate, "rate", errors) if pay_per else 0
    if pay_per and rate_micros <= 0:
        errors.setdefault("rate", [_("More than 0.")])
    budget_micros = None
    if budget not in (None, ""):
        budget_micros = _amount(budget, "budget", errors)
        if budget_micros < 0 or not currency:
            errors.setdefault("budget", [_("0 or more, and in a currency.")])
    if not isinstance(pays_late, bool):
        errors["pays_late"] = [_("true or false.")]
    if errors:
        raise Invalid(_("The terms were not saved; mend the marked fields."), fields=errors)
    return {
        "currency": currency,
        "pay_per": pay_per,
        "rate_micros": rate_micros,
        "budget_micros": budget_micros,
        "pays_late": pays_late,
    }


def _amount(value: Any, field: str, errors: dict[str, list[str]]) -> int:
    try:
        return currencies.micros(value)
    except ValueError:
        errors[field] = [
            _(
                "A decimal number such as 0.12, with at most six digits behind the point and at most a billion."
            )
        ]
        return 0


def _day(value: Any) -> dt.date:
    try:
        day = value if isinstance(value, dt.date) else dt.date.fromisoformat(value)
    except (ValueError, TypeError):
        raise Invalid(
            _("Nothing was paid; mend the marked fields."), fields={"until": [_("A day such as 2026-11-30.")]}
        ) from None
    if day > timezone.now().astimezone(dt.UTC).date():
        raise Invalid(
            _("Nothing was paid; mend the marked fields."), fields={"until": [_("Today at the latest.")]}
        )
    return day


def _is_line(text: str) -> bool:
    return is_text(text) and not set(text) & set("\r\n")
