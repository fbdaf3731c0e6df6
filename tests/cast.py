"""A fixed cast of people, and campaigns for them to work in.

cast = make_cast()                                  # lena and otto label, rita reviews, adam administers, ...
campaign = make_campaign(cast, items=3, overlap=2)  # open, a comparison and a critique
answers = answer(assignment)                        # valid answers to its screen
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotation.assignment.models import Assignment
from annotation.assignment.selectors import questions_for, screen_for
from annotation.campaigns.models import Campaign
from annotation.campaigns.services import create_campaign, open_campaign
from annotation.items.services import NewItem, NewResponse, add_items
from annotation.people.models import Role, User
from annotation.people.services import grant_role
from annotation.submissions.models import Submission
from annotation.submissions.services import submit
from feedback_types.base import Answer, SyntheticLabeler

PROTOCOL: list[dict[str, Any]] = [
    {"key": "better", "type": "comparison", "title": "Which is better?"},
    {"key": "grade", "type": "critique", "title": "How good is it?"},
]


@dataclass
class Cast:
    """`lena`, `otto`: labelers. `rita`: reviewer. `adam`: admin. `reza`: researcher. `stan`: a stranger with an account."""

    lena: User
    otto: User
    rita: User
    adam: User
    reza: User
    stan: User


def make_user(name: str, **fields: Any) -> User:
    return User.objects.create(username=name, email=f"{name}@canary.example", **fields)


def make_cast() -> Cast:
    return Cast(*(make_user(name) for name in ("lena", "otto", "rita", "adam", "reza", "stan")))


def make_campaign(
    cast: Cast,
    *,
    items: int = 2,
    overlap: int = 1,
    responses: int = 2,
    protocol: Any = None,
    is_open: bool = True,
    **fields: Any,
) -> Campaign:
    """A campaign of adam's with the cast in their roles."""
    campaign = create_campaign(
        actor=cast.adam,
        name=fields.pop("name", "Everyday answers"),
        overlap=overlap,
        guidelines="Prefer the answer that helps.",
        protocol=protocol or PROTOCOL,
        **fields,
    )
    for user, role in (
        (cast.lena, Role.LABELER),
        (cast.otto, Role.LABELER),
        (cast.rita, Role.REVIEWER),
        (cast.reza, Role.RESEARCHER),
    ):
        grant_role(actor=cast.adam, user=user, campaign=campaign, role=role)
    if items:
        add_some_items(campaign, items, responses)
    return open_campaign(actor=cast.adam, campaign=campaign) if is_open else campaign


def add_some_items(campaign: Campaign, n: int, responses: int = 2, start: int = 0) -> list[int]:
    return add_items(
        campaign=campaign,
        items=[
            NewItem(
                f"Question {i}?",
                [NewResponse(f"Answer {i}.{j}.", source_name="canary-policy") for j in range(responses)],
            )
            for i in range(start, start + n)
        ],
    )


def make_labelers(campaign: Campaign, n: int, prefix: str = "labeler") -> list[User]:
    people = [make_user(f"{prefix}-{i}") for i in range(n)]
    for user in people:
        grant_role(actor=None, user=user, campaign=campaign, role=Role.LABELER)
    return people


def answer(assignment: Assignment, seed: int = 0) -> list[Answer]:
    """Valid answers to every question of an assignment's screen, drawn by the types' own synthetic labelers."""
    screen, rng = screen_for(assignment), np.random.default_rng(seed)
    labeler = SyntheticLabeler(value=lambda prompt, text, at, head: float(len(text) % 7))
    return [
        Answer(question.key, target, payload)
        for question in questions_for(assignment)
        for target, payload in question.type.simulate(screen, question.settings, labeler, rng)
    ]


def send(assignment: Assignment, *, key: uuid.UUID | None = None, seed: int = 0, **fields: Any) -> Submission:
    """Answers an assignment as its labeler would."""
    return submit(
        labeler=assignment.labeler,
        assignment_id=assignment.pk,
        idempotency_key=key or uuid.uuid4(),
        answers=answer(assignment, seed),
        active_ms=4200,
        **fields,
    )
