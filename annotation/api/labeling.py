"""A labeler's work: next item, heartbeat, draft, submit, skip, flag, undo."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api import describe, schemas
from annotation.api.base import ApiView, person
from annotation.assignment import services
from annotation.assignment.models import Assignment
from annotation.assignment.selectors import questions_for, screen_for, unread_guidelines
from annotation.campaigns.models import Campaign
from annotation.errors import Invalid
from annotation.items.models import Purpose
from annotation.people.models import User
from annotation.qualification.selectors import is_held_back, standing
from annotation.qualification.services import answer_practice, go_on, next_practice, try_again
from annotation.submissions.selectors import answers_of
from annotation.submissions.services import reopen_last, submit
from feedback_types.base import Screen
from feedback_types.protocol import read_json


class _LabelView(ApiView):
    scope = "label"
    throttle = "label"


class Next(_LabelView):
    @extend_schema(
        operation_id="next", request=schemas.NextRequest, responses=schemas.Next, tags=["labeling"]
    )
    def post(self, request: Request, slug: str) -> Response:
        """The item you hold, or a new one; with `beyond`, the one after those. When there is none, `reason` says why."""
        campaign = access.campaign_for_labeler(request.user, slug)
        beyond = _ids(self.body(request, "beyond").get("beyond", []))
        place = None
        assignment = services.lease_next(labeler=person(request), campaign=campaign, beyond=beyond)
        if assignment is None and campaign.practice_first:
            assignment = next_practice(labeler=person(request), campaign=campaign)
            place = _place(person(request), campaign) if assignment else None
        reason = "" if assignment else _why_none(person(request), campaign)
        return Response(
            {
                "assignment": assignment and describe.assignment(assignment),
                "reason": reason,
                "practice": place,
            }
        )


class Acknowledge(_LabelView):
    @extend_schema(
        operation_id="guidelines_acknowledge",
        request=schemas.Acknowledge,
        responses=schemas.Acknowledged,
        tags=["labeling"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """You have read the guidelines of this number; `next` gives new items again. 409 when they changed once more."""
        campaign = access.campaign_for_labeler(request.user, slug)
        number = self.body(request, required=["number"])["number"]
        done = services.acknowledge_guidelines(labeler=person(request), campaign=campaign, number=number)
        done.refresh_from_db()
        return Response({"number": done.guidelines.number, "at": describe.time(done.at)})


class QualificationView(_LabelView):
    @extend_schema(
        operation_id="qualification_read", responses=schemas.QualificationStanding, tags=["labeling"]
    )
    def get(self, request: Request, slug: str) -> Response:
        """Where you stand in practice; `next` gives its items, and `submit` what was expected."""
        campaign = access.campaign_for_labeler(request.user, slug)
        return Response(asdict(standing(person(request), campaign)))

    @extend_schema(
        operation_id="qualification_again",
        request=None,
        responses=schemas.QualificationStanding,
        tags=["labeling"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Begins another attempt after one that failed. 409 `no_retry` when there is none."""
        campaign = access.campaign_for_labeler(request.user, slug)
        self.body(request)
        try_again(labeler=person(request), campaign=campaign)
        return Response(asdict(standing(person(request), campaign)))


class OneAssignment(_LabelView):
    @extend_schema(operation_id="assignment_read", responses=schemas.Assignment, tags=["labeling"])
    def get(self, request: Request, assignment_id: int) -> Response:
        """An assignment of yours, as it was on the screen."""
        return Response(describe.assignment(access.assignment_for(request.user, assignment_id)))


class Heartbeat(_LabelView):
    @extend_schema(operation_id="heartbeat", request=None, responses=schemas.Lease, tags=["labeling"])
    def post(self, request: Request, assignment_id: int) -> Response:
        """Keeps the lease while you work on the item. 409 `expired` when its place was given away."""
        access.assignment_for(request.user, assignment_id)
        self.body(request)
        return _lease(services.heartbeat(labeler=person(request), assignment_id=assignment_id))


class Draft(_LabelView):
    @extend_schema(
        operation_id="draft_save", request=schemas.Draft, responses=schemas.Lease, tags=["labeling"]
    )
    def put(self, request: Request, assignment_id: int) -> Response:
        """Keeps what is filled in so far, as form fields."""
        access.assignment_for(request.user, assignment_id)
        data = self.body(request, required=["data"])["data"]
        if not isinstance(data, dict):
            raise Invalid(_("A draft is an object."), fields={"data": [_("Write {…}.")]})
        return _lease(services.save_draft(labeler=person(request), assignment_id=assignment_id, data=data))


