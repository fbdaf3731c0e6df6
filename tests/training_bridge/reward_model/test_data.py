"""Every answer is used once an epoch, every text runs once a pack, and what is left out is counted."""

from dataclasses import replace

import pytest
import torch

from feedback_types import registry
from feedback_types.base import Message, ShownResponse
from tests.training_bridge.exports.test_settled import Settled
from tests.training_bridge.exports.test_snapshot import snap
from tests.training_bridge.reward_model import world
from training_bridge.exports.reader import read_events
from training_bridge.reward_model.data import build
from training_bridge.reward_model.encoding import Encoder
from training_bridge.reward_model.evaluate import likelihoods_of
from training_bridge.reward_model.model import RewardModel


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    made = world.World(2)
    screens = made.screens(12)
    rows = world.answer(
        screens, {n: made.labeler() for n in "abc"}, [world.COMPARISON, world.RATING], overlap=2, test_share=0
    )
    folder = tmp_path_factory.mktemp("s") / "snapshot"
    world.write_snapshot(folder, screens, rows)
    return list(read_events(folder))


@pytest.fixture
def data(events, tokenizer):
    return build(events, likelihoods_of(["comparison", "critique"]), Encoder(tokenizer))


def test_each_text_is_one_sequence_and_each_item_keeps_its_answers(data, events):
    assert len(data.observations) == len(events) == 12 * 2 * 3
    assert len(data.sequences) == 24
    assert [len(item) for item in data.items] == [6] * 12
    assert data.kinds == {"comparison": 24, "critique": 48}


def test_an_epoch_takes_every_item_once_in_an_order_of_the_seed(data):
    steps = data.steps(5, seed=3, epoch=0)
    assert [len(s) for s in steps] == [6, 6]
    assert sorted(i for s in steps for i in s) == list(range(12))
    assert steps == data.steps(5, seed=3, epoch=0)
    assert steps != data.steps(5, seed=3, epoch=1)
    assert steps != data.steps(5, seed=4, epoch=0)


@pytest.mark.parametrize("pack_tokens", [40, 200, 100_000])
def test_packs_keep_to_their_size_and_lose_nothing(data, pack_tokens):
    packs = list(data.packs(range(12), pack_tokens))
    ids = [o.event.id for pack in packs for members in pack.observations.values() for o in members]
    assert sorted(ids) == sorted(o.event.id for o in data.observations)
    for pack in packs:
        tokens = sum(len(p) for p in {s.prompt for s in pack.sequences}) + sum(
            len(s.text) for s in pack.sequences
        )
        assert tokens <= pack_tokens or pack.size <= 6
    assert (len(packs) == 1) == (pack_tokens == 100_000)


def test_a_step_is_the_same_however_it_is_packed(data, policy_dir):
    from training_bridge.reward_model.config import TrainParameters
    from training_bridge.reward_model.loss import Objective
    from training_bridge.reward_model.train import Trainer

    losses = []
    for pack_tokens in (64, 100_000):
        torch.manual_seed(0)
        model = RewardModel.load(policy_dir)
        settings = TrainParameters(pack_tokens=pack_tokens, center=0, epochs=4)
        objective = Objective.for_observations(
            likelihoods_of(["comparison", "critique"]), data.observations, settings
        )
        trainer = Trainer(model, objective, data, settings, seed=0)
        losses.append([trainer.step()["loss"] for _ in range(4)])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_each_place_is_scored_once(data):
    pack = data.pack(data.observations)
    assert (
        len(set(pack.places)) == len(pack.places) == 24
    )  # ratings and comparisons all read the end of a text
    assert pack.index["comparison"].shape == (24, 2)
    for i, observation in enumerate(pack.observations["comparison"]):
        texts = [observation.event.screen.response(k).text for k in observation.event.payload.items]
        for k, text in enumerate(texts):
            place = pack.places[pack.index["comparison"][i, k]]
            sequence = pack.sequences[place.sequence]
            assert place.position == len(sequence) - 1
            assert len(sequence.ends) == 0 or sequence.ends[-1] == len(text)


def test_what_is_left_out_is_counted(events, tokenizer):
    long = replace(
        events[0],
        screen=replace(
            events[0].screen,
            prompt=(Message("user", "word " * 100),),
            responses=tuple(ShownResponse(r.id, r.text) for r in events[0].screen.responses),
        ),
    )
    silent = replace(events[1], type="proxy")
    data = build(
        [long, silent, *events[:3]],
        likelihoods_of(["comparison", "critique"]),
        Encoder(tokenizer, max_length=60),
    )
    assert len(data.observations) == 3
    assert data.dropped == {
        f"{events[0].type}: longer than 60 tokens": 1,
        "proxy: says nothing about the reward": 1,
    }


def test_types_say_which_answers_count(events, tokenizer):
    """A type's own `usable` decides; the trainer only counts."""

    class Picky(type(registry.get("comparison").likelihood)):
        def usable(self, event):
            return event.labeler != "a"

    data = build(events, {"comparison": Picky()}, Encoder(tokenizer))
    left_out = sum(e.type == "comparison" and e.labeler == "a" for e in events)
    assert data.dropped["comparison: not counted by its type"] == left_out > 0
    assert {o.event.labeler for o in data.observations} == {"b", "c"}


@pytest.mark.django_db(transaction=True)
def test_settled_answers_are_learned_from_and_overruled_ones_are_not(tmp_path, tokenizer):
    """By hand: three answers of one mind, Rita's word on two items (one of them a tie), and an answer that stands alone."""
    made = Settled()
    plain, settled = (snap(made, tmp_path, settled=which) for which in (False, True))
    rita = made.name(made.rita)
    found = []
    for built in (plain, settled):
        data = build(read_events(built.path), likelihoods_of(["comparison"]), Encoder(tokenizer))
        found.append((sorted(len(item) for item in data.items), data.labelers[rita], not data.dropped))
    assert found == [([1, 2, 3, 3], 0, True), ([1, 1, 1, 3], 2, True)]
    ranks = {o.event.submission: o.event.payload.ranks for o in data.observations if o.event.labeler == rita}
    assert sorted(map(tuple, ranks.values())) == [(1, 1), (2, 1)]
