"""A soft prompt is kept, promoted and trained on only as what it is: vectors that belong to one policy."""

import json
import shutil

import pytest

from annotation.errors import Invalid
from tests.cast import make_campaign, make_cast
from training_bridge import methods
from training_bridge.methods import Inputs
from training_bridge.models import Checkpoint
from training_bridge.services import checkpoints

pytestmark = pytest.mark.django_db


@pytest.fixture
def kept(tmp_path, settings):
    """A policy, and a soft prompt that belongs to it, as two runs would leave them; no number of them is read."""
    settings.CHECKPOINT_DIR = tmp_path / "checkpoints"
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "model.safetensors").write_bytes(b"weights")
    base, sha256 = checkpoints.store(tmp_path / "policy")
    soft = tmp_path / "soft"
    soft.mkdir()
    (soft / "adapter_model.safetensors").write_bytes(b"vectors")
    (soft / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "/elsewhere"}))
    (soft / "whetstone.json").write_text(json.dumps({"base": {"sha256": sha256}}))
    path, soft_sha256 = checkpoints.store(soft)
    campaign = make_campaign(make_cast(), items=1)
    lineage = {"config": {"adapter": "prompt"}}
    checkpoint = Checkpoint.objects.create(
        kind="policy", name="soft", path=str(path), sha256=soft_sha256, campaign=campaign, lineage=lineage
    )
    return campaign, checkpoint, base, sha256


def test_it_goes_live_with_its_policy(kept):
    campaign, soft, _base, _sha256 = kept
    assert checkpoints.damage(soft) == ""
    assert checkpoints.promote(campaign=campaign, policy=soft, actor=None).policy == soft


def test_without_its_policy_it_is_refused(kept):
    campaign, soft, base, sha256 = kept
    shutil.rmtree(base)
    with pytest.raises(Invalid, match=f"belongs to the policy {sha256}, which is not here"):
        checkpoints.promote(campaign=campaign, policy=soft, actor=None)


def test_with_another_policy_it_is_refused_with_both_hashes(kept):
    campaign, soft, base, sha256 = kept
    (base / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(Invalid) as refused:
        checkpoints.promote(campaign=campaign, policy=soft, actor=None)
    assert refused.value.status == 422
    assert sha256 in refused.value.message
    assert checkpoints.directory_sha256(base) in refused.value.message


def test_nothing_is_trained_on_it_and_it_can_be_looked_at(kept):
    _campaign, soft, _base, _sha256 = kept
    dpo, compare = methods.get("dpo"), methods.get("evaluate_policy")
    with pytest.raises(Invalid, match="Start from the policy it belongs to"):
        from training_bridge.models import Snapshot

        dpo.check_inputs(dpo.parameters(), Inputs(snapshot=Snapshot(), parent=soft))
    compare.check_inputs(compare.parameters(), Inputs(parent=soft, baseline=soft))
