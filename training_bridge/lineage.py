"""From a model back to the screen that each answer was given on, and whether everything on the way is what it says.

    checkpoint ← run (method, settings, seed, code) ← snapshot ← event ← submission ← assignment: prompt, responses in
    the order shown, questions, guidelines, each by its hash; of a settled item: event ← adjudication

`ancestry` walks the models, `trace` goes from one event to its screen. Nothing here writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from django.utils.translation import gettext as _

from annotation.adjudication.models import Adjudication
from annotation.adjudication.selectors import screen_of
from annotation.assignment.models import Assignment
from annotation.assignment.selectors import protocol, screen_for
from annotation.campaigns.models import Guidelines, Protocol
from annotation.errors import NotFound
from annotation.items.models import Item
from annotation.people.models import User
from annotation.submissions.models import Feedback, Submission
from feedback_types.base import Screen
from training_bridge.exports.cut import ANSWERS_OF_ONE, FIRST_SETTLED_EVENT, settled_screen
from training_bridge.exports.rows import row_of, texts_of
from training_bridge.models import Checkpoint, Run, Snapshot
from training_bridge.services import mirror

MOST_STEPS = 200
MOST_ID = 2**63 - 1
STORED = ("question", "type", "version", "target", "payload", "choice_set")  # of an answer


@dataclass(frozen=True)
class Step:
    """One model on the way back, with what it was made from."""

    checkpoint: Checkpoint
    role: str  # "model", "parent" or "reward model": what it was to the one before
    run: Run | None
    snapshot: Snapshot | None

    @property
    def snapshot_state(self) -> str:
        """`none`, `superseded` (see its successor), `gone` (from the disk), `altered`, or `whole`: its name is its hash."""
        return state_of(self.snapshot)

    def dump(self, mine: Collection[int] | None = None) -> dict[str, Any]:
        """As JSON; run and snapshot of a campaign that is not in `mine` are left out, save the snapshot's hash."""
        run, snapshot = self.run, self.snapshot
        if mine is not None and run and run.campaign_id not in mine:
            run = None
        return {
            "role": self.role,
            "checkpoint": {
                "id": self.checkpoint.pk,
                "kind": self.checkpoint.kind,
                "name": self.checkpoint.name,
                "sha256": self.checkpoint.sha256,
            },
            "run": run
            and {
                "id": str(run.pk),
                "method": run.method,
                "seed": run.seed,
                "config": run.config,
                "code_revision": run.code_revision,
            },
            "snapshot": snapshot
            and {
                **({"id": str(snapshot.pk)} if run else {}),
                "sha256": snapshot.sha256,
                "state": self.snapshot_state,
                "answers": snapshot.manifest and snapshot.manifest["counts"]["feedback"],
            },
        }


def state_of(snapshot: Snapshot | None) -> str:
    if snapshot is None:
        return "none"
    if snapshot.erased_at is not None:
        return "superseded"
    manifest = snapshot.path / "manifest.json"
    if not snapshot.sha256 or not manifest.is_file():
        return "elsewhere" if mirror.is_copied(snapshot) else "gone"
    return "whole" if hashlib.sha256(manifest.read_bytes()).hexdigest() == snapshot.sha256 else "altered"


def ancestry(checkpoint: Checkpoint) -> list[Step]:
    """The model, the reward model it was trained against, what each of them started from, and so on; each of them once."""
    found: list[Step] = []
    seen: set[int] = set()
    waiting: list[tuple[str, int]] = [("model", checkpoint.pk)]
    while waiting and len(found) < MOST_STEPS:
        role, pk = waiting.pop(0)
        if pk in seen:
            continue
        seen.add(pk)
        current = Checkpoint.objects.select_related("run__snapshot__campaign", "campaign").get(pk=pk)
        run = current.run
        found.append(Step(current, role, run, run.snapshot if run else None))
        if run and run.reward_model_id:
            waiting.append(("reward model", run.reward_model_id))
        if current.parent_id:
            waiting.append(("parent", current.parent_id))
    return found


@dataclass(frozen=True)
class Check:
    """One thing that must be so, and whether it is."""

    what: str
    holds: bool


@dataclass(frozen=True)
class Trace:
    """One event of a snapshot with the screen that its answer was given on: by a labeler, or by a reviewer who settled the
    item (then there is an `adjudication` and no `assignment`)."""

    row: dict[str, Any]
    stored: dict[str, Any]  # the answer as the database has it
    said_by: User
    item: Item
    order: list[int]
    asked: Protocol
    guidelines: Guidelines
    screen: Screen
    submission: Submission | None = None
    adjudication: Adjudication | None = None
    checks: list[Check] = field(default_factory=list)

    @property
    def assignment(self) -> Assignment | None:
        return self.submission.assignment if self.submission else None

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)

    def dump(self) -> dict[str, Any]:
        return {
            "event": self.row,
            "assignment": self.assignment
            and {
                "id": self.assignment.pk,
                "item": self.assignment.item_id,
                "order_seed": self.assignment.order_seed,
                "first_render_at": self.assignment.first_render_at,
            },
            **(
                {
                    "adjudication": {
                        "id": self.adjudication.pk,
                        "item": self.item.pk,
                        "act": self.adjudication.act,
                    }
                }
                if self.adjudication
                else {}
            ),
            "screen": {
                "prompt": [{"role": m.role, "content": m.content} for m in self.screen.prompt],
                "responses": [
                    {"id": r.id, "text": r.text, "sha256": r.sha256} for r in self.screen.responses
                ],
                "guidelines": {"number": self.guidelines.number, "markdown": self.guidelines.markdown},
                "protocol_version": self.asked.number,
            },
            "checks": [{"what": check.what, "holds": check.holds} for check in self.checks],
            "holds": self.holds,
        }


