"""A run that takes a stated reward: only one of its own campaign, written beside its config."""

import json

import pytest

from annotation.assignment.services import lease_next
from tests.cast import make_campaign, make_cast, send
from training_bridge.methods import Inputs
from training_bridge.methods.rewarded import a_reward, write_stated_reward
from training_bridge.models import Run, Snapshot
from training_bridge.policy.config import RLOOParameters

pytestmark = pytest.mark.django_db

PROXY = {"key": "q", "type": "proxy_reward", "settings": {"features": ["words"]}}
BEST = {"key": "q", "type": "comparison", "settings": {"mode": "best"}}


def row_of(cast, asked, name):
    campaign = make_campaign(cast, items=1, responses=3, protocol=[asked], name=name)
    return campaign, send(lease_next(labeler=cast.lena, campaign=campaign)).feedback.get()


def test_the_row_is_of_the_campaign_and_states_a_reward(tmp_path):
    cast = make_cast()
    (home, stated), (other, elsewhere) = (row_of(cast, PROXY, name) for name in ("Home", "Elsewhere"))
    _campaign, comparison = row_of(cast, BEST, "Best")
    inputs = Inputs(snapshot=Snapshot(campaign=home))

    def faults(number):
        return list(a_reward(RLOOParameters(stated_reward=number), inputs))

    assert faults(stated.pk) == []
    assert len(faults(0)) == 1  # no reward at all
    for wrong in (elsewhere.pk, comparison.pk, 10**9):
        assert "states no reward" in faults(wrong)[0]

    run = Run(config={"stated_reward": stated.pk}, snapshot=Snapshot(campaign=home))
    assert write_stated_reward(run, tmp_path) == {"stated_reward": "stated_reward.json"}
    written = json.loads((tmp_path / "stated_reward.json").read_text())
    assert (written["id"], written["type"], written["payload"]) == (stated.pk, "proxy_reward", stated.payload)
    assert write_stated_reward(Run(config={}, snapshot=Snapshot(campaign=home)), tmp_path) == {}
    foreign = Run(config={"stated_reward": stated.pk}, snapshot=Snapshot(campaign=other))
    assert write_stated_reward(foreign, tmp_path) == {}
