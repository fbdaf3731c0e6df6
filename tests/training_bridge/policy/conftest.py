"""Tiny random policies, and models whose every number is known by hand. One thread, no network."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import json

import pytest
import torch

from tests.training_bridge.reward_model import tiny
from training_bridge.policy.watch import watch_of
from training_bridge.programs import RunDirectory


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def short_looks(monkeypatch):
    """Answers on the way are cut after 16 tokens: a random policy would write all 128, and more slowly than it learns."""
    monkeypatch.setitem(watch_of.__kwdefaults__, "max_tokens", 16)


@pytest.fixture(scope="session")
def policy_dir(tmp_path_factory):
    return tiny.save_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="session")
def other_dir(tmp_path_factory):
    """Another policy with the same tokenizer."""
    return tiny.save_policy(tmp_path_factory.mktemp("other"), seed=1)


@pytest.fixture(scope="session")
def policy(policy_dir):
    from training_bridge.policy.chat import load_policy

    return load_policy(policy_dir, device="cpu")


@pytest.fixture
def run_in(tmp_path):
    """A run directory with a config."""

    def make(name="run", **config):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config, default=str))
        return RunDirectory(folder)

    return make


@pytest.fixture
def write_lines(tmp_path):
    def write(name, rows):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


@pytest.fixture
def snapshot(tmp_path, write_lines):
    """A snapshot with 24 training and 6 test pairs, in which people prefer the answer that is thankful."""

    def rows(start, n):
        return [
            {
                "prompt": [{"role": "user", "content": f"What about otters, number {i}?"}],
                "chosen": [{"role": "assistant", "content": "Thank you for asking! Otters sleep."}],
                "rejected": [{"role": "assistant", "content": f"No. It is bad {i}."}],
                "margin": 1.0,
            }
            for i in range(start, start + n)
        ]

    write_lines("snapshot/preference/train.jsonl", rows(0, 24))
    write_lines("snapshot/preference/test.jsonl", rows(24, 6))
    write_lines(
        "snapshot/native/prompts.jsonl",
        [
            {"id": i, "messages": row["prompt"], "split": "train" if i < 24 else "test"}
            for i, row in enumerate(rows(0, 30))
        ],
    )
    return tmp_path / "snapshot"