class Submit(_LabelView):
    @extend_schema(
        operation_id="submit", request=schemas.Submit, responses={201: schemas.Submitted}, tags=["labeling"]
    )
    def post(self, request: Request, assignment_id: int) -> Response:
        """Sends the answer. Send it again with the same key until it is acknowledged: it is stored once.

        With `next: true` the answer brings the next item along.
        """
        assignment = access.assignment_for(request.user, assignment_id)
        data = self.body(
            request,
            *(
                "active_ms",
                "total_ms",
                "device_class",
                "ui_version",
                "revises",
                "protocol_version",
                "guidelines_version",
            ),
            *("next", "beyond"),
            required=["idempotency_key", "answers"],
        )
        wants_next, beyond = data.get("next", False), _ids(data.get("beyond", []))
        if not isinstance(wants_next, bool):
            raise Invalid(_("next is true or false."), fields={"next": [_("true or false")]})
        screen = screen_for(assignment)
        if assignment.item.purpose == Purpose.PRACTICE:
            return _practise(person(request), assignment, screen, data)
        stored = submit(
            labeler=person(request),
            assignment_id=assignment_id,
            idempotency_key=data["idempotency_key"],
            answers=read_json(questions_for(assignment), screen, data["answers"]),
            active_ms=data.get("active_ms"),
            device_class=data.get("device_class", ""),
            ui_version=data.get("ui_version", ""),
            revises=data.get("revises"),
            protocol_version=data.get("protocol_version"),
            guidelines_version=data.get("guidelines_version"),
            assignment=assignment,
            screen=screen,
        )
        result: dict[str, Any] = {"submission": describe.submission(stored)}
        if wants_next:
            following = services.lease_next(
                labeler=person(request), campaign=assignment.campaign, beyond=beyond
            )
            result["next"] = following and describe.assignment(following)
        return Response(result, status=201)


class Skip(_LabelView):
    @extend_schema(operation_id="skip", request=schemas.Reason, responses=schemas.Lease, tags=["labeling"])
    def post(self, request: Request, assignment_id: int) -> Response:
        """Passes the item by for good. Reasons: unclear, expertise, language, uncomfortable, other."""
        access.assignment_for(request.user, assignment_id)
        data = self.body(request, "note", required=["reason"])
        skipped = services.skip(
            labeler=person(request),
            assignment_id=assignment_id,
            reason=data["reason"],
            note=data.get("note", ""),
        )
        return _lease(skipped)


class Flag(_LabelView):
    @extend_schema(
        operation_id="flag", request=schemas.Reason, responses={201: schemas.Reason}, tags=["labeling"]
    )
    def post(self, request: Request, assignment_id: int) -> Response:
        """Reports the item; you may still answer or skip it. Reasons: harmful, private, broken, duplicate, other."""
        access.assignment_for(request.user, assignment_id)
        data = self.body(request, "note", required=["reason"])
        report = services.flag(
            labeler=person(request),
            assignment_id=assignment_id,
            reason=data["reason"],
            note=data.get("note", ""),
        )
        return Response({"reason": report.reason, "note": report.note}, status=201)


class Undo(_LabelView):
    @extend_schema(operation_id="undo", request=None, responses=schemas.Reopened, tags=["labeling"])
    def post(self, request: Request, slug: str) -> Response:
        """Your last answer and its screen. Nothing changes until you submit again with `revises`."""
        campaign = access.campaign_for_labeler(request.user, slug)
        self.body(request)
        last = reopen_last(labeler=person(request), campaign=campaign)
        return Response(
            {
                "submission": describe.submission(last),
                "assignment": describe.assignment(last.assignment),
                "answers": describe.answers(answers_of(last)),
            }
        )


def _place(labeler: User, campaign: Campaign) -> dict[str, Any]:
    now = standing(labeler, campaign)
    return {"number": now.answered + 1, "of": now.of, "attempt": now.attempt}


def _practise(labeler: User, assignment: Assignment, screen: Screen, data: dict[str, Any]) -> Response:
    said = answer_practice(
        labeler=labeler,
        assignment=assignment,
        idempotency_key=data["idempotency_key"],
        answers=read_json(questions_for(assignment), screen, data["answers"]),
        screen=screen,
    )
    go_on(labeler=labeler, campaign=assignment.campaign)  # this reply is the comparison
    practice = {
        "score": said.score,
        "scores": said.scores,
        "expected": assignment.item.gold_answers,
        "qualification": asdict(standing(labeler, assignment.campaign)),
    }
    return Response({"submission": None, "practice": practice}, status=201)


def _why_none(labeler: User, campaign: Campaign) -> str:
    if not campaign.is_open:
        return campaign.state
    if is_held_back(labeler.pk, campaign):
        return "not_qualified"
    return "guidelines" if unread_guidelines(labeler, campaign) else "empty"


def _lease(assignment: Assignment) -> Response:
    return Response(
        {
            "id": assignment.pk,
            "state": Assignment.State(assignment.state).name.lower(),
            "lease_until": describe.time(assignment.lease_until),
        }
    )


def _ids(value: Any) -> list[int]:
    if (
        not isinstance(value, list)
        or len(value) > 10
        or not all(isinstance(v, int) and not isinstance(v, bool) and 0 < v < 2**63 for v in value)
    ):
        raise Invalid(_("beyond is a list of assignment ids."), fields={"beyond": [_("At most ten ids.")]})
    return value
