"""The views of all types together feed TRL's own trainers: `datasets` loads the rows, a tiny model takes a step on them.

TRL 1.16 has no trainer for `stepwise` rows any more, and none for `feature` and `triplet`; those are only loaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import datasets
import pytest
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from trl import (
    DPOConfig,
    DPOTrainer,
    GRPOConfig,
    GRPOTrainer,
    KTOConfig,
    KTOTrainer,
    RewardConfig,
    RewardTrainer,
    RLOOConfig,
    RLOOTrainer,
    SFTConfig,
    SFTTrainer,
)

from feedback_types import registry
from feedback_types.base import VIEWS, Event
from tests.feedback_types.test_contract import event_of
from tests.training_bridge.reward_model.tiny import save_policy
from training_bridge.exports.cards import front_matter
from training_bridge.exports.formats import view_row
from training_bridge.reward_model.model import RewardModel
from training_bridge.reward_model.score import RewardFunction, Scorer

STEP = {
    "max_steps": 1, "per_device_train_batch_size": 4, "report_to": "none", "use_cpu": True, "save_strategy": "no",
    "logging_steps": 1, "bf16": False, "disable_tqdm": True,
}  # fmt: skip


EXTRA = {"labeler_kind": "human", "round": 1, "explicit": (1, 0)}


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> Path:
    return save_policy(tmp_path_factory.mktemp("policy") / "policy")


def rows_of(view: str) -> dict[str, list[dict[str, Any]]]:
    """Type -> its rows in this view, from its own examples, by as many labelers as it wants to see."""
    found: dict[str, list[dict[str, Any]]] = {}
    for kind in registry.all_types():
        if view not in kind.views:
            continue
        together: dict[str, list[Event]] = {}  # what one labeler said on one screen
        for n, example in product(range(kind.fewest_people), kind.valid):
            event = replace(event_of(kind, example), labeler=f"l-{n}", extra=EXTRA)
            together.setdefault(f"{n} {example.screen} {example.settings}", []).append(event)
        statistics = kind.statistics([event for events in together.values() for event in events])
        found[kind.slug] = [
            view_row(view, record, events[0])
            for events in together.values()
            for name, record in kind.records(events, statistics)
            if name == view
        ]
    return found


def loaded(view: str, folder: Path) -> datasets.Dataset:
    """Every type's first rows, written and read back."""
    path = folder / f"{view}.jsonl"
    by_type = rows_of(view)
    assert by_type and all(by_type.values()), by_type.keys()
    rows = [row for rows in by_type.values() for row in rows[:4]]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    data = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(folder / "cache"))
    assert len(data) == len(rows) and set(data.column_names) >= set(VIEWS[view])
    return data


def reward(model: Path, data: datasets.Dataset, out: str) -> Any:
    scored = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1)
    return RewardTrainer(
        scored, args=RewardConfig(out, **STEP), train_dataset=data, processing_class=tokenizer(model)
    )


def dpo(model: Path, data: datasets.Dataset, out: str) -> Any:
    return DPOTrainer(
        causal(model), args=DPOConfig(out, **STEP), train_dataset=data, processing_class=tokenizer(model)
    )


def kto(model: Path, data: datasets.Dataset, out: str) -> Any:
    return KTOTrainer(
        causal(model), args=KTOConfig(out, **STEP), train_dataset=data, processing_class=tokenizer(model)
    )


def sft(model: Path, data: datasets.Dataset, out: str) -> Any:
    return SFTTrainer(
        causal(model), args=SFTConfig(out, **STEP), train_dataset=data, processing_class=tokenizer(model)
    )


def rloo(model: Path, data: datasets.Dataset, out: str) -> Any:
    config = RLOOConfig(out, num_generations=2, max_completion_length=8, **STEP)
    return RLOOTrainer(
        str(model),
        lengths,
        args=config,
        train_dataset=data,
        processing_class=tokenizer(model, padding_side="left"),
    )


def grpo(model: Path, data: datasets.Dataset, out: str) -> Any:
    """With our own reward model as the callable that gives the rewards."""
    saved = Path(out).parent / "reward-model"
    RewardModel.load(model).save(saved, whetstone={"reward": {"mean": 0.0, "sd": 1.0}})
    config = GRPOConfig(out, num_generations=2, max_completion_length=8, **STEP)
    return GRPOTrainer(
        str(model),
        RewardFunction(Scorer.load(saved, device="cpu")),
        args=config,
        train_dataset=data,
        processing_class=tokenizer(model, padding_side="left"),
    )


def lengths(completions: list[Any], **kwargs: Any) -> list[float]:
    return [float(len(str(completion))) for completion in completions]


def causal(model: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(model)


def tokenizer(model: Path, **how: Any) -> Any:
    return AutoTokenizer.from_pretrained(model, **how)


@pytest.mark.parametrize(
    ("view", "make"),
    [
        ("preference", reward),
        ("preference", dpo),
        ("unpaired", kto),
        ("prompt_completion", sft),
        ("prompt_only", rloo),
        ("prompt_only", grpo),
    ],
    ids=["reward", "dpo", "kto", "sft", "rloo", "grpo"],
)
def test_trl_takes_a_step_on_every_types_rows(
    view: str, make: Callable[..., Any], policy: Path, tmp_path: Path
) -> None:
    trainer = make(policy, loaded(view, tmp_path), str(tmp_path / "out"))
    trainer.train()
    assert trainer.state.global_step == 1
    assert all(entry["grad_norm"] >= 0 for entry in trainer.state.log_history if "grad_norm" in entry)


def test_every_config_is_loaded_from_the_card_alone(tmp_path: Path) -> None:
    """A directory with every view, of every type: `load_dataset(directory, config)` finds files and splits by the card."""
    files = {}
    for view in VIEWS:
        rows = [row for rows in rows_of(view).values() for row in rows[:4]]
        for split, part in (("train", rows[1:]), ("test", rows[:1])):
            path = tmp_path / "snapshot" / view / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
            files[f"{view}/{split}.jsonl"] = len(part)
    manifest = {
        "campaign": {"slug": "all"},
        "counts": {"feedback": 1, "languages": {"en": 1, "zh-hans": 1}},
        "filters": {"data_license": "cc0-1.0"},
        "views": dict.fromkeys(VIEWS),
        "files": files,
    }
    home = tmp_path / "snapshot"
    (home / "README.md").write_text(front_matter(manifest), encoding="utf-8")
    assert datasets.get_dataset_config_names(str(home)) == list(VIEWS)
    for view in VIEWS:
        found = datasets.load_dataset(str(home), view, cache_dir=str(tmp_path / "cache"))
        assert {f"{view}/{split}.jsonl": len(rows) for split, rows in found.items()} == {
            name: n for name, n in files.items() if name.startswith(f"{view}/")
        }
        assert set(found["train"].column_names) >= set(VIEWS[view])


@pytest.mark.parametrize("view", ["stepwise", "feature", "triplet"])
def test_the_other_views_are_loaded(view: str, tmp_path: Path) -> None:
    loaded(view, tmp_path)
