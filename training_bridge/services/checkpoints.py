"""Checkpoints on disk: stored under their hash, checked before use, one policy live at a time."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from annotation.campaigns.models import Campaign
from annotation.errors import Conflict, Invalid
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.transactions import in_transaction
from annotation.webhooks.events import emit
from training_bridge import programs
from training_bridge.models import Checkpoint, Promotion
from training_bridge.policy import adapters
from training_bridge.programs import directory_sha256 as directory_sha256
from training_bridge.services import mirror

# Formats that run code when they are read; our programs write safetensors only.
REFUSED = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".npy", ".npz", ".py"})


class BadArtifact(Exception):
    """A result that is no safe checkpoint; says which file and why."""


def check_artifact(directory: Path) -> None:
    """Raises BadArtifact unless the directory holds plain files, none of which runs code when it is read."""
    files = 0
    for path in directory.rglob("*"):
        name = path.relative_to(directory).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise BadArtifact(_("%(name)s is neither a file nor a folder.") % {"name": name})
        if path.suffix.lower() in REFUSED:
            raise BadArtifact(
                _("%(name)s could run code when it is read; only safetensors are kept.") % {"name": name}
            )
        files += path.is_file()
    if not any(directory.rglob("*.safetensors")):
        raise BadArtifact(_("There are no weights in it (safetensors)."))


def store(directory: Path) -> tuple[Path, str]:
    """Keep a copy under CHECKPOINT_DIR, named by its hash; links where the file system allows. Storing twice keeps one."""
    check_artifact(directory)
    sha256 = directory_sha256(directory)
    target = settings.CHECKPOINT_DIR / sha256
    if not target.is_dir():
        settings.CHECKPOINT_DIR.mkdir(parents=True, exist_ok=True)
        temporary = settings.CHECKPOINT_DIR / f".tmp-{uuid.uuid4().hex}"
        try:
            shutil.copytree(directory, temporary, copy_function=_link_or_copy)
            programs.sync_tree(temporary)
            temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        programs.sync_directory(settings.CHECKPOINT_DIR)
    return target, sha256


def _link_or_copy(source: str, target: str) -> Any:
    try:
        os.link(source, target)
    except OSError:
        return shutil.copy2(source, target)
    return target


def damage(checkpoint: Checkpoint) -> str:
    """What is wrong with a checkpoint on disk, in a sentence; empty when it is as it was stored (or comes from a hub).

    One that is on another host is fetched first, if there is a copy of it.
    """
    if not checkpoint.sha256:
        return ""
    directory = Path(checkpoint.path)
    try:
        _bring(checkpoint)
    except mirror.Unreachable as error:
        return f"{checkpoint.name}: {error}"
    if not directory.is_dir():
        return _("%(name)s is missing from %(path)s.") % {"name": checkpoint.name, "path": directory}
    if directory_sha256(directory) != checkpoint.sha256:
        return _("%(name)s has changed on disk: its hash is another one.") % {"name": checkpoint.name}
    if adapters.is_soft_prompt(directory):
        try:
            adapters.base_of(directory)
        except programs.Problem as problem:  # the policy it belongs to is missing, or is another one
            return str(problem)
    return ""


def _bring(checkpoint: Checkpoint) -> None:
    """Fetches what is not on this disk: the checkpoint, and the policy that a soft prompt stands before."""
    mirror.bring_checkpoint(checkpoint)
    if base := adapters.base_sha256(checkpoint.path):
        for found in Checkpoint.objects.filter(sha256=base)[:1]:
            mirror.bring_checkpoint(found)


@in_transaction
def promote(*, campaign: Campaign, policy: Checkpoint, actor: User | None) -> Promotion:
    """Make a policy the live one: one row, so readers see the old or the new and never a mix. Raises Invalid or Conflict."""
    _lock(campaign)
    if policy.kind != Checkpoint.Kind.POLICY or policy.campaign_id not in (None, campaign.pk):
        raise Invalid(
            _("Only a policy of this campaign can go live."), fields={"policy": [_("Choose a policy.")]}
        )
    is_elsewhere = not Path(policy.path).is_dir() and mirror.is_copied(policy)  # fetched where it is served
    if not is_elsewhere and (fault := damage(policy)):
        raise Invalid(fault, code="damaged")
    before = live_promotion(campaign)
    if before is not None and before.policy_id == policy.pk:
        raise Conflict(_("%(name)s is live already.") % {"name": policy.name})
    return _promote(campaign, policy, actor, before, undoes=None)


@in_transaction
def undo_promotion(*, campaign: Campaign, actor: User | None) -> Promotion:
    """Go back to the policy that was live before. Raises Conflict when there is none."""
    _lock(campaign)
    newest = live_promotion(campaign)
    earlier = _before(campaign, newest) if newest else None
    if newest is None or earlier is None:
        raise Conflict(_("No policy was live before this one."))
    return _promote(campaign, earlier.policy, actor, newest, undoes=newest)


def live_promotion(campaign: Campaign) -> Promotion | None:
    return campaign.promotions.select_related("policy").order_by("-id").first()


def _before(campaign: Campaign, promotion: Promotion) -> Promotion | None:
    """The promotion whose policy was live before this one; an undo leads to what was live before that."""
    current: Promotion | None = promotion
    while current is not None and current.undoes_id is not None:
        current = _previous(campaign, campaign.promotions.get(pk=current.undoes_id))
    return _previous(campaign, current) if current else None


def _previous(campaign: Campaign, promotion: Promotion) -> Promotion | None:
    return campaign.promotions.select_related("policy").filter(pk__lt=promotion.pk).order_by("-id").first()


def _lock(campaign: Campaign) -> None:
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)


def _promote(
    campaign: Campaign,
    policy: Checkpoint,
    actor: User | None,
    before: Promotion | None,
    undoes: Promotion | None,
) -> Promotion:
    promotion = Promotion.objects.create(campaign=campaign, policy=policy, undoes=undoes, created_by=actor)
    record_audit(
        actor=actor,
        campaign=campaign,
        action="policy.undo" if undoes else "policy.promote",
        target=f"policy {policy.pk}",
        before={"policy": before and before.policy_id},
        after={"policy": policy.pk},
    )
    emit("checkpoint.promoted", campaign.pk, checkpoint=policy.pk, undoes=undoes and undoes.policy_id)
    return promotion
