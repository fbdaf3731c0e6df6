"""Tiny random models with a byte-level tokenizer trained here, one folder each, made once a session."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import pytest
import torch

from tests.training_bridge.reward_model import tiny


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def policy_dir(tmp_path_factory):
    """A tiny causal language model with random weights: what training starts from."""
    return tiny.save_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="session")
def tokenizer(policy_dir):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(policy_dir)