def trace(snapshot: Snapshot, event: int) -> Trace:
    """The screen behind one event, made again from stored ids and checked against the snapshot.

    Raises NotFound when the snapshot has no such event, or its answer was erased since.
    """
    found = _settled(snapshot, event) if event >= FIRST_SETTLED_EVENT else _labeled(snapshot, event)
    if found is None:
        raise NotFound(_("There is no such answer in this snapshot."))
    return replace(found, checks=list(_checks(snapshot, found)))


def _labeled(snapshot: Snapshot, event: int) -> Trace | None:
    feedback = (
        Feedback.objects.filter(pk=event, submission__campaign=snapshot.campaign_id)
        .select_related(
            "submission__assignment__item__prompt", "submission__assignment__campaign", "submission__labeler"
        )
        .first()
    )
    row = None if feedback is None else row_of(snapshot.path, str(feedback.submission_id), event)
    if feedback is None or row is None:
        return None
    assignment = feedback.submission.assignment
    return Trace(
        row=row,
        stored={name: getattr(feedback, "target_id" if name == "target" else name) for name in STORED},
        said_by=feedback.submission.labeler,
        item=assignment.item,
        order=assignment.response_order,
        asked=protocol(assignment.protocol_id),
        guidelines=Guidelines.objects.get(pk=assignment.guidelines_id),
        screen=screen_for(assignment),
        submission=feedback.submission,
    )


def _settled(snapshot: Snapshot, event: int) -> Trace | None:
    """Of an answer of a reviewer, whose number says which decision it is of and where it stands there."""
    number, place = divmod(event - FIRST_SETTLED_EVENT, ANSWERS_OF_ONE)
    decision = (
        Adjudication.objects.filter(pk=min(number, MOST_ID), campaign=snapshot.campaign_id)
        .select_related("item__prompt", "item__campaign", "reviewer", "protocol", "guidelines")
        .first()
    )
    row = None if decision is None else row_of(snapshot.path, settled_screen(decision.pk), event)
    if decision is None or row is None or place >= len(decision.answers):
        return None
    return Trace(
        row=row,
        stored=decision.answers[place],
        said_by=decision.reviewer,
        item=decision.item,
        order=decision.response_order,
        asked=decision.protocol,
        guidelines=decision.guidelines,
        screen=screen_of(decision.item, decision.response_order),
        adjudication=decision,
    )


def _checks(snapshot: Snapshot, found: Trace) -> Iterator[Check]:
    manifest, row, screen = snapshot.manifest or {}, found.row, found.screen
    yield Check(
        _("The answer in the snapshot is the one in the database."),
        all(found.stored[name] == row[name] for name in STORED),
    )
    yield Check(
        _("It is of the reviewer whom the pseudonym stands for.")
        if found.adjudication
        else _("It is of the labeler whom the pseudonym stands for."),
        row["labeler"] == found.said_by.pseudonym(snapshot.campaign_id),
    )
    yield Check(
        _("The responses were shown in the order that is recorded."),
        row["responses"] == found.order,
    )
    responses = texts_of(snapshot.path, "responses", set(row["responses"]))
    yield Check(
        _("Every response has the text and the SHA-256 that it was stored with."),
        all(
            r.id in responses and responses[r.id]["text"] == r.text and responses[r.id]["sha256"] == r.sha256
            for r in screen.responses
        ),
    )
    prompt = texts_of(snapshot.path, "prompts", {row["prompt"]}).get(row["prompt"], {})
    messages = [{"role": m.role, "content": m.content} for m in screen.prompt]
    shown = [{"role": m["role"], "content": m["content"]} for m in prompt.get("messages", [])]
    yield Check(
        _("The prompt is the one in the snapshot."),
        shown == messages and prompt.get("sha256") == found.item.prompt.sha256,
    )
    yield Check(
        _("The guidelines are those of the version that stands in the snapshot."),
        manifest.get("guidelines", {}).get(str(found.guidelines.number))
        == hashlib.sha256(found.guidelines.markdown.encode()).hexdigest(),
    )
    yield Check(
        _("The questions are those of the version that stands in the snapshot."),
        orjson.dumps(manifest.get("protocols", {}).get(str(found.asked.number)), option=orjson.OPT_SORT_KEYS)
        == orjson.dumps(found.asked.questions_json, option=orjson.OPT_SORT_KEYS),
    )
