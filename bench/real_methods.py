"""Each method of refreshing a policy, before and after, on comparisons that real people made.

    OMP_NUM_THREADS=1 python -m bench real_methods --data DIR            some ten minutes on one core
    OMP_NUM_THREADS=1 python -m bench real_methods --data DIR --small    does it run

DIR holds the published sets that `manage.py replay` reads. Of `tulu1_human_eval` the short comparisons are taken. A hash
holds a quarter of the prompts back, on which the policies are compared. Of the rest, half of the people teach the methods
(and the reward model of the online ones), and the other half teach the judge: it has seen no answer of those that a method
learned from, and neither has seen the prompts of the comparison.

The policy is trained from scratch on the responses to the prompts that are not held back and on five hundred answers of
`hh_helpful`, which is all the English it will ever read: two million weights that write sentences without much sense. What
is measured is whether a method moves such a policy where other people's decisions point, not whether it becomes helpful.

Reported for each: the judge's win rate over the policy before and the change of its reward (in sd over its training texts),
with 95 % intervals over prompts; words of an answer before and after, since length is what small reward models read first;
KL(new || old) in nats per response; seconds of CPU; and what the method's own program says of people's decisions on the
prompts that were held back (SFT: nats per token of preferred answers; DPO: how often its implicit reward agrees). And of
both reward models: how often they agree with people on these prompts, beside a baseline that looks at lengths alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from bench.methods import REWARDED, tell
from bench.policy_refresh import write_lines

SET, QUESTION = "tulu1_human_eval", "better"
TEST_PERCENT = 25
LONGEST = 1000  # characters of prompt and answer
PRETRAIN = {"vocabulary": 2048, "width": 192, "layers": 3, "heads": 4, "inner": 512}
PASSES, TOKENS_A_STEP = 2, 2048
FURTHER = 250  # decisions of `hh_helpful`, of which the policy reads both answers
ANSWERED = {"steps": 12, "answers": 4, "max_tokens": 64, "held_out": 0}
# name: program, settings
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "sft, preferred answers": ("sft", {"chosen": "always", "epochs": 2}),
    "dpo": ("dpo", {"epochs": 2}),
    "kto, preferences": ("kto", {"pairs": "always", "epochs": 2}),
    "online dpo": ("online_dpo", {"iterations": 3, "prompts": 48, "max_tokens": 64, "held_out": 0}),
    "rloo": ("rloo", ANSWERED),
    "grpo": ("grpo", ANSWERED),
    "ppo": ("ppo", ANSWERED),
}
SMALL = {
    "sft": {"epochs": 0.1},
    "dpo": {"epochs": 0.1},
    "kto": {"epochs": 0.1},
    "online_dpo": {"iterations": 1, "prompts": 8, "max_tokens": 8},
    "rloo": {"steps": 1, "max_tokens": 8},
    "grpo": {"steps": 1, "max_tokens": 8},
    "ppo": {"steps": 1, "max_tokens": 8},
}

Decision = tuple[list[dict[str, str]], str, str]  # prompt, preferred answer, other answer


def run(small: bool, data: Path) -> dict[str, Any]:
    import torch

    from bench.real_sets import start_django

    torch.set_num_threads(1)
    start_django()
    sides = decisions(data)
    results: dict[str, Any] = {"decisions": {side: len(found) for side, found in sides.items()}}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        read = sides["learn"] + sides["judge"] + further(data)
        policy, results["policy"] = from_scratch(
            read, sides["compare"], work / "policy", 1 if small else PASSES
        )
        tell("policy", results["policy"])
        compare = work / "compare.jsonl"
        asked = {json.dumps(prompt): prompt for prompt, _, _ in sides["compare"]}
        write_lines(compare, [{"id": str(i), "messages": p} for i, p in enumerate(asked.values())])
        results["compared_on"] = len(asked)
        given: dict[str, Any] = {"parent": str(policy), "seed": 1}
        for side in ("learn", "judge"):
            snapshot = write_snapshot(sides[side], sides["compare"], work / side)
            place = work / f"reward-{side}"
            settings = {"epochs": 1 if small else 4, "evaluate_epochs": False, "learning_rate": 1e-3}
            cost = program(
                "reward_model.train", "train", place, {**given, "snapshot": str(snapshot)}, settings
            )
            results[f"reward model, {side}"] = {**agreement(place), **cost}
            tell(f"reward model, {side}", results[f"reward model, {side}"])
        for name, (module, settings) in ARMS.items():
            config = {**given, "snapshot": str(work / "learn")}
            if module in REWARDED:
                config["reward_model"] = str(work / "reward-learn" / "result")
            place = work / name.replace(" ", "-")
            settings = {**settings, **(SMALL[module] if small else {})}
            where = "policy.ppo.train" if module == "ppo" else f"policy.{module}"
            cost = program(where, module, place, config, settings)
            told = json.loads((place / "metrics.json").read_text())["held_out"]
            results[name] = {
                **judged(work, place, policy, compare, 8 if small else 64), "held_out": told, **cost,
            }  # fmt: skip
            tell(name, results[name])
    return results


def program(
    module: str, function: str, folder: Path, config: dict[str, Any], parameters: dict[str, Any]
) -> dict[str, float]:
    """Run one program in this process; the seconds of CPU it took."""
    from importlib import import_module

    from training_bridge.programs import main

    run = getattr(import_module(f"training_bridge.{module}"), function)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**config, "parameters": parameters}))
    began = time.process_time()
    if code := main(run, [str(folder)]):
        raise RuntimeError(f"{module} ended with {code}: {(folder / 'log.txt').read_text()[-2000:]}")
    return {"cpu_s": round(time.process_time() - began, 1)}


def decisions(data: Path) -> dict[str, list[Decision]]:
    """Short decisions by side, each side in an order that a seed decides. No prompt of `compare` is on another side, and
    nobody decides on both of the others."""
    from annotation.replay.sets import SETS
    from training_bridge.exports.split import split_of

    sides: dict[str, list[Decision]] = {"learn": [], "judge": [], "compare": []}
    for case in SETS[SET].cases(data):
        texts = [r["content"] for r in case.responses]
        asked = "".join(m["content"] for m in case.prompt)
        if len(asked) + max(map(len, texts)) > LONGEST or not all(t.strip() for t in texts):
            continue
        is_test = split_of(case.prompt, TEST_PERCENT) == "test"
        for labeler, preferred, other in said(case):
            side = "compare" if is_test else "learn" if teaches(labeler) else "judge"
            sides[side].append((case.prompt, texts[preferred], texts[other]))
    for name, found in sides.items():
        random.Random(name).shuffle(found)
    return sides


def further(data: Path) -> list[Decision]:
    """More English for the policy to read."""
    from annotation.replay.sets import SETS

    found = []
    for case in SETS["hh_helpful"].cases(data):
        one, other = (r["content"] for r in case.responses)
        if len("".join(m["content"] for m in case.prompt)) + max(len(one), len(other)) <= LONGEST:
            found.append((case.prompt, one, other))
    random.Random("further").shuffle(found)
    return found[:FURTHER]


def teaches(labeler: str) -> bool:
    """Whether somebody is of the half that the methods learn from: a hash decides."""
    return hashlib.sha256(labeler.encode()).digest()[0] % 2 == 0


def said(case: Any) -> Iterator[tuple[str, int, int]]:
    """(who, preferred, other): places of the responses that somebody told apart."""
    from annotation.replay.sets import SETS, answers_on
    from feedback_types.base import Message, Screen, ShownResponse
    from feedback_types.protocol import load_protocol

    screen = Screen(
        tuple(Message(m["role"], m["content"]) for m in case.prompt),
        tuple(ShownResponse(k + 1, r["content"]) for k, r in enumerate(case.responses)),
    )
    questions = [q for q in load_protocol(SETS[SET].protocol) if q.key == QUESTION]
    for one in case.said:
        for answer in answers_on(screen, questions, one):
            first, second = answer.payload.items
            if answer.payload.ranks[0] != answer.payload.ranks[1]:
                order = (first, second) if answer.payload.ranks[0] == 1 else (second, first)
                yield one.labeler, order[0] - 1, order[1] - 1


def from_scratch(
    learned: list[Decision], held_out: list[Decision], folder: Path, passes: int
) -> tuple[Path, dict[str, Any]]:
    """A small Llama that has read the dialogues of the learning side, both answers to each prompt."""
    import torch

    from training_bridge.policy.chat import content_of, prompt_ids
    from training_bridge.policy.config import PretrainParameters
    from training_bridge.policy.pretrain import (
        loss_of,
        make_optimizers,
        new_model,
        rate_at,
        train_step,
    )
    from training_bridge.reward_model.encoding import Encoded

    torch.manual_seed(0)
    texts = [f"{content_of(prompt[-1:])}\n{answer}" for prompt, *answers in learned for answer in answers]
    settings = PretrainParameters(**PRETRAIN)
    tokenizer = tokenizer_of(texts, settings.vocabulary)
    model = new_model(settings, len(tokenizer))

    def encoded(decisions: list[Decision]) -> list[Encoded]:
        """Every token but the first is learned."""
        end = tokenizer.eos_token_id
        rows = [
            [*prompt_ids(tokenizer, prompt), *tokenizer.encode(answer, split_special_tokens=True), end]
            for prompt, *answers in decisions
            for answer in answers
        ]
        return [Encoded(tuple(ids[:1]), tuple(ids[1:]), ()) for ids in rows]

    rows = encoded(learned)
    order = random.Random(0)
    batches: list[list[Encoded]] = []
    for _ in range(passes):
        order.shuffle(rows)
        size = TOKENS_A_STEP
        for row in rows:
            if size + len(row) > TOKENS_A_STEP:
                batches.append([])
                size = 0
            batches[-1].append(row)
            size += len(row)
    optimizers = make_optimizers(model, settings)
    losses = [
        train_step(model, optimizers, batch, rate_at(step, len(batches)))
        for step, batch in enumerate(batches)
    ]
    with torch.inference_mode():
        unseen = loss_of(model.eval(), encoded(held_out)).item()
    model.config._attn_implementation = "sdpa"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder, {
        "weights": sum(p.numel() for p in model.parameters()),
        "steps": len(batches),
        "tokens": sum(len(row) for batch in batches for row in batch),
        "loss": [round(losses[0], 2), round(losses[-1], 2)],
        "held_out_loss": round(unseen, 2),
    }


def tokenizer_of(texts: list[str], vocabulary: int) -> Any:
    """A byte-level BPE learned on these texts, with the template and the control tokens of the embedded policy."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    from training_bridge.policy.pretrain import CHAT_TEMPLATE, END, MAX_POSITIONS, PAD, ROLES

    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(
        texts, vocab_size=vocabulary, min_frequency=0, special_tokens=[PAD, END, *ROLES], show_progress=False
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, pad_token=PAD, eos_token=END, additional_special_tokens=list(ROLES),
        chat_template=CHAT_TEMPLATE, padding_side="left", model_max_length=MAX_POSITIONS,
        clean_up_tokenization_spaces=False,
    )  # fmt: skip


