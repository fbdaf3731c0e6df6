"""A reward that somebody stated answers a campaign, as a labeler of its own kind and through the same `submit`.

    stated = stated_reward(feedback_type, payload)          # FeedbackType.reward: weights on features, or a program
    report = answer_by(stated, actor=admin, campaign=campaign, name="proxy-912")

It answers what asks which response is better (the survey's evaluative types), by each type's own law at a high rationality:
the gap of its scores decides, and where they are equal it says so if it can. Nothing else is made up: a head that is not the
reward (an aspect, an attribute) was not stated, so such a question stays open; where it is required, nothing is answered.

Its account has the kind "proxy", which is in every row: never counted as a person, not part of agreement, and in a snapshot
only on request. It takes a place of the item like everybody; give the campaign one more for it.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from annotation.assignment.models import Assignment
from annotation.assignment.selectors import questions_for, screen_for
from annotation.assignment.services import lease_next, skip
from annotation.campaigns.models import Campaign
from annotation.errors import Conflict, Invalid
from annotation.people.models import Role, User
from annotation.people.services import grant_role, record_audit
from annotation.submissions.models import Feedback
from annotation.submissions.services import submit
from annotation.transactions import in_transaction
from feedback_types import registry
from feedback_types.base import Answer, InvalidPayload, Message, SyntheticLabeler

KEYS = uuid.UUID("3b1f3a52-97d0-4a0e-9a52-0d3c0a8f6c11")
BETA = 10.0  # log-odds for each unit of the stated reward: a gap of half a unit is decided 99 times of 100
EVALUATIVE = "Evaluative"

Reward = Callable[[str], float]


class _NotStated(Exception):
    """Something was asked that the reward says nothing about."""


@dataclass
class Report:
    answered: int = 0  # items
    feedback: Counter[str] = field(default_factory=Counter)  # by type


def stated_reward(slug: str, stored: Mapping[str, Any], version: int | None = None) -> Reward:
    """The reward that a stored answer states. Raises Invalid when it states none or cannot be read."""
    try:
        feedback_type = registry.get(slug)
        reward = feedback_type.reward(feedback_type.load(stored, version))
    except (registry.UnknownType, InvalidPayload) as error:
        raise Invalid(str(error)) from error
    if reward is None:
        raise Invalid(
            _("This answer states no reward of texts; choose one with weights on features, or a program.")
        )
    return reward


def reward_of(feedback: Feedback) -> Reward:
    """The reward that one row states. Raises Invalid."""
    return stated_reward(feedback.type, feedback.payload, feedback.version)


def reward_in(text: str) -> Reward:
    """The reward in a file: a line of a snapshot's feedback.jsonl, or {"type", "payload", "version"}. Raises Invalid."""
    try:
        row = json.loads(text)
        return stated_reward(str(row["type"]), dict(row["payload"]), row.get("version"))
    except (ValueError, KeyError, TypeError) as error:
        sentence = _(
            'This is no stated reward: write {"type": …, "payload": {…}}, or a line of feedback.jsonl.'
        )
        raise Invalid(sentence) from error


def answer_by(
    reward: Reward,
    *,
    actor: User | None,
    campaign: Campaign,
    name: str,
    limit: int | None = None,
    beta: float = BETA,
) -> Report:
    """Answers what the queue has for it, item by item; running it again goes on where it stopped.

    Args:
        name: of its account, which is made if it is not there. limit: at most so many items.
        beta: log-odds for each unit of the reward.
    Raises: Conflict when the campaign is not open; Invalid when the name belongs to somebody of another kind, or when a
        required question asks for more than a reward says.
    """
    if not campaign.is_open:
        raise Conflict(_("The campaign is not open; open it to hand out items."), code="not_open")
    labeler = _admit(actor, campaign, name, beta)
    report = Report()
    while limit is None or report.answered < limit:
        assignment = lease_next(labeler=labeler, campaign=campaign)
        if assignment is None:
            break
        _answer(reward, labeler, assignment, beta, report)
    return report


@in_transaction
def _admit(actor: User | None, campaign: Campaign, name: str, beta: float) -> User:
    """Its account as a labeler of the campaign, and a line in the history."""
    labeler = _account(name)
    grant_role(actor=actor, user=labeler, campaign=campaign, role=Role.LABELER)
    record_audit(
        actor=actor,
        campaign=campaign,
        action="proxy.answer",
        target=f"user:{labeler.pk}",
        after={"beta": beta},
    )
    return labeler


def _answer(reward: Reward, labeler: User, assignment: Assignment, beta: float, report: Report) -> None:
    def value(prompt: tuple[Message, ...], text: str, offset: int | None, head: str) -> float:
        if head != "reward":
            raise _NotStated
        return reward(text if offset is None else text[:offset])

    screen, questions = screen_for(assignment), questions_for(assignment)
    law = SyntheticLabeler(value=value, beta=beta)
    rng = np.random.default_rng([assignment.item_id, labeler.pk])  # the same item, the same answer
    answers: list[Answer] = []
    for question in questions:
        try:
            if question.type.attributes.intent != EVALUATIVE:
                raise _NotStated
            said = question.type.simulate(screen, question.settings, law, rng)
        except _NotStated:
            if question.required:
                note = _("The stated reward says nothing about “%(question)s”.") % {
                    "question": question.heading
                }
                skip(labeler=labeler, assignment_id=assignment.pk, reason="other", note=note)
                raise Invalid(note) from None
            continue
        answers += [Answer(question.key, target, payload) for target, payload in said]
    types = {question.key: question.type.slug for question in questions}
    submit(
        labeler=labeler,
        assignment_id=assignment.pk,
        idempotency_key=uuid.uuid5(KEYS, f"{assignment.pk}"),
        answers=answers,
        device_class="program",
        ui_version="stated reward 1",
        assignment=assignment,
        screen=screen,
    )
    report.answered += 1
    report.feedback.update(types[answer.question] for answer in answers)


def _account(name: str) -> User:
    user, created = User.objects.get_or_create(username=name, defaults={"kind": User.Kind.PROXY})
    if user.kind != User.Kind.PROXY:
        raise Invalid(
            _("%(name)s is the account of somebody else; choose another name.") % {"name": name},
            fields={"name": [_("Not the account of a stated reward.")]},
        )
    if created:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user
