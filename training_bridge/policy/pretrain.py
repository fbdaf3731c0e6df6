"""Train the embedded default policy from scratch: a small Llama that answers everyday questions in readable English.

    python -m training_bridge.policy.pretrain DIR

DIR/config.json: {"method": "pretrain", "seed": 0, "parameters": {}} (`config.PretrainParameters`). Leaves `result/`, a
plain causal LM directory with its tokenizer and chat template, and `metrics.json`. Same seed and thread count, same
bits; killed on the way, it goes on from its last checkpoint.

The corpus is composed as it is needed (`corpus.py`) and answers alone are learned, packed without padding. Matrices of
the blocks are trained by Muon, which halves the steps this model needs; embeddings and norms by Adam.
"""

from __future__ import annotations

import training_bridge.policy.environment  # noqa: F401  first: torch and the hub read it

# isort: split

import logging
import random
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from training_bridge.policy import corpus
from training_bridge.policy.config import PretrainParameters, parameters
from training_bridge.policy.lineage import write_lineage
from training_bridge.policy.muon import Muon
from training_bridge.programs import Problem, RunDirectory, execute, read_json, write_json
from training_bridge.reward_model import packing
from training_bridge.reward_model.encoding import Encoded

log = logging.getLogger("whetstone")

PAD, END, ROLES = "<|pad|>", "<|end|>", ("<|system|>", "<|user|>", "<|assistant|>")

# The roles are written out: a template that pastes a role between "<|" and "|>" would let a message name a control token.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'system' %}<|system|>"
    "{% elif message.role == 'assistant' %}<|assistant|>"
    "{% else %}<|user|>{% endif %}"
    "{{ message.content }}<|end|>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

BPE_EXAMPLES = 20_000
WARM_UP_STEPS, DECAY_FROM = 20, 0.4  # the rates rise, hold, and fall to 0 from this share of the steps
MAX_POSITIONS = 1024
SECONDS_BETWEEN_LINES = 5.0


def pretrain(run: RunDirectory) -> dict[str, Any]:
    settings = parameters(PretrainParameters, run.config)
    if settings.width % settings.heads:
        raise Problem(
            f"A width of {settings.width} cannot be shared by {settings.heads} heads.",
            "Choose heads that divide the width.",
        )
    seed = int(run.config.get("seed") or 0)
    torch.manual_seed(seed)
    started = time.monotonic()
    tokenizer = train_tokenizer(settings.vocabulary, seed)
    batches = list(islice(batched(tokenizer, settings.batch, seed), settings.steps))
    model = new_model(settings, len(tokenizer))
    optimizers = make_optimizers(model, settings)
    step = resume(run, model, optimizers)
    told = 0.0
    loss = float("nan")

    def keep() -> None:
        save(run, step, model, optimizers)

    while step < settings.steps:
        loss = train_step(model, optimizers, batches[step], rate_at(step, settings.steps))
        step += 1
        if step % settings.checkpoint_steps == 0 and step < settings.steps:
            keep()
        if time.monotonic() - told > SECONDS_BETWEEN_LINES or step == settings.steps:
            told = time.monotonic()
            log.info(
                "Writing lessons: step %d of %d, loss %.2f, %.0f s",
                step,
                settings.steps,
                loss,
                told - started,
            )
            run.report(step=step, steps=settings.steps, stage="pretrain", metrics={"loss": loss})
        run.stop_if_asked(keep)
    held_out = held_out_loss(model, tokenizer, seed)
    with run.result() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        write_lineage(folder, run, kind="policy", settings=settings, corpus_sha256=corpus.content_hash())
    return {
        "loss": loss,
        "held_out_loss": held_out,
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": settings.steps,
        "seconds": time.monotonic() - started,
    }


def train_tokenizer(vocabulary: int, seed: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE learned on the corpus: any text can be written in it, everyday words are one token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (f"{e.prompt}\n{e.answer}" for e in islice(corpus.examples(seed), BPE_EXAMPLES))
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=list(ROLES),
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
        model_max_length=MAX_POSITIONS,
        clean_up_tokenization_spaces=False,
    )


