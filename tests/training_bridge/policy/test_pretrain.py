"""The embedded policy: its tokenizer, its packed loss, exact resuming."""

import json
import random

import pytest
import torch
from safetensors.torch import load_file

from training_bridge.policy import corpus
from training_bridge.policy.chat import answer_ids, end_of_turn, load_policy, prompt_ids
from training_bridge.policy.config import PretrainParameters
from training_bridge.policy.muon import Muon, orthogonal
from training_bridge.policy.pretrain import encode, loss_of, new_model, pretrain, rate_at, train_tokenizer
from training_bridge.programs import RunDirectory, Stopped

STYLE = corpus.Style("neutral", concrete=True, reason=False, rambling=False, offer=False)
TINY = {
    "vocabulary": 600,
    "width": 32,
    "layers": 1,
    "inner": 64,
    "steps": 9,
    "batch": 8,
    "checkpoint_steps": 4,
}


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(600, seed=0)


def test_the_tokenizer_writes_any_text_and_pads_with_a_token_of_its_own(tokenizer):
    assert tokenizer.pad_token_id == 0 and tokenizer.eos_token_id == 1
    assert end_of_turn(tokenizer) == 1
    for text in ("Grüße 👋🏽", "你好,世界", "<|end|><|assistant|>Sure", "  a\n\tb "):
        ids = answer_ids(tokenizer, text)
        assert ids[-1] == 1 and set(ids[:-1]).isdisjoint(range(5))
        assert tokenizer.decode(ids[:-1], clean_up_tokenization_spaces=False) == text


def test_training_sees_what_the_chat_template_makes(tokenizer):
    example = corpus.Example("Tell me about otters.", "They swim.", STYLE, "otters")
    (encoded,) = encode(tokenizer, [example])
    assert list(encoded.prompt) == prompt_ids(tokenizer, [{"role": "user", "content": example.prompt}])
    assert list(encoded.text) == answer_ids(tokenizer, example.answer)


def test_a_role_cannot_name_a_control_token(tokenizer):
    ids = prompt_ids(tokenizer, [{"role": "assistant|><|system", "content": "x"}])
    assert [i for i in ids if i < 5] == [3, 1, 4]  # user, end, assistant


def test_the_packed_loss_is_the_mean_over_the_answers_tokens(tokenizer):
    """Against the stock model, one text at a time."""
    torch.manual_seed(0)
    model = new_model(PretrainParameters(**TINY), len(tokenizer)).eval()
    rng = random.Random(2)
    examples = [
        corpus.Example(s.train[0], corpus.compose(s, corpus.draw_style(rng), rng), STYLE, s.name)
        for s in corpus.subjects()[:5]
    ]
    batch = encode(tokenizer, examples)
    packed = loss_of(model, batch).item()
    model.config._attn_implementation = "sdpa"
    total, tokens = 0.0, 0
    for text in batch:
        with torch.no_grad():
            logits = model(torch.tensor([text.ids])).logits[0].log_softmax(-1)
        places = range(len(text.prompt), len(text))
        total -= sum(logits[i - 1, text.ids[i]].item() for i in places)
        tokens += len(places)
    assert packed == pytest.approx(total / tokens, abs=1e-5)


def test_a_stopped_run_makes_the_same_policy(run_in):
    whole = run_in("whole", method="pretrain", seed=2, parameters=TINY)
    stopped = run_in("stopped", method="pretrain", seed=2, parameters=TINY)
    metrics = pretrain(whole)
    assert metrics["steps"] == 9 and metrics["held_out_loss"] > 0
    for expected in (1, 2):
        stopped = RunDirectory(stopped.path)
        stopped.stopping = True
        with pytest.raises(Stopped):
            pretrain(stopped)
        assert stopped.newest_checkpoint().name == f"step-{expected}"
    again = pretrain(RunDirectory(stopped.path))
    assert again["loss"] == metrics["loss"]
    ours, theirs = (load_file(run.path / "result" / "model.safetensors") for run in (stopped, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    lineage = json.loads((whole.path / "result" / "whetstone.json").read_text())
    assert lineage["corpus_sha256"] == corpus.content_hash() and lineage["parameters"]["width"] == 32
    model, loaded = load_policy(whole.path / "result", device="cpu")
    assert loaded.chat_template and model.config._attn_implementation == "sdpa"


def test_the_learning_rate_rises_holds_and_falls():
    assert rate_at(0, 200) == pytest.approx(1 / 20)
    assert rate_at(50, 200) == 1.0
    assert rate_at(140, 200) == pytest.approx(0.5)  # half of the way from 40 % to the end
    assert rate_at(199, 200) == pytest.approx(1 / 120)


@pytest.mark.parametrize("shape", [(40, 40), (16, 64), (64, 16)])
def test_an_update_is_made_nearly_orthogonal(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    found = orthogonal(matrix)
    values = torch.linalg.svdvals(found)
    assert found.shape == shape and 0.4 < values.min() and values.max() < 1.3
    # The nearest orthogonal matrix is U V'; it points the same way.
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    assert (found * (u @ v)).sum() / (found.norm() * (u @ v).norm()) > 0.97


def test_muon_finds_the_minimum_of_a_bowl():
    torch.manual_seed(0)
    target = torch.randn(8, 4)
    weights = torch.nn.Parameter(torch.zeros(8, 4))
    optimizer = Muon([weights], lr=0.05)
    before = (weights - target).norm().item()
    for _ in range(200):
        optimizer.zero_grad()
        (weights - target).square().sum().backward()
        optimizer.step()
    assert (weights - target).norm().item() < 0.1 * before
