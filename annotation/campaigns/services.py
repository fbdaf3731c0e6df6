"""A campaign is set up, changed, opened, paused and closed; each act leaves exactly one audit row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Max
from django.utils.text import slugify
from django.utils.translation import gettext as _

from annotation.assignment import strategies
from annotation.assignment.models import Lane
from annotation.assignment.services import change_overlap, want_order
from annotation.campaigns.models import Campaign, DataLicense, Guidelines, LegalBasis, Protocol
from annotation.campaigns.retired import retired
from annotation.errors import Conflict, Invalid, Stale
from annotation.gold import tallies
from annotation.inputs import is_text
from annotation.items.models import Item, Purpose
from annotation.ledger.budget import account
from annotation.people.models import Membership, Role, User
from annotation.people.services import record_audit
from annotation.transactions import in_transaction
from annotation.webhooks.events import emit
from feedback_types.base import InvalidPayload
from feedback_types.protocol import arity, dump_protocol, load_protocol

MAX_GUIDELINES = 200_000
RANGES = {
    "overlap": (1, 100),
    "lease_s": (30, 604_800),
    "hold_after": (0, 100),
    "gold_window": (1, 200),
    "practice_retries": (0, 20),
}
SHARES = {"gold_share": 0.5, "gold_warn": 1.0, "gold_pause": 1.0, "practice_pass": 1.0}  # from 0 up to
# Quality control (docs/quality-control.md).
GOLD = ("gold_share", "gold_warn", "gold_pause", "gold_window")
PRACTICE = ("practice_first", "practice_pass", "practice_retries")
CONTROL = (*GOLD, *PRACTICE)
FLAGS = ("shows_scores", "shows_errors", "practice_first")
CHOICES = {"data_license": DataLicense.values, "legal_basis": LegalBasis.values}  # or empty: not said
EVENTS = {
    Campaign.State.OPEN: "campaign.opened",
    Campaign.State.PAUSED: "campaign.paused",
    Campaign.State.CLOSED: "campaign.closed",
}
EXTRA = ("extra_below", "extra_up_to")  # both or neither
MAX_CATEGORIES = 30
CATEGORY_CHARACTERS = 60
CHANGEABLE = (
    "name",
    "language",
    *RANGES,
    *SHARES,
    "strategy",
    "control_share",
    "skills",
    *FLAGS,
    *CHOICES,
    *EXTRA,
    "error_categories",
)
MAX_SKILLS = 20


@in_transaction
def create_campaign(
    *,
    actor: User,
    name: str,
    slug: str = "",
    overlap: int = 1,
    lease_s: int = 1800,
    language: str = "en",
    guidelines: str | None = None,
    protocol: Any = None,
    strategy: str = strategies.DEFAULT,
    control_share: float = 0.1,
    skills: Sequence[str] = (),
) -> Campaign:
    """A draft with its creator as admin, and with first guidelines and questions if they are given.

    Args:
        strategy: slug of one of `assignment/strategies`.
        control_share: share of places that is drawn at random instead, above 0 unless the strategy is random itself.
        skills: what items may ask of their labelers.

    Raises Invalid naming the field; Conflict when the slug is taken.
    """
    values = _clean(
        {
            "name": name,
            "overlap": overlap,
            "lease_s": lease_s,
            "language": language,
            "strategy": strategy,
            "control_share": control_share,
            "skills": list(skills),
        }
    )
    _check_control(values["strategy"], values["control_share"])
    campaign = Campaign(**values, slug=slug or _free_slug(values["name"]), created_by=actor)
    if len(campaign.slug) > 60 or campaign.slug != slugify(campaign.slug):
        raise Invalid(
            _("The address is not usable."),
            fields={"slug": [_("Small letters, digits and hyphens, at most 60.")]},
        )
    try:
        with transaction.atomic():
            campaign.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(
            _("There is a campaign at this address already."),
            code="slug_taken",
            fields={"slug": [_("This address is taken; choose another.")]},
        ) from error
    Membership.objects.create(user=actor, campaign=campaign, role=Role.ADMIN)
    if guidelines is not None:
        campaign.guidelines = _new_guidelines(actor, campaign, guidelines)
    if protocol is not None:
        campaign.protocol = _new_protocol(actor, campaign, protocol)
    campaign.save(update_fields=["guidelines", "protocol"])
    campaign.refresh_from_db()
    record_audit(
        actor=actor,
        campaign=campaign,
        action="campaign.create",
        target=campaign.slug,
        after={**values, "slug": campaign.slug},
    )
    return campaign


@in_transaction
def change_campaign(*, actor: User, campaign: Campaign, version: int, changes: Mapping[str, Any]) -> Campaign:
    """Changes settings (`CHANGEABLE`) of the version that the admin saw.

    Another strategy or control share has the open places put in order anew by a worker.
    Raises Stale when somebody saved first (`extra["diff"]`: field -> yours, now); Invalid naming the field; Conflict
    `overlap_below_counted` when items already have more answers than the new overlap, `skill_in_use` when items ask for a
    skill that would go.
    """
    values = _clean(changes)
    campaign = _lock(campaign)
    if version != campaign.version:
        raise _stale(campaign, version, values)
    return _change(actor, campaign, values)


@in_transaction
def save_settings(
    *, actor: User, campaign: Campaign, version: int, changes: Mapping[str, Any], markdown: str
) -> Campaign:
    """The settings page: changes and guidelines together or not at all, in one row of the history.

    Raises as `change_campaign`; Stale also when only the guidelines were changed by somebody else.
    """
    current = _lock(campaign)
    told = current.guidelines.markdown if current.guidelines else ""
    values = _clean(changes)
    if version != current.version:
        raise _stale(current, version, {**values, "guidelines": markdown})
    guidelines = _new_guidelines(actor, current, markdown) if markdown != told else None
    return _change(actor, current, values, guidelines)


@in_transaction
def publish_guidelines(
    *, actor: User, campaign: Campaign, markdown: str, version: int | None = None
) -> Guidelines:
    """A new version of the guidelines; leases that are out keep the one they were given under."""
    campaign = _lock(campaign)
    if version is not None and version != campaign.version:
        raise _stale(campaign, version, {"guidelines": markdown})
    before = campaign.guidelines
    guidelines = _new_guidelines(actor, campaign, markdown)
    campaign.guidelines = guidelines
    campaign.version += 1
    campaign.save(update_fields=["guidelines", "version"])
    record_audit(
        actor=actor,
        campaign=campaign,
        action="guidelines.publish",
        target=f"guidelines:{guidelines.number}",
        before={"number": before.number} if before else None,
        after={"number": guidelines.number, "characters": len(markdown)},
    )
    return guidelines


@in_transaction
def publish_protocol(
    *, actor: User, campaign: Campaign, questions: Any, version: int | None = None
) -> Protocol:
    """A new version of the questions; leases that are out keep the one they were given under.

    What it no longer offers though it was answered stays with its answers, marked (`campaigns/retired.py`).

    Args: questions: JSON as in `feedback_types/protocol.py`.
    Raises Invalid naming question and setting; Conflict `items_do_not_fit` when items have too few or too many responses.
    """
    campaign = _lock(campaign)
    if version is not None and version != campaign.version:
        raise _stale(campaign, version, {"questions": questions})
    before = campaign.protocol
    protocol = _new_protocol(actor, campaign, questions)
    gone = retired(campaign, before.questions, protocol.questions) if before else []
    campaign.protocol = protocol
    campaign.version += 1
    campaign.save(update_fields=["protocol", "version"])
    record_audit(
        actor=actor,
        campaign=campaign,
        action="protocol.publish",
        target=f"protocol:{protocol.number}",
        before={"number": before.number, "questions": before.questions_json} if before else None,
        after={"number": protocol.number, "questions": protocol.questions_json}
        | ({"retired": [r.dump() for r in gone]} if gone else {}),
    )
    protocol.retired = gone
    return protocol


@in_transaction
def open_campaign(*, actor: User, campaign: Campaign) -> Campaign:
    """Labelers get items from now on. Opening a closed campaign again is possible.

    Raises Conflict `budget_used_up` while one more answer could not be paid."""
    return _move(actor, campaign, Campaign.State.OPEN, {"draft", "paused", "closed"})


@in_transaction
def pause_campaign(*, actor: User, campaign: Campaign) -> Campaign:
    """No new items; what is on screens may still be sent and counts."""
    return _move(actor, campaign, Campaign.State.PAUSED, {"open"})


@in_transaction
def close_campaign(*, actor: User, campaign: Campaign) -> Campaign:
    """No new items; what is on screens may still be sent, but is kept as late and does not count."""
    return _move(actor, campaign, Campaign.State.CLOSED, {"open", "paused"})


# --- Helpers ---------------------------------------------------------------------------------------------------------


def _lock(campaign: Campaign) -> Campaign:
    return (
        Campaign.objects.select_for_update(of=("self",), no_key=True)
        .select_related("guidelines", "protocol")
        .get(pk=campaign.pk)
    )


def _move(actor: User, campaign: Campaign, to: Campaign.State, allowed: set[str]) -> Campaign:
    given, campaign = campaign, _lock(campaign)
    if campaign.state != to:
        if campaign.state not in allowed:
            raise Conflict(
                _("A campaign that is %(now)s cannot become %(to)s.")
                % {"now": campaign.get_state_display(), "to": to.label},
                code="wrong_state",
                extra={"state": campaign.state},
            )
        missing = {
            name: [sentence]
            for name, sentence in (
                ("protocol", _("Choose at least one question first.")),
                ("guidelines", _("Write guidelines first; one sentence is enough.")),
            )
            if getattr(campaign, f"{name}_id") is None
        }
        if missing:
            raise Invalid(_("The campaign is not ready yet."), code="not_ready", fields=missing)
        if to == Campaign.State.OPEN and account(campaign).is_used_up:
            raise Conflict(
                _("The budget is used up: one more answer could not be paid. Raise it first."),
                code="budget_used_up",
            )
        before, campaign.state = campaign.state, to
        campaign.paused_for = ""
        campaign.version += 1
        campaign.save(update_fields=["state", "paused_for", "version"])
        record_audit(
            actor=actor,
            campaign=campaign,
            action=f"campaign.{ {'open': 'open', 'paused': 'pause', 'closed': 'close'}[to.value] }",
            target=campaign.slug,
            before={"state": before},
            after={"state": to.value},
        )
        emit(EVENTS[to], campaign)
    given.state, given.version, given.paused_for = campaign.state, campaign.version, campaign.paused_for
    return campaign


def _check_practice(campaign: Campaign) -> None:
    items = Item.objects.filter(campaign=campaign, purpose=Purpose.PRACTICE, withdrawn_at=None)
    if not items.exists():
        message = _(
            "There is nothing to practise on yet: make some items practice items first, on their pages."
        )
        raise Invalid(message, fields={"practice_first": [message]})


def _change(
    actor: User, campaign: Campaign, values: Mapping[str, Any], guidelines: Guidelines | None = None
) -> Campaign:
    """Saves what differs, in one row of the history; the campaign is locked."""
    before = {name: getattr(campaign, name) for name in values}
    changed = {name: value for name, value in values.items() if value != before[name]}
    if not changed and guidelines is None:
        return campaign
    _check_extra(campaign, changed)
    if changed.get("practice_first"):
        _check_practice(campaign)
    _check_control(
        changed.get("strategy", campaign.strategy), changed.get("control_share", campaign.control_share)
    )
    if "skills" in changed:
        _check_unused(campaign, set(campaign.skills) - set(changed["skills"]))
    if "overlap" in changed:
        change_overlap(campaign=campaign, overlap=changed["overlap"])
    then, now = {name: before[name] for name in changed}, dict(changed)
    for name, value in changed.items():
        setattr(campaign, name, value)
    if guidelines is not None:
        then |= {"guidelines": campaign.guidelines.number if campaign.guidelines else None}
        now |= {"guidelines": guidelines.number}
        campaign.guidelines = guidelines
        changed["guidelines"] = guidelines
    campaign.version += 1
    campaign.save(update_fields=[*changed, "version"])
    if {"strategy", "control_share"} & changed.keys():
        want_order(campaign=campaign)
    if "gold_window" in changed:
        tallies.keep(campaign_id=campaign.pk)
    only_guidelines = set(changed) == {"guidelines"}
    record_audit(
        actor=actor,
        campaign=campaign,
        action="guidelines.publish" if only_guidelines else "campaign.change",
        target=f"guidelines:{now['guidelines']}" if only_guidelines else campaign.slug,
        before=then,
        after=now,
    )
    return campaign


def _now(campaign: Campaign, name: str) -> Any:
    """What holds now of what an admin wanted to change."""
    if name == "guidelines":
        return campaign.guidelines.markdown if campaign.guidelines else ""
    if name == "questions":
        return campaign.protocol.questions_json if campaign.protocol else []
    return getattr(campaign, name)


def _stale(campaign: Campaign, version: int, values: Mapping[str, Any]) -> Stale:
    now = {name: _now(campaign, name) for name in values}
    return Stale(yours=values, now=now, version=campaign.version, your_version=version)


def _clean(values: Mapping[str, Any]) -> dict[str, Any]:
    errors: dict[str, list[str]] = {}
    clean = dict(values)
    for name, value in values.items():
        if name not in CHANGEABLE:
            errors[name] = [
                _("This cannot be changed here; it is one of: %(names)s.") % {"names": ", ".join(CHANGEABLE)}
            ]
        elif name in RANGES:
            low, high = RANGES[name]
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                errors[name] = [_("A whole number from %(low)d to %(high)d.") % {"low": low, "high": high}]
        elif name in FLAGS:
            if not isinstance(value, bool):
                errors[name] = [_("true or false.")]
        elif name == "extra_up_to":
            if value is not None and not _is_whole(value, 2, 100):
                errors[name] = [
                    _("Empty, or a whole number from %(low)d to %(high)d.") % {"low": 2, "high": 100}
                ]
        elif name == "extra_below":
            if value is not None and not _is_share(value):
                errors[name] = [_("Empty, or a number above 0, up to 1.")]
        elif name == "error_categories":
            clean[name], wrong = _categories(value)
            if wrong:
                errors[name] = [wrong]
        elif name in SHARES:
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not 0 <= value <= SHARES[name]  # not a number is refused here too
            ):
                errors[name] = [_("A number from 0 to %(high)s.") % {"high": SHARES[name]}]
            else:
                clean[name] = float(value)
        elif name == "strategy":
            if value not in strategies.all_strategies():
                known = ", ".join(strategies.all_strategies())
                errors[name] = [_("Choose one of: %(names)s.") % {"names": known}]
        elif name == "control_share":
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                errors[name] = [_("A number from 0 to 1.")]
            else:
                clean[name] = float(value)
        elif name == "skills":
            clean[name], problem = _clean_skills(value)
            if problem:
                errors[name] = [problem]
        elif name in CHOICES:
            if value not in ("", *CHOICES[name]):
                errors[name] = [_("Empty, or one of: %(choices)s.") % {"choices": ", ".join(CHOICES[name])}]
        elif not is_text(value) or not value.strip():
            errors[name] = [_("Write some text.")]
        else:
            limit = 120 if name == "name" else 10
            clean[name] = value.strip()
            if len(clean[name]) > limit or "\n" in clean[name]:
                errors[name] = [_("One line of at most %(n)d characters.") % {"n": limit}]
    if errors:
        raise Invalid(_("The campaign was not saved; mend the marked fields."), fields=errors)
    return clean


def _check_extra(campaign: Campaign, changed: Mapping[str, Any]) -> None:
    below, up_to = (changed.get(name, getattr(campaign, name)) for name in EXTRA)
    if (below is None) != (up_to is None):
        missing = "extra_below" if below is None else "extra_up_to"
        raise Invalid(
            _("The campaign was not saved; mend the marked fields."),
            fields={missing: [_("Say both: below which agreement, and up to how many answers.")]},
        )


def _is_whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


def _categories(value: Any) -> tuple[list[str], str]:
    """The names without space around them, and what is wrong with them ("" when nothing)."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return [], _("A list of texts.")
    names = [" ".join(name.split()) for name in value]
    if len(names) > MAX_CATEGORIES:
        return [], _("At most %(n)d kinds of error.") % {"n": MAX_CATEGORIES}
    if any(not name or len(name) > CATEGORY_CHARACTERS or not is_text(name) for name in names):
        return [], _("Each is a text of 1 to %(n)d characters.") % {"n": CATEGORY_CHARACTERS}
    for n, name in enumerate(names):
        if name.casefold() in {other.casefold() for other in names[:n]}:
            return [], _("“%(name)s” is there twice.") % {"name": name}
    return names, ""