def write_snapshot(train: list[Decision], test: list[Decision], folder: Path) -> Path:
    """Decisions as a snapshot: the events, and the view of preferences."""
    from feedback_types import registry
    from feedback_types.base import Message, Screen, ShownResponse

    comparison = registry.get("comparison")
    settings = comparison.settings_class()
    events, prompts, responses = [], [], []
    rows: dict[str, list[Any]] = {"train": [], "test": []}
    numbers: dict[str, int] = {}
    both = [("train", d) for d in train] + [("test", d) for d in test]
    for i, (split, (prompt, preferred, other)) in enumerate(both):
        number = numbers.setdefault(json.dumps(prompt), len(numbers))
        if number == len(prompts):
            prompts.append({"id": number, "messages": prompt, "split": split})
        first, second = (preferred, other) if random.Random(i).random() < 0.5 else (other, preferred)
        screen = Screen(
            tuple(Message(m["role"], m["content"]) for m in prompt),
            (ShownResponse(2 * i, first), ShownResponse(2 * i + 1, second)),
        )
        responses += [{"id": r.id, "prompt": number, "text": r.text} for r in screen.responses]
        events.append({
            "id": i, "type": "comparison", "version": comparison.version, "labeler": "unknown",
            "labeler_kind": "human", "question": "better", "prompt": number,
            "responses": [r.id for r in screen.responses], "target": None,
            "payload": {
                "items": [2 * i, 2 * i + 1], "ranks": [1, 2] if first == preferred else [2, 1],
                "strength": None, "both_bad": False, "aspect": None,
            },
            "settings": settings.model_dump(mode="json"), "choice_set": comparison.choice_set(screen, settings),
            "submission": str(i), "item": i, "split": split, "status": "counted", "revision": 0, "round": 1,
        })  # fmt: skip
        rows[split].append({
            "prompt": prompt, "chosen": [{"role": "assistant", "content": preferred}],
            "rejected": [{"role": "assistant", "content": other}], "margin": 0.0,
        })  # fmt: skip
    write_lines(folder / "native" / "feedback.jsonl", events)
    write_lines(folder / "native" / "prompts.jsonl", prompts)
    write_lines(folder / "native" / "responses.jsonl", responses)
    for split, lines in rows.items():
        write_lines(folder / "preference" / f"{split}.jsonl", lines)
    (folder / "manifest.json").write_text(json.dumps({"files": {}}))
    return folder


