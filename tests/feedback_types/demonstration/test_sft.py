"""The `prompt_completion` view feeds TRL's own SFT trainer: a tiny model takes two steps on it, and learns the text only."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

from feedback_types import registry
from feedback_types.base import Event
from tests.training_bridge.reward_model.tiny import save_policy

demonstration = registry.get("demonstration")


def test_two_steps_of_supervised_fine_tuning(tmp_path: Path) -> None:
    rows = tmp_path / "train.jsonl"
    with rows.open("w", encoding="utf-8") as file:
        for example in demonstration.valid[:4]:
            settings, payload = demonstration.settings(example.settings), demonstration.load(example.payload)
            event = Event("1", "demonstration", "l", "q", example.screen, None, payload, settings)
            for view, row in demonstration.records([event]):
                if view == "prompt_completion":
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
    data = datasets.load_dataset(
        "json", data_files=str(rows), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert data.column_names == ["prompt", "completion"] and len(data) == 4
    policy = save_policy(tmp_path / "policy")
    tokenizer = AutoTokenizer.from_pretrained(policy)
    config = SFTConfig(
        str(tmp_path / "out"), max_steps=2, per_device_train_batch_size=2, report_to="none", use_cpu=True,
        save_strategy="no", logging_steps=1, bf16=False, learning_rate=1e-2, disable_tqdm=True,
    )  # fmt: skip
    trainer = SFTTrainer(
        AutoModelForCausalLM.from_pretrained(policy), config, train_dataset=data, processing_class=tokenizer
    )
    batch = next(iter(trainer.get_train_dataloader()))
    learned = [int(label) for label in batch["labels"].flatten() if label != -100]
    assert "boil" in tokenizer.decode(learned) or "Divide" in tokenizer.decode(learned)
    assert "When does" not in tokenizer.decode(learned)  # the prompt is read, not imitated
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert trainer.state.global_step == 2 and len(losses) == 2
