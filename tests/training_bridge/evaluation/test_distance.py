"""Distances on text: a shaped and scaled copy of a reward is the same reward; the program from end to end."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from feedback_types.base import Message
from training_bridge.evaluation.answers import Asked, gather, samplers
from training_bridge.evaluation.config import DistanceParameters
from training_bridge.evaluation.distance import distance, furthest, of_returns, of_steps
from training_bridge.evaluation.distances import centred
from training_bridge.evaluation.judges import FunctionJudge, RewardModelJudge, Text
from training_bridge.evaluation.steps import Context, Stepped, cut, following, forms_of, step_through
from training_bridge.policy.prompts import Prompt
from training_bridge.policy.rewards import stated_in
from training_bridge.programs import DONE, PROBLEM, Problem, main
from training_bridge.reward_model.model import RewardModel
from training_bridge.reward_model.score import Scorer


@dataclass(frozen=True)
class Shaped:
    """2.5 x (reward + shaping): a potential on beginnings, 0 on whole texts, and a number of the prompt."""

    of: FunctionJudge

    def fits(self, text):
        return True

    def rewards(self, texts):
        return [
            2.5 * (r + len(t.prompt[-1].content)) for r, t in zip(self.of.rewards(texts), texts, strict=True)
        ]

    def scores(self, texts, offsets):
        return [
            [
                2.5 * (score + len(t.prompt[-1].content) + (7 * at) % 5)
                for score, at in zip(row, places, strict=True)
            ]
            for row, places, t in zip(self.of.scores(texts, offsets), offsets, texts, strict=True)
        ]


PROMPTS = [f"Tell me about otters, {'please ' * i}now." for i in range(8)]


@pytest.fixture
def prompts_file(write_lines):
    rows = [{"id": i, "messages": [{"role": "user", "content": p}]} for i, p in enumerate(PROMPTS)]
    return write_lines("prompts.jsonl", rows)


@pytest.fixture
def reward_dir(policy_dir, tmp_path):
    torch.manual_seed(5)
    model = RewardModel.load(policy_dir)
    with torch.no_grad():
        model.classifier.score.weight *= 30
    model.save(tmp_path / "reward", whetstone={"reward": {"mean": 0.0, "sd": 1.0}})
    return tmp_path / "reward"


def test_a_shaped_copy_of_a_reward_is_the_same_reward(run_in, policy_dir, prompts_file):
    """Centred return and VAL see it to 1e-6; EPIC and DARD read on text do not, as their definitions make them."""
    settings = DistanceParameters(answers=4, max_tokens=12, stepped=2, continuations=2)
    run = run_in(parent=str(policy_dir), input=str(prompts_file))
    one = FunctionJudge(lambda text: text.count("e") + 0.1 * len(text))
    judges = {"one": one, "other": Shaped(one)}
    policies = samplers(run, settings)
    asked = gather(run, settings, judges, policies, 0)
    assert len(asked) == 8
    returns = {n: centred([j.rewards(row.texts) for row in asked]) for n, j in judges.items()}
    assert of_returns(returns["one"], returns["other"], 0).value == pytest.approx(0.0, abs=1e-6)

    answers = step_through(run, settings, asked, list(judges.values()), policies["parent"], 0)
    assert len(answers) >= 8
    forms = {n: forms_of(j, answers) for n, j in judges.items()}
    distances = {
        name: of_steps(forms["one"][name], forms["other"][name], answers, 0).value for name in forms["one"]
    }
    assert distances["val"] == pytest.approx(0.0, abs=1e-6)
    assert distances["epic"] > 0.01 and distances["dard"] > 0.01


def test_advantages_of_an_answer_sum_to_its_reward_less_what_was_to_be_expected(
    run_in, policy_dir, prompts_file
):
    settings = DistanceParameters(answers=2, max_tokens=12, stepped=1, continuations=3)
    run = run_in(parent=str(policy_dir), input=str(prompts_file))
    judge = FunctionJudge(lambda text: float(len(text)))
    policies = samplers(run, settings)
    asked = gather(run, settings, {"j": judge}, policies, 0)
    for answer in (answers := step_through(run, settings, asked, [judge], policies["parent"], 0)):
        first, last = answer.contexts[0], answer.contexts[-1]
        expected = len(last.beginning.text) - np.mean([len(t) for t in first.followed])
        advantages = forms_of(judge, [answer])["val"][0]
        assert sum(advantages) == pytest.approx(expected)
    assert answers


def test_forms_by_hand():
    """One answer "aa bb" in two steps. The reward of a text is its length, also of a beginning."""
    p = (Message("user", "Hi"),)
    contexts = [
        Context(Text(p, ""), False, 2, followed=["cc dd ee"], strange=["x"]),
        Context(Text(p, "aa"), False, 2, followed=["aa ff gg"], strange=["aa yyy"]),
        Context(Text(p, "aa bb"), True, 2),
    ]
    found = forms_of(FunctionJudge(lambda text: float(len(text))), [Stepped(0, contexts)])
    # VAL: expected lengths 8, 8, then 5. EPIC: 1, 6, 5. DARD: "cc dd" after the prompt, "aa ff" after "aa",
    # all of "aa ff gg" after two steps, and the end.
    assert found == {"val": [[0.0, -3.0]], "epic": [[5.0, -1.0]], "dard": [[0.0, -3.0]]}


def test_cuts_are_at_spaces():
    assert cut("one two three four", 2) == [0, 7, 18]
    assert cut("word", 3) == [0, 4]
    assert cut("a b c d", 3) == [0, 3, 5, 7] and "a b c d"[3] == " "
    assert following("aa", "aa ff gg", 2) == [5, 8]


def test_a_reward_model_scores_beginnings_as_its_token_rewards_say(reward_dir):
    judge = RewardModelJudge(Scorer.load(reward_dir))
    text = Text((Message("user", "Hi"),), "Otters sleep. 👋 Yes")
    tokens = judge.scorer.token_rewards(*text)
    scores = judge.scores([text], [[0, 13, len(text.text)]])[0]
    assert scores[1] - scores[0] == pytest.approx(sum(t.reward for t in tokens if t.end <= 13), abs=1e-4)
    assert judge.rewards([text])[0] - scores[2] == pytest.approx(tokens[-1].reward, abs=1e-4)


def test_the_program(run_in, policy_dir, other_dir, prompts_file, reward_dir):
    run = run_in(
        parent=str(policy_dir), baseline=str(other_dir), input=str(prompts_file),
        reward_model={"path": str(reward_dir)}, compared_with={"path": str(reward_dir)}, seed=3,
        parameters={"answers": 3, "max_tokens": 10, "tastes": ["short"], "continuations": 2, "stepped": 1},
    )  # fmt: skip
    assert main(distance, [str(run.path)]) == DONE
    told = json.loads((run.path / "metrics.json").read_text())
    assert told["judges"] == ["reward_model", "compared_with", "short"]
    same, one, other = told["distances"]
    assert same["between"] == ["reward_model", "compared_with"]
    for form in ("centred_return", "val", "epic", "dard"):
        assert same[form]["value"] == pytest.approx(0.0, abs=1e-6), form
    assert one["centred_return"] == {**other["centred_return"]}  # equal rewards are as far from a third
    assert told["answers_by_source"].keys() == {"baseline", "parent"}
    assert told["prompts"] == 8 and told["steps"] > 8
    assert {row["source"] for row in told["by_source"]} == {"baseline", "parent"}


def test_without_a_policy_the_snapshot_answers(run_in, snapshot, reward_dir, write_lines):
    write_lines(
        "snapshot/native/responses.jsonl",
        [
            {"id": 2 * i + k, "prompt": i, "text": f"Answer {k} of {i}."[: 12 - k]}
            for i in range(30)
            for k in range(2)
        ],
    )
    run = run_in(
        reward_model=str(reward_dir),
        snapshot={"path": str(snapshot)},
        parameters={"tastes": ["short", "concrete"]},
    )
    told = distance(run)
    assert (told["prompts"], told["answers_by_source"]) == (6, {"snapshot": 12})
    assert [row["val"] for row in told["distances"]] == [None] * 3
    assert told["distances"][2]["centred_return"]["value"] is None  # everything is short


def test_refusals(run_in, reward_dir, policy_dir, write_lines):
    run = run_in(reward_model=str(reward_dir), parent=str(policy_dir))
    assert main(distance, [str(run.path)]) == PROBLEM
    assert "between two rewards" in json.loads((run.path / "failure.json").read_text())["error"]
    with pytest.raises(Problem, match="no taste 'sour'"):
        distance(run_in("b", reward_model=str(reward_dir), parameters={"tastes": ["sour"]}))
    with pytest.raises(Problem, match="neither a policy nor a snapshot"):
        distance(run_in("c", reward_model=str(reward_dir), parameters={"tastes": ["warm"]}))
    write_lines("d/stated.json", [{"type": "comparison", "version": 1, "payload": {}}])
    with pytest.raises(Problem, match="reward"):
        stated_in(run_in("d", stated_reward="stated.json"))


def test_what_two_rewards_differ_about_comes_first():
    asked = [
        Asked(
            Prompt("1", ({"role": "user", "content": "Q"},)),
            [Text((), "a"), Text((), "b"), Text((), "c")],
            ["parent"] * 3,
        )
    ]
    returns = {"x": centred([[0.0, 1.0, 2.0]]), "y": centred([[5.0, 1.0, 2.0]])}
    assert furthest(asked, returns)[0]["text"] == "a"
