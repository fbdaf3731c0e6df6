"""What the API shows of each thing: lists of allowed fields, so that a new column is never shown by accident.

What a labeler gets (`assignment`) names no source, no gold flag, no other person and no other answer.
"""

from __future__ import annotations

from typing import Any

from annotation.adjudication.models import Adjudication, Disagreement
from annotation.assignment.models import Assignment
from annotation.assignment.selectors import guidelines, protocol, questions_for, screen_for
from annotation.campaigns.models import Campaign, Guidelines, Protocol
from annotation.campaigns.services import CONTROL
from annotation.endpoints.models import Endpoint
from annotation.endpoints.services import PLAIN, Trial
from annotation.generation.models import Candidates, Generation, Live
from annotation.items.models import Item
from annotation.items.selectors import item_state
from annotation.ledger import currencies
from annotation.ledger.selectors import Balance
from annotation.people.models import AuditEvent, Membership
from annotation.submissions.models import Feedback, Submission
from annotation.webhooks.models import Delivery, Webhook
from feedback_types.base import Screen
from feedback_types.protocol import dump_protocol, shows_responses


def time(value: Any) -> str | None:
    return value.isoformat().replace("+00:00", "Z") if value else None


OVERSEERS = {"admin", "reviewer", "researcher"}


def campaign(row: Campaign) -> dict[str, Any]:
    """How quality is controlled is for those who oversee the campaign; a labeler does not get these fields at all."""
    roles = sorted(set(getattr(row, "my_roles", [])))
    control = {name: getattr(row, name) for name in CONTROL} if OVERSEERS & set(roles) else {}
    return {
        "slug": row.slug,
        "name": row.name,
        "state": row.state,
        "overlap": row.overlap,
        "lease_s": row.lease_s,
        "hold_after": row.hold_after,
        "shows_scores": row.shows_scores,
        "language": row.language,
        "strategy": row.strategy,
        "control_share": row.control_share,
        "skills": row.skills,
        "data_license": row.data_license,
        "legal_basis": row.legal_basis,
        "extra_below": row.extra_below,
        "extra_up_to": row.extra_up_to,
        "error_categories": row.error_categories,
        "shows_errors": row.shows_errors,
        **control,
        "round": row.round_number,
        "version": row.version,
        "guidelines_version": guidelines(row.guidelines_id).number if row.guidelines_id else None,
        "protocol_version": protocol(row.protocol_id).number if row.protocol_id else None,
        "roles": roles,
        "created_at": time(row.created_at),
    }


def earned(row: Campaign, balance: Balance) -> dict[str, Any] | None:
    """What somebody earned in a campaign; None where nothing was ever paid."""
    if not row.currency:
        return None
    return {
        "currency": row.currency,
        "earned": currencies.text(balance.earned, row.currency),
        "paid": currencies.text(balance.paid, row.currency),
        "owed": currencies.text(balance.owed, row.currency),
    }


def labeler(row: Membership) -> dict[str, Any]:
    return {
        "username": row.user.username,
        "languages": row.languages,
        "skills": row.skills,
        "suspended": row.suspended_at is not None,
    }


def guidelines_version(row: Guidelines) -> dict[str, Any]:
    return {"number": row.number, "markdown": row.markdown, "created_at": time(row.created_at)}


def protocol_version(row: Protocol) -> dict[str, Any]:
    return {
        "number": row.number,
        "questions": dump_protocol(row.questions),
        "created_at": time(row.created_at),
    }


def assignment(row: Assignment, screen: Screen | None = None) -> dict[str, Any]:
    """Everything that is on the labeler's screen, and nothing else."""
    screen = screen or screen_for(row)
    questions = questions_for(row)
    return {
        "id": row.pk,
        "campaign": row.campaign.slug,
        "state": Assignment.State(row.state).name.lower(),
        "lease_until": time(row.lease_until),
        "protocol_version": protocol(row.protocol_id).number,
        "guidelines_version": guidelines(row.guidelines_id).number,
        "questions": dump_protocol(questions),
        "prompt": [{"role": m.role, "content": m.content} for m in screen.prompt],
        "responses": [
            {"id": r.id, "text": r.text} for r in (screen.responses if shows_responses(questions) else ())
        ],
        "draft": row.draft,
    }


def submission(row: Submission) -> dict[str, Any]:
    """A labeler's own answer, without its content."""
    return {
        "id": str(row.pk),
        "assignment": row.assignment_id,
        "revision": row.revision,
        "supersedes": str(row.supersedes_id) if row.supersedes_id else None,
        "status": row.status,
        "submitted_at": time(row.submitted_at),
    }


def answers(rows: list[Any]) -> list[dict[str, Any]]:
    return [{"question": a.question, "target": a.target, "payload": a.payload.dump()} for a in rows]


