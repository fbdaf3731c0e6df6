"""How much memory and time a run will take, before it starts: from sizes in files, and from runs of the same method.

    memory(parameters, inputs).total_mb      weights, gradients, optimiser, activations, other models, the program itself
    seconds("dpo", parameters, inputs)       from the rate of earlier runs on this installation; None when there is none
    fault(parameters, inputs)                why it cannot work, in a sentence; empty when it can

Sizes come from config.json and from the headers of safetensors files. No torch. An estimate is rough: text lengths are
guessed from characters. Held against what embedded runs took, see docs/runs.md.
"""

from __future__ import annotations

import json
import math
import statistics
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Avg, Max
from django.utils.translation import gettext as _

from annotation.items.models import Response
from training_bridge.methods.base import Inputs
from training_bridge.models import Checkpoint, Run

MB = 1 << 20
PROGRAM_MB = (
    490  # interpreter, torch, transformers, TRL; measured on a CPU with a policy of next to no weights
)
START_S = 8  # to import them
FLOAT = 4  # weights that are trained, their gradients, and both moments of Adam are float32
CHARS_A_TOKEN = 3  # of everyday text; other scripts have fewer
PROMPT_TOKENS = 48  # of a question in the chat template
SCORED_TOKENS = 4096  # that are scored at once (policy/logprobs.py)
RECENT = 5  # runs whose rate counts


@dataclass(frozen=True)
class Size:
    """Of a model in a directory."""

    weights: int
    width: int
    inner: int
    layers: int
    vocabulary: int
    context: int


@dataclass(frozen=True)
class Memory:
    parts: Mapping[str, float] = field(default_factory=dict)  # MB, by what it is for

    @property
    def total_mb(self) -> float:
        return sum(self.parts.values())

    @property
    def certain_mb(self) -> float:
        """What is needed whatever the texts are like."""
        return sum(
            self.parts.get(name, 0.0) for name in ("weights", "gradients", "optimiser", "other models")
        )


def size_of(checkpoint: Checkpoint | None) -> Size | None:
    """None for a hub id that is not on this machine, and where the files say nothing."""
    return _size(checkpoint.path) if checkpoint is not None else None


@lru_cache(maxsize=256)
def _size(place: str) -> Size | None:
    folder = Path(place)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config = {**config, **(config.get("text_config") or {})}
        width = int(config["hidden_size"])
        return Size(
            weights=sum(weights_in(path) for path in sorted(folder.glob("*.safetensors"))),
            width=width,
            inner=int(config.get("intermediate_size") or 4 * width),
            layers=int(config["num_hidden_layers"]),
            vocabulary=int(config["vocab_size"]),
            context=int(config.get("max_position_embeddings") or 1 << 20),
        )
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return None


