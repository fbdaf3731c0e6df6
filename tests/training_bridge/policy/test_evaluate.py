"""The comparison of two policies: win rates, intervals and divergences by hand, and the program on tiny policies."""

import json

import pytest

from tests.training_bridge.policy.known import TwoTokens
from training_bridge.policy.chat import load_policy
from training_bridge.policy.config import ComparisonParameters
from training_bridge.policy.evaluate import (
    Answers,
    ask,
    choose_prompts,
    compared,
    distinct,
    divergence,
    diversity,
    evaluate,
    interval,
    win_rate,
)
from training_bridge.policy.generation import Generated, Sampler, Sampling
from training_bridge.policy.prompts import Prompt
from training_bridge.programs import Problem


def test_a_win_rate_by_hand():
    """Prompt 1: 3 beats 1 and 2, 2 beats 1 and ties with 2: (2 + 1.5) / 4 = 0.875. Prompt 2: 0 loses to 1, 5 wins: 0.5.
    The mean over prompts is 0.6875, ties (1/4 + 0) / 2."""
    found = win_rate(new=[[3.0, 2.0], [0.0, 5.0]], old=[[1.0, 2.0], [1.0, 1.0]])
    assert found["value"] == pytest.approx(0.6875)
    assert found["ties"] == pytest.approx(0.125)
    # Two prompts drawn again give both twice or one of each: 0.875, 0.5 or 0.6875.
    assert (found["low"], found["high"]) == pytest.approx((0.5, 0.875))


def test_a_policy_that_is_the_same_wins_half():
    found = win_rate([[1.0, 1.0]] * 9, [[1.0, 1.0]] * 9)
    assert found == {"value": 0.5, "low": 0.5, "high": 0.5, "ties": 1.0}


def test_an_interval_is_that_of_a_mean_over_prompts():
    """100 prompts, half of them 0 and half 1: the standard error is 0.05, so 0.5 ± 0.098."""
    found = interval([0.0, 1.0] * 50, [1.0] * 100, seed=0)
    assert found["value"] == 0.5
    assert (found["low"], found["high"]) == pytest.approx((0.402, 0.598), abs=0.015)
    assert interval([0.0, 1.0] * 50, [1.0] * 100, seed=0) == found


def test_an_interval_of_a_ratio_keeps_what_belongs_together():
    """2 nats in 4 tokens, 6 in 12: always half a nat a token, however prompts are drawn."""
    assert interval([2.0, 6.0, 1.0], [4.0, 12.0, 2.0]) == {"value": 0.5, "low": 0.5, "high": 0.5}


def test_a_difference_is_taken_prompt_by_prompt():
    """Prompts differ a lot, policies by 0.25 on each: the means are uncertain, the difference is not."""
    old = [[float(i), float(i)] for i in range(20)]
    new = [[i + 0.5, float(i)] for i in range(20)]
    found = compared(old, new)
    assert found["old"]["value"] == 9.5 and found["new"]["value"] == 9.75
    assert found["old"]["high"] - found["old"]["low"] > 3
    assert found["difference"] == {"value": 0.25, "low": 0.25, "high": 0.25}


def test_diversity_by_hand():
    assert distinct([["a", "b", "a"], ["a", "b"]], 1) == 2 / 5
    assert distinct([["a", "b", "a"], ["a", "b"]], 2) == 2 / 3
    assert distinct([["a"]], 2) == 0.0
    cut, whole = Generated("A b.", [1, 2], finish="length"), Generated("a b.", [1, 2, 3, 4], finish="stop")
    found = diversity(Answers([["A b.", "A b."], ["a b."]], [[cut, cut], [whole]]))
    assert found == pytest.approx(
        {
            "distinct_1": 2 / 6,
            "distinct_2": 1 / 3,
            "words": 2.0,
            "tokens": 8 / 3,
            "cut_share": 2 / 3,
            "repeated_share": 1 / 3,
        }
    )


