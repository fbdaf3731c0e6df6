"""What is trained: every method with every adapter, and a soft prompt that is one model with its policy everywhere."""

import json
import shutil

import pytest
import torch

from training_bridge.policy.adapters import base_of, is_soft_prompt
from training_bridge.policy.chat import load_policy, prompt_ids
from training_bridge.policy.config import DPOParameters, rate_for
from training_bridge.policy.dpo import dpo
from training_bridge.policy.evaluate import divergence
from training_bridge.policy.generation import Request, Sampler, Sampling
from training_bridge.policy.grpo import grpo
from training_bridge.policy.kto import kto
from training_bridge.policy.logprobs import sums
from training_bridge.policy.rloo import rloo
from training_bridge.policy.sft import sft
from training_bridge.programs import Problem, RunDirectory, Stopped, directory_sha256

OFFLINE = {"epochs": 1, "batch": 8, "learning_rate": 1e-2}
ONLINE = {"reward": "concrete", "steps": 3, "prompts": 2, "answers": 4, "max_tokens": 8, "held_out": 2}
METHODS = {
    "dpo": (dpo, OFFLINE),
    "sft": (sft, OFFLINE),
    "kto": (kto, OFFLINE),
    "rloo": (rloo, {**ONLINE, "learning_rate": 1e-2}),
    "grpo": (grpo, {**ONLINE, "learning_rate": 1e-2}),
}
OTTERS = [{"role": "user", "content": "What about otters?"}]


@pytest.fixture
def run_of(run_in, policy_dir, snapshot):
    def make(name, method, **parameters):
        return run_in(
            name,
            method=method,
            seed=3,
            parent={"path": policy_dir, "sha256": directory_sha256(policy_dir)},
            snapshot={"path": snapshot, "sha256": "snapshot-hash"},
            parameters={**METHODS[method][1], "lora_rank": 4, "prompt_tokens": 3, **parameters},
        )

    return make


@pytest.fixture
def soft(run_of):
    """The result of a DPO run with a soft prompt of three vectors."""
    run = run_of("soft", "dpo", adapter="prompt", learning_rate=0.3)
    dpo(run)
    return run.path / "result"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("adapter", ["lora", "dora"])
def test_adapters_are_merged_into_a_plain_directory(run_of, policy, method, adapter):
    run = run_of("run", method, adapter=adapter)
    METHODS[method][0](run)
    assert not list((run.path / "result").glob("adapter*"))
    model, _ = load_policy(run.path / "result", device="cpu")
    before = dict(policy[0].named_parameters())
    changed = {name for name, w in model.named_parameters() if not torch.equal(w, before[name])}
    assert changed and all("proj" in name for name in changed)


@pytest.mark.parametrize("method", METHODS)
def test_a_soft_prompt_is_kept_beside_its_policy(run_of, policy, policy_dir, method):
    run = run_of("run", method, adapter="prompt", learning_rate=0.3)
    METHODS[method][0](run)
    result = run.path / "result"
    assert {p.name for p in result.glob("*.safetensors")} == {"adapter_model.safetensors"}
    lineage = json.loads((result / "whetstone.json").read_text())
    assert lineage["base"] == {"sha256": directory_sha256(policy_dir)}
    model, tokenizer = load_policy(result, device="cpu")
    first = policy[0].get_input_embeddings().weight.shape[0]
    assert prompt_ids(tokenizer, OTTERS) == [first, first + 1, first + 2, *prompt_ids(policy[1], OTTERS)]
    before = dict(policy[0].named_parameters())
    for name, weight in model.named_parameters():
        old = before.get(name.replace("embed_tokens.words.", "embed_tokens."))
        assert old is None or torch.equal(weight, old)  # the policy itself is as it was


def test_it_is_the_model_that_peft_means(soft, policy_dir):
    """Log-probabilities of a text under our one model, and under peft's own."""
    from peft import PeftModel

    model, tokenizer = load_policy(soft, device="cpu")
    base, plain = load_policy(policy_dir, device="cpu")
    theirs = PeftModel.from_pretrained(base, soft).eval()
    answer = plain("Thank you!", add_special_tokens=False)["input_ids"]
    ids = prompt_ids(plain, OTTERS)
    logits = theirs(input_ids=torch.tensor([[*ids, *answer]])).logits[0, 3 + len(ids) - 1 : -1]
    expected = logits.log_softmax(-1).gather(1, torch.tensor(answer)[:, None]).sum()
    ours = sums(model, [(prompt_ids(tokenizer, OTTERS), answer)])[0]
    assert ours == pytest.approx(float(expected), abs=1e-4)
    bare = sums(base, [(ids, answer)])[0]
    assert abs(ours - bare) > 1e-3  # and it is not the policy without it


def test_it_answers_with_the_probabilities_that_scoring_gives(soft, policy):
    model, tokenizer = load_policy(soft, device="cpu")
    requests = [Request(str(i), OTTERS) for i in range(4)]
    answers = Sampler(model, tokenizer, Sampling(max_tokens=8)).sample(requests, seed=1)
    prompt = prompt_ids(tokenizer, OTTERS)
    again = sums(model, [(prompt, a.ids) for a in answers])
    assert [a.logprob for a in answers] == pytest.approx(again, abs=1e-4)
    words = policy[0].config.vocab_size
    assert all(token < words for a in answers for token in a.ids)  # its vectors are never said


