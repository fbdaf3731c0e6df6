"""Reads for the researchers' pages and the API. Objects come only to those who research in their campaign."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation import access
from annotation.adjudication.models import Adjudication
from annotation.campaigns.models import Campaign
from annotation.errors import Conflict, Gone, NotFound, NotNow
from annotation.items.models import Purpose, Response
from annotation.people.models import Role, User
from annotation.project.artifacts import Unavailable
from annotation.submissions.models import Submission
from annotation.submissions.selectors import with_feedback
from feedback_types import registry
from feedback_types.base import Event, Message, Question, Screen, ShownResponse
from feedback_types.protocol import load_protocol
from training_bridge import artifacts
from training_bridge.exports import archive, citation
from training_bridge.models import Checkpoint, Promotion, Push, Round, Run, Snapshot
from training_bridge.services import mirror

RESEARCH = (Role.RESEARCHER.value, Role.ADMIN.value)
MOST_SUBMISSIONS = 3_000


# --- Who sees what ---------------------------------------------------------------------------------------------------


def campaigns_for(user: Any) -> QuerySet[Campaign]:
    return access.campaigns_for(user, *RESEARCH).order_by("name")


def snapshots_for(user: Any) -> QuerySet[Snapshot]:
    return (
        Snapshot.objects.filter(campaign__in=campaigns_for(user).values("pk"))
        .select_related("campaign", "created_by")
        .order_by("-created_at")
    )


def runs_for(user: Any) -> QuerySet[Run]:
    return (
        Run.objects.filter(campaign__in=campaigns_for(user).values("pk"))
        .select_related("campaign", "created_by", "snapshot")
        .defer("curve", "samples", "log_tail", "metrics", "snapshot__manifest")
        .order_by("-created_at")
    )


def checkpoints_for(user: Any) -> QuerySet[Checkpoint]:
    mine = Q(campaign__in=campaigns_for(user).values("pk")) | Q(campaign=None)
    return Checkpoint.objects.filter(mine).select_related("campaign", "run", "parent").order_by("-pk")


def rounds_for(user: Any) -> QuerySet[Round]:
    runs = ("reward_run", "refresh_run", "sample_run", "baseline_run", "evaluate_run")
    return (
        Round.objects.filter(campaign__in=campaigns_for(user).values("pk"))
        .select_related("campaign", "policy", "snapshot", *runs)
        .order_by("campaign__name", "-number")
    )


def pseudonyms_of(campaign: Campaign) -> dict[str, int]:
    """Pseudonym of each labeler of the campaign who answered -> their submissions, most first. Who is who stays unsaid."""
    answered = dict(
        Submission.objects.filter(campaign=campaign, superseded_by=None)
        .values_list("labeler")
        .annotate(n=Count("pk"))
    )
    found = {u.pseudonym(campaign.pk): answered[u.pk] for u in User.objects.filter(pk__in=answered)}
    return dict(sorted(found.items(), key=lambda row: (-row[1], row[0])))


def reviewers_of(campaign: Campaign) -> dict[str, int]:
    """Pseudonym of each reviewer whose decisions hold here -> how many items they settled, most first."""
    settled = Adjudication.objects.filter(campaign=campaign, superseded_by=None).exclude(answers=[])
    counts = dict(settled.values_list("reviewer").annotate(n=Count("pk")))
    found = {u.pseudonym(campaign.pk): counts[u.pk] for u in User.objects.filter(pk__in=counts)}
    return dict(sorted(found.items(), key=lambda row: (-row[1], row[0])))


def snapshot_for(user: Any, snapshot_id: Any) -> Snapshot:
    """Raises NotFound for a snapshot of a campaign that the person does not research in."""
    return _one(snapshots_for(user), snapshot_id, _("There is no such snapshot for you."))


def files_of(found: Snapshot) -> Path:
    """The directory of a complete snapshot; one that is on another host is fetched first, if there is a copy of it.

    Raises Conflict while it is built, Gone when the files are no longer there, NotNow when they cannot be fetched.
    """
    check_there(found)
    try:
        mirror.bring_snapshot(found)
    except mirror.Unreachable as error:
        raise NotNow(str(error)) from error
    return found.path


def packed(found: Snapshot) -> archive.Files:
    """The files of a complete snapshot to send as they are: of this disk, else of its copy. Raises as `files_of`."""
    check_there(found)
    if (found.path / "manifest.json").is_file():
        return archive.Folder(found.path)
    try:
        return artifacts.Copied(found.sha256)
    except (Unavailable, artifacts.Altered) as error:
        raise NotNow(
            _("It is not on this host, and its copy could not be fetched: %(error)s") % {"error": error}
        ) from error


def check_there(found: Snapshot) -> None:
    """Raises Conflict while a snapshot is built, Gone when its files are neither on this disk nor copied."""
    if found.status != Snapshot.Status.COMPLETE:
        raise Conflict(_("This snapshot is not complete yet."))
    if found.erased_at is not None:
        successor = found.successor
        raise Gone(
            _(
                "A person who was in this snapshot was erased, and its files with them. Use its successor: %(name)s."
            )
            % {"name": successor.short if successor else "–"},
            code="superseded",
            extra={"reason": "erasure", "successor": str(successor.pk) if successor else None},
        )
    if not (found.path / "manifest.json").is_file() and not mirror.is_copied(found):
        raise Gone(_("The files of this snapshot are gone from the disk; take it again."))


def citation_of(found: Snapshot) -> dict[str, bytes]:
    """CITATION.cff and citation.bib of a complete snapshot, by name."""
    address = f"{settings.PUBLIC_URL}{reverse('snapshot', args=[found.pk])}" if settings.PUBLIC_URL else ""
    return citation.files(found.manifest or {}, sha256=found.sha256, name=found.campaign.name, url=address)


def push_of(found: Snapshot) -> Push | None:
    """The newest upload of a snapshot to a hub."""
    return found.pushes.order_by("-created_at").first()


def others_of(found: Snapshot, limit: int = 12) -> QuerySet[Snapshot]:
    """Snapshots of the same campaign to compare it with, newest first; the same cut taken twice is one."""
    complete = found.campaign.snapshots.filter(status=Snapshot.Status.COMPLETE, erased_at=None).exclude(
        sha256=found.sha256
    )
    return complete.order_by("-created_at")[:limit]


def run_for(user: Any, run_id: Any) -> Run:
    runs = Run.objects.filter(campaign__in=campaigns_for(user).values("pk")).select_related(
        "campaign",
        "created_by",
        "snapshot",
        "parent",
        "baseline",
        "reward_model",
        "compared_with",
        "prompts_from",
        "endpoint",
    )
    return _one(runs, run_id, _("There is no such run for you."))


def checkpoint_for(user: Any, checkpoint_id: Any) -> Checkpoint:
    """A model of the person's campaigns; the default policy is everybody's who researches anywhere."""
    if not campaigns_for(user).exists():
        raise NotFound(_("There is no such model for you."))
    return _one(checkpoints_for(user), checkpoint_id, _("There is no such model for you."))


def round_for(user: Any, slug: str, number: int) -> Round:
    campaign = access.campaign_for_researcher(user, slug)
    found = rounds_for(user).filter(campaign=campaign, number=number).first()
    if found is None:
        raise NotFound(_("There is no such round in this campaign."))
    return found


def _one(queryset: QuerySet[Any], pk: Any, message: str) -> Any:
    found = queryset.filter(pk=pk).first()
    if found is None:
        raise NotFound(message)
    return found


# --- How far a job is ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """What the bar of a running job shows; None where it cannot be known yet."""

    stage: str
    done: int | None
    total: int | None
    rate: float | None  # steps a second
    seconds_left: float | None

    @property
    def percent(self) -> int | None:
        return None if not self.total or self.done is None else min(100, round(100 * self.done / self.total))

    @property
    def minutes_left(self) -> float | None:
        return None if self.seconds_left is None else self.seconds_left / 60


def progress_of(job: Snapshot | Push | Run, now: datetime | None = None) -> Progress:
    """From the job's last status line."""
    status = job.progress or {}
    done, total = status.get("step"), status.get("steps")
    rate = seconds_left = None
    if isinstance(done, int) and isinstance(total, int) and job.started_at is not None:
        elapsed = ((now or timezone.now()) - job.started_at).total_seconds()
        if done > 0 and elapsed > 0:
            rate = done / elapsed
            seconds_left = max(0, total - done) / rate
    return Progress(str(status.get("stage") or ""), done, total, rate, seconds_left)


