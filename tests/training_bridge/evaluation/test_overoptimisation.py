"""The program on a tiny policy and an ensemble of random heads."""

import json

import pytest
import torch

from training_bridge.evaluation.overoptimisation import against, overoptimisation, readings
from training_bridge.programs import DONE, Problem, main
from training_bridge.reward_model.model import RewardModel


@pytest.fixture
def ensemble_dir(policy_dir, tmp_path):
    torch.manual_seed(5)
    model = RewardModel.load(policy_dir)
    model.make_ensemble(3)
    model.save(tmp_path / "reward", whetstone={"reward": {"mean": 0.0, "sd": 1.0}})
    return tmp_path / "reward"


@pytest.fixture
def prompts_file(write_lines):
    rows = [{"id": i, "messages": [{"role": "user", "content": f"Number {i}?"}]} for i in range(6)]
    return write_lines("prompts.jsonl", rows)


def test_the_program(run_in, policy_dir, prompts_file, ensemble_dir):
    run = run_in(
        parent=str(policy_dir), reward_model={"path": str(ensemble_dir)}, input=str(prompts_file), seed=2,
        compared_with={"path": str(ensemble_dir)}, parameters={"answers": 12, "max_tokens": 8},
    )  # fmt: skip
    assert main(overoptimisation, [str(run.path)]) == DONE
    told = json.loads((run.path / "metrics.json").read_text())
    assert (told["n"], told["members"], told["prompts"]) == ([1, 2, 4, 8, 12], 3, 6)
    mean = told["curves"]["mean"]
    # Gold is the proxy itself here: both climb alike, and nothing is optimised too far.
    for p, g in zip(mean["proxy"], mean["gold"], strict=True):
        assert p["value"] == pytest.approx(g["value"], abs=1e-4)
    values = [p["value"] for p in mean["gold"]]
    assert values == sorted(values) and values[0] == pytest.approx(0.0, abs=1e-6)
    assert mean["peak"]["n"] == 12 and not mean["peak"]["is_over"]
    assert set(told["curves"]) == {"mean", "member", "pessimistic", "minimum"}
    assert told["against"]["mean"]["value"] >= 0  # nothing is better at a reward than itself


def test_readings_by_hand():
    found = readings(torch.tensor([[[1.0, 3.0], [2.0, 2.0]]]).numpy(), 0.5)
    assert found["mean"].tolist() == [[2.0, 2.0]]
    assert found["minimum"].tolist() == [[1.0, 2.0]]
    assert found["pessimistic"].tolist() == [[pytest.approx(2 - 0.5 * 2**0.5), 2.0]]
    assert list(readings(torch.zeros(2, 4, 1).numpy(), 1.0)) == ["mean"]
    assert against({"mean": torch.zeros(2, 3).numpy()}, 0) == {}


def test_refusals(run_in, policy_dir, prompts_file, ensemble_dir):
    given = {"reward_model": str(ensemble_dir), "input": str(prompts_file)}
    with pytest.raises(Problem, match="there are 0"):
        overoptimisation(run_in("a", parent=str(policy_dir), **given))
    with pytest.raises(Problem, match="there are 2"):
        overoptimisation(
            run_in(
                "b",
                parent=str(policy_dir),
                compared_with=str(ensemble_dir),
                parameters={"gold": "warm"},
                **given,
            )
        )
    with pytest.raises(Problem, match="has to answer"):
        overoptimisation(run_in("c", parameters={"gold": "warm"}, **given))
    with pytest.raises(Problem, match="no taste 'sour'"):
        overoptimisation(run_in("d", parent=str(policy_dir), parameters={"gold": "sour"}, **given))
