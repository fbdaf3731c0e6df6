"""Real people gave several kinds of feedback: does learning from all of it beat comparisons alone at equal labeler-seconds?

    OMP_NUM_THREADS=1 python -m bench real_sets --data DIR            three sets, three seeds, some twenty minutes
    OMP_NUM_THREADS=1 python -m bench real_sets --data DIR --small    does it run

DIR holds the published sets that `manage.py replay` reads. For each, three reward models learn from the training prompts (a
hash decides) and are judged by the comparisons of the others:

    alone     comparisons, all of them: their seconds are the budget
    joint     as many seconds, spent on screens that also ask, or partly on screens that ask something else
    and more  all comparisons and everything else that was said: more seconds; is there anything in it at all?

Seconds are those of the types' own estimate (`FeedbackType.seconds`) and of reading at four words a second; the sets do
not tell real ones. The network is small and knows no English beforehand (0.9 M weights from scratch, a vocabulary learned
from the training texts), so what it can learn is on the surface of a text: expect little of the accuracy, and compare.
Texts of more than 512 tokens with their prompt are left out.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

SEEDS, STEPS, BATCH = 3, 60, 16
WORDS_PER_S = 4.0
TEST_PERCENT = 25
MAX_LENGTH = 512


LAMP = "lamp rankings as comparisons"


@dataclass(frozen=True)
class Source:
    """A published set, and the questions of it that a part of an arm learns from."""

    set: str
    questions: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    name: str
    alone: Source
    joint: tuple[tuple[float, Source], ...]  # share of the budget; the last one gets what is left over
    more: tuple[Source, ...]


PLANS = (
    Plan(
        "tulu1_human_eval",
        Source("tulu1_human_eval", ("better",)),
        ((1.0, Source("tulu1_human_eval", ("better", "acceptable"))),),
        (Source("tulu1_human_eval", ("better", "acceptable")),),
    ),
    Plan(
        "finegrained_qa",
        Source("finegrained_qa_comparisons", ("better",)),
        (
            (0.3, Source("finegrained_qa", ("errors", "edit"))),
            (0.7, Source("finegrained_qa_comparisons", ("better",))),
        ),
        (
            Source("finegrained_qa_comparisons", ("better",)),
            Source("finegrained_qa", ("errors", "edit")),
        ),
    ),
    Plan(
        "lamp_writing",
        Source(LAMP, ("better",)),
        ((0.5, Source("lamp_writing", ("grade", "edit"))), (0.5, Source(LAMP, ("better",)))),
        (Source(LAMP, ("better",)), Source("lamp_writing", ("grade", "edit"))),
    ),
)


@dataclass(frozen=True)
class Shown:
    """One screen that somebody answered: its events, and the seconds it took."""

    events: list[Any]
    seconds: float
    is_test: bool


def run(small: bool, data: Path) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    start_django()
    return {plan.name: compare(plan, data, small) for plan in PLANS}


def start_django() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.project.settings")
    django.setup()


# --- What was said ---------------------------------------------------------------------------------------------------


def screens(source: Source, data: Path) -> list[Shown]:
    """Every answered screen of a source, in an order that a seed decides."""
    from annotation.replay.sets import SETS
    from feedback_types.protocol import load_protocol

    real = lamp_preferences() if source.set == LAMP else SETS[source.set]
    questions = [q for q in load_protocol(real.protocol) if q.key in source.questions]
    found = [shown for case in real.cases(data) if case.responses for shown in said_about(case, questions)]
    random.Random(source.set).shuffle(found)
    return found


def lamp_preferences() -> Any:
    """LAMP's rankings as comparisons. (A replay says them as a trace, which trains no reward.)"""
    from annotation.replay.sets.base import Case, RealSet, Said, question

    def ranked(ranks: Sequence[int], texts: Sequence[str]) -> Any:
        by_text = dict(zip(texts, ranks, strict=True))

        def payload(screen: Any, question: Any) -> list[tuple[int | None, Any]]:
            said = {
                "items": [r.id for r in screen.responses], "ranks": [by_text[r.text] for r in screen.responses],
                "strength": None, "both_bad": False, "aspect": None,
            }  # fmt: skip
            return [(None, said)]

        return payload

    def read(row: Any) -> Case:
        texts = [r["content"] for r in row["responses"]]
        said = [
            Said(vote["labeler"], {"better": ranked(vote["ranking"], texts)})
            for vote in row["votes"]
            if sorted(vote["ranking"]) == [1, 2, 3]
        ]
        return Case(row["id"], row["prompt"], row["responses"], said)

    asked = question("better", "comparison", "Which is better written?", mode="ranking", both_bad=False)
    return RealSet(LAMP, "LAMP: rankings as comparisons", [asked], ["lamp_writing/rankings.jsonl"], read)


