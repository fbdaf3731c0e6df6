"""What removing padding is worth: CPU seconds to train a reward model on pairs, ours against TRL's RewardTrainer.

    OMP_NUM_THREADS=1 python -m bench reward_training            320 pairs, three interleaved repeats, about four minutes
    OMP_NUM_THREADS=1 python -m bench reward_training --small    32 pairs, once: does it run

A random Llama of 2.4 M weights; skewed lengths (mean about 58 tokens with the prompt); 16 pairs a step; the same loss, AdamW
and clipping; float32 on one thread. CPU seconds, for wall time on a shared machine says little; medians, as ratios to TRL
in its default order.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for name, value in {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}.items():
    os.environ.setdefault(name, value)

PAIRS_A_STEP = 16
VOCABULARY = 4096


def run(small: bool) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    pairs = make_pairs(32 if small else 320)
    repeats = 1 if small else 3
    with tempfile.TemporaryDirectory() as folder:
        start = save_start(Path(folder))
        variants: dict[str, Callable[[], float]] = {
            "packed, prompts shared": lambda: ours(start, pairs, packed=True, share_prompts=True),
            "packed": lambda: ours(start, pairs, packed=True, share_prompts=False),
            "padded": lambda: ours(start, pairs, packed=False, share_prompts=False),
            "TRL, default order": lambda: theirs(start, pairs, Path(folder) / "trl", grouped=False),
            "TRL, grouped by length": lambda: theirs(start, pairs, Path(folder) / "trl", grouped=True),
        }
        seconds: dict[str, list[float]] = {name: [] for name in variants}
        for _ in range(repeats):
            for name, variant in variants.items():
                seconds[name].append(variant())
    median = {name: statistics.median(times) for name, times in seconds.items()}
    real = sum(len(p) * 2 + len(a) + len(b) for p, a, b in pairs)
    base = median["TRL, default order"]
    return {
        "pairs": len(pairs),
        "real_tokens": real,
        "cpu_s": {name: [round(t, 2) for t in times] for name, times in seconds.items()},
        "ratio_to_trl_default": {name: round(value / base, 3) for name, value in median.items()},
        "packed_to_trl_grouped": round(median["packed"] / median["TRL, grouped by length"], 3),
        "shared_to_packed": round(median["packed, prompts shared"] / median["packed"], 3),
        "real_tokens_per_cpu_s": {name: round(real / value) for name, value in median.items()},
    }


def make_pairs(n: int) -> list[tuple[list[int], list[int], list[int]]]:
    """(prompt, answer, answer) as token ids; lengths are log-normal, most short and a few long."""
    rng = random.Random(0)

    def some(median: float, most: int) -> list[int]:
        length = max(4, min(most, round(rng.lognormvariate(0, 0.75) * median)))
        return [rng.randrange(3, VOCABULARY) for _ in range(length)]

    return [(some(14, 80), some(28, 250), some(28, 250)) for _ in range(n)]


def save_start(folder: Path) -> Path:
    """A random reward model and a tokenizer, which only lends its special tokens."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForSequenceClassification, PreTrainedTokenizerFast

    words = {"<|pad|>": 0, "<|end|>": 1, "<|unknown|>": 2}
    backend = Tokenizer(models.WordLevel(words, unk_token="<|unknown|>"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<|pad|>", eos_token="<|end|>", unk_token="<|unknown|>"
    )
    tokenizer.chat_template = "{{ messages[0].content }}"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=192, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, pad_token_id=0, eos_token_id=1, bos_token_id=None, num_labels=1,
    )  # fmt: skip
    LlamaForSequenceClassification(config).save_pretrained(folder / "start")
    tokenizer.save_pretrained(folder / "start")
    return folder / "start"


def ours(start: Path, pairs: list[Any], *, packed: bool, share_prompts: bool) -> float:
    from feedback_types.base import Event, Message, Screen
    from training_bridge.reward_model.config import TrainParameters
    from training_bridge.reward_model.data import Dataset, Observation
    from training_bridge.reward_model.encoding import Encoded
    from training_bridge.reward_model.loss import Objective
    from training_bridge.reward_model.model import Place, RewardModel
    from training_bridge.reward_model.pairs import VIEW, BradleyTerry, Preference
    from training_bridge.reward_model.train import Trainer

    settings = TrainParameters(
        objective="bradley_terry",
        epochs=1,
        batch_items=PAIRS_A_STEP,
        center=0,
        weight_decay=0,
        learning_rate=3e-4,
    )
    data = Dataset()
    for number, (prompt, *answers) in enumerate(pairs):
        places = []
        for answer in answers:
            sequence = Encoded(tuple(prompt), (*answer, 1), ())
            places.append(Place(len(data.sequences), len(sequence) - 1))
            data.sequences.append(sequence)
        said = Preference((Message("user", str(number)),), "a", "b", 1.0, ())
        event = Event(str(number), VIEW, "l", "q", Screen(said.prompt, ()), None, said, None)
        data.items.append([len(data.observations)])
        data.observations.append(Observation(event, tuple(places)))
    model = RewardModel.load(start, packed=packed, share_prompts=share_prompts)
    objective = Objective.for_observations({VIEW: BradleyTerry()}, data.observations, settings, learned=False)
    trainer = Trainer(model, objective, data, settings, seed=0)
    began = time.process_time()
    for _ in range(trainer.steps):
        trainer.step()
    return time.process_time() - began


def theirs(start: Path, pairs: list[Any], output: Path, *, grouped: bool) -> float:
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from trl import RewardConfig, RewardTrainer

    rows = [
        {"chosen_ids": [*p, *a, 1], "rejected_ids": [*p, *b, 1], "length": 2 * len(p) + len(a) + len(b)}
        for p, a, b in pairs
    ]
    arguments = RewardConfig(
        output_dir=str(output), per_device_train_batch_size=PAIRS_A_STEP, num_train_epochs=1, learning_rate=3e-4,
        warmup_steps=0.1, lr_scheduler_type="cosine", weight_decay=0.0, max_grad_norm=1.0, max_length=None, report_to="none",
        save_strategy="no", logging_steps=10, disable_tqdm=True, use_cpu=True, bf16=False, gradient_checkpointing=False,
        dataloader_num_workers=0, train_sampling_strategy="group_by_length" if grouped else "random",
        remove_unused_columns=not grouped,
    )  # fmt: skip
    trainer = RewardTrainer(
        model=AutoModelForSequenceClassification.from_pretrained(start, num_labels=1),
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(start),
    )
    began = time.process_time()
    trainer.train()
    return time.process_time() - began