def weights_in(path: Path) -> int:
    """How many numbers a safetensors file holds, from its header: eight bytes of length, then JSON."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(min(length, 100_000_000)))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def memory(parameters: Any, inputs: Inputs) -> Memory | None:
    """What training a policy or a reward model will hold at its peak; None when the size of the parent is not known."""
    size = size_of(inputs.parent)
    if size is None or not hasattr(parameters, "adapter"):
        return None
    trained = trainable(parameters, size)
    longest = tokens_of_a_row(parameters, inputs, size, longest=True)
    # Floats that a block keeps of each token for its gradients: its inputs and norms, queries, keys, values, the gated
    # feed-forward layer; a recomputed block keeps its input alone.
    kept = (
        size.width
        if getattr(parameters, "activation_checkpointing", False)
        else 14 * size.width + 4 * size.inner
    )
    at_once = rows_at_once(parameters) * longest
    if hasattr(parameters, "pack_tokens"):
        at_once = min(at_once, parameters.pack_tokens)
    activations = at_once * size.layers * kept * FLOAT
    # The held-out texts are scored with whole logits, as numbers, logarithms and their difference; what that took stays with
    # the process. A reward has one number for a token, not one for each word.
    scores = 0.0 if hasattr(parameters, "pack_tokens") else 3 * FLOAT * size.vocabulary * SCORED_TOKENS
    others = 0
    if hasattr(parameters, "steps") and parameters.adapter == "full":
        others += size.weights  # TRL's copy of the parent
    if getattr(parameters, "reference", "") == "parent":
        others += size.weights
    if (reward := size_of(inputs.reward_model)) is not None:
        others += reward.weights
    return Memory(
        {
            "weights": FLOAT * size.weights / MB,
            "gradients": FLOAT * trained / MB,
            "optimiser": 2 * FLOAT * trained / MB,
            "other models": FLOAT * others / MB,
            "activations": activations / MB,
            "scores": scores / MB,
            "program": float(PROGRAM_MB),
        }
    )


def trainable(parameters: Any, size: Size) -> int:
    """Numbers that are trained."""
    if parameters.adapter == "full":
        return size.weights
    if parameters.adapter == "prompt":
        return int(parameters.prompt_tokens) * size.width
    # On each of seven linear layers of a block two matrices, of its width in and its width out times the rank.
    return int(parameters.lora_rank) * size.layers * (8 * size.width + 3 * (size.width + size.inner))


def rows_at_once(parameters: Any) -> float:
    """Texts that are run together."""
    if hasattr(parameters, "pack_tokens"):
        return 2.0 * float(parameters.batch_items)  # two responses an answer, more or less
    if hasattr(parameters, "steps") and hasattr(parameters, "answers"):
        return float(parameters.prompts * parameters.answers)
    batch = getattr(parameters, "micro_batch", 0) or getattr(parameters, "batch", 8)
    return float(batch * (2 if hasattr(parameters, "supervised") else 1))  # DPO runs both answers of a pair


def tokens_of_a_row(parameters: Any, inputs: Inputs, size: Size, *, longest: bool) -> float:
    """Tokens of a text, prompt included: of the longest, or of most."""
    if hasattr(parameters, "max_tokens"):
        found = PROMPT_TOKENS + parameters.max_tokens * (1.0 if longest else 0.5)
    else:
        found = PROMPT_TOKENS + characters(inputs, longest) / CHARS_A_TOKEN
    return min(found, float(getattr(parameters, "max_length", size.context)), float(size.context))


def characters(inputs: Inputs, longest: bool) -> float:
    if inputs.snapshot is None:
        return 200.0
    found = Response.objects.filter(prompt__campaign=inputs.snapshot.campaign_id).aggregate(
        longest=Max("n_codepoints"), mean=Avg("n_codepoints")
    )
    return float(found["longest" if longest else "mean"] or 200.0)


def work(parameters: Any, inputs: Inputs) -> float | None:
    """Tokens that are run, times the weights they run through: what time grows with. None where that is not known."""
    size = size_of(inputs.parent)
    if size is None or not size.weights:
        return None
    row = tokens_of_a_row(parameters, inputs, size, longest=False)
    if hasattr(parameters, "iterations"):
        rows = parameters.iterations * parameters.prompts * parameters.answers
    elif hasattr(parameters, "answers"):
        rows = parameters.steps * parameters.prompts * parameters.answers
    elif hasattr(parameters, "epochs"):
        rows = parameters.epochs * rows_to_learn(inputs)
    elif hasattr(parameters, "n"):
        rows = parameters.n * getattr(parameters, "prompts", 200)
    else:
        return None
    return float(rows * row * size.weights) or None


def rows_to_learn(inputs: Inputs) -> int:
    """Answers of the snapshot's training side; which of them a method reads is alike from run to run."""
    manifest = inputs.snapshot.manifest if inputs.snapshot else None
    return sum(row["train"] for row in manifest["counts"]["types"].values()) if manifest else 0


def seconds(method: str, parameters: Any, inputs: Inputs) -> float | None:
    """Expected time of the program, from the median rate of the last runs of this method; None before there is one."""
    wanted = work(parameters, inputs)
    if wanted is None:
        return None
    done = (
        Run.objects.filter(
            method=method, status=Run.Status.SUCCEEDED, attempt=1, metrics__machine__wall_s__gt=0
        )
        .select_related("snapshot", "parent", "reward_model")
        .order_by("-finished_at")[:RECENT]
    )
    rates = []
    for run in done:
        try:
            had = work(type(parameters).model_validate(run.config), Inputs.of(run))
        except ValueError:
            continue  # settings of another version
        if had is not None and run.metrics is not None:
            rates.append(had / max(1.0, run.metrics["machine"]["wall_s"] - START_S))
    return START_S + wanted / statistics.median(rates) if rates else None


def worker_memory_mb() -> float | None:
    """What a worker has: as the operator says, else what the last run that ended well saw."""
    if settings.WORKER_MEMORY_MB:
        return float(settings.WORKER_MEMORY_MB)
    last = (
        Run.objects.filter(status=Run.Status.SUCCEEDED, metrics__machine__memory_mb__gt=0)
        .order_by("-finished_at")
        .values_list("metrics__machine__memory_mb", flat=True)
        .first()
    )
    return float(last) if last else None


def fault(parameters: Any, inputs: Inputs) -> str:
    """Refused is only what is certain: weights, gradients and optimiser alone are more than there is."""
    needed, have = memory(parameters, inputs), worker_memory_mb()
    if needed is None or have is None or needed.certain_mb <= have:
        return ""
    advice = (
        _("Train with LoRA, or a smaller policy.")
        if parameters.adapter == "full"
        else _("Choose a smaller policy.")
    )
    return (
        _(
            "Not enough memory: need %(need)s GB for weights, gradients and optimiser, the worker has %(have)s GB."
        )
        % {"need": f"{needed.certain_mb / 1024:,.1f}", "have": f"{have / 1024:,.1f}"}
        + " "
        + advice
    )