# --- Where a model comes from ----------------------------------------------------------------------------------------


def ancestors(checkpoint: Checkpoint, limit: int = 50) -> list[Checkpoint]:
    """The checkpoint, the one it was trained from, and so on: newest first."""
    found: list[Checkpoint] = []
    current: Checkpoint | None = checkpoint
    while current is not None and len(found) < limit:
        found.append(current)
        current = (
            Checkpoint.objects.select_related("run__snapshot", "campaign")
            .filter(pk=current.parent_id or 0)
            .first()
        )
    return found


def live_policy(campaign: Campaign) -> Promotion | None:
    return campaign.promotions.select_related("policy", "created_by").order_by("-id").first()


# --- Is it better? ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WinRate:
    """How often labelers preferred one policy's response to the other's; a tie is half a win. The interval is over items."""

    value: float | None
    low: float | None
    high: float | None
    items: int
    wins: int
    ties: int
    losses: int


def win_rate(round_: Round, policy: Checkpoint, against: Checkpoint) -> WinRate:
    """By the labelers of a round, on items with one response of each policy.

    Which answers state a preference is the types' own business: the rows of their view "preference". An answer of a type
    with that view that gives no row is a tie. The interval (95 %) is a bootstrap over items, whose labelers saw the same.
    """
    latest = Submission.objects.filter(
        campaign_id=round_.campaign_id,
        item__round_number=round_.number,
        item__purpose=Purpose.WORK,
        superseded_by=None,
        status=Submission.Status.COUNTED,
    ).select_related("assignment__item__prompt", "assignment__protocol")
    submissions = with_feedback(latest).order_by("-submitted_at")[:MOST_SUBMISSIONS]
    of_round = Response.objects.filter(
        items__campaign_id=round_.campaign_id, items__round_number=round_.number
    )
    responses = {r.pk: r for r in of_round}
    side = {policy.pk: 1, against.pk: -1}
    questions: dict[int, dict[str, Question]] = {}
    scores: dict[int, list[float]] = defaultdict(list)
    for submission in submissions:
        assignment = submission.assignment
        shown = [responses[pk] for pk in assignment.response_order if pk in responses]
        sides = {r.text: side.get(r.checkpoint_id or 0, 0) for r in shown}
        if sorted(sides.values()) != [-1, 1]:
            continue
        if assignment.protocol_id not in questions:
            loaded = load_protocol(assignment.protocol.questions_json, is_stored=True)
            questions[assignment.protocol_id] = {q.key: q for q in loaded}
        screen = Screen(
            tuple(Message(m["role"], m["content"]) for m in assignment.item.prompt.messages),
            tuple(ShownResponse(r.pk, r.text) for r in shown),
        )
        score = _direction(submission, screen, questions[assignment.protocol_id], sides)
        if score is not None:
            scores[submission.item_id].append(score)
    return summarise([statistics.fmean(s) for s in scores.values()], [x for s in scores.values() for x in s])