def item(row: Item) -> dict[str, Any]:
    """For those who oversee the campaign, or with `links` prefetched (`items.selectors.items_of`)."""
    return {
        "id": row.pk,
        "external_id": row.external_id,
        "round": row.round_number,
        "state": item_state(row),
        "purpose": row.purpose,
        "expected": row.gold_answers,
        "overlap": row.overlap,
        "counted": row.counted,
        "prompt": row.prompt.messages,
        "responses": [
            {
                "id": link.response_id,
                "text": link.response.text,
                "source": link.response.source,
                "source_name": link.response.source_name,
            }
            for link in row.links  # type: ignore[attr-defined]
        ],
        "metadata": row.metadata,
        "created_at": time(row.created_at),
    }


def audit_event(row: AuditEvent) -> dict[str, Any]:
    return {
        "id": row.pk,
        "actor": row.actor.get_username() if row.actor else None,
        "action": row.action,
        "target": row.target,
        "before": row.before,
        "after": row.after,
        "created_at": time(row.created_at),
    }


def disagreement(row: Disagreement) -> dict[str, Any]:
    return {
        "item": row.item_id,
        "external_id": row.item.external_id,
        "question": row.question,
        "disagreement": row.spread,
        "answers": row.answers,
        "uncertainty": row.uncertainty,
        "value": row.value,
    }


def adjudication(row: Adjudication) -> dict[str, Any]:
    """A reviewer's decision, under their pseudonym."""
    return {
        "id": row.pk,
        "item": row.item_id,
        "act": row.act,
        "answers": row.answers,
        "chosen": str(row.chosen_id) if row.chosen_id else None,
        "reason": row.reason,
        "errors": {str(e.submission_id): e.category for e in row.errors.all()},
        "supersedes": row.supersedes_id,
        "reviewer": row.reviewer.pseudonym(row.campaign_id),
        "created_at": time(row.created_at),
    }


def feedback(row: Feedback) -> dict[str, Any]:
    """One answer, under the labeler's pseudonym."""
    sent = row.submission
    return {
        "id": row.pk,
        "submission": str(sent.pk),
        "item": sent.item_id,
        "purpose": sent.item.purpose,
        "question": row.question,
        "type": row.type,
        "version": row.version,
        "target": row.target_id,
        "payload": row.payload,
        "choice_set": row.choice_set,
        "labeler": sent.labeler.pseudonym(sent.campaign_id),
        "labeler_kind": sent.labeler_kind,
        "status": sent.status,
        "revision": sent.revision,
        "protocol_version": sent.protocol_version,
        "guidelines_version": sent.guidelines_version,
        "active_ms": sent.active_ms,
        "total_ms": sent.total_ms,
        "submitted_at": time(sent.submitted_at),
    }


def endpoint(row: Endpoint) -> dict[str, Any]:
    """For admins; of the key, only whether there is one."""
    return {
        "id": row.pk,
        **{name: getattr(row, name) for name in PLAIN},
        "has_key": row.has_key,
        "created_by": row.created_by.get_username(),
        "created_at": time(row.created_at),
    }


def trial(row: Trial) -> dict[str, Any]:
    failure = row.failure
    return {
        "text": row.text,
        "first_token_s": row.first_token_s,
        "total_s": row.total_s,
        "failure": failure and {"code": failure.code, "message": failure.message, "excerpt": failure.excerpt},
    }


def webhook(row: Webhook) -> dict[str, Any]:
    """For admins; of the secrets, only until when the old one signs."""
    return {
        "id": row.pk,
        "url": row.url,
        "kinds": row.kinds,
        "is_active": row.is_active,
        "switched_off": row.switched_off,
        "failing_since": time(row.failing_since),
        "old_secret_until": time(row.old_secret_until),
        "created_at": time(row.created_at),
    }


def delivery(row: Delivery) -> dict[str, Any]:
    """One message; `message_id` is what its receiver sees as webhook-id."""
    plain = {
        name: getattr(row, name)
        for name in ("kind", "data", "state", "attempts", "status", "failure", "excerpt", "duration_ms")
    }
    times = {name: time(getattr(row, name)) for name in ("due_at", "attempted_at", "created_at")}
    return {"id": row.pk, "message_id": row.message_id, **plain, **times}


def live(live: Live) -> dict[str, Any]:
    return {"source": live.source, "endpoint": live.endpoint_id, "sampling": live.sampling}


def generation(row: Generation) -> dict[str, Any]:
    """Without who wrote it: labelers are never told."""
    return {
        "id": row.pk,
        "assignment": row.assignment_id,
        "question": row.question,
        "continues": row.continues_id,
        "state": row.state,
        "finish": row.finish,
        "error": row.error,
        "prefix": row.prefix,
        "text": row.text,
        "spans": row.spans,
        "created_at": time(row.created_at),
        "ended_at": row.ended_at and time(row.ended_at),
    }


def batch(row: Candidates) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in ("n", "sampling", "prompts", "done", "error")}
    times = {"created_at": time(row.created_at), "ended_at": row.ended_at and time(row.ended_at)}
    return {"id": row.pk, **plain, "not_generated": row.failed, **times}