def said_about(case: Any, questions: Sequence[Any]) -> Iterator[Shown]:
    from annotation.replay.sets import answers_on
    from feedback_types.base import Event, InvalidPayload, Message, Screen, ShownResponse
    from training_bridge.exports.split import split_of

    screen = Screen(
        tuple(Message(m["role"], m["content"]) for m in case.prompt),
        tuple(ShownResponse(k + 1, r["content"]) for k, r in enumerate(case.responses)),
    )
    by_key = {q.key: q for q in questions}
    is_test = split_of(case.prompt, TEST_PERCENT) == "test"
    for said in case.said:
        try:
            answers = [a for a in answers_on(screen, questions, said) if a.question in by_key]
        except InvalidPayload:
            continue  # what cannot be said in our terms is left out of a replay, too
        seconds = sum(len(r.text.split()) for r in screen.responses) / WORDS_PER_S
        seconds += sum(
            by_key[k].type.seconds(screen, by_key[k].settings) for k in {a.question for a in answers}
        )
        events = [
            Event(
                id=f"{case.external_id}/{said.labeler}/{number}", type=by_key[a.question].type.slug,
                labeler=said.labeler, question=a.question, screen=screen, target=a.target, payload=a.payload,
                settings=by_key[a.question].settings,
                choice_set=by_key[a.question].type.choice_set(screen, by_key[a.question].settings),
                submission=f"{case.external_id}/{said.labeler}", item=case.external_id,
            )
            for number, a in enumerate(answers)
        ]  # fmt: skip
        if events:
            yield Shown(events, seconds, is_test)


def affordable(found: Sequence[Shown], budget: float) -> tuple[list[Shown], float]:
    """The first screens that the budget pays for, and what they cost."""
    taken: list[Shown] = []
    spent = 0.0
    for shown in found:
        if spent + shown.seconds > budget * (1 + 1e-9):
            break
        taken.append(shown)
        spent += shown.seconds
    return taken, spent


def arms(plan: Plan, data: Path) -> tuple[dict[str, tuple[list[Shown], float]], list[Any]]:
    """(screens and their seconds by arm, held-out events)."""
    alone = screens(plan.alone, data)
    held_out = [event for shown in alone if shown.is_test for event in shown.events]
    train = [shown for shown in alone if not shown.is_test]
    budget = sum(shown.seconds for shown in train)
    found = {"alone": (train, budget)}
    joint: list[Shown] = []
    left = budget
    for number, (share, source) in enumerate(plan.joint):
        is_last = number == len(plan.joint) - 1
        part, spent = affordable(
            [s for s in screens(source, data) if not s.is_test], left if is_last else share * budget
        )
        joint, left = joint + part, left - spent
    found["joint"] = (joint, budget - left)
    more = [s for source in plan.more for s in screens(source, data) if not s.is_test]
    found["and more"] = (more, sum(s.seconds for s in more))
    return found, held_out


# --- What is learned from it -----------------------------------------------------------------------------------------