def test_the_divergence_of_known_policies_is_found_with_an_interval_that_holds_it():
    """As in test_logprobs: 0.192745 nats a token exactly, and 3.689280 tokens an answer of at most 6."""
    new, tokenizer = TwoTokens.with_tokenizer(end=0.2)
    old, _ = TwoTokens.with_tokenizer(end=0.5)
    prompts = [Prompt(str(i), ({"role": "user", "content": "a"},)) for i in range(60)]
    settings = ComparisonParameters(n=4, max_tokens=6, batch=240)
    drawn = ask(Sampler(new, tokenizer, Sampling(max_tokens=6)), prompts, settings, 0, "kl")
    found = divergence(new, old, tokenizer, prompts, drawn)
    assert found["per_token"] == pytest.approx(
        {"value": 0.192745, "low": 0.192745, "high": 0.192745}, abs=1e-5
    )
    response = found["per_response"]
    assert response["low"] < 3.689280 * 0.192745 < response["high"]
    assert response["high"] - response["low"] < 0.15


def test_a_policy_against_itself(run_in, policy_dir, write_lines):
    asked = [{"id": i, "messages": [{"role": "user", "content": f"Number {i}?"}]} for i in range(8)]
    path = write_lines("prompts.jsonl", asked)
    place = {"path": policy_dir}
    run = run_in(
        parent=place,
        baseline=place,
        input=path,
        seed=2,
        parameters={"n": 2, "max_tokens": 10, "tastes": ["short"]},
    )
    found = evaluate(run)
    json.dumps(found, allow_nan=False)  # plain numbers for the pages
    assert found["prompts"] == 8
    assert found["kl"]["per_token"] == pytest.approx({"value": 0.0, "low": 0.0, "high": 0.0}, abs=1e-9)
    assert found["win_rate"]["short"]["low"] <= 0.5 <= found["win_rate"]["short"]["high"]
    assert sum(found["rewards"]["short"]["histogram"]["counts"]["new"]) == 16
    assert len(found["samples"]) == 8 and set(found["samples"][0]["scores"]) == {"short"}
    assert found["samples"][0]["old"] != found["samples"][0]["new"]  # the same policy, but not the same draws


def test_two_policies_differ(run_in, policy_dir, other_dir, write_lines):
    asked = [{"id": i, "messages": [{"role": "user", "content": f"Number {i}?"}]} for i in range(6)]
    path = write_lines("prompts.jsonl", asked)
    found = evaluate(
        run_in(
            parent=str(policy_dir), baseline=str(other_dir), input=path, parameters={"n": 2, "max_tokens": 10}
        )
    )
    per_token, per_response = found["kl"]["per_token"], found["kl"]["per_response"]
    assert 0 < per_token["low"] <= per_token["value"] <= per_token["high"]
    assert per_response["value"] > per_token["value"]
    assert found["win_rate"] == {} and set(found["tastes"]) >= {"warm", "short"}


def test_prompts_come_from_the_file_else_from_the_test_side_helped_by_the_embedded_ones(
    run_in, snapshot, write_lines
):
    path = write_lines("p.jsonl", [{"id": "x", "messages": [{"role": "user", "content": "Hi"}]}])
    assert [p.id for p in choose_prompts(run_in(input=path), 10)] == ["x"]
    found = choose_prompts(run_in(snapshot={"path": snapshot}), 1000)
    assert [p.id for p in found[:6]] == [str(i) for i in range(24, 30)]
    assert len(found) > 100 and all(p.id.startswith("held-out-") for p in found[6:])
    fewer = choose_prompts(run_in(snapshot={"path": snapshot}), 40)
    assert len(fewer) == 40 and len({p.id for p in fewer}) == 40


def test_an_unknown_taste_is_refused(run_in, policy_dir, write_lines):
    path = write_lines("p.jsonl", [{"id": "x", "messages": [{"role": "user", "content": "Hi"}]}])
    with pytest.raises(Problem, match="taste 'spicy'"):
        evaluate(
            run_in(
                parent=str(policy_dir),
                baseline=str(policy_dir),
                input=path,
                parameters={"n": 1, "max_tokens": 4, "tastes": ["spicy"]},
            )
        )


def test_policies_with_other_tokens_have_no_divergence(run_in, policy_dir, tmp_path, write_lines):
    model, tokenizer = load_policy(policy_dir, device="cpu")
    tokenizer.add_tokens(["otterly"])
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(tmp_path / "more")
    tokenizer.save_pretrained(tmp_path / "more")
    path = write_lines(
        "p.jsonl", [{"id": i, "messages": [{"role": "user", "content": "Hi"}]} for i in range(3)]
    )
    found = evaluate(
        run_in(
            parent=str(tmp_path / "more"),
            baseline=str(policy_dir),
            input=path,
            parameters={"n": 1, "max_tokens": 4},
        )
    )
    assert found["kl"] is None
