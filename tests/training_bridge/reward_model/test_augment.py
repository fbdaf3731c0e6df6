"""Slips that are learned too: which copies are kept, and that an answer weighs what it weighed before."""

from collections import defaultdict

import pytest
import torch

from tests.training_bridge.reward_model import world
from training_bridge.exports.reader import read_events
from training_bridge.reward_model.augment import COPIES, augmented, flat, hull
from training_bridge.reward_model.config import TrainParameters
from training_bridge.reward_model.model import RewardModel
from training_bridge.reward_model.train import observations_of


def test_the_corners_of_a_square_are_its_hull_and_what_is_inside_is_not():
    assert hull([[0, 0], [2, 0], [1, 0.5], [2, 2], [0, 2], [1, 1]]) == [0, 1, 3, 4]
    assert hull([[3, 0]]) == [0]
    assert sorted(hull([[0, 0], [1, 1], [2, 2]])) == [0, 2]  # on a line the ends


def test_flat_keeps_distances_in_a_plane():
    plane = torch.tensor([[0.0, 0, 5], [3, 0, 5], [0, 4, 5]])
    assert torch.allclose(
        torch.cdist(flat(plane), flat(plane)), torch.cdist(plane, plane).double(), atol=1e-5
    )


@pytest.mark.parametrize("objective", ["joint", "bradley_terry"])
def test_copies_share_the_weight_of_their_answer(objective, policy_dir, tmp_path):
    made = world.World()
    screens = made.screens(24)
    rows = world.answer(screens, {"a": made.labeler()}, [world.COMPARISON, world.RATING], test_share=0)
    world.write_snapshot(tmp_path / "s", screens, rows)
    events = list(read_events(tmp_path / "s", split="train"))
    model = RewardModel.load(policy_dir)
    plain, _ = observations_of(events, model, TrainParameters(objective=objective))
    data, _ = observations_of(events, model, TrainParameters(objective=objective, augment=True), seed=1)
    weights, copies = defaultdict(float), defaultdict(int)
    for o in data.observations:
        weights[o.event.id] += o.weight
        copies[o.event.id] += 1
    assert dict(weights) == pytest.approx({o.event.id: 1.0 for o in plain.observations})
    assert 1 < max(copies.values()) <= 1 + COPIES
    assert [len(items) for items in data.items] != [len(items) for items in plain.items]
    assert len(data.items) == len(plain.items)  # copies are learned in the step of their answer
    again = augmented(events, model, seed=1)
    assert again == augmented(events, model, seed=1) != augmented(events, model, seed=2)
    lengths = {len(r.text) for e in again for r in e.screen.responses if e.id == events[0].id}
    assert lengths == {len(r.text) for r in events[0].screen.responses}  # offsets stay where they are