def _clean_skills(value: Any) -> tuple[list[str], str]:
    """(skills in order, once each; what is wrong with them or nothing)."""
    if not isinstance(value, list | tuple) or not all(isinstance(skill, str) for skill in value):
        return [], _("Write a list of texts.")
    skills = sorted({skill.strip() for skill in value})
    if len(skills) > MAX_SKILLS:
        return [], _("At most %(n)d skills.") % {"n": MAX_SKILLS}
    if any(not 0 < len(s) <= 40 or not is_text(s) or "," in s or not s.isprintable() for s in skills):
        return [], _("Each skill is one line of 1 to 40 characters without a comma.")
    return skills, ""


def _check_control(strategy: str, share: float) -> None:
    if share == 0 and not strategies.get(strategy).is_random:
        message = _(
            "A strategy needs a random control: without one nobody can tell what it does to the data. Above 0, such as 0.1."
        )
        raise Invalid(message, fields={"control_share": [message]})


def _check_unused(campaign: Campaign, gone: set[str]) -> None:
    used = {
        skill
        for skills in Lane.objects.filter(campaign=campaign).values_list("skills", flat=True)
        for skill in skills
    }
    if gone & used:
        message = _("Items ask for “%(skill)s”; it cannot go.") % {"skill": min(gone & used)}
        raise Conflict(message, code="skill_in_use", fields={"skills": [message]})