def compare(plan: Plan, data: Path, small: bool) -> dict[str, Any]:
    from training_bridge.reward_model.measures import difference, share

    found, held_out = arms(plan, data)
    seeds = range(1 if small else SEEDS)
    right: dict[str, list[float]] = {}
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        start = random_reward_model(found["and more"][0], Path(folder))
        for name, (train, seconds) in found.items():
            events = [event for shown in train for event in shown.events]
            runs = [judge(start, events, held_out, seed, 2 if small else STEPS) for seed in seeds]
            print(f"{plan.name}, {name}: done", file=sys.stderr, flush=True)
            right[name] = [sum(row) / len(row) for row in zip(*(r for r, _ in runs), strict=True)]
            prompts = runs[0][1]
            told[name] = {
                "screens": len(train),
                "answers": len(events),
                "labeler_seconds": round(seconds),
                "accuracy": share(right[name], prompts),
                "by_seed": [round(sum(r) / len(r), 3) for r, _ in runs],
            }
    for name in list(told)[1:]:
        told[name]["gain"] = difference(right[name], right["alone"], prompts)
    return {"held_out_preferences": len(prompts), **told}


def judge(
    start: Path, events: Sequence[Any], held_out: Sequence[Any], seed: int, steps: int
) -> tuple[list[float], list[Any]]:
    """(whether each held-out preference is predicted, its prompt)."""
    import torch

    from training_bridge.reward_model.config import TrainParameters
    from training_bridge.reward_model.distributed import Processes
    from training_bridge.reward_model.evaluate import Rewards
    from training_bridge.reward_model.loss import Objective
    from training_bridge.reward_model.pairs import preferences, statistics
    from training_bridge.reward_model.train import Trainer, load, observations_of

    torch.manual_seed(seed)
    items = len({event.item for event in events})
    settings = TrainParameters(
        epochs=min(100.0, steps * BATCH / items), batch_items=BATCH, learning_rate=1e-3, max_length=MAX_LENGTH
    )
    model = load(start, settings, Processes())
    torch.nn.init.normal_(model.classifier.score.weight, std=0.02)
    data, likelihoods = observations_of(events, model, settings)
    for head in data.heads:
        model.add_head(head)
    law = Objective.for_observations(likelihoods, data.observations, settings)
    trainer = Trainer(model, law, data, settings, seed=seed)
    for _ in range(min(steps, trainer.steps)):
        trainer.step()
    model.eval()
    pairs = list(preferences(held_out, statistics(held_out)))
    rewards = Rewards(model, settings.pack_tokens)
    rewards.learn([(p.prompt, text) for p in pairs for text in (p.chosen, p.rejected)])
    right, prompts = [], []
    for p in pairs:
        a, b = rewards.of(p.prompt, p.chosen), rewards.of(p.prompt, p.rejected)
        if a is not None and b is not None:
            right.append(0.5 if a == b else float(a > b))
            prompts.append(p.prompt)
    return right, prompts


def random_reward_model(found: Sequence[Shown], folder: Path) -> Path:
    """A small random reward model with a vocabulary learned from the training texts."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForSequenceClassification, PreTrainedTokenizerFast

    texts = {
        text
        for shown in found
        for event in shown.events
        for text in (*(m.content for m in event.screen.prompt), *(r.text for r in event.screen.responses))
    }
    bpe = ByteLevelBPETokenizer()
    specials = ["<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"]
    bpe.train_from_iterator(sorted(texts), vocab_size=4096, special_tokens=specials, show_progress=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, pad_token="<|pad|>", eos_token="<|end|>"
    )
    tokenizer.chat_template = (
        "{% for m in messages %}<|{{ m['role'] if m['role'] == 'assistant' else 'user' }}|>{{ m['content'] }}"
        "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=4096, hidden_size=128, intermediate_size=384, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=1024, pad_token_id=0, eos_token_id=1, bos_token_id=None,
        num_labels=1,
    )  # fmt: skip
    LlamaForSequenceClassification(config).save_pretrained(folder / "start")
    tokenizer.save_pretrained(folder / "start")
    return folder / "start"
