"""What is said about a model on held-out prompts: by the law of the answer's type, beside length and beside people."""

import json
import math

import pytest
import torch

from feedback_types.base import Message
from tests.training_bridge.reward_model import world
from training_bridge.exports.reader import read_events
from training_bridge.programs import DONE, RunDirectory, main
from training_bridge.reward_model import evaluate as module
from training_bridge.reward_model.config import TrainParameters
from training_bridge.reward_model.data import build
from training_bridge.reward_model.evaluate import (
    Judged,
    human_agreement,
    judge,
    length_buckets,
    likelihoods_of,
)
from training_bridge.reward_model.loss import Objective
from training_bridge.reward_model.model import RewardModel
from training_bridge.reward_model.pairs import Preference, as_events, preferences
from training_bridge.reward_model.score import Scorer
from training_bridge.reward_model.train import train


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    made = world.World(4)
    screens = made.screens(80)
    strong = world.Question("better", "comparison", {"strengths": 2, "ties": True, "both_bad": False})
    labelers = {n: made.labeler(2.0) for n in "abc"}
    rows = world.answer(screens, labelers, [strong, world.RATING], overlap=2, test_share=0.4)
    folder = tmp_path_factory.mktemp("s") / "snapshot"
    return folder, world.write_snapshot(folder, screens, rows)


@pytest.fixture(scope="module")
def events(snapshot):
    return list(read_events(snapshot[0]))


@pytest.fixture(scope="module")
def trained(snapshot, policy_dir, tmp_path_factory):
    run = world.write_run(
        tmp_path_factory.mktemp("r") / "run",
        snapshot[0],
        policy_dir,
        sha256=snapshot[1],
        epochs=6,
        learning_rate=3e-3,
    )
    assert main(train, [str(run)]) == DONE
    return RunDirectory(run)


@pytest.fixture(scope="module")
def objective(events, policy_dir):
    laws = likelihoods_of(["comparison", "critique"])
    data = build(events, laws, RewardModel.load(policy_dir).encoder)
    objective = Objective.for_observations(laws, data.observations, TrainParameters())
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in objective.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return objective


def test_probabilities_follow_the_law_of_the_type(policy_dir, objective, events):
    """Strengths with ties on offer: P(A | A or B) from the ordered logit and the lapse, worked out here by hand."""
    torch.manual_seed(1)
    model = RewardModel.load(policy_dir)
    with torch.no_grad():
        model.classifier.score.weight *= 60
    found = [p for p in preferences(events) if p.type == "comparison"][:8]
    assert found
    softplus = lambda x: math.log1p(math.exp(x))  # noqa: E731
    sigmoid = lambda x: 1 / (1 + math.exp(-x))  # noqa: E731
    for judged in judge(model, objective, found, 4096):
        event = judged.preference.events[0]
        values = objective.parameters_for("comparison", [event])
        beta, lapse = (
            objective.beta("comparison", [event]).item(),
            objective.lapses()[objective.labeler_rows([event])].item(),
        )
        cut = softplus(values["cutpoints"][0, 0].item())
        first = event.screen.responses[0].text == judged.preference.chosen
        d = beta * (judged.chosen - judged.rejected) + (1 if first else -1) * values["position"].item()
        towards = (1 - lapse) * sigmoid(d - cut) + lapse * 2 / 5  # two of five options on offer say so
        against = (1 - lapse) * sigmoid(-d - cut) + lapse * 2 / 5
        assert judged.probability == pytest.approx(towards / (towards + against), abs=1e-5)


def test_preferences_of_several_answers_use_the_link(policy_dir, objective, events):
    """A preference between two grades: (1 - e) s(beta d) + e/2 of the labeler's own beta and e for that type."""
    model = RewardModel.load(policy_dir)
    found = [p for p in preferences(events) if len(p.events) == 2]
    assert found and {p.type for p in found} == {"critique"}
    for judged in judge(model, objective, found[:6], 4096):
        e = judged.preference.events[0]
        beta = objective.beta("critique", [e]).item()
        lapse = objective.lapses()[objective.labeler_rows([e])].item()
        logistic = 1 / (1 + math.exp(-beta * (judged.chosen - judged.rejected)))
        assert judged.probability == pytest.approx((1 - lapse) * logistic + lapse / 2, abs=1e-5)


def test_a_text_that_is_too_long_is_left_out_and_said(policy_dir, objective, events):
    model = RewardModel.load(policy_dir, max_length=40)
    short = list(preferences(events))[:5]
    assert len(judge(model, objective, short, 4096)) < 5


def preference(labeler, chosen, rejected, prompt="p", kind="comparison"):
    from feedback_types.base import Event, Screen

    event = Event("1", kind, labeler, "q", Screen((Message("user", prompt),), ()), None, None, None)
    return Preference((Message("user", prompt),), chosen, rejected, 1.0, (event,))


