"""Prompts with a mixture of answers to each, to look at rewards on: what policies say, and what the snapshot holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feedback_types.base import Message
from training_bridge.evaluation.config import AnswersParameters
from training_bridge.evaluation.judges import Judge, Text
from training_bridge.policy.config import source
from training_bridge.policy.evaluate import choose_prompts
from training_bridge.policy.generation import Request, Sampler, Sampling
from training_bridge.policy.prompts import Prompt, of_snapshot
from training_bridge.policy.served import ServedSampler, sampler_of
from training_bridge.programs import Problem, RunDirectory

POLICIES = ("parent", "baseline")


@dataclass(frozen=True)
class Asked:
    """A prompt with different answers to it; `sources` says who wrote each: parent, baseline or snapshot."""

    prompt: Prompt
    texts: list[Text]
    sources: list[str]


def samplers(run: RunDirectory, settings: AnswersParameters) -> dict[str, Sampler | ServedSampler]:
    """A sampler for each policy that the config names; an endpoint answers as "parent"."""
    given = {name for name in POLICIES if run.config.get(name)}
    given |= {"parent"} if run.config.get("endpoint") else set()
    return {name: sampler_of(run, Sampling.of(settings), name) for name in POLICIES if name in given}


def sample(
    sampler: Sampler | ServedSampler,
    requests: Sequence[Request],
    settings: AnswersParameters,
    run: RunDirectory,
    seed: int,
) -> list[str]:
    """An answer to each request, some at a time; leaves when the run is asked to stop."""
    texts: list[str] = []
    for start in range(0, len(requests), settings.batch):
        texts += [a.text for a in sampler.sample(requests[start : start + settings.batch], seed=seed)]
        run.report(step=len(texts), steps=len(requests), stage="ask")
        run.stop_if_asked(lambda: None)
    return texts


def responses_of_snapshot(snapshot: Path) -> dict[str, list[str]]:
    """Responses by the id of their prompt."""
    found: dict[str, list[str]] = {}
    with (snapshot / "native" / "responses.jsonl").open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            found.setdefault(str(row["prompt"]), []).append(row["text"])
    return found


def prompts_of(run: RunDirectory, settings: AnswersParameters, *, has_policy: bool) -> list[Prompt]:
    """Held-out prompts, spread over what there is. Without a policy, those of the snapshot alone: nobody else answers."""
    if has_policy:
        return choose_prompts(run, settings.prompts)
    if not run.config.get("snapshot"):
        raise Problem(
            "There are no answers to look at: neither a policy nor a snapshot is given.",
            "Choose a policy, a snapshot, or both.",
        )
    found = list(of_snapshot(source(run.config, "snapshot")[0], "test"))
    if len(found) <= settings.prompts:
        return found
    return [found[i * len(found) // settings.prompts] for i in range(settings.prompts)]


def gather(
    run: RunDirectory,
    settings: AnswersParameters,
    judges: Mapping[str, Judge],
    policies: Mapping[str, Sampler | ServedSampler],
    seed: int,
) -> list[Asked]:
    """Answers of every policy and of the snapshot to each prompt; those that a judge cannot read are left out.

    Raises: Problem when no prompt has two different answers.
    """
    prompts = prompts_of(run, settings, has_policy=bool(policies))
    written: dict[str, list[tuple[str, str]]] = {p.id: [] for p in prompts}
    for name, sampler in policies.items():
        requests = [
            Request(f"{name}/{p.id}/{k}", p.messages)
            for p in prompts
            for k in range(settings.answers)
            if sampler.room(p.messages) >= 1
        ]
        for request, text in zip(requests, sample(sampler, requests, settings, run, seed), strict=True):
            written[request.key.split("/", 1)[1].rpartition("/")[0]].append((text, name))
    if run.config.get("snapshot"):
        for number, texts in responses_of_snapshot(source(run.config, "snapshot")[0]).items():
            if number in written:
                written[number] += [(text, "snapshot") for text in texts]
    asked = []
    for prompt in prompts:
        messages = tuple(Message(m["role"], m["content"]) for m in prompt.messages)
        unique: dict[str, str] = {}
        for text, name in written[prompt.id]:
            if text.strip() and all(j.fits(Text(messages, text)) for j in judges.values()):
                unique.setdefault(text, name)
        if len(unique) > 1:
            asked.append(Asked(prompt, [Text(messages, t) for t in unique], list(unique.values())))
    if not asked:
        raise Problem(
            "No prompt has two different answers.",
            "Give a policy and let it answer more often, or a snapshot with several responses to a prompt.",
        )
    return asked


def flat(judge: Judge, asked: Sequence[Asked]) -> list[list[float]]:
    """(prompts, answers) rewards."""
    values = iter(judge.rewards([text for row in asked for text in row.texts]))
    return [[next(values) for _ in row.texts] for row in asked]


def counts(asked: Sequence[Asked]) -> dict[str, Any]:
    """What was looked at, for metrics.json."""
    sources = [name for row in asked for name in row.sources]
    return {
        "prompts": len(asked),
        "answers": len(sources),
        "answers_by_source": {name: sources.count(name) for name in sorted(set(sources))},
    }
