"""Answers a published set again: imports its items and sends every answer as the labeler who gave it.

Accounts and tokens are made here; items, assignments and answers go through the REST API of a running site.
Running it again adds only what is missing: each answer has an idempotency key made of the set, the item and the labeler.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
from django.utils.text import slugify

from annotation.campaigns.models import Campaign
from annotation.campaigns.services import create_campaign
from annotation.consents.models import ConsentAct
from annotation.consents.services import grant
from annotation.people.models import ApiToken, Role, User
from annotation.people.services import grant_role, issue_token, revoke_token
from annotation.replay.client import ApiError, Client
from annotation.replay.sets import Case, RealSet, Said, answers_on
from feedback_types.base import InvalidPayload, Message, Screen, ShownResponse
from feedback_types.protocol import load_protocol
from feedback_types.registry import consents

KEYS = uuid.UUID("6f0b3f0e-5f3c-4d0a-9d39-3a5d0c1f7a11")
BATCH = 500
Progress = Callable[[int, int], None]


@dataclass
class Report:
    """What went in, what came out, and why the rest did not."""

    set: str
    campaign: str
    rows: int = 0
    imported: int = 0
    answers: int = 0
    stored: int = 0
    late: int = 0
    already_there: int = 0
    feedback: Counter[str] = field(default_factory=Counter)
    labelers: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        return vars(self) | {"feedback": dict(self.feedback), "refused": dict(self.refused)}


def replay(real: RealSet, *, data: Path, url: str, limit: int | None = None, progress: Progress) -> Report:
    """Replays one set against the site at `url`; `limit` takes only the first cases.

    Raises ApiError when the site refuses the import.
    """
    cases = list(real.cases(data))[:limit]
    names = sorted({said.labeler for case in cases for said in case.said})
    overlap = max((len(case.said) for case in cases), default=1)
    admin = _account("replay-admin")
    campaign = Campaign.objects.filter(slug=_slug(real)).first() or create_campaign(
        actor=admin,
        name=f"Replay: {real.title}",
        slug=_slug(real),
        overlap=overlap,
        guidelines=f"Published feedback, answered again as it was given: {real.title}.",
        protocol=real.protocol,
    )
    grant_role(actor=admin, user=admin, campaign=campaign, role=Role.ADMIN)
    grant_role(actor=admin, user=admin, campaign=campaign, role=Role.RESEARCHER)
    labelers = {name: _account(f"{_slug(real)}-{slugify(name)}") for name in names}
    tokens: list[ApiToken] = []
    report = Report(real.name, campaign.slug, rows=len(cases), labelers=len(names))
    try:
        with httpx.Client(timeout=120) as connection:
            chief = Client(url, _token(admin, tokens, "manage", "read"), connection=connection)
            people = {}
            for name, user in labelers.items():
                _agree(user, real)
                grant_role(actor=admin, user=user, campaign=campaign, role=Role.LABELER)
                people[name] = Client(url, _token(user, tokens, "label"), connection=connection)
            if campaign.state == Campaign.State.DRAFT:
                chief.post(f"campaigns/{campaign.slug}/open/")
            ids = _items(chief, campaign.slug, cases, report)
            todo = [(case, said) for case in cases for said in case.said]
            report.answers = len(todo)
            for case in cases:
                report.refused.update(case.refused)
            for done, (case, said) in enumerate(todo, start=1):
                _answer(
                    chief,
                    people[said.labeler],
                    real,
                    campaign.slug,
                    ids[case.external_id],
                    case,
                    said,
                    report,
                )
                if done % 50 == 0 or done == len(todo):
                    progress(done, len(todo))
    finally:
        for token in tokens:
            revoke_token(actor=token.user, token=token)
    return report


def _items(chief: Client, slug: str, cases: list[Case], report: Report) -> dict[str, int]:
    """Imports what the campaign does not have yet; external id -> item id of all."""
    known = _known(chief, slug)
    # A case without responses is no item: it only says why its answers were refused.
    new = [case for case in cases if case.responses and case.external_id not in known]
    if new:
        body = b"\n".join(orjson.dumps(case.import_row()) for case in new)
        report.imported = chief.upload(f"campaigns/{slug}/items/import/", body)["items"]
        known = _known(chief, slug)
    return known


def _known(chief: Client, slug: str) -> dict[str, int]:
    ids: dict[str, int] = {}
    path: str | None = f"campaigns/{slug}/items/?page_size=200"
    while path:
        page = chief.get(path)
        ids.update({item["external_id"]: item["id"] for item in page["results"]})
        path = page["next"] and page["next"].partition("/api/")[2]
    return ids


def _answer(
    chief: Client,
    person: Client,
    real: RealSet,
    slug: str,
    item_id: int,
    case: Case,
    said: Said,
    report: Report,
) -> None:
    key = uuid.uuid5(KEYS, f"{real.name}:{case.external_id}:{said.labeler}")
    name = f"{_slug(real)}-{slugify(said.labeler)}"
    try:
        assignment = chief.post(f"campaigns/{slug}/items/{item_id}/assign/", {"labeler": name})["assignment"]
    except ApiError as error:
        if error.code != "no_place":
            raise
        report.already_there += 1
        return
    shown = person.get(f"assignments/{assignment}/")
    screen = Screen(
        tuple(Message(m["role"], m["content"]) for m in shown["prompt"]),
        tuple(ShownResponse(r["id"], r["text"]) for r in shown["responses"]),
    )
    questions = load_protocol(shown["questions"], is_stored=True)
    try:
        answers = answers_on(screen, questions, said)
        sent = person.post(
            f"assignments/{assignment}/submit/",
            {
                "idempotency_key": str(key),
                "answers": [
                    {"question": a.question, "target": a.target, "payload": a.payload.dump()} for a in answers
                ],
            },
        )
    except (InvalidPayload, ApiError) as error:
        if isinstance(error, ApiError) and error.status not in (409, 413, 422):
            raise
        report.refused[str(error)] += 1
        person.post(
            f"assignments/{assignment}/skip/", {"reason": "other", "note": "not sayable in this protocol"}
        )
        return
    report.stored += 1
    report.late += sent["submission"]["status"] == "late"
    types = {q.key: q.type.slug for q in questions}
    report.feedback.update(types[a.question] for a in answers)


def _agree(user: User, real: RealSet) -> None:
    """What a set publishes was observed with its people's consent to that; the act says where it comes from."""
    for slug in {q.type.needs_consent for q in load_protocol(real.protocol)} - {""}:
        grant(user=user, slug=slug, version=consents()[slug].version, source=ConsentAct.Source.PUBLISHED)


def _slug(real: RealSet) -> str:
    return slugify(f"replay-{real.name}").replace("_", "-")


def _account(username: str) -> User:
    user, created = User.objects.get_or_create(username=username)
    if created:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


def _token(user: User, tokens: list[ApiToken], *scopes: str) -> str:
    row, text = issue_token(user=user, name="replay", scopes=scopes, days=1)
    tokens.append(row)
    return text
