"""What a reward model is least sure about: the measure by hand, the program, and the scores that come back to the items."""

import json
import math

import pytest
import torch

from annotation.assignment.models import ItemScore
from annotation.items.models import Item
from tests.training_bridge.world import World
from training_bridge import methods
from training_bridge.models import Run
from training_bridge.programs import DONE, main
from training_bridge.reward_model.model import RewardModel
from training_bridge.reward_model.uncertainty import score, uncertainty


def test_the_measure_by_hand():
    assert uncertainty([[1.0], [1.0]]) == pytest.approx(1.0)
    p = 1 / (1 + math.exp(-2.0))  # 0.8808
    assert uncertainty([[2.0], [0.0]]) == pytest.approx(
        -(p * math.log(p) + (1 - p) * math.log(1 - p)) / math.log(2)
    )
    assert uncertainty([[50.0], [0.0]]) < 1e-9
    assert uncertainty([[5.0, -5.0], [-5.0, 5.0]]) == pytest.approx(1.0)  # the members contradict each other
    assert uncertainty([[0.0], [0.0], [0.0]]) == pytest.approx(1.0)
    assert uncertainty([[1.0, 3.0]]) == pytest.approx(math.sqrt(2) / (1 + math.sqrt(2)))
    assert uncertainty([[1.0]]) == uncertainty([]) == 0.0


@pytest.mark.django_db
def test_open_items_are_scored_and_nothing_else(policy_dir, tmp_path):
    torch.manual_seed(5)
    RewardModel.load(policy_dir).save(tmp_path / "rm", whetstone={"reward": {"mean": 0.0, "sd": 1.0}})
    world = World(n_prompts=3, n_labelers=1)
    Item.objects.filter(pk=world.items[0].pk).update(withdrawn_at="2026-01-01T00:00:00Z")
    run = Run.objects.create(campaign=world.campaign, method="uncertainty", config={}, code_revision="test")
    method = methods.get("uncertainty")
    folder = tmp_path / "run"
    folder.mkdir()
    config = {
        "reward_model": {"path": str(tmp_path / "rm")},
        "parameters": {},
        **method.write_inputs(run, folder),
    }
    (folder / "config.json").write_text(json.dumps(config))
    assert main(score, [str(folder)]) == DONE
    assert method.collect(run, folder) == {"scored": 2}
    scores = dict(ItemScore.objects.values_list("item_id", "value"))
    assert scores.keys() == {item.pk for item in world.items[1:]} and all(
        0 <= s <= 1 for s in scores.values()
    )
