import math

import pytest
import torch

from tests.training_bridge.policy.known import TwoTokens
from training_bridge.policy import logprobs
from training_bridge.policy.chat import answer_ids, load_policy, prompt_ids
from training_bridge.policy.generation import Request, Sampler, Sampling


@pytest.fixture
def texts(policy):
    _, tokenizer = policy
    asked = ["Otters?", "Bread needs flour and what else?", "A"]
    said = ["Thank you for asking!", "No.", "Otters hold hands 👋🏽 when they sleep."]
    return [
        (prompt_ids(tokenizer, [{"role": "user", "content": q}]), answer_ids(tokenizer, a))
        for q, a in zip(asked, said, strict=True)
    ]


def test_log_probabilities_equal_those_of_each_text_alone(policy, texts):
    model, _ = policy
    expected = []
    for prompt, answer in texts:
        with torch.no_grad():
            steps = model(torch.tensor([[*prompt, *answer]])).logits[0].log_softmax(-1)
        expected.append([steps[len(prompt) - 1 + i, token].item() for i, token in enumerate(answer)])
    found = logprobs.per_token(model, texts)
    assert [len(f) for f in found] == [len(answer) for _, answer in texts]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)
    assert logprobs.sums(model, texts) == pytest.approx([sum(e) for e in expected], abs=1e-4)


def test_batches_hold_every_text_once_within_their_bounds(monkeypatch):
    monkeypatch.setattr(logprobs, "BATCH_TOKENS", 100)
    texts = [([1] * 5, [1] * n) for n in (3, 90, 20, 200, 7, 44)]
    parts = list(logprobs.batches(texts))
    assert sorted(i for part in parts for i in part) == list(range(6))
    assert all(len(part) == 1 or len(part) * max(5 + len(texts[i][1]) for i in part) <= 100 for part in parts)


def test_the_divergence_of_two_known_policies(texts):
    """p = (end 0.2, a 0.8), q = (end 0.5, a 0.5): KL(p || q) = 0.2 ln 0.4 + 0.8 ln 1.6 = 0.192745 a token; the other way
    0.5 ln 2.5 + 0.5 ln 0.625 = 0.223144."""
    p, _ = TwoTokens.with_tokenizer(end=0.2)
    q, _ = TwoTokens.with_tokenizer(end=0.5)
    for steps in logprobs.divergences(p, q, texts):
        assert steps == pytest.approx([0.2 * math.log(0.4) + 0.8 * math.log(1.6)] * len(steps), abs=1e-6)
        assert steps[0] == pytest.approx(0.192745, abs=1e-6)
    assert logprobs.divergences(q, p, texts)[0][0] == pytest.approx(0.223144, abs=1e-6)


def test_the_sum_over_sampled_answers_estimates_the_divergence_of_whole_answers():
    """Answers end with 0.2 at each token, at most 6: E[tokens] = sum of 0.8^k, k < 6 = 3.689280; times 0.192745 nats."""
    p, tokenizer = TwoTokens.with_tokenizer(end=0.2)
    q, _ = TwoTokens.with_tokenizer(end=0.5)
    messages = [{"role": "user", "content": "a"}]
    requests = [Request(str(i), messages) for i in range(600)]
    answers = Sampler(p, tokenizer, Sampling(max_tokens=6)).sample(requests, seed=1)
    prompt = prompt_ids(tokenizer, messages)
    found = [sum(steps) for steps in logprobs.divergences(p, q, [(prompt, a.ids) for a in answers])]
    assert sum(found) / len(found) == pytest.approx(
        3.689280 * 0.192745, rel=0.06
    )  # 3 standard errors of E[tokens]


def test_a_policy_does_not_diverge_from_itself_and_differs_from_another(policy, other_dir, texts):
    model, _ = policy
    other, _ = load_policy(other_dir, device="cpu")
    assert [step for steps in logprobs.divergences(model, model, texts) for step in steps] == pytest.approx(
        [0.0] * sum(len(a) for _, a in texts), abs=1e-9
    )
    assert all(step > 0 for steps in logprobs.divergences(model, other, texts) for step in steps)