def test_its_divergence_from_its_own_policy_is_above_zero(soft, policy):
    from training_bridge.policy.evaluate import Answers
    from training_bridge.policy.prompts import Prompt

    model, tokenizer = load_policy(soft, device="cpu")
    prompts = [Prompt(str(i), ({"role": "user", "content": f"Otters {i}?"},)) for i in range(4)]
    sampler = Sampler(model, tokenizer, Sampling(max_tokens=8))
    drawn = sampler.sample([Request(p.id, p.messages) for p in prompts], seed=1)
    answers = Answers([[a.text] for a in drawn], [[a] for a in drawn])
    found = divergence(model, policy[0], tokenizer, prompts, answers, 0, policy[1])
    assert found["per_response"]["value"] > 0
    same = divergence(model, model, tokenizer, prompts, answers, 0, tokenizer)
    assert same["per_response"]["value"] == pytest.approx(0.0, abs=1e-6)


def test_the_live_engine_streams_it(soft):
    from training_bridge.policy.engine import Policy

    policy = Policy.load(str(soft))
    assert policy.tokenizer.soft_prompt


def test_a_reward_model_begins_from_the_policy_it_belongs_to(soft, policy):
    from training_bridge.reward_model.model import RewardModel

    model = RewardModel.load(soft)
    words = model.classifier.get_input_embeddings().weight
    assert torch.equal(words, policy[0].get_input_embeddings().weight)


def test_the_policy_it_belongs_to_is_found_by_its_hash(soft, policy_dir, tmp_path):
    kept = tmp_path / "kept"
    shutil.copytree(policy_dir, kept / directory_sha256(policy_dir))
    shutil.copytree(soft, kept / "soft")
    config = kept / "soft" / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "base_model_name_or_path": "/gone"}))
    assert is_soft_prompt(kept / "soft") and not is_soft_prompt(policy_dir)
    assert base_of(kept / "soft") == str((kept / directory_sha256(policy_dir)).resolve())
    load_policy(kept / "soft", device="cpu")
    shutil.rmtree(kept / directory_sha256(policy_dir))
    with pytest.raises(
        Problem, match=f"belongs to the policy {directory_sha256(policy_dir)}, which is not here"
    ):
        load_policy(kept / "soft", device="cpu")


def test_with_another_policy_it_is_refused_with_both_hashes(soft, policy_dir, other_dir):
    config = soft / "adapter_config.json"
    moved = {**json.loads(config.read_text()), "base_model_name_or_path": str(other_dir)}
    config.write_text(json.dumps(moved))
    with pytest.raises(Problem) as refused:
        load_policy(soft, device="cpu")
    assert directory_sha256(policy_dir) in str(refused.value)
    assert directory_sha256(other_dir) in str(refused.value)


def test_nothing_is_trained_on_a_soft_prompt(run_of, soft):
    run = run_of("next", "dpo")
    run.config["parent"] = {"path": str(soft)}
    with pytest.raises(Problem, match="Start from the policy that it belongs to"):
        dpo(run)


@pytest.mark.parametrize("adapter", ["lora", "dora", "prompt"])
def test_a_stopped_run_ends_as_one_that_never_stopped(run_of, adapter):
    whole, stopped = (run_of(name, "dpo", adapter=adapter) for name in ("whole", "stopped"))
    dpo(whole)
    stopped.stopping = True
    with pytest.raises(Stopped):
        dpo(stopped)
    dpo(RunDirectory(stopped.path))
    ours, theirs = (
        {p.name: p.read_bytes() for p in (run.path / "result").glob("*.safetensors")}
        for run in (stopped, whole)
    )
    assert ours == theirs


RATES = (3e-4, 5e-6, 1e-6, 5e-5)  # DPO's: below 50 M weights, below 2 G, above; low-rank adapters
SMALL, MIDDLE, LARGE = 3_100_000, 500_000_000, 8_000_000_000


@pytest.mark.parametrize(
    ("adapter", "weights", "rate"),
    [
        ("full", SMALL, 3e-4),
        ("lora", SMALL, 9e-4),
        ("dora", SMALL, 9e-4),
        ("prompt", SMALL, 3e-2),
        ("full", MIDDLE, 5e-6),
        ("full", LARGE, 1e-6),
        ("lora", MIDDLE, 5e-5),
        ("dora", LARGE, 5e-5),
        ("prompt", MIDDLE, 3e-2),
    ],
)
def test_the_rate_follows_from_size_and_from_what_is_trained(adapter, weights, rate):
    assert rate_for(DPOParameters(adapter=adapter), weights, RATES) == pytest.approx(rate, rel=1e-12)
    assert rate_for(DPOParameters(adapter=adapter, learning_rate=0.7), weights, RATES) == 0.7


@pytest.mark.parametrize(("settings", "rate"), [({"adapter": "lora"}, 9e-4), ({"learning_rate": 0.01}, 0.01)])
def test_a_run_says_the_rate_that_it_took(run_of, settings, rate):
    run = run_of("said", "dpo", **{"learning_rate": 0.0, "epochs": 0.5, **settings})
    assert dpo(run)["learning_rate"] == pytest.approx(rate, rel=1e-12)
