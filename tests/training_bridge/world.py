"""Small campaigns with known answers, written straight into the tables that the bridge reads."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from annotation.models import (
    Assignment,
    Campaign,
    Feedback,
    Guidelines,
    Item,
    ItemResponse,
    Membership,
    Prompt,
    Protocol,
    Response,
    Submission,
    User,
)
from feedback_types.base import Message, Screen, ShownResponse
from training_bridge.models import Snapshot
from training_bridge.services import build_snapshot, take_snapshot

START = datetime(2026, 1, 1, tzinfo=UTC)
PROTOCOL: list[dict[str, Any]] = [
    {
        "key": "better",
        "type": "comparison",
        "title": "Which is better?",
        "settings": {"strengths": 3},
        "required": True,
    }
]


def person(name: str, *, campaign: Campaign | None = None, role: str = "", kind: str = "human") -> User:
    user = User.objects.create(
        username=name, kind=kind, pseudonym_key=hashlib.sha256(name.encode()).hexdigest()[:32]
    )
    if campaign is not None:
        Membership.objects.create(user=user, campaign=campaign, role=role)
    return user


@dataclass
class World:
    """A campaign with prompts, two responses each, and labelers; `say` adds an answer."""

    slug: str = "world"
    n_prompts: int = 10
    n_labelers: int = 2
    protocol_json: Sequence[dict[str, Any]] = field(default_factory=lambda: PROTOCOL)
    texts: Sequence[str] = ("A good answer about topic {n}: do it slowly.", "Bad answer {n} 😀.")
    language: str = "en"

    def __post_init__(self) -> None:
        self.owner = person(f"{self.slug}-owner")
        self.campaign = Campaign.objects.create(
            name=self.slug.title(), slug=self.slug, created_by=self.owner, overlap=self.n_labelers
        )
        Membership.objects.create(user=self.owner, campaign=self.campaign, role="admin")
        self.researcher = person(f"{self.slug}-researcher", campaign=self.campaign, role="researcher")
        self.guidelines = Guidelines.objects.create(
            campaign=self.campaign, number=1, markdown="Be fair.", created_by=self.owner
        )
        self.protocol = Protocol.objects.create(
            campaign=self.campaign, number=1, questions_json=list(self.protocol_json), created_by=self.owner
        )
        Campaign.objects.filter(pk=self.campaign.pk).update(
            guidelines=self.guidelines, protocol=self.protocol, state=Campaign.State.OPEN
        )
        self.campaign.refresh_from_db()
        self.labelers = [
            person(f"{self.slug}-labeler-{n}", campaign=self.campaign, role="labeler")
            for n in range(self.n_labelers)
        ]
        self.items = [self.add_item(n) for n in range(self.n_prompts)]
        self.ids = random.Random(self.slug)
        self.said = 0

    def add_item(
        self, n: int, *, prompt: Prompt | None = None, round_number: int = 1, purpose: str = "work"
    ) -> Item:
        if prompt is None:
            text = f"Question {n} of {self.slug}: what now?"
            messages = [{"role": "user", "content": text}]
            prompt = Prompt.objects.create(
                campaign=self.campaign,
                messages=messages,
                language=self.language,
                sha256=hashlib.sha256(text.encode()).hexdigest(),
            )
        item = Item.objects.create(
            campaign=self.campaign,
            prompt=prompt,
            overlap=self.n_labelers + 1,
            round_number=round_number,
            purpose=purpose,
            gold_answers=None if purpose == "work" else {},
        )
        for position, template in enumerate(self.texts):
            text = template.format(n=n)
            response = Response.objects.create(
                prompt=prompt,
                text=text,
                n_codepoints=len(text),
                sha256=hashlib.sha256(text.encode()).hexdigest(),
                source="import",
                source_name="seed",
            )
            ItemResponse.objects.create(item=item, response=response, position=position)
        return item

    def say(
        self,
        item: Item,
        labeler: User,
        strength: int = 2,
        *,
        status: str = "counted",
        at: datetime | None = None,
        revises: Submission | None = None,
        flipped: bool = False,
    ) -> Submission:
        """A pairwise answer; `strength` > 0 prefers the response shown first, `flipped` shows the second one first."""
        responses = list(item.responses.order_by("itemresponse__position").values_list("pk", flat=True))
        order = responses[::-1] if flipped else responses
        if revises is not None:
            assignment = revises.assignment
            order = list(assignment.response_order)
        else:
            assignment = Assignment.objects.create(
                campaign=self.campaign,
                item=item,
                labeler=labeler,
                state=Assignment.State.SUBMITTED,
                lease_until=START + timedelta(days=999),
                protocol=self.protocol,
                guidelines=self.guidelines,
                response_order=order,
                order_seed=7,
            )
        self.said += 1
        submission = Submission.objects.create(
            id=uuid.UUID(int=self.ids.getrandbits(128), version=4),
            campaign=self.campaign,
            item=item,
            assignment=assignment,
            labeler=labeler,
            labeler_kind=labeler.kind,
            revision=0 if revises is None else revises.revision + 1,
            supersedes=revises,
            status=status,
            idempotency_key=uuid.UUID(int=self.ids.getrandbits(128), version=4),
            request_sha256="0" * 64,
            protocol_version=1,
            guidelines_version=1,
            active_ms=5200,
            total_ms=6100,
            submitted_at=at or START + timedelta(seconds=self.said),
        )
        (question,) = self.protocol.questions
        texts = item.responses.in_bulk()
        screen = Screen(
            tuple(Message(m["role"], m["content"]) for m in item.prompt.messages),
            tuple(ShownResponse(pk, texts[pk].text) for pk in order),
        )
        ranks = [1, 1] if strength == 0 else [1, 2] if strength > 0 else [2, 1]
        payload = {"items": order, "ranks": ranks, "strength": strength, "both_bad": False, "aspect": None}
        Feedback.objects.create(
            submission=submission,
            question="better",
            type="comparison",
            version=1,
            payload=payload,
            choice_set=question.type.choice_set(screen, question.settings, question.type.load(payload)),
        )
        return submission

    def answer_all(self, strength: int = 2) -> None:
        """Every labeler prefers the response written as the good one."""
        for number, item in enumerate(self.items):
            for labeler in self.labelers:
                self.say(item, labeler, -strength if number % 2 else strength, flipped=bool(number % 2))


def take(world: World) -> Snapshot:
    """A complete snapshot of what was said until now."""
    taken = take_snapshot(campaign=world.campaign, actor=world.researcher)
    build_snapshot(str(taken.pk))
    taken.refresh_from_db()
    assert taken.status == "complete", taken.error
    return taken
