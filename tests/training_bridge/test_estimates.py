"""What a run will take, worked out by hand from sizes in files; and what it took, told by the program."""

import json

import pytest
from django.test import override_settings

from training_bridge import methods
from training_bridge.machine import Meter, memory
from training_bridge.methods import Inputs, estimates
from training_bridge.models import Checkpoint, Run
from training_bridge.policy.config import DPOParameters, OnlineDPOParameters, RLOOParameters, SFTParameters

pytestmark = pytest.mark.django_db

MB = 1 << 20
WIDTH, INNER, LAYERS, WORDS = 8, 16, 2, 32
# Embeddings shared with the head, two blocks of seven layers (two key-value heads of four) and two norms, the last norm.
WEIGHTS = WORDS * WIDTH + LAYERS * (2 * WIDTH * WIDTH + 2 * WIDTH * 8 + 3 * WIDTH * INNER + 2 * WIDTH) + WIDTH


@pytest.fixture
def parent(tmp_path):
    """A policy whose files say how big it is; no number of it is read."""
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "a": {"dtype": "F32", "shape": [WORDS, WIDTH], "data_offsets": [0, 0]},
            "b": {"dtype": "F32", "shape": [WEIGHTS - WORDS * WIDTH], "data_offsets": [0, 0]},
        }
    ).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    config = {
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "vocab_size": WORDS,
        "max_position_embeddings": 100,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    return Checkpoint(kind="policy", path=str(tmp_path), name="small")


def test_sizes_are_read_from_the_files(parent):
    size = estimates.size_of(parent)
    assert size.weights == WEIGHTS and (size.width, size.inner, size.layers) == (WIDTH, INNER, LAYERS)
    assert estimates.size_of(Checkpoint(path="org/a-model-of-a-hub")) is None
    assert estimates.size_of(None) is None


def test_weights_gradients_and_optimiser_by_hand(parent):
    parts = estimates.memory(DPOParameters(), Inputs(parent=parent)).parts
    assert parts["weights"] == parts["gradients"] == pytest.approx(4 * WEIGHTS / MB)
    assert parts["optimiser"] == pytest.approx(8 * WEIGHTS / MB)
    assert parts["other models"] == 0  # the parent's log-probabilities are worked out first
    lora = estimates.memory(DPOParameters(adapter="lora", lora_rank=4), Inputs(parent=parent)).parts
    # q and o: 8 + 8 each, k and v the same here, gate, up and down: 8 + 16 each.
    assert lora["gradients"] == pytest.approx(4 * 4 * LAYERS * (4 * 16 + 3 * 24) / MB)
    soft = estimates.memory(SFTParameters(adapter="prompt", prompt_tokens=5), Inputs(parent=parent)).parts
    assert soft["gradients"] == pytest.approx(4 * 5 * WIDTH / MB)


def test_other_models_are_counted(parent):
    rloo = estimates.memory(RLOOParameters(), Inputs(parent=parent, reward_model=parent)).parts
    assert rloo["other models"] == pytest.approx(
        2 * 4 * WEIGHTS / MB
    )  # a copy of the parent, the reward model
    held = estimates.memory(OnlineDPOParameters(reference="parent"), Inputs(parent=parent)).parts
    assert held["other models"] == pytest.approx(4 * WEIGHTS / MB)


def test_fewer_rows_at_once_and_recomputing_take_less(parent):
    inputs = Inputs(parent=parent)
    whole, parts, again = (
        estimates.memory(DPOParameters(batch=64, **more), inputs).parts["activations"]
        for more in ({}, {"micro_batch": 8}, {"activation_checkpointing": True})
    )
    assert parts == pytest.approx(whole / 8) and again < whole


def test_a_run_that_cannot_fit_is_refused_with_both_numbers(parent):
    huge = Checkpoint(kind="policy", path=parent.path, name="huge")
    with override_settings(WORKER_MEMORY_MB=1024):
        assert estimates.fault(DPOParameters(), Inputs(parent=huge)) == ""
        estimates._size.cache_clear()
        config = {"hidden_size": 4096, "num_hidden_layers": 32, "vocab_size": 128256}
        with open(f"{parent.path}/config.json", "w") as file:
            json.dump(config, file)
        header = json.dumps({"w": {"dtype": "BF16", "shape": [8, 10**9], "data_offsets": [0, 0]}}).encode()
        with open(f"{parent.path}/model.safetensors", "wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
        said = estimates.fault(DPOParameters(), Inputs(parent=huge))
        assert "need 119.2 GB" in said and "has 1.0 GB" in said and "LoRA" in said  # 16 bytes x 8e9
        assert "LoRA" not in estimates.fault(DPOParameters(adapter="lora"), Inputs(parent=huge))
    estimates._size.cache_clear()


def test_a_method_without_weights_to_train_says_nothing(parent):
    method = methods.get("evaluate_policy")
    assert estimates.memory(method.parameters(), Inputs(parent=parent)) is None
    assert estimates.fault(method.parameters(), Inputs(parent=parent)) == ""


def test_every_preset_is_a_config_that_its_method_reads():
    for method in methods.all_methods().values():
        names = [preset.name for preset in method.presets]
        assert len(set(names)) == len(names) and len(names) in (0, 2, 3)
        for preset in method.presets:
            assert method.read(preset.values)
    trained = [m for m in methods.all_methods().values() if m.is_listed and m.attributes.sampling != "-"]
    assert len(trained) >= 7 and all(m.presets for m in trained)


def test_the_meter_tells_what_was_used():
    found = Meter().read()
    assert found["peak_mb"] > 10 and found["memory_mb"] == memory() // MB and found["wall_s"] >= 0
    assert found["memory_mb"] > 100


def test_time_follows_from_the_rate_of_earlier_runs(parent):
    from tests.cast import make_campaign, make_cast

    cast = make_cast()
    campaign = make_campaign(cast, items=1)
    parent.save()
    inputs = Inputs(parent=parent)
    settings = RLOOParameters(steps=20)
    assert estimates.seconds("rloo", settings, inputs) is None
    for wall_s in (18.0, 28.0, 48.0):  # 10, 20, 40 s of work for 10 steps
        Run.objects.create(
            campaign=campaign, method="rloo", config={"steps": 10}, parent=parent, status="succeeded", attempt=1,
            code_revision="x", metrics={"machine": {"wall_s": wall_s, "memory_mb": 2048}},
        )  # fmt: skip
    # The median run does 10 steps in 20 s; twice as many take 40 s, and 8 s to start.
    assert estimates.seconds("rloo", settings, inputs) == pytest.approx(48.0)
    assert estimates.seconds("grpo", settings, inputs) is None
    assert estimates.worker_memory_mb() == 2048
    with override_settings(WORKER_MEMORY_MB=4096):
        assert estimates.worker_memory_mb() == 4096
