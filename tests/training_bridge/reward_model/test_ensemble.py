"""Several reward heads on one network: their mean is the plain model's reward, and how they differ is kept."""

import pytest
import torch

from feedback_types.base import Message
from tests.training_bridge.reward_model import world
from training_bridge.exports.reader import read_events
from training_bridge.programs import DONE, RunDirectory, main, read_json
from training_bridge.reward_model.config import TrainParameters
from training_bridge.reward_model.loss import Objective
from training_bridge.reward_model.model import Place, RewardModel
from training_bridge.reward_model.score import Scorer
from training_bridge.reward_model.train import Trainer, member_weights, observations_of, train

PROMPT = (Message("user", "Say something."),)
TEXTS = [(PROMPT, "otter bread soap."), (PROMPT, "good world."), (PROMPT, "time")]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    made = world.World(4)
    screens = made.screens(40)
    rows = world.answer(
        screens, {n: made.labeler(2.0) for n in "abc"}, [world.COMPARISON, world.RATING], overlap=2
    )
    folder = tmp_path_factory.mktemp("s") / "snapshot"
    world.write_snapshot(folder, screens, rows)
    return folder


@pytest.fixture(scope="module")
def trained(snapshot, policy_dir, tmp_path_factory):
    made = {}
    for adapter in ("full", "lora"):
        run = world.write_run(
            tmp_path_factory.mktemp("r") / adapter, snapshot, policy_dir, ensemble=4, epochs=3, adapter=adapter,
            learning_rate=3e-3,
        )  # fmt: skip
        assert main(train, [str(run)]) == DONE
        made[adapter] = RunDirectory(run)
    return made


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_the_mean_of_the_members_is_what_any_program_reads(trained, adapter):
    from transformers import AutoModelForSequenceClassification

    folder = trained[adapter].path / "result"
    scorer = Scorer.load(folder, device="cpu")
    members = torch.tensor(scorer.score_members(TEXTS))
    assert members.shape == (3, 4)
    torch.testing.assert_close(members.mean(dim=1), torch.tensor(scorer.score(TEXTS)), atol=1e-5, rtol=0)
    plain = AutoModelForSequenceClassification.from_pretrained(folder)
    for (prompt, text), reward in zip(TEXTS, scorer.score(TEXTS), strict=True):
        ids = torch.tensor([scorer.model.encoder.sequence(prompt, text).ids])
        assert plain(input_ids=ids).logits.item() == pytest.approx(reward, abs=1e-5)
    told = scorer.score_with_sd(TEXTS)
    assert [sd for _, sd in told] == pytest.approx(members.std(dim=1).tolist(), abs=1e-5)
    assert min(sd for _, sd in told) > 0.01
    assert read_json(folder / "whetstone.json")["ensemble"] == 4
    assert read_json(trained[adapter].path / "metrics.json")["ensemble"] == 4


def test_a_single_head_is_its_own_only_member(policy_dir):
    torch.manual_seed(0)
    model = RewardModel.load(policy_dir)
    scorer = Scorer(model)
    assert [row[0] for row in scorer.score_members(TEXTS)] == pytest.approx(scorer.score(TEXTS), abs=1e-6)
    assert [sd for _, sd in scorer.score_with_sd(TEXTS)] == [0.0] * 3
    assert member_weights(None, 1, 0) == {}


def test_training_goes_on_from_the_members(trained, snapshot, policy_dir, tmp_path):
    parent = trained["full"].path / "result"
    model = RewardModel.load(parent)
    before = model.members.clone()
    model.make_ensemble(4)
    assert torch.equal(model.members, before)
    assert not model.classifier.score.weight.requires_grad


def test_members_with_equal_heads_and_weights_train_as_one(snapshot, policy_dir):
    """Four equal heads that weigh every answer alike: the network gets the gradient of a single head, to rounding."""
    settings = TrainParameters(center=0.3)

    def gradient(members):
        torch.manual_seed(3)
        model = RewardModel.load(policy_dir)
        with torch.no_grad():
            model.classifier.score.weight *= 20
        data, likelihoods = observations_of(list(read_events(snapshot, split="train")), model, settings)
        if members > 1:
            weight = model.classifier.score.weight.detach()
            model.members = torch.nn.Parameter(weight.repeat(members, 1))
            model.make_ensemble(members)
        for head in data.heads:
            model.add_head(head)
        objective = Objective.for_observations(likelihoods, data.observations, settings)
        trainer = Trainer(model, objective, data, settings, seed=0)
        trainer.optimizer.step = lambda: None
        trainer.member_weights = {name: [1.0] * members for name in trainer.member_weights}
        told = trainer.step(range(10))
        return told["loss"], next(model.body.parameters()).grad

    loss, expected = gradient(1)
    other, found = gradient(4)
    assert other == pytest.approx(loss, abs=1e-6)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-3)


def test_weights_of_the_bootstrap(snapshot, policy_dir):
    """Exponential with mean 1, the same for all answers about an item, others with another seed."""
    model = RewardModel.load(policy_dir)
    data, _ = observations_of(list(read_events(snapshot)), model, TrainParameters())
    weights = member_weights(data, 50, 7)
    assert len(weights) == len(data.observations)
    flat = torch.tensor(list(weights.values()))
    assert flat.mean().item() == pytest.approx(1.0, abs=0.1) and flat.std().item() == pytest.approx(
        1.0, abs=0.15
    )
    first, second = data.items[0][:2]
    assert weights[id(data.observations[first])] == weights[id(data.observations[second])]
    assert member_weights(data, 50, 8) != weights


def test_other_heads_are_read_the_same_by_every_member(policy_dir):
    torch.manual_seed(0)
    model = RewardModel.load(policy_dir, heads=["attribute/honesty"])
    model.make_ensemble(3)
    sequence = model.encoder.sequence(*TEXTS[0])
    places = [Place(0, 4), Place(0, 4, "attribute/honesty"), Place(0, 6)]
    each, mean = model.compute_members([sequence], places), model.compute([sequence], places)
    torch.testing.assert_close(each.mean(dim=0), mean, atol=1e-6, rtol=1e-5)
    assert each[:, 1].std() == 0 and each[:, 0].std() > 0
