"""A campaign gets its live policy; a stream begins, is asked to stop, and ends."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.assignment.models import Assignment
from annotation.assignment.selectors import questions_for, screen_for
from annotation.campaigns.models import Campaign
from annotation.endpoints.models import Endpoint
from annotation.errors import Conflict, Invalid, NotFound, TooMany
from annotation.generation.models import Generation, Live
from annotation.generation.sampling import MAX_SEED, Sampling
from annotation.generation.selectors import live_of, spans, why_not
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.transactions import in_transaction
from feedback_types.base import InvalidPayload

MOST_AT_ONCE = 4  # of one person: a few tabs, and no more
LONGEST_PREFIX = 200_000
LOST_AFTER = timedelta(minutes=20)  # longer than any stream may take


@in_transaction
def set_live(
    *,
    actor: User,
    campaign: Campaign,
    source: str,
    endpoint: Endpoint | None = None,
    sampling: Mapping[str, Any] | None = None,
) -> Live:
    """Says which policy answers the pages of a campaign. Raises Invalid naming the field."""
    if source not in Live.Source.values:
        raise Invalid(_("Choose who answers."), fields={"source": [_("off, policy or endpoint")]})
    if source == Live.Source.ENDPOINT and endpoint is None:
        raise Invalid(_("Choose an endpoint."), fields={"endpoint": [_("Choose an endpoint.")]})
    if source != Live.Source.ENDPOINT:
        endpoint = None
    how = sampling_of(sampling or {})
    before = live_of(campaign.pk)
    live, _made = Live.objects.update_or_create(
        campaign=campaign, defaults={"source": source, "endpoint": endpoint, "sampling": how.dump()}
    )
    record_audit(
        actor=actor,
        campaign=campaign,
        action="live.set",
        target=campaign.slug,
        before={"source": before.source, "endpoint": before.endpoint_id, "sampling": before.sampling},
        after={"source": source, "endpoint": live.endpoint_id, "sampling": live.sampling},
    )
    return live


def sampling_of(said: Mapping[str, Any]) -> Sampling:
    """Raises Invalid naming the parameter."""
    try:
        return Sampling.of(said)
    except (ValueError, TypeError) as error:
        name = str(error).split()[0]
        raise Invalid(str(error), fields={name if name in said else "sampling": [str(error)]}) from None


@in_transaction
def begin(
    *,
    labeler: User,
    assignment: Assignment,
    question: str,
    asked: Mapping[str, str],
    continues: uuid.UUID | None = None,
) -> Generation:
    """Writes down that a policy is asked, before it is. What it is asked is for the question's type to say.

    Args: asked: "target", "prefix", "note" as the page has them.
    Raises Conflict `live_off` when nothing can generate, `wrong_state` for an item that was given back; Invalid for what
    the type does not ask; TooMany when this person has several streams running.
    """
    live = live_of(assignment.campaign_id)
    if reason := why_not(live):
        raise Conflict(reason, code="live_off")
    if assignment.state not in (Assignment.State.LEASED, Assignment.State.SUBMITTED):
        raise Conflict(_("This item is no longer yours; what you wrote is kept."), code="wrong_state")
    found = next((q for q in questions_for(assignment) if q.key == question), None)
    if found is None:
        raise NotFound(_("There is no such question on this screen."))
    screen = screen_for(assignment)
    try:
        composed = found.type.compose(asked, screen, found.settings)
    except InvalidPayload as error:
        sentences = " ".join(sentence for es in error.errors.values() for sentence in es)
        raise Invalid(sentences, fields=error.errors) from error
    if len(composed.prefix) > LONGEST_PREFIX:
        raise Invalid(_("The text is too long to go on from."), fields={"prefix": [_("Shorten it.")]})
    running = Generation.objects.filter(
        asked_by=labeler, state=Generation.State.RUNNING, created_at__gt=timezone.now() - LOST_AFTER
    )
    if running.count() >= MOST_AT_ONCE:
        raise TooMany(
            _("Several texts are being written for you already; wait for one to end."),
            extra={"retry_after_s": 2},
        )
    previous = Generation.objects.filter(pk=continues, assignment=assignment).first() if continues else None
    if continues and previous is None:
        raise NotFound(_("There is no such generation for you."))
    return Generation.objects.create(
        campaign_id=assignment.campaign_id,
        prompt_id=assignment.item.prompt_id,
        assignment=assignment,
        asked_by=labeler,
        question=question,
        response_id=composed.target,
        continues=previous,
        messages=composed.messages,
        prefix=composed.prefix.rstrip(),
        spans=spans(previous, composed.prefix.rstrip()),
        endpoint=live.endpoint,
        sampling=_sampling(live, assignment, question, composed.prefix.rstrip()),
    )


def _sampling(live: Live, assignment: Assignment, question: str, prefix: str) -> dict[str, Any]:
    """With a seed that was set, the next text from the same beginning takes the next seed: it is another one."""
    seed = live.sampling.get("seed")
    if seed is None:
        return live.sampling
    before = Generation.objects.filter(assignment=assignment, question=question, prefix=prefix).count()
    return {**live.sampling, "seed": (seed + before) % (MAX_SEED + 1)}


def ask_to_stop(*, generation: Generation) -> Generation:
    """The stream ends within a second, whichever process runs it; one that has ended stays as it is."""
    Generation.objects.filter(pk=generation.pk, state=Generation.State.RUNNING, stop_asked_at=None).update(
        stop_asked_at=Now()
    )
    generation.refresh_from_db()
    return generation


def end(
    *,
    generation_id: uuid.UUID,
    state: str,
    finish: str = "",
    error: Mapping[str, str] | None = None,
    text: str = "",
    tokens: Sequence[tuple[int, float]] = (),
    policy: Mapping[str, Any] | None = None,
    seed: int | None = None,
    first_at: Any = None,
) -> bool:
    """Writes down what came, once; whether it was still running."""
    row = Generation.objects.filter(pk=generation_id, state=Generation.State.RUNNING).first()
    if row is None:
        return False
    begun = len(row.prefix)
    written = [{"by": "policy", "start": begun, "end": begun + len(text)}] if text else []
    changed = Generation.objects.filter(pk=generation_id, state=Generation.State.RUNNING).update(
        state=state,
        finish=finish,
        error=error,
        text=text,
        spans=[*row.spans, *written],
        tokens=[list(token) for token in tokens],
        policy=policy,
        sampling={**row.sampling, "seed": seed},
        served_chars=len(text),
        served_tokens=len(tokens),
        first_at=first_at,
        ended_at=Now(),
    )
    return bool(changed)


def give_up_lost() -> int:
    """Streams whose process died with them are said to have failed; how many."""
    return Generation.objects.filter(
        state=Generation.State.RUNNING, created_at__lt=timezone.now() - LOST_AFTER
    ).update(
        state=Generation.State.FAILED,
        error={"code": "lost", "message": "The process that served it ended."},
        ended_at=Now(),
    )