def test_agreement_between_people_by_hand():
    """A or B: x, y say A, z says B -> one of three pairs of people agrees; the model says A and is right in two of three."""
    said = [
        Judged(preference("x", "A", "B"), 1.0, 0.0, 0.7),
        Judged(preference("y", "A", "B"), 1.0, 0.0, 0.7),
        Judged(preference("z", "B", "A"), 0.0, 1.0, 0.3),
        Judged(preference("x", "A", "B", prompt="alone"), 1.0, 0.0, 0.7),
        Judged(preference("y", "A", "B", kind="critique"), 1.0, 0.0, 0.7),
    ]
    told = human_agreement(said)
    assert (told["labelers"]["value"], told["labelers"]["n"]) == (pytest.approx(1 / 3), 3)
    assert (told["model"]["value"], told["model"]["n"]) == (pytest.approx(2 / 3), 3)
    assert told["ratio"] == pytest.approx(2.0)


def test_length_buckets_are_of_equal_size():
    said = [Judged(preference("x", "a" * n, "b" * n, prompt=str(n)), 1.0, 0.0, 0.7) for n in range(1, 9)]
    told = length_buckets(said)
    assert [(b["from"], b["to"], b["n"]) for b in told] == [(1, 2, 2), (3, 4, 2), (5, 6, 2), (7, 8, 2)]


def test_the_baseline_reads_the_same_preferences(events):
    found = list(preferences(events))
    made = list(as_events(found))
    assert [e.payload for e in made] == found
    assert {e.type for e in made} == {"preference"}
    ties = sum(e.type == "comparison" and e.payload.strength == 0 for e in events)
    assert ties > 0  # and none of them is a preference
    compared = sum(e.type == "comparison" for e in events)
    assert sum(p.type == "comparison" for p in found) == compared - ties


def test_training_ends_with_an_evaluation_that_the_program_repeats(trained, snapshot, tmp_path):
    told = json.loads((trained.path / "metrics.json").read_text())["evaluation"]
    assert told["pairs"]["accuracy"]["value"] > 0.6
    assert (
        told["pairs"]["accuracy"]["low"]
        < told["pairs"]["accuracy"]["value"]
        < told["pairs"]["accuracy"]["high"]
    )
    assert set(told["pairs"]["types"]) == set(told["likelihood"]) == {"comparison", "critique"}
    for row in told["likelihood"].values():
        assert row["nll"] < row["nll_chance"]
    assert told["pairs"]["humans"]["labelers"]["n"] > 10
    assert set(told["labelers"]) == {"a", "b", "c"}
    for entry in told["labelers"].values():
        assert 0.02 < entry["log_beta_se"] < 1.0 and entry["held_out"]["n"] > 0
    assert sum(told["reward"]["histogram"]["counts"]["chosen"]) == told["pairs"]["accuracy"]["n"]

    folder = tmp_path / "again"
    folder.mkdir()
    config = {
        "reward_model": {"path": str(trained.path / "result")},
        "snapshot": {"path": str(snapshot[0]), "sha256": snapshot[1]},
    }
    (folder / "config.json").write_text(json.dumps(config))
    assert main(module.program, [str(folder)]) == DONE
    again = json.loads((folder / "metrics.json").read_text())
    assert again["pairs"] == told["pairs"]
    assert again["calibration"]["nll"] == pytest.approx(told["calibration"]["nll"], abs=1e-5)
    for kind, row in told["likelihood"].items():
        assert again["likelihood"][kind]["nll"] == pytest.approx(row["nll"], abs=1e-5)


def test_a_standard_error_is_how_much_the_answers_pull(trained, snapshot):
    """Against differences of each answer's log-likelihood in one labeler's log-rationality."""
    scorer = Scorer.load(trained.path / "result", device="cpu")
    report = json.loads((trained.path / "result/nuisance.json").read_text())
    laws = likelihoods_of(list(report["types"]))
    objective = Objective.from_report(laws, report).double()
    data = build(read_events(snapshot[0], split="train"), laws, scorer.model.encoder)
    [pack] = data.packs(range(len(data.items)), 10**6)
    scores = torch.cat([scorer.model(pack.sequences, pack.places).detach(), torch.zeros(1)]).double()
    information, h = 1.0, 1e-4  # the prior's sd is 1
    for kind, members in pack.observations.items():
        chosen = [i for i, o in enumerate(members) if o.event.labeler == "a"]
        its = [members[i].event for i in chosen]
        high, low = (
            objective.log_likelihood(
                kind, its, scores[pack.index[kind][chosen]], beta=objective.beta(kind, its) * math.exp(d)
            )[0]
            for d in (h, -h)
        )
        information += ((high - low) / (2 * h)).square().sum().item()
    assert report["labelers"]["a"]["log_beta_se"] == pytest.approx(information**-0.5, rel=1e-3)


def test_without_held_out_data_there_are_no_numbers(policy_dir, tmp_path):
    made = world.World()
    screens = made.screens(30)
    rows = world.answer(screens, {"a": made.labeler()}, [world.COMPARISON], test_share=0)
    sha256 = world.write_snapshot(tmp_path / "s", screens, rows)
    run = world.write_run(tmp_path / "r", tmp_path / "s", policy_dir, sha256=sha256, epochs=1)
    assert main(train, [str(run)]) == DONE
    told = json.loads((run / "metrics.json").read_text())["evaluation"]
    assert (
        told["pairs"]["accuracy"]["value"] is None
        and told["likelihood"] == {}
        and told["calibration"]["curve"] == []
    )
