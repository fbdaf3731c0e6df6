"""What a person has agreed to now, what they could agree to, and what they did."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from annotation.campaigns.models import Campaign
from annotation.consents.models import ConsentAct, Erasure
from annotation.people.models import Membership, Role, User
from feedback_types import registry
from feedback_types.base import Consent


def given(user_id: int) -> frozenset[str]:
    """Slugs of the consents that the person has given, in the version that is current."""
    last = (
        ConsentAct.objects.filter(user_id=user_id, consent__in=registry.consents())
        .order_by("consent", "-id")
        .distinct("consent")
        .values_list("consent", "version", "kind")
    )
    return frozenset(
        slug
        for slug, version, kind in last
        if kind == ConsentAct.Kind.GRANTED and version == registry.consents()[slug].version
    )


@dataclass(frozen=True)
class Standing:
    """One consent and one person: its text, whether it is given, where it is asked for, and what was done."""

    consent: Consent
    is_given: bool
    campaigns: list[tuple[Campaign, str]]  # with the legal basis that the campaign names
    acts: list[ConsentAct]
    erasures: list[Erasure]

    @property
    def is_outdated(self) -> bool:
        """Whether it was given to an older text and not withdrawn since."""
        return bool(self.acts) and self.acts[0].kind == ConsentAct.Kind.GRANTED and not self.is_given


def standings(user: User) -> list[Standing]:
    """Every consent that a campaign asks this labeler for, or about which they did something before."""
    now = given(user.pk)
    asking: dict[str, list[tuple[Campaign, str]]] = {}
    labels = Membership.objects.filter(user=user, role=Role.LABELER, suspended_at=None).values("campaign_id")
    for campaign in Campaign.objects.filter(pk__in=labels).select_related("protocol").order_by("name"):
        for question in campaign.protocol.questions if campaign.protocol else ():
            if slug := question.type.needs_consent:
                basis = question.type.legal_basis(question.settings)
                if (campaign, basis) not in asking.setdefault(slug, []):
                    asking[slug].append((campaign, basis))
    acts: dict[str, list[ConsentAct]] = {}
    for act in acts_of(user):
        acts.setdefault(act.consent, []).append(act)
    erasures: dict[str, list[Erasure]] = {}
    for erasure in Erasure.objects.filter(user=user).order_by("-id"):
        erasures.setdefault(erasure.consent, []).append(erasure)
    return [
        Standing(consent, slug in now, asking.get(slug, []), acts.get(slug, []), erasures.get(slug, []))
        for slug, consent in sorted(registry.consents().items())
        if slug in asking or slug in acts or slug in erasures
    ]


def acts_of(user: User) -> QuerySet[ConsentAct]:
    """What the person did, latest first."""
    return ConsentAct.objects.filter(user=user).select_related("text").order_by("-id")