def agreement(place: Path) -> dict[str, Any]:
    """How often a reward model agrees with people on prompts it did not see, and what lengths alone would say."""
    pairs = json.loads((place / "metrics.json").read_text())["evaluation"]["pairs"]
    return {name: pairs[name] for name in ("accuracy", "length_baseline", "over_length")}


def judged(work: Path, place: Path, policy: Path, compare: Path, max_tokens: int) -> dict[str, Any]:
    config = {
        "parent": str(place / "result"), "baseline": str(policy), "seed": 1, "input": str(compare),
        "reward_model": str(work / "reward-judge" / "result"),
    }  # fmt: skip
    judging = place / "judged"
    program("policy.evaluate", "evaluate", judging, config, {"n": 4, "max_tokens": max_tokens})
    found = json.loads((judging / "metrics.json").read_text())
    return {
        "win_rate": found["win_rate"]["reward_model"],
        "reward": found["rewards"]["reward_model"]["difference"],
        "kl_per_response": found["kl"]["per_response"],
        "words": {side: round(found["diversity"][side]["words"], 1) for side in ("old", "new")},
        "distinct_2": {side: round(found["diversity"][side]["distinct_2"], 3) for side in ("old", "new")},
        "sample": {k: found["samples"][0][k] for k in ("prompt", "old", "new")},
    }
