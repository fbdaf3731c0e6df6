"""Everything that is stored about one person, for themselves: one JSON document.

{"format": 1, "account": {...}, "memberships": [...], "invitations": [...],
 "submissions": [{..., "feedback": [...]}], "drafts": [...], "generations": [...], "skips": [...], "reports": [...],
 "ledger": [...], "consents": [...], "erasures": [...], "tokens": [...]}
"""

from __future__ import annotations

from typing import Any

import orjson

from annotation.assignment.models import Assignment, Flag, Skip
from annotation.consents.models import Erasure
from annotation.consents.selectors import acts_of
from annotation.generation.models import Generation
from annotation.ledger import currencies
from annotation.ledger.models import LedgerEntry
from annotation.people.models import ApiToken, Membership, User
from annotation.people.selectors import accepted_by
from annotation.submissions.models import Submission
from annotation.submissions.selectors import with_feedback

FORMAT = 1


def own_data(user: User) -> bytes:
    """UTF-8 JSON; no secrets (a token is there by its name), nothing of anybody else, no gold answer, no policy's name."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "account": {
            "username": user.username,
            "email": user.email,
            "name": user.get_full_name(),
            "language": user.language,
            "joined_at": user.date_joined,
        },
        "memberships": [
            {
                "campaign": m.campaign.slug,
                "role": m.role,
                "languages": m.languages,
                "skills": m.skills,
                "since": m.created_at,
                "suspended_at": m.suspended_at,
            }
            for m in Membership.objects.filter(user=user).select_related("campaign").order_by("id")
        ],
        "invitations": [
            {"campaign": i.campaign.slug, "role": i.role, "note": i.note, "made_at": i.created_at}
            for i in accepted_by(user)
        ],
        "submissions": [_submission(s) for s in _submissions(user)],
        "drafts": [
            {"assignment": a.pk, "campaign": a.campaign.slug, "fields": a.draft, "saved_at": a.draft_saved_at}
            for a in Assignment.objects.filter(labeler=user, draft__isnull=False)
            .select_related("campaign")
            .order_by("id")
        ],
        "generations": [
            {
                "id": str(g.pk),
                "assignment": g.assignment_id,
                "campaign": g.campaign.slug,
                "question": g.question,
                "asked": g.messages,
                "prefix": g.prefix,
                "text": g.text,
                "spans": g.spans,
                "at": g.created_at,
            }
            for g in Generation.objects.filter(asked_by=user)
            .select_related("campaign")
            .order_by("created_at")
        ],
        "skips": [
            {"assignment": s.assignment_id, "reason": s.reason, "note": s.note, "at": s.created_at}
            for s in Skip.objects.filter(assignment__labeler=user).order_by("id")
        ],
        "reports": [
            {"assignment": f.assignment_id, "reason": f.reason, "note": f.note, "at": f.created_at}
            for f in Flag.objects.filter(assignment__labeler=user).order_by("id")
        ],
        "ledger": [
            {
                "campaign": e.campaign.slug,
                "kind": e.kind,
                "amount": currencies.text(e.micros, e.currency),
                "currency": e.currency,
                "submission": e.submission_id,
                "note": e.note,
                "at": e.at,
            }
            for e in LedgerEntry.objects.filter(labeler=user)
            .select_related("campaign")
            .order_by("id")
            .iterator(chunk_size=1000)
        ],
        "consents": [
            {
                "consent": act.consent,
                "version": act.version,
                "act": act.kind,
                "source": act.source,
                "language": act.text.language,
                "text": act.text.text,
                "at": act.created_at,
            }
            for act in acts_of(user)
        ],
        "erasures": [
            {"consent": e.consent, "answers": e.answers, "drafts": e.drafts, "at": e.created_at}
            for e in Erasure.objects.filter(user=user).order_by("id")
        ],
        "tokens": [
            {"name": t.name, "scopes": t.scopes, "created_at": t.created_at, "revoked_at": t.revoked_at}
            for t in ApiToken.objects.filter(user=user).order_by("id")
        ],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _submissions(user: User) -> Any:
    mine = Submission.objects.filter(labeler=user).select_related("campaign", "item__prompt")
    return with_feedback(mine).order_by("submitted_at", "id").iterator(chunk_size=500)


def _submission(row: Submission) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "campaign": row.campaign.slug,
        "prompt": row.item.prompt.messages,
        "revision": row.revision,
        "status": row.status,
        "submitted_at": row.submitted_at,
        "active_ms": row.active_ms,
        "total_ms": row.total_ms,
        "device_class": row.device_class,
        "feedback": [
            {"question": f.question, "type": f.type, "target": f.target_id, "payload": f.payload}
            for f in row.feedback.all()
        ],
    }