def _free_slug(name: str) -> str:
    base = slugify(name)[:50].strip("-") or "campaign"
    taken = set(Campaign.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    return (
        base
        if base not in taken
        else next(s for n in range(2, len(taken) + 3) if (s := f"{base}-{n}") not in taken)
    )


def _new_guidelines(actor: User, campaign: Campaign, markdown: Any) -> Guidelines:
    if not is_text(markdown) or len(markdown) > MAX_GUIDELINES:
        raise Invalid(
            _("The guidelines were not saved."),
            fields={"guidelines": [_("Markdown text of at most %(n)d characters.") % {"n": MAX_GUIDELINES}]},
        )
    return Guidelines.objects.create(
        campaign=campaign, number=_next_number(Guidelines, campaign), markdown=markdown, created_by=actor
    )


def _new_protocol(actor: User, campaign: Campaign, raw: Any) -> Protocol:
    try:
        questions = load_protocol(raw)
    except InvalidPayload as error:
        raise Invalid(
            _("The questions were not saved; mend the marked fields."), fields=error.errors
        ) from error
    fewest, most = arity(questions)
    before = campaign.protocol
    if campaign.pk and (before is None or arity(before.questions) != (fewest, most)):
        sizes = Item.objects.filter(campaign=campaign, withdrawn_at=None).annotate(n=Count("responses"))
        misfits = sizes.exclude(n__gte=fewest, n__lte=most).count()
        if misfits:
            raise Conflict(
                _(
                    "%(n)d items do not have %(fewest)d to %(most)d responses; these questions cannot be asked about them."
                )
                % {"n": misfits, "fewest": fewest, "most": most},
                code="items_do_not_fit",
                extra={"items": misfits, "fewest": fewest, "most": most},
            )
    return Protocol.objects.create(
        campaign=campaign,
        number=_next_number(Protocol, campaign),
        questions_json=dump_protocol(questions),
        created_by=actor,
    )


def _next_number(model: type[Guidelines] | type[Protocol], campaign: Campaign) -> int:
    return (model.objects.filter(campaign=campaign).aggregate(last=Max("number"))["last"] or 0) + 1
