"""An admin says where a campaign's events go, tries it, changes it, takes it away. A secret is shown once.

webhook, secret = create_webhook(actor=adam, campaign=campaign, url="https://example.org/hooks", kinds=["run.finished"])
delivery = try_webhook(actor=adam, webhook=webhook)      # sends a test message now, and says what came of it
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from annotation.campaigns.models import Campaign
from annotation.endpoints import keys
from annotation.endpoints.addresses import check
from annotation.errors import Conflict, Invalid, NotFound
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.transactions import in_transaction
from annotation.webhooks import relay
from annotation.webhooks.catalogue import KINDS, TEST
from annotation.webhooks.events import refresh_hooked, wake_on_commit
from annotation.webhooks.models import Delivery, Webhook
from annotation.webhooks.signing import new_secret

MOST = 20  # of one campaign
OLD_SECRET_H = 24
CHANGEABLE = ("url", "kinds", "is_active")


@in_transaction
def create_webhook(
    *, actor: User, campaign: Campaign, url: Any, kinds: Any, is_active: Any = True
) -> tuple[Webhook, str]:
    """Keeps an address and draws its secret, which is shown this once. Nothing is sent yet.

    Raises Invalid naming the field; Conflict `url_taken`, or `too_many_webhooks` beyond twenty of a campaign.
    """
    values = _checked({"url": url, "kinds": kinds, "is_active": is_active})
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    if Webhook.objects.filter(campaign=campaign, removed_at=None).count() >= MOST:
        raise Conflict(
            _("A campaign has at most %(n)d webhooks; remove one first.") % {"n": MOST},
            code="too_many_webhooks",
        )
    secret = new_secret()
    webhook = Webhook(campaign=campaign, created_by=actor, sealed_secret=keys.seal(secret), **values)
    _save(webhook)
    webhook.refresh_from_db()
    refresh_hooked(campaign.pk)
    record_audit(
        actor=actor,
        campaign=campaign,
        action="webhook.create",
        target=f"webhook:{webhook.pk}",
        after=values,
    )
    return webhook, secret


@in_transaction
def change_webhook(*, actor: User, webhook: Webhook, changes: Mapping[str, Any]) -> Webhook:
    """Changes address, events, or whether it is on; what still waits goes to the new address. Raises Invalid, Conflict."""
    values = _checked(changes)
    now = _lock(webhook)
    before = {name: getattr(now, name) for name in values}
    changed = {name: value for name, value in values.items() if value != before[name]}
    if not changed:
        return now
    for name, value in changed.items():
        setattr(now, name, value)
    if changed.get("is_active"):
        now.switched_off = ""
    if "url" in changed or changed.get("is_active"):
        now.failing_since = now.rests_until = None
    _save(now)
    refresh_hooked(now.campaign_id)
    record_audit(
        actor=actor,
        campaign=now.campaign,
        action="webhook.change",
        target=f"webhook:{now.pk}",
        before={name: before[name] for name in changed},
        after=changed,
    )
    if now.is_active:
        wake_on_commit()
    return now


@in_transaction
def rotate_secret(*, actor: User, webhook: Webhook) -> str:
    """A new secret, shown this once; the one before it signs too for another day, so that the receiver can change over."""
    now = _lock(webhook)
    secret = new_secret()
    Webhook.objects.filter(pk=now.pk).update(
        sealed_secret=keys.seal(secret),
        sealed_old_secret=now.sealed_secret,
        old_secret_until=Now() + dt.timedelta(hours=OLD_SECRET_H),
    )
    record_audit(actor=actor, campaign=now.campaign, action="webhook.rotate", target=f"webhook:{now.pk}")
    return secret


@in_transaction
def remove_webhook(*, actor: User, webhook: Webhook) -> None:
    """Nothing is sent there any more, and its secrets are gone."""
    gone = Webhook.objects.filter(pk=webhook.pk, removed_at=None).update(
        removed_at=Now(), is_active=False, sealed_secret="", sealed_old_secret=""
    )
    if gone:
        refresh_hooked(webhook.campaign_id)
        record_audit(
            actor=actor,
            campaign=webhook.campaign,
            action="webhook.remove",
            target=f"webhook:{webhook.pk}",
            before={"url": webhook.url, "kinds": webhook.kinds},
        )


def try_webhook(*, actor: User, webhook: Webhook) -> Delivery:
    """Sends a message of the kind `webhook.test` now, whether or not the webhook is on; at most ten seconds."""
    with transaction.atomic():
        delivery = Delivery.objects.create(
            webhook=webhook,
            kind=TEST.name,
            data={"campaign": webhook.campaign.slug},
            state=Delivery.State.GIVEN_UP,  # until it is known better; it is not tried again
            attempts=1,
            attempted_at=Now(),
        )
        record_audit(
            actor=actor, campaign=webhook.campaign, action="webhook.test", target=f"webhook:{webhook.pk}"
        )
    delivery = Delivery.objects.get(pk=delivery.pk)
    delivery.webhook = relay.with_secrets().get(pk=webhook.pk)
    outcome = relay.attempt(delivery)
    Delivery.objects.filter(pk=delivery.pk).update(
        state=Delivery.State.GIVEN_UP if outcome.failure else Delivery.State.DELIVERED,
        **relay.said(outcome),
    )
    return Delivery.objects.get(pk=delivery.pk)


@in_transaction
def send_again(*, actor: User, webhook: Webhook, delivery_id: int) -> Delivery:
    """A message is due once more, under the same id and with all its attempts.

    Raises NotFound; Conflict `webhook_off`.
    """
    now = _lock(webhook)
    if not now.is_active:
        raise Conflict(_("The webhook is off; switch it on first."), code="webhook_off")
    again = Delivery.objects.filter(pk=delivery_id, webhook=now).update(
        state=Delivery.State.WAITING, due_at=Now(), attempts=0
    )
    if not again:
        raise NotFound(_("There is no such message."))
    Webhook.objects.filter(pk=now.pk).update(rests_until=None)
    record_audit(
        actor=actor,
        campaign=now.campaign,
        action="webhook.send_again",
        target=f"webhook:{now.pk}",
        after={"delivery": delivery_id},
    )
    wake_on_commit()
    return Delivery.objects.get(pk=delivery_id)


# --- Helpers ---------------------------------------------------------------------------------------------------------


def _lock(webhook: Webhook) -> Webhook:
    # The campaign first, as the other acts on it do: `refresh_hooked` writes it.
    Campaign.objects.select_for_update(no_key=True).get(pk=webhook.campaign_id)
    now = (
        Webhook.objects.select_for_update(of=("self",), no_key=True)
        .select_related("campaign")
        .filter(pk=webhook.pk, removed_at=None)
        .first()
    )
    if now is None:
        raise NotFound(_("This webhook was removed."))
    return now


def _save(webhook: Webhook) -> None:
    try:
        with transaction.atomic():
            webhook.save()
    except IntegrityError as error:
        raise Conflict(
            _("This campaign has a webhook at this address."),
            code="url_taken",
            fields={"url": [_("Change that one, or choose another address.")]},
        ) from error


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they are stored. Raises Invalid with a sentence for each field that breaks a rule."""
    checked: dict[str, Any] = {}
    wrong: dict[str, list[str]] = {}
    for name, value in values.items():
        if name == "url":
            try:
                checked[name] = check(value).base_url
            except Invalid as invalid:
                wrong[name] = invalid.fields["base_url"]
        elif name == "kinds":
            if not isinstance(value, list | tuple) or not value or not set(map(str, value)) <= KINDS.keys():
                wrong[name] = [_("Choose at least one of: %(names)s.") % {"names": ", ".join(KINDS)}]
            else:
                checked[name] = [kind for kind in KINDS if kind in value]
        elif name == "is_active":
            if isinstance(value, bool):
                checked[name] = value
            else:
                wrong[name] = [_("true or false.")]
        else:
            wrong[name] = [_("Unknown field; known: %(known)s.") % {"known": ", ".join(CHANGEABLE)}]
    if wrong:
        raise Invalid(_("The webhook was not saved; mend the marked fields."), fields=wrong)
    return checked