def _direction(
    submission: Submission, screen: Screen, questions: Mapping[str, Question], sides: Mapping[str, int]
) -> float | None:
    """1 if the answer prefers side +1, 0 if side -1, 1/2 for a tie; None if no question states preferences."""
    total, stated = 0, False
    rows: dict[str, list[Any]] = defaultdict(list)
    for row in submission.feedback.all():
        rows[row.question].append(row)
    for question, feedback in rows.items():
        kind = registry.get(feedback[0].type)
        if "preference" not in kind.views or question not in questions:
            continue
        events = [
            Event(
                id=str(f.pk),
                type=f.type,
                labeler="",
                question=question,
                screen=screen,
                target=f.target_id,
                payload=kind.load(f.payload, f.version),
                settings=questions[question].settings,
                choice_set=f.choice_set,
            )
            for f in feedback
        ]
        stated = True
        for view, record in kind.records(events, kind.statistics(events)):
            if view == "preference":
                total += sides.get(record["chosen"][-1]["content"], 0)
        if total:
            break  # the first question that decides; a later one would count the same read twice
    return None if not stated else 0.5 if total == 0 else float(total > 0)


def summarise(items: list[float], answers: list[float], resamples: int = 2_000, seed: int = 0) -> WinRate:
    """Mean over items with a percentile bootstrap over them."""
    wins, losses = sum(a > 0.5 for a in answers), sum(a < 0.5 for a in answers)
    if not items:
        return WinRate(None, None, None, 0, 0, 0, 0)
    values = np.asarray(items)
    drawn = values[np.random.default_rng(seed).integers(0, len(values), (resamples, len(values)))].mean(
        axis=1
    )
    low, high = np.quantile(drawn, [0.025, 0.975])
    return WinRate(
        float(values.mean()), float(low), float(high), len(items), wins, len(answers) - wins - losses, losses
    )
