"""Flips, drops and contrasts of judges whose taste is known; reward fusion by hand; the program."""

import json

import pytest
import torch

from feedback_types.base import Message
from tests.training_bridge.reward_model import world
from training_bridge.evaluation.consistency import (
    changing,
    consistency,
    contrast,
    contrasts_of,
    keeping,
    read_contrasts,
)
from training_bridge.evaluation.fusion import fuse
from training_bridge.evaluation.hidden import embeddings, hidden_states
from training_bridge.evaluation.judges import FunctionJudge, Text
from training_bridge.programs import DONE, Problem, main
from training_bridge.reward_model.model import RewardModel
from training_bridge.reward_model.score import Scorer


def pair(prompt, chosen, rejected):
    messages = (Message("user", prompt),)
    return Text(messages, chosen), Text(messages, rejected)


PAIRS = [
    pair("One?", "It is not big. Go to Paris.", "It is."),
    pair("Two?", "It is not 12.", "No way to go there."),
]


def test_a_judge_that_counts_capitals_flips_in_lower_case_only():
    """Pair 1: 3 capitals (I, G, P) against 1. In lower case the preferred side has 0: a flip; the other side 0: none.
    Pair 2: 1 against 1, a tie; out of it twice, half a flip each. So 2 of 4; line breaks and bold change nothing."""
    told = keeping(FunctionJudge(lambda t: sum(c.isupper() for c in t)), PAIRS, 0)
    assert (told["lower_case"]["flips"]["value"], told["lower_case"]["flips"]["n"]) == (0.5, 4)
    assert told["spacing"]["flips"]["value"] == 0.0 and told["spacing"]["shift"] == 0.0
    # sd within a prompt: rewards (3, 1) and (1, 1) have variances 2 and 0 (n - 1), mean 1. Changes 3, 1, 1, 1.
    assert told["lower_case"]["shift"] == pytest.approx((3 + 1 + 1 + 1) / 4)
    assert told["lower_case"]["mean_change"] == pytest.approx(-1.5)


def test_edits_that_change_the_meaning():
    """A judge who wants "not" sees every negation and no other edit."""
    told = changing(FunctionJudge(lambda t: float("not" in t)), PAIRS, 0)
    assert (told["negation"]["value"], told["negation"]["n"]) == (1.0, 2)
    assert told["number"]["value"] == 0.5 and told["entity"]["value"] == 0.5


def test_contrast_by_hand(write_lines, run_in, tmp_path):
    rows = [{"prompt_1": "3 + 1?", "answer_1": "4", "prompt_2": "3 + 2?", "answer_2": "5"}]
    path = write_lines("contrast.jsonl", rows)
    found = read_contrasts(path)
    right = FunctionJudge(lambda t: float(t == "4"))
    assert contrast(right, found)["response"]["value"] == 1.0
    # A judge that does not look at the prompt gives one answer the same reward after both.
    assert contrast(right, found)["instruction"]["value"] == 0.0
    assert contrasts_of(run_in(input=str(path)), []) == found
    (tmp_path / "bad.jsonl").write_text('{"prompt_1": 1}')
    with pytest.raises(Problem, match="line 1"):
        read_contrasts(tmp_path / "bad.jsonl")


def test_the_most_similar_prompt_is_the_contrast(run_in):
    pairs = [
        pair("How long do I boil eggs?", "8", "x"),
        pair("How long do I boil rice?", "15", "x"),
        pair("Why?", "So", "x"),
    ]
    found = contrasts_of(run_in(), pairs)
    assert [(a.text, b.text) for a, b in found] == [("8", "15"), ("15", "8")]


def test_fusion_by_hand():
    """Own 1; neighbours at cosine .95 with 3 and .9 with 0 count, the one at .5 does not: (1 + 2.85) / 2.85."""
    similarity = torch.tensor([[0.95, 0.5, 0.9]])
    found = fuse(torch.tensor([1.0]), similarity, torch.tensor([3.0, 100.0, 0.0]))
    assert found.item() == pytest.approx((1 + 0.95 * 3) / (1 + 0.95 + 0.9))
    alone = fuse(torch.tensor([1.0]), torch.tensor([[0.2]]), torch.tensor([9.0]))
    assert alone.item() == 1.0


@pytest.fixture
def reward_dir(policy_dir, tmp_path):
    torch.manual_seed(5)
    model = RewardModel.load(policy_dir)
    with torch.no_grad():
        model.classifier.score.weight *= 30
    model.save(tmp_path / "reward", whetstone={"reward": {"mean": 0.0, "sd": 1.0}})
    return tmp_path / "reward"


def test_hidden_states_are_what_the_score_is_read_from(reward_dir):
    scorer = Scorer.load(reward_dir)
    texts = [Text((Message("user", "Hi"),), "Otters sleep."), Text((Message("user", "Yo"),), "No")]
    for text, states in zip(texts, hidden_states(scorer, texts), strict=True):
        scores = states @ scorer.model.classifier.score.weight[0].detach()
        assert scores[-1].item() == pytest.approx(scorer.score([text])[0], abs=1e-4)
        assert len(states) == len(scorer.model.encoder.sequence(*text).text) + 1
    assert embeddings(scorer, texts).norm(dim=1).tolist() == pytest.approx([1.0, 1.0])


def test_the_program(run_in, reward_dir, tmp_path):
    made = world.World(4)
    screens = made.screens(40)
    rows = world.answer(screens, {n: made.labeler(2.0) for n in "abc"}, [world.COMPARISON], test_share=0.4)
    world.write_snapshot(tmp_path / "snap", screens, rows)
    run = run_in(
        reward_model=str(reward_dir), snapshot={"path": str(tmp_path / "snap")}, parameters={"fusion": True}
    )
    assert main(consistency, [str(run.path)]) == DONE
    told = json.loads((run.path / "metrics.json").read_text())
    assert told["pairs"] > 8 and told["contrast"]["response"]["n"] > 8
    assert told["keeping"]["markdown"]["flips"]["n"] == 2 * told["pairs"]
    assert told["fusion"]["accuracy"]["plain"]["n"] == told["pairs"]
    assert 0 <= told["fusion"]["neighbours"] <= 5
