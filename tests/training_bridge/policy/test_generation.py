"""Sampling: the distribution is the one asked for, and an answer depends on its own request and seed alone."""

import math

import pytest
import torch

from tests.training_bridge.policy.known import TwoTokens
from training_bridge.policy.chat import prompt_ids
from training_bridge.policy.generation import Request, Sampler, Sampling, choose, stream
from training_bridge.policy.logprobs import per_token
from training_bridge.programs import Problem

ASKED = [
    Request(f"{i}/0", [{"role": "user", "content": text}])
    for i, text in enumerate(
        ["Otters?", "Bread needs what, and why is that so? Tell me.", "Grüße 👋🏽", "A", "你好"]
    )
]


def test_an_answer_does_not_depend_on_what_else_is_asked(policy):
    sampler = Sampler(*policy, Sampling(max_tokens=24))
    together = sampler.sample(ASKED, seed=3)
    alone = [sampler.sample([request], seed=3)[0] for request in ASKED]
    backwards = sampler.sample(ASKED[::-1], seed=3)[::-1]
    assert [a.ids for a in together] == [a.ids for a in alone] == [a.ids for a in backwards]


def test_the_seed_and_the_key_decide(policy):
    sampler = Sampler(*policy, Sampling(max_tokens=16))
    messages = [{"role": "user", "content": "Otters?"}]
    one, two = sampler.sample([Request("a", messages), Request("b", messages)], seed=1)
    assert one.ids != two.ids
    assert sampler.sample([Request("a", messages)], seed=1)[0].ids == one.ids
    assert sampler.sample([Request("a", messages)], seed=2)[0].ids != one.ids


def test_recorded_log_probabilities_are_those_of_the_policy_itself(policy):
    """Whatever is cut off and however hot: scored again, padded on the other side, the same numbers."""
    model, tokenizer = policy
    sampler = Sampler(model, tokenizer, Sampling(temperature=0.7, top_p=0.8, max_tokens=20))
    answers = sampler.sample(ASKED, seed=5)
    texts = [(prompt_ids(tokenizer, r.messages), a.ids) for r, a in zip(ASKED, answers, strict=True)]
    for answer, scored in zip(answers, per_token(model, texts), strict=True):
        assert answer.logprobs == pytest.approx(scored, abs=2e-5)
        assert answer.logprob == pytest.approx(sum(scored), abs=1e-4)


def test_greedy_sampling_is_what_the_library_generates(policy):
    model, tokenizer = policy
    answers = Sampler(model, tokenizer, Sampling(temperature=0.0, max_tokens=12)).sample(ASKED, seed=0)
    for request, answer in zip(ASKED, answers, strict=True):
        ids = torch.tensor([prompt_ids(tokenizer, request.messages)])
        expected = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12
        )
        assert answer.ids == expected[0, ids.shape[1] :].tolist()


def test_an_answer_ends_at_the_end_token_and_is_cut_at_the_limit():
    model, tokenizer = TwoTokens.with_tokenizer(end=0.5)
    sampler = Sampler(model, tokenizer, Sampling(max_tokens=6))
    requests = [Request(str(i), [{"role": "user", "content": "a"}]) for i in range(400)]
    answers = sampler.sample(requests, seed=0)
    end = tokenizer.eos_token_id
    for answer in answers:
        assert answer.finish == ("stop" if answer.ids[-1] == end else "length")
        assert end not in answer.ids[:-1] and (answer.finish == "stop" or len(answer.ids) == 6)
    # Half of the answers end at once, a quarter after one more token: 400 × 1/2 ± 3 × 10, 400 × 1/64 cut off.
    assert sum(len(a.ids) == 1 for a in answers) == pytest.approx(200, abs=30)
    assert 0 < sum(a.finish == "length" for a in answers) < 20


def test_the_context_limits_the_answer(policy):
    model, tokenizer = policy
    sampler = Sampler(model, tokenizer, Sampling(max_tokens=10_000))
    fits, long = ("a " * 240, "a " * 600)
    assert 1 <= sampler.room([{"role": "user", "content": fits}]) < 512
    with pytest.raises(Problem, match="longer than the policy's context of 512"):
        sampler.sample([Request("x", [{"role": "user", "content": long}])], seed=0)


def test_nothing_asked_nothing_answered(policy):
    assert Sampler(*policy, Sampling()).sample([], seed=0) == []


LOGPROBS = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()


@pytest.mark.parametrize(
    "sampling, draws_and_tokens",
    [
        (Sampling(), {0.0: 0, 0.49: 0, 0.51: 1, 0.79: 1, 0.81: 2, 0.96: 3, 0.999999: 3}),
        (Sampling(temperature=0.0), {0.999: 0}),
        (Sampling(top_k=2), {0.62: 0, 0.63: 1, 0.999999: 1}),  # 0.5 / 0.8 = 0.625
        (Sampling(top_p=0.6), {0.62: 0, 0.63: 1, 0.999999: 1}),  # the second token is needed to hold 0.6
        (Sampling(top_p=0.5), {0.999999: 0}),
        (Sampling(min_p=0.4), {0.62: 0, 0.63: 1, 0.999999: 1}),  # 0.15 < 0.4 × 0.5
        (Sampling(temperature=0.5), {0.684: 0, 0.686: 1}),  # 0.25 / (0.25 + 0.09 + 0.0225 + 0.0025) = 0.6849
    ],
)
def test_a_draw_chooses_by_the_inverse_of_the_distribution(sampling, draws_and_tokens):
    for draw, token in draws_and_tokens.items():
        assert choose(LOGPROBS, sampling, torch.tensor([draw], dtype=torch.float64)).tolist() == [token], draw


def test_a_token_of_no_probability_is_never_chosen():
    logprobs = torch.tensor([[-math.inf, 0.0, -math.inf]])
    for draw in (0.0, 0.5, 1.0 - 1e-16):
        assert choose(logprobs, Sampling(), torch.tensor([draw], dtype=torch.float64)).tolist() == [1]


def test_a_random_stream_is_named_by_seed_and_key():
    assert torch.equal(stream(1, "a", 300)[:7], stream(1, "a", 7))
    assert not torch.equal(stream(1, "a", 7), stream(2, "a", 7))
    assert not torch.equal(stream(1, "a", 7), stream(1, "b", 7))
    assert 0.45 < stream(0, "x", 10_000).mean() < 0.55


def test_a_broken_policy_is_a_problem(policy_dir):
    from training_bridge.policy.chat import load_policy

    model, tokenizer = load_policy(policy_dir, device="cpu")
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight.fill_(torch.nan)
    with pytest.raises(Problem, match="numbers that are none"):
        Sampler(model, tokenizer, Sampling(max_tokens=2)).sample(ASKED, seed=0)
