"""Answers as statistics read them: whole prompts, one after the other, a bounded sample of them where there are many.

    for block in blocks(campaign):          some 200 prompts with everything that was counted about them
        for told in block.told: …           one labeler's answers on one screen
        block.responses[17].source          "policy-3"

Four statements a block, whatever the campaign's size. A sample is random and always the same: prompts come in
the order of the hash of their text, so whatever reads only the first of them has a fair sample, with all answers about a
prompt or none, also where it was imported more than once.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from django.db.models import Q

from annotation.assignment.selectors import protocol
from annotation.campaigns.models import Campaign
from annotation.items.models import Prompt, Response
from annotation.people.models import PEOPLE
from annotation.submissions.models import Feedback, Submission
from feedback_types import registry
from feedback_types.base import Question

BUDGET = 200_000  # submissions that one statistic reads at most
PROMPTS, MOST_PROMPTS = 200, 2_000  # of a block: about, and where many have one text


class Shown(NamedTuple):
    """A response as far as statistics care. `source` is what people read for where it comes from; `sha256` is its text's."""

    characters: int
    source: str
    sha256: str


@dataclass
class Told:
    """One labeler's latest, counted answers on one screen."""

    questions: Mapping[str, Question]
    labeler_id: int
    item_id: int
    prompt: str  # the hash of its text: one prompt may have been imported more than once
    at: dt.datetime
    active_ms: int | None
    shown: Sequence[int]
    language: str
    answers: dict[str, list[tuple[int | None, Any]]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True)
class Block:
    told: Sequence[Told]
    responses: Mapping[int, Shown]


def counted(campaign: Campaign, kinds: Sequence[str] = PEOPLE) -> Any:
    """Submissions in their latest revision that count."""
    return Submission.objects.filter(
        campaign=campaign,
        superseded_by=None,
        status=Submission.Status.COUNTED,
        labeler_kind__in=kinds,
    )


def size(campaign: Campaign, kinds: Sequence[str] = PEOPLE, at_most: int = BUDGET) -> int:
    """How many submissions there are, counted up to a bound: as many as first answers, so corrections need no look."""
    first = Submission.objects.filter(
        campaign=campaign, revision=0, status=Submission.Status.COUNTED, labeler_kind__in=kinds
    )
    return first[: at_most + 1].count()


def blocks(campaign: Campaign, kinds: Sequence[str] = PEOPLE, *, budget: int = BUDGET) -> Iterator[Block]:
    """Every answered prompt, or as many in a random order as make up `budget` submissions."""
    left = budget
    for some in _prompts(campaign, kinds, budget):
        block = _block(campaign, kinds, some)
        if block.told:
            yield block
        left -= len(block.told)
        if left <= 0:
            return


def _prompts(campaign: Campaign, kinds: Sequence[str], budget: int) -> Iterator[list[int]]:
    """Prompts in the order of their hash, some PROMPTS at once, those of one text together."""
    few = size(campaign, kinds, budget) <= budget
    some: list[int] = []
    for _sha, same in groupby(_answered(campaign, kinds) if few else _all(campaign), key=itemgetter(0)):
        for _, pk in same:
            some.append(pk)
            if len(some) >= MOST_PROMPTS:
                yield some
                some = []
        if len(some) >= PROMPTS:
            yield some
            some = []
    if some:
        yield some


def _answered(campaign: Campaign, kinds: Sequence[str]) -> list[tuple[str, int]]:
    """Few answers among perhaps a million prompts: from the answers."""
    rows = counted(campaign, kinds).values_list("item__prompt__sha256", "item__prompt_id")
    return sorted(set(rows.iterator(chunk_size=10_000)))


def _all(campaign: Campaign) -> Iterator[tuple[str, int]]:
    """Page by page along an index."""
    sha, last = "", 0
    while True:
        after = Prompt.objects.filter(campaign=campaign, sha256__gte=sha)
        after = after.filter(Q(sha256__gt=sha) | Q(pk__gt=last)).order_by("sha256", "pk")
        page = list(after.values_list("sha256", "pk")[: 5 * PROMPTS])
        if not page:
            return
        yield from page
        sha, last = page[-1]


def answers_about(campaign: Campaign, items: Sequence[int], kinds: Sequence[str] = PEOPLE) -> list[Told]:
    """Everything that was counted about some items."""
    return _told(counted(campaign, kinds).filter(item_id__in=items))


def _block(campaign: Campaign, kinds: Sequence[str], prompts: Sequence[int]) -> Block:
    told = _told(counted(campaign, kinds).filter(item__prompt_id__in=prompts))
    ids = {response for t in told for response in t.shown}
    responses = Response.objects.filter(pk__in=ids).values_list(
        "pk", "n_codepoints", "source", "source_name", "sha256"
    )
    names = dict(Response.Source.choices)
    return Block(
        told,
        {
            pk: Shown(length, name or str(names.get(source, source)), sha)
            for pk, length, source, name, sha in responses
        },
    )


def _told(submissions: Any) -> list[Told]:
    rows = submissions.order_by("item__prompt__sha256", "item_id", "pk").values_list(
        "pk", "assignment__protocol_id", "labeler_id", "item_id", "item__prompt__sha256", "submitted_at", "active_ms",
        "assignment__response_order", "item__prompt__language",
    )  # fmt: skip
    told = {pk: Told(_questions(asked), *about) for pk, asked, *about in rows}
    said = Feedback.objects.filter(submission_id__in=list(told)).order_by("id")
    for submission_id, question, slug, version, target, payload in said.values_list(
        "submission_id", "question", "type", "version", "target_id", "payload"
    ):
        of = told[submission_id]
        if question in of.questions and of.questions[question].type.slug == slug:
            of.answers[question].append((target, registry.get(slug).load(payload, version)))
    return list(told.values())


def _questions(protocol_id: int) -> Mapping[str, Question]:
    return {q.key: q for q in protocol(protocol_id).questions}
