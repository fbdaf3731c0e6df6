"""Candidates for every prompt of a campaign, written by a worker: n responses each, as new items.

    batch = start(actor=admin, campaign=campaign, n=4, sampling={"temperature": 1.0, "seed": 7})

The row is the truth: the task may run twice, late or half. A prompt is done when its item is there (its external id names
batch and prompt), or when it was given up and is counted as not generated; the campaign goes on without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from annotation.campaigns.models import Campaign
from annotation.errors import Conflict, Invalid, Refused
from annotation.generation.models import Candidates, Live
from annotation.generation.sampling import MAX_SEED, Sampling
from annotation.generation.selectors import live_of, why_not
from annotation.generation.services import sampling_of
from annotation.generation.source import Begun, Ended, Piece, SourceFailed, ask
from annotation.items.models import Item, Prompt, Purpose
from annotation.items.services import NewItem, NewResponse, add_items
from annotation.locks import Work, held
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.transactions import in_transaction
from feedback_types.protocol import arity

PROMPTS_AT_ONCE = 4
MOST_RESPONSES = 9


@in_transaction
def start(
    *, actor: User, campaign: Campaign, n: int, sampling: Mapping[str, Any] | None = None
) -> Candidates:
    """Asks a worker for n responses to every prompt. Raises Invalid naming the field; Conflict when nothing can generate,
    or another batch of the campaign still runs."""
    live = live_of(campaign.pk)
    if reason := why_not(live):
        raise Conflict(reason, code="live_off")
    fewest, most = arity(campaign.protocol.questions) if campaign.protocol else (1, MOST_RESPONSES)
    if isinstance(n, bool) or not isinstance(n, int) or not fewest <= n <= min(most, MOST_RESPONSES):
        said = _("A whole number from %(low)d to %(high)d.") % {
            "low": fewest,
            "high": min(most, MOST_RESPONSES),
        }
        raise Invalid(said, fields={"n": [said]})
    how = sampling_of({**live.sampling, **(sampling or {})})
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    if Candidates.objects.filter(campaign=campaign, ended_at=None).exists():
        raise Conflict(_("Responses are being written for this campaign already."), code="busy")
    prompts = _prompts(campaign.pk).count()
    if not prompts:
        raise Conflict(_("The campaign has no prompts yet; import some first."), code="no_prompts")
    batch = Candidates.objects.create(
        campaign=campaign,
        n=n,
        sampling=how.dump(),
        prompts=prompts,
        last_prompt=_last(campaign),
        asked_by=actor,
    )
    record_audit(
        actor=actor,
        campaign=campaign,
        action="candidates.start",
        target=f"candidates:{batch.pk}",
        after={"n": n, "prompts": prompts, "sampling": batch.sampling},
    )
    transaction.on_commit(lambda: _wake(batch.pk))
    return batch


def write(batch_id: int) -> int:
    """Writes what is missing of a batch, prompt by prompt; how many items came of it. One worker at a time."""
    with held(Work.CANDIDATES, batch_id) as is_mine:
        open_batches = Candidates.objects.filter(pk=batch_id, ended_at=None)
        batch = open_batches.select_related("campaign__protocol").first() if is_mine else None
        return _write(batch) if batch else 0


def wake_all() -> int:
    """Sends again what no worker has finished; a batch that is being written is left alone by `write`."""
    open_batches = list(Candidates.objects.filter(ended_at=None).values_list("pk", flat=True))
    for batch_id in open_batches:
        _wake(batch_id)
    return len(open_batches)


def _write(batch: Candidates) -> int:
    live, made = live_of(batch.campaign_id), 0
    prompts = _prompts(batch.campaign_id).filter(pk__lte=batch.last_prompt)
    while some := list(prompts.filter(pk__gt=batch.reached).order_by("pk")[:PROMPTS_AT_ONCE]):
        found = asyncio.run(_ask_all(live, batch, some))
        for prompt, (responses, error) in zip(some, found, strict=True):
            made += _keep(batch, prompt, responses, error)
            batch.reached = prompt.pk
    Candidates.objects.filter(pk=batch.pk, ended_at=None).update(ended_at=Now())
    return made


def _prompts(campaign_id: int) -> QuerySet[Prompt]:
    """Those of a campaign but the ones of gold and practice items, about which nothing is learned."""
    aside = Item.objects.filter(prompt=OuterRef("pk")).exclude(purpose=Purpose.WORK)
    return Prompt.objects.filter(~Exists(aside), campaign_id=campaign_id)


@in_transaction
def _keep(batch: Candidates, prompt: Prompt, responses: Sequence[NewResponse], error: str) -> bool:
    """The item of one prompt, and how far the batch is, together or not at all."""
    name = f"candidates-{batch.pk}-{prompt.pk}"
    if not error and not Item.objects.filter(campaign_id=batch.campaign_id, external_id=name).exists():
        try:
            item = NewItem(prompt, responses, external_id=name, metadata={"candidates": batch.pk})
            add_items(campaign=batch.campaign, items=[item], actor=batch.asked_by)
        except Refused as refused:
            error = refused.message
    rows = Candidates.objects.filter(pk=batch.pk)
    if error:
        rows.update(reached=prompt.pk, failed=F("failed") + 1, error=error[:500])
    else:
        rows.update(reached=prompt.pk, done=F("done") + 1)
    return not error


async def _ask_all(
    live: Live, batch: Candidates, prompts: Sequence[Prompt]
) -> list[tuple[list[NewResponse], str]]:
    return await asyncio.gather(*(_ask(live, batch, prompt) for prompt in prompts))


async def _ask(live: Live, batch: Candidates, prompt: Prompt) -> tuple[list[NewResponse], str]:
    """n responses that differ from each other, or why there are none."""
    told = await asyncio.gather(
        *(_one(live, batch, prompt, number) for number in range(batch.n)), return_exceptions=True
    )
    for failure in told:
        if isinstance(failure, SourceFailed):
            return [], failure.message
        if isinstance(failure, BaseException):
            raise failure
    responses = {r.text: r for r in told if isinstance(r, NewResponse) and r.text.strip()}
    if len(responses) < batch.n:
        return [], _("The policy gave the same or an empty response.")
    return list(responses.values()), ""


async def _one(live: Live, batch: Candidates, prompt: Prompt, number: int) -> NewResponse:
    sampling = Sampling.of(batch.sampling)
    if sampling.seed is not None:  # each response has a seed of its own, and the batch can be repeated
        seed = (sampling.seed + 1_000_003 * prompt.pk + number) % MAX_SEED
        sampling = Sampling.of({**batch.sampling, "seed": seed})
    texts: list[str] = []
    how: dict[str, Any] = {**sampling.dump(), "candidates": batch.pk}
    policy: Mapping[str, Any] = {}
    logprobs: list[float] = []
    async with aclosing(ask(live, prompt.messages, prefix="", sampling=sampling, is_read=False)) as said:
        async for part in said:
            if isinstance(part, Begun):
                policy, how["seed"] = part.policy, part.seed
            elif isinstance(part, Piece):
                texts.append(part.text)
                logprobs += [logprob for _id, logprob in part.tokens]
            elif isinstance(part, Ended):
                how["finish"] = part.finish
    if logprobs:
        how |= {"tokens": len(logprobs), "logprob": round(sum(logprobs), 4)}
    how["policy"] = dict(policy)
    return NewResponse(
        "".join(texts).replace("\x00", ""),
        source_name=str(live.endpoint.name if live.endpoint else policy.get("name", "")),
        checkpoint_id=policy.get("id"),
        sampling=how,
    )


def _last(campaign: Campaign) -> int:
    return Prompt.objects.filter(campaign=campaign).order_by("-pk").values_list("pk", flat=True)[0]


def _wake(batch_id: int) -> None:
    from annotation.tasks import write_candidates  # the tasks import this module

    try:
        write_candidates.delay(batch_id)
    except write_candidates.OperationalError:
        pass  # the broker is away: the row is sent again
