"""What batching is worth when texts are scored and answers are written: ratios to the loop that anybody would write first.

    OMP_NUM_THREADS=1 python -m bench sampling            some three minutes
    OMP_NUM_THREADS=1 python -m bench sampling --small    does it run

Scoring: 8 answers to each of 40 prompts by a random reward model of the embedded policy's size. The naive loop runs
`AutoModelForSequenceClassification` on one text after the other; ours packs without padding and runs a prompt once
for all of its answers. Generation: 8 answers of 48 tokens to each of 12 prompts by the random policy of the same
size. The naive loop calls `generate` for one answer after the other; a better one asks for the 8 of a prompt at once
(`num_return_sequences`); ours batches across prompts, each of which runs once. CPU seconds on one thread, medians of
interleaved repeats; both sides must give the same scores (1e-4), and the same number of tokens.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

ANSWERS, TOKENS = 8, 48


def run(small: bool) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    repeats = 1 if small else 3
    return {
        "scoring": scoring(4 if small else 40, repeats),
        "generation": generation(2 if small else 12, repeats),
    }


def timed(
    variants: dict[str, Callable[[], Any]], repeats: int
) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """CPU seconds of each variant by repeat, and what each returned."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    said: dict[str, Any] = {}
    for _ in range(repeats):
        for name, variant in variants.items():
            began = time.process_time()
            said[name] = variant()
            seconds[name].append(time.process_time() - began)
    return seconds, said


def told(seconds: dict[str, list[float]], done: int, what: str) -> dict[str, Any]:
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    naive = next(iter(medians.values()))
    return {
        "cpu_s": {name: [round(t, 3) for t in times] for name, times in seconds.items()},
        f"{what}_per_cpu_s": {name: round(done / value) for name, value in medians.items()},
        "times_as_fast": {name: round(naive / value, 2) for name, value in medians.items()},
    }


def scoring(prompts: int, repeats: int) -> dict[str, Any]:
    import torch
    from transformers import AutoModelForSequenceClassification

    from bench.worlds import random_policy, screens
    from training_bridge.reward_model.model import RewardModel
    from training_bridge.reward_model.score import Scorer

    texts = [(screen.prompt, r.text) for screen in screens(prompts, ANSWERS) for r in screen.responses]
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        RewardModel.load(random_policy()).save(Path(folder) / "reward", nuisance={}, whetstone={})
        plain: Any = AutoModelForSequenceClassification.from_pretrained(Path(folder) / "reward").eval()
        scorer = Scorer(RewardModel.load(Path(folder) / "reward"))
        padded = Scorer(RewardModel.load(Path(folder) / "reward", packed=False, share_prompts=False))
    encoder = scorer.model.encoder

    @torch.inference_mode()
    def one_by_one() -> list[float]:
        rows = [torch.tensor([encoder.sequence(*text).ids]) for text in texts]
        return [plain(input_ids=row).logits[0, 0].item() for row in rows]

    variants = {
        "one text after the other": one_by_one,
        "padded batches, like lengths together": lambda: padded.score(texts),
        "packed, prompts shared (Scorer)": lambda: scorer.score(texts),
    }
    seconds, said = timed(variants, repeats)
    first, *others = (torch.tensor(scores) for scores in said.values())
    if any((first - other).abs().max() > 1e-4 for other in others):
        raise RuntimeError("the ways to score do not agree")
    return {"texts": len(texts), **told(seconds, len(texts), "texts")}


def generation(prompts: int, repeats: int) -> dict[str, Any]:
    import torch

    from bench.worlds import random_policy, screens
    from training_bridge.policy.chat import load_policy, prompt_ids
    from training_bridge.policy.generation import Request, Sampler, Sampling

    model, tokenizer = load_policy(str(random_policy()))
    asked = [[{"role": m.role, "content": m.content} for m in s.prompt] for s in screens(prompts)]
    drawn: dict[str, Any] = {
        "do_sample": True, "top_k": 0, "min_new_tokens": TOKENS, "max_new_tokens": TOKENS, "eos_token_id": None,
        "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    sampler = Sampler(model, tokenizer, Sampling(max_tokens=TOKENS))
    sampler.ends = set()  # every answer goes on to its last token, here as there

    def generate(messages: Any, answers: int) -> int:
        ids = torch.tensor([prompt_ids(tokenizer, messages)])
        with torch.inference_mode():
            made = model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), num_return_sequences=answers, **drawn
            )
        return answers * (made.shape[1] - ids.shape[1])

    def ours() -> int:
        requests = [Request(f"{i}/{k}", m) for i, m in enumerate(asked) for k in range(ANSWERS)]
        return sum(len(answer.ids) for answer in sampler.sample(requests, seed=0))

    variants = {
        "generate, one answer after the other": lambda: sum(
            generate(m, 1) for m in asked for _ in range(ANSWERS)
        ),
        "generate, the answers to a prompt at once": lambda: sum(generate(m, ANSWERS) for m in asked),
        "all answers together, prompts shared (Sampler)": ours,
    }
    seconds, said = timed(variants, repeats)
    if len(set(said.values())) > 1:
        raise RuntimeError(f"the ways to write did not write as much: {said}")
    tokens = next(iter(said.values()))
    return {"answers": prompts * ANSWERS, "tokens": tokens, **told(seconds, tokens, "tokens")}
