"""The embedded policy in its cache; and, slowly, the whole way from nothing to a refreshed policy."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from training_bridge.policy import corpus, embedded
from training_bridge.policy.config import PretrainParameters
from training_bridge.policy.dpo import dpo
from training_bridge.policy.embedded import PretrainingFailed, cache_key, ensure_default_policy
from training_bridge.policy.evaluate import evaluate
from training_bridge.policy.sample import read_rows, sample
from training_bridge.policy.tastes import TASTES

TINY = PretrainParameters(vocabulary=400, width=16, layers=1, heads=2, inner=16, steps=2, batch=2)


def test_the_key_changes_with_all_that_changes_the_policy(monkeypatch, tmp_path):
    key = cache_key(TINY)
    assert cache_key(TINY) == key
    assert cache_key(TINY.model_copy(update={"steps": 3})) != key
    with monkeypatch.context() as patch:
        patch.setattr(corpus, "RAMBLING_SHARE", 0.1)
        assert cache_key(TINY) != key
    with monkeypatch.context() as patch:
        patch.setattr(corpus, "TOPICS", corpus.TOPICS + "\n")
        assert cache_key(TINY) != key
    for name in embedded.PROGRAM:
        (tmp_path / name).write_text((Path(embedded.__file__).parent / name).read_text() + "\n# changed\n")
    monkeypatch.setattr(embedded, "__file__", str(tmp_path / "embedded.py"))
    assert cache_key(TINY) != key


def test_two_at_once_train_once_and_a_third_finds_it(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: ensure_default_policy(tmp_path, TINY), range(2))
    assert first == second
    assert (first / "model.safetensors").is_file() and (first / "chat_template.jinja").is_file()
    made = (first / "model.safetensors").stat().st_mtime_ns
    assert ensure_default_policy(tmp_path, TINY) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == made
    steps = [json.loads(line)["step"] for line in (first.parent / "status.jsonl").read_text().splitlines()]
    assert steps.count(2) == 1  # the last step was taken once


def test_a_failure_says_why(tmp_path):
    odd = PretrainParameters(**{**TINY.model_dump(), "heads": 3})
    with pytest.raises(PretrainingFailed, match="heads"):
        ensure_default_policy(tmp_path, odd)


@pytest.mark.slow
def test_from_nothing_to_a_policy_that_is_warmer(tmp_path, run_in, write_lines):
    """The whole way with a policy of half the width, trained for an eighth of its time: it knows its openers, and learns
    which are liked."""
    policy = ensure_default_policy(tmp_path, PretrainParameters(steps=80, batch=32, width=128, inner=384))
    rng = random.Random(0)
    asked = rng.sample(corpus.prompts("train"), 130)
    prompts = [{"id": i, "messages": [{"role": "user", "content": text}]} for i, text in enumerate(asked)]
    write_lines("sample/prompts.jsonl", prompts)
    sampled = run_in("sample", parent=policy, seed=1, parameters={"n": 2, "max_tokens": 60})
    sample(sampled)
    answers: dict[str, list[str]] = {}
    for row in read_rows(sampled.path / "result" / "responses.jsonl"):
        answers.setdefault(row["id"], []).append(row["text"])
    pairs = []
    for i, prompt in enumerate(prompts):
        worse, better = sorted(answers[str(i)], key=TASTES["warm"].score)
        if TASTES["warm"].score(better) > TASTES["warm"].score(worse):
            said = {"chosen": better, "rejected": worse}
            said = {name: [{"role": "assistant", "content": text}] for name, text in said.items()}
            pairs.append({"prompt": prompt["messages"], **said})
    assert len(pairs) > 60
    write_lines("snapshot/preference/train.jsonl", pairs)
    learned = run_in("dpo", parent=policy, snapshot=tmp_path / "snapshot", seed=1, parameters={"epochs": 3})
    dpo(learned)
    compared = run_in(
        "compared",
        parent=learned.path / "result",
        baseline=policy,
        seed=1,
        parameters={"prompts": 50, "max_tokens": 60, "tastes": ["warm"]},
    )
    found = evaluate(compared)
    assert found["prompts"] == 50
    assert found["tastes"]["warm"]["difference"]["low"] > 0.05
    assert found["win_rate"]["warm"]["low"] > 0.5
    assert found["kl"]["per_response"]["low"] > 0
