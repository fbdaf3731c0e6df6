"""Starting, cancelling and finishing runs. What happens next when one is finished is decided in the same transaction."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from annotation.campaigns.models import Campaign
from annotation.endpoints.models import Endpoint
from annotation.errors import Conflict, Invalid
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.transactions import in_transaction
from annotation.webhooks.events import emit
from training_bridge import endpoints, methods
from training_bridge.models import Checkpoint, Run, Snapshot
from training_bridge.revision import code_revision
from training_bridge.services import jobs, mirror

log = logging.getLogger(__name__)

# A run may be queued before its snapshot is built; it waits for it.
READY = Q(snapshot__isnull=True) | Q(snapshot__status=Snapshot.Status.COMPLETE)

MAX_SEED = 2**31 - 1
ATTEMPTS, MAX_ATTEMPTS = 3, 100


@in_transaction
def start_run(
    *,
    campaign: Campaign,
    actor: User | None,
    method: str,
    config: Mapping[str, Any] | None = None,
    seed: int = 0,
    priority: int = Run.Priority.NORMAL,
    max_attempts: int = ATTEMPTS,
    is_own_act: bool = True,
    **inputs: Any,
) -> Run:
    """Queue a run; on commit a worker is woken for it.

    Args: is_own_act: False where it is a part of another act, whose row in the history names it.
    `inputs` are those of methods.INPUTS: snapshot, parent, baseline, reward_model, compared_with, prompts_from, endpoint.
    Whether the actor may use an endpoint is for `access.endpoints_for_runs` to say; its key is read when the run begins.
    Raises Invalid naming the setting or input that is wrong, or saying how much data is needed and how much there is.
    """
    chosen = methods.get(method)
    parameters = chosen.read(config)
    if not 0 <= seed <= MAX_SEED:
        raise Invalid(
            _("The seed is out of range."),
            fields={"seed": [_("Give a number from 0 to %(n)d.") % {"n": MAX_SEED}]},
        )
    _check_priority(priority)
    given = methods.Inputs(**inputs)
    _check_owner(campaign, given)
    chosen.check_inputs(parameters, given)
    run = Run.objects.create(
        campaign=campaign,
        method=method,
        config=parameters.model_dump(mode="json"),
        seed=seed,
        priority=priority,
        code_revision=code_revision(),
        max_attempts=max_attempts,
        created_by=actor,
        endpoint_model=given.endpoint.model if given.endpoint else "",
        **inputs,
    )
    if is_own_act:
        asked = endpoints.told(given.endpoint, run.endpoint_model)
        record_audit(
            actor=actor,
            campaign=campaign,
            action="run.start",
            target=f"run {run.pk}",
            after={"method": method, "seed": seed, "config": run.config}
            | ({"endpoint": asked} if asked else {}),
        )
    jobs.wake_on_commit(send_run, run)
    return run


def _check_priority(priority: Any) -> None:
    if isinstance(priority, bool) or not isinstance(priority, int) or priority not in Run.Priority.values:
        given = ", ".join(f"{value} ({label})" for value, label in Run.Priority.choices)
        raise Invalid(
            _("There is no such priority."),
            fields={"priority": [_("Choose one of: %(names)s.") % {"names": given}]},
        )


def _check_owner(campaign: Campaign, inputs: methods.Inputs) -> None:
    """Data of one campaign never feed a run of another; policies without a campaign belong to everybody."""
    fields = {}
    for name in methods.INPUTS:
        given = getattr(inputs, name)
        if isinstance(given, Endpoint):  # of a person, not of a campaign
            if fault := endpoints.fault(given):
                fields[name] = [fault]
        elif given is not None and given.campaign_id not in (
            campaign.pk,
            *((None,) if isinstance(given, Checkpoint) else ()),
        ):
            fields[name] = [_("This is not of this campaign.")]
    if inputs.snapshot is not None and inputs.snapshot.status == Snapshot.Status.FAILED:
        fields["snapshot"] = [_("This snapshot could not be built; choose another.")]
    elif inputs.snapshot is not None and inputs.snapshot.erased_at is not None:
        fields["snapshot"] = [_("A person who was in this snapshot was erased; choose its successor.")]
    for name in ("parent", "baseline"):
        given = getattr(inputs, name)
        if given is not None and given.kind != Checkpoint.Kind.POLICY:
            fields[name] = [_("This is not a policy.")]
    for name in ("reward_model", "compared_with"):
        given = getattr(inputs, name)
        if given is not None and given.kind != Checkpoint.Kind.REWARD_MODEL:
            fields[name] = [_("This is not a reward model.")]
    if fields:
        raise Invalid(_("This run cannot use what it was given."), fields=fields)


@in_transaction
def cancel_run(*, run: Run, actor: User | None) -> Run:
    """Stop a run: at once while it is queued, else its program is asked to save and leave. Raises Conflict if finished."""
    run = Run.objects.select_for_update().get(pk=run.pk)
    if run.is_finished:
        raise Conflict(_("This run is finished already."))
    if run.cancel_requested_at is None:
        record_audit(actor=actor, campaign=run.campaign, action="run.cancel", target=f"run {run.pk}")
    if run.status == Run.Status.QUEUED:
        end_run(run, Run.Status.CANCELLED, error=_("Cancelled before it began."))
    else:
        Run.objects.filter(pk=run.pk, cancel_requested_at__isnull=True).update(cancel_requested_at=Now())
    run.refresh_from_db()
    return run


@in_transaction
def set_priority(*, run: Run, actor: User | None, priority: int) -> Run:
    """Move a queued run up or down in the queue. Raises Invalid, or Conflict once it has begun."""
    _check_priority(priority)
    run = Run.objects.select_for_update().get(pk=run.pk)
    if run.status != Run.Status.QUEUED:
        raise Conflict(_("This run is in the queue no longer."))
    before, run.priority = run.priority, priority
    if before != priority:
        run.save(update_fields=["priority"])
        record_audit(
            actor=actor,
            campaign=run.campaign,
            action="run.priority",
            target=f"run {run.pk}",
            before={"priority": before},
            after={"priority": priority},
        )
    return run


@in_transaction
def resume_run(*, run: Run, actor: User | None) -> Run:
    """Queue a run again that was stopped or failed: it goes on from its newest whole checkpoint, else from the beginning.

    It gets as many attempts as it had at first. Raises Conflict unless it was stopped or failed.
    """
    run = Run.objects.select_for_update().get(pk=run.pk)
    if run.status not in (Run.Status.CANCELLED, Run.Status.FAILED):
        raise Conflict(_("Only a run that was stopped or failed can be resumed."))
    if run.attempt >= MAX_ATTEMPTS:
        raise Conflict(_("This run was tried %(n)d times; clone it instead.") % {"n": run.attempt})
    _check_owner(run.campaign, methods.Inputs.of(run))
    record_audit(
        actor=actor,
        campaign=run.campaign,
        action="run.resume",
        target=f"run {run.pk}",
        before={"status": run.status, "attempt": run.attempt},
    )
    run.status, run.max_attempts = Run.Status.QUEUED, run.attempt + ATTEMPTS
    run.cancel_requested_at = run.release_requested_at = run.finished_at = run.sent_at = None
    run.error = run.advice = ""
    run.save()
    jobs.wake_on_commit(send_run, run)
    return run


def most_urgent() -> str | None:
    """The run that a free worker takes next: the highest priority, among equals the oldest; None if nothing is ready."""
    ready = Run.objects.filter(READY, status=Run.Status.QUEUED, attempt__lt=F("max_attempts"))
    found = ready.order_by("-priority", "created_at", "pk").values_list("pk", flat=True).first()
    return str(found) if found else None


def claim_run(run_id: str) -> jobs.Claim | None:
    """Take a queued run that is ready; None if there is nothing to take. Conditional: two workers never both get it."""
    return jobs.claim(Run, run_id, ready=Q(pk__in=Run.objects.filter(READY, pk=run_id).values("pk")))


@in_transaction
def finish_run(
    claim: jobs.Claim,
    *,
    status: str,
    metrics: Mapping[str, Any] | None = None,
    error: str = "",
    advice: str = "",
    checkpoint: Checkpoint | None = None,
) -> None:
    """Record the outcome, create the checkpoint and start what follows: all of it, or (without the claim) nothing.

    Raises LostClaim.
    """
    claim.write(status=status, metrics=metrics, error=error, advice=advice, finished_at=Now())
    if checkpoint is not None:
        checkpoint.save(force_insert=True)
        mirror.wake_on_commit()
    _follow(Run.objects.get(pk=claim.pk))


def end_run(run: Run, status: str, *, error: str = "", advice: str = "") -> None:
    """End a run that no worker holds; the caller has locked its row."""
    Run.objects.filter(pk=run.pk).update(
        status=status, error=error, advice=advice, fencing_token=None, finished_at=Now()
    )
    run.refresh_from_db()
    _follow(run)


def _follow(run: Run) -> None:
    from training_bridge.services.rounds import on_run_finished

    emit("run.finished", run.campaign_id, run=run.pk, method=run.method, status=run.status)
    on_run_finished(run)


def _give_up(run: Run) -> None:
    end_run(
        run,
        Run.Status.FAILED,
        error=_("Its worker died %(n)d times.") % {"n": run.attempt},
        advice=_("Look at the log (out of memory?), make it smaller and start it again."),
    )


def resend_runs() -> int:
    return jobs.resend_queued(Run, send_run, ready=READY)


def requeue_stale_runs() -> int:
    return jobs.requeue_stale(Run, _give_up)


def release_runs_of(worker: str) -> int:
    """Ask the runs of a worker that shuts down to save and go back into the queue."""
    return Run.objects.filter(status=Run.Status.RUNNING, worker=worker).update(release_requested_at=Now())


def send_run(run_id: str) -> None:
    from training_bridge import tasks

    tasks.execute_run.apply_async([run_id], queue=settings.TRAIN_QUEUE)
