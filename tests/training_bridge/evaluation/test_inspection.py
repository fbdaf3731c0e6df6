"""Shaping by hand, what it must keep, and the program on a snapshot with marks."""

import json

import pytest
import torch

from tests.training_bridge.reward_model import world
from training_bridge.evaluation.inspection import inspection, marks_of
from training_bridge.evaluation.shaping import OBJECTIVES, find_probe, objective, overlap, shaped, without
from training_bridge.exports.reader import read_events
from training_bridge.programs import DONE, main
from training_bridge.reward_model.model import RewardModel

IMPORTANCE = world.Question("why", "importance", {"explains": "better"})


def test_shaping_by_hand():
    """Rewards 1, 2, 3 and potentials 5, 1, 0, and 7 at the end, which counts as 0: 1 - 4, 2 - 1, 3 + 0."""
    states = torch.tensor([[5.0], [1.0], [0.0], [7.0]])
    found = shaped(torch.tensor([1.0, 2.0, 3.0]), states, torch.tensor([1.0]))
    assert found.tolist() == [-3.0, 1.0, 3.0]
    assert objective("sparse", [found]).item() == pytest.approx(7 / 3)
    assert objective("smooth", [found]).item() == pytest.approx(3.0)
    assert objective("log", [found]).item() == pytest.approx((2 * 1.3862944 + 0.6931472) / 3)


def test_shaping_changes_no_preference_between_answers_to_one_prompt():
    torch.manual_seed(0)
    start, probe = torch.randn(1, 6), torch.randn(6)
    lost = []
    for n in (3, 8):
        rewards, states = torch.randn(n), torch.cat([start, torch.randn(n, 6)])
        lost.append((shaped(rewards, states, probe) - rewards).sum().item())
    assert lost[0] == pytest.approx(lost[1], abs=1e-5) and lost[0] == pytest.approx(
        -(start @ probe).item(), abs=1e-5
    )


def test_the_probe_takes_away_what_shaping_added():
    """Rewards that are a few spikes plus the shaping of a hidden potential: the sparse probe finds the spikes again."""
    torch.manual_seed(1)
    probe = torch.randn(4)
    spikes, rewards, states = [], [], []
    for _ in range(30):
        own = torch.zeros(12)
        own[torch.randint(12, (2,))] = 1.0
        hidden = torch.randn(13, 4)
        spikes.append(own)
        rewards.append(shaped(own, hidden, -probe))
        states.append(hidden)
    found = find_probe("sparse", rewards, states, steps=400)
    undone = [shaped(r, s, found) for r, s in zip(rewards, states, strict=True)]
    assert objective("sparse", undone).item() < 1.3 * objective("sparse", spikes).item()
    assert objective("sparse", rewards).item() > 5 * objective("sparse", spikes).item()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_it_is_never_worse_than_no_shaping(name):
    torch.manual_seed(2)
    rewards, states = [torch.randn(9) for _ in range(5)], [torch.randn(10, 3) for _ in range(5)]
    probe = find_probe(name, rewards, states, steps=20)
    after = [shaped(r, s, probe) for r, s in zip(rewards, states, strict=True)]
    assert objective(name, after) <= objective(name, rewards) + 1e-6


def test_the_rewards_own_direction_is_taken_out():
    states = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    assert torch.allclose(without(states, torch.tensor([0.0, 2.0])), torch.tensor([[3.0, 0.0], [1.0, 0.0]]))


def test_overlap_by_hand():
    """Two of five are marked; the two largest are the first, which is not marked, and the last, which is."""
    assert overlap([-9.0, 1.0, 2.0, 0.0, 3.0], [False, True, False, False, True]) == (0.5, 0.4)
    with pytest.raises(ValueError, match="some are not"):
        overlap([1.0], [True])


@pytest.fixture
def snapshot(tmp_path):
    made = world.World(4)
    screens = made.screens(30, sentences=3)
    rows = world.answer(
        screens, {n: made.labeler(2.0) for n in "ab"}, [world.COMPARISON, IMPORTANCE], test_share=0.5
    )
    world.write_snapshot(tmp_path / "snap", screens, rows)
    return tmp_path / "snap"


def test_marks_are_read_from_any_payload_that_has_them(snapshot):
    marks = [marks_of(event) for event in read_events(snapshot)]
    assert sum(map(bool, marks)) > 5
    for event in read_events(snapshot):
        for start, end in marks_of(event):
            assert 0 <= start < end <= len(event.screen.response(event.target).text)


def test_the_program(run_in, snapshot, policy_dir, tmp_path):
    torch.manual_seed(5)
    model = RewardModel.load(policy_dir)
    with torch.no_grad():
        model.classifier.score.weight *= 30
    model.save(tmp_path / "reward", whetstone={"reward": {"mean": 0.0, "sd": 1.0}})
    run = run_in(
        reward_model=str(tmp_path / "reward"),
        snapshot={"path": str(snapshot)},
        parameters={"texts": 20, "steps": 30},
    )
    assert main(inspection, [str(run.path)]) == DONE
    told = json.loads((run.path / "metrics.json").read_text())
    for name in OBJECTIVES:
        assert set(told["objectives"][name]) == {*OBJECTIVES, "last_step"}
    assert told["marked_texts"] > 3 and 0 < told["chance"] < 1
    text = told["texts"][0]
    for token in text["tokens"]:
        assert {"raw", "sparse", "log", "smooth"} <= set(token)
    assert text["tokens"][-1]["end"] == len(text["text"])