def new_model(settings: PretrainParameters, vocabulary: int) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=settings.width,
        intermediate_size=settings.inner,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=max(1, settings.heads // 2),
        max_position_embeddings=MAX_POSITIONS,
        tie_word_embeddings=False,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    config._attn_implementation = packing.NAME
    return LlamaForCausalLM(config)


def encode(tokenizer: PreTrainedTokenizerFast, examples: Sequence[corpus.Example]) -> list[Encoded]:
    """What the chat template makes of each example, and its answer with the end token."""
    _pad, end, _system, user, assistant = range(5)  # in the order of the tokenizer's special tokens
    prompts = tokenizer.backend_tokenizer.encode_batch([e.prompt for e in examples])
    answers = tokenizer.backend_tokenizer.encode_batch([e.answer for e in examples])
    return [
        Encoded((user, *p.ids, end, assistant), (*a.ids, end), ())
        for p, a in zip(prompts, answers, strict=True)
    ]


def batched(tokenizer: PreTrainedTokenizerFast, size: int, seed: int) -> Iterator[list[Encoded]]:
    """Batches without end. Lengths are mixed as they come: batches of like length would give short answers more weight."""
    examples = corpus.examples(seed)
    while True:
        yield encode(tokenizer, list(islice(examples, size)))


def loss_of(model: LlamaForCausalLM, batch: Sequence[Encoded]) -> Tensor:
    """Mean loss over the tokens of the answers, run in one row without padding."""
    row = packing.layout(batch, share_prompts=False)
    hidden = model.model(
        input_ids=row.ids[None], position_ids=row.positions[None], segments=row, use_cache=False
    ).last_hidden_state[0]
    targets: list[Tensor] = []
    before: list[Tensor] = []
    for _start, prompt_length, text_row in row.starts:
        end = text_row + row.q_lens[len(targets)] - prompt_length
        targets.append(torch.arange(text_row, end))
        before.append(torch.arange(text_row - 1, end - 1))
    return F.cross_entropy(model.lm_head(hidden[torch.cat(before)]), row.ids[torch.cat(targets)])


def make_optimizers(model: LlamaForCausalLM, settings: PretrainParameters) -> list[torch.optim.Optimizer]:
    inside = {id(p) for p in model.model.layers.parameters() if p.ndim == 2}
    matrices = [p for p in model.parameters() if id(p) in inside]
    others = [p for p in model.parameters() if id(p) not in inside]
    return [
        Muon(matrices, lr=settings.matrix_rate, weight_decay=0.05),
        torch.optim.AdamW(others, lr=settings.other_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def train_step(
    model: LlamaForCausalLM,
    optimizers: Sequence[torch.optim.Optimizer],
    batch: Sequence[Encoded],
    factor: float,
) -> float:
    loss = loss_of(model, batch)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("rate", group["lr"]) * factor
        optimizer.step()
        optimizer.zero_grad()
    return loss.item()


def rate_at(step: int, steps: int) -> float:
    """Share of the full learning rate at a step counted from 0."""
    share = step / steps
    falling = 1.0 if share < DECAY_FROM else (1.0 - share) / (1.0 - DECAY_FROM)
    return min(1.0, (step + 1) / WARM_UP_STEPS) * falling


@torch.inference_mode()
def held_out_loss(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, seed: int) -> float:
    """Loss on new answers to the prompts that no policy is trained on."""
    rng = random.Random(seed)
    examples = []
    for subject in corpus.subjects():
        style = corpus.draw_style(rng)
        examples.append(
            corpus.Example(subject.held_out, corpus.compose(subject, style, rng), style, subject.name)
        )
    return loss_of(model.eval(), encode(tokenizer, examples)).item()


# --- Checkpoints -----------------------------------------------------------------------------------------------------


def save(
    run: RunDirectory, step: int, model: LlamaForCausalLM, optimizers: Sequence[torch.optim.Optimizer]
) -> None:
    with run.checkpoint(step) as folder:
        save_file(dict(model.named_parameters()), folder / "model.safetensors")
        torch.save([optimizer.state_dict() for optimizer in optimizers], folder / "optimizers.pt")
        write_json(folder / "progress.json", {"step": step})


def resume(run: RunDirectory, model: LlamaForCausalLM, optimizers: Sequence[torch.optim.Optimizer]) -> int:
    """The step to go on from; 0 without a whole checkpoint."""
    folder = run.newest_checkpoint()
    if folder is None:
        return 0
    model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    states = torch.load(folder / "optimizers.pt", weights_only=True)
    for optimizer, state in zip(optimizers, states, strict=True):
        optimizer.load_state_dict(state)
    return int(read_json(folder / "progress.json")["step"])


if __name__ == "__main__":
    execute(pretrain)
