"""Packing changes no number; what is saved is what any program loads."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from feedback_types.base import Message
from training_bridge.programs import Problem
from training_bridge.reward_model import packing
from training_bridge.reward_model.model import Place, RewardModel

TEXTS = [
    "Yes.",
    "Bread needs flour, water, salt and time.",
    "你好 👋🏽 and a longer answer, then the best of all.",
    "",
]
PROMPTS = [
    (Message("user", "How do I bake?"),),
    (Message("system", "Be kind."), Message("user", "Tell me about otters.")),
]


@pytest.fixture
def model(policy_dir):
    torch.manual_seed(3)
    return RewardModel.load(policy_dir, heads=["attribute/kind", "span/v1.2"])


@pytest.fixture
def sequences(model):
    return [model.encoder.sequence(p, t) for t in TEXTS for p in PROMPTS]


def places_of(sequences):
    heads = ("reward", "attribute/kind", "span/v1.2")
    ends = [Place(i, s.position(None), heads[i % 3]) for i, s in enumerate(sequences)]
    return ends + [Place(i, s.position(k), heads[k % 3]) for i, s in enumerate(sequences) for k in (0, 3)]


def scores_and_gradients(model, sequences, places):
    model.zero_grad()
    scores = model(sequences, places)
    torch.tanh(scores).sum().backward()
    return scores.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("share_prompts", [False, True])
def test_packed_equals_padded(model, sequences, share_prompts):
    model.train()
    model.share_prompts = share_prompts
    places = places_of(sequences)
    packed, packed_gradients = scores_and_gradients(model, sequences, places)
    assert model.packed
    model.choose_packing(False)
    padded, padded_gradients = scores_and_gradients(model, sequences, places)
    assert (packed - padded).abs().max() < 1e-5
    assert packed_gradients.keys() == padded_gradients.keys()
    for name, gradient in padded_gradients.items():
        assert (packed_gradients[name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-9, name


def test_the_stock_forward_gives_the_same_scalar(model, sequences):
    ends = [Place(i, len(s) - 1) for i, s in enumerate(sequences)]
    ours = model(sequences, ends)
    model.choose_packing(False)
    ids = [{"input_ids": list(s.ids)} for s in sequences]
    batch = model.encoder.tokenizer.pad(ids, return_tensors="pt", padding_side="right")
    assert (model.classifier(**batch).logits[:, 0] - ours).abs().max() < 1e-5


def test_no_token_is_run_twice(sequences):
    shared = packing.layout(sequences)
    assert len(shared.ids) == sum(len(p) for p in {s.prompt for s in sequences}) + sum(
        len(s.text) for s in sequences
    )
    assert packing.tokens_run(sequences) == len(shared.ids)
    apart = packing.layout(sequences, share_prompts=False)
    assert len(apart.ids) == sum(map(len, sequences)) == packing.tokens_run(sequences, share_prompts=False)
    for layout in (shared, apart):
        assert sum(layout.q_lens) == len(layout.ids)
        for i, s in enumerate(sequences):
            for p, token in enumerate(s.ids):
                row = layout.row(i, p)
                assert (layout.ids[row], layout.positions[row]) == (token, p)


def test_step_rewards_add_up_to_the_final_reward(model, sequences):
    s = sequences[2]
    v = model([s], [Place(0, p) for p in range(len(s.prompt) - 1, len(s))])
    assert torch.isclose(v[0] + v.diff().sum(), v[-1])


@pytest.mark.parametrize("adapters", [False, True], ids=["full", "lora"])
def test_what_is_saved_loads_plainly(model, sequences, tmp_path, adapters):
    if adapters:
        model.add_adapters(4)
    model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    places = places_of(sequences)
    for _ in range(3):
        optimizer.zero_grad()
        (model(sequences, places) - 1).square().mean().backward()
        optimizer.step()
    model.eval()
    before = model(sequences, places).detach()
    model.save(tmp_path, whetstone={"lineage": {"seed": 3}}, nuisance={"labelers": {}})

    plain, info = AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert plain.config.num_labels == 1 and plain.config.pad_token_id == model.encoder.tokenizer.pad_token_id
    ids = [{"input_ids": list(s.ids)} for s in sequences]
    batch = model.encoder.tokenizer.pad(ids, return_tensors="pt", padding_side="right")
    rewards = model(sequences, [Place(i, len(s) - 1) for i, s in enumerate(sequences)])
    assert (plain(**batch).logits[:, 0] - rewards).abs().max() < 1e-5

    again = RewardModel.load(tmp_path)
    assert again.head_names == ["attribute/kind", "span/v1.2"]
    assert (again(sequences, places) - before).abs().max() < 1e-5
    note = json.loads((tmp_path / "whetstone.json").read_text())
    assert note["lineage"] == {"seed": 3} and len(note["template_sha256"]) == 64


def test_training_from_a_reward_model_keeps_its_heads(model, sequences, tmp_path):
    places = places_of(sequences)
    before = model(sequences, places)
    model.save(tmp_path, whetstone={})
    later = RewardModel.load(tmp_path, heads=["attribute/kind", "attribute/new"])
    assert torch.equal(later(sequences, places), before)
    assert later.head_names == ["attribute/kind", "attribute/new", "span/v1.2"]


def test_an_architecture_that_cannot_be_packed_is_padded(policy_dir, tmp_path, caplog):
    """A window of four tokens in each layer: segments would see too much."""
    from transformers import MistralConfig, MistralForCausalLM

    from tests.training_bridge.reward_model import tiny

    tokenizer = tiny.make_tokenizer()
    config = MistralConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, sliding_window=4, pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    MistralForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with caplog.at_level("WARNING", logger="whetstone"):
        model = RewardModel.load(tmp_path)
    assert not model.packed
    assert "sliding window" in caplog.text
    assert torch.isfinite(model([model.encoder.sequence(PROMPTS[0], "Fine.")], [Place(0, 5)])).all()


def test_a_directory_that_is_no_whole_model_is_a_problem(policy_dir, tmp_path):
    with pytest.raises(Problem, match="cannot be loaded"):
        RewardModel.load(tmp_path)

    cut = shutil.copytree(policy_dir, tmp_path / "cut")
    (cut / "model.safetensors").write_bytes((policy_dir / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(Problem, match="cannot be loaded"):
        RewardModel.load(cut)

    lacking = shutil.copytree(policy_dir, tmp_path / "lacking")
    weights = load_file(lacking / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, lacking / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Problem, match=r"lacks weights: model\.norm\.weight"):
        RewardModel.load(lacking)


def test_a_pickle_is_not_opened(policy_dir, tmp_path):
    """Only safetensors: a .bin beside or instead of them is code of somebody else's."""
    folder = shutil.copytree(policy_dir, tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    torch.save({"model.norm.weight": torch.zeros(1)}, folder / "pytorch_model.bin")
    with pytest.raises(Problem, match="cannot be loaded"):
        RewardModel.load(folder)
