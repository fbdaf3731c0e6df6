"""Ask a policy for answers: n candidates to each prompt of a file.

    python -m training_bridge.policy.sample DIR

DIR/config.json: {"parent": {"path": …}, "seed": 7, "input": "prompts.jsonl", "parameters": {…}}
(`config.SampleParameters`). `prompts.jsonl` has lines {"id", "messages"}; `result/responses.jsonl` gets, in the order
of the prompts,

    {"id": "21", "candidate": 0, "text": "Otters can …", "tokens": 17, "logprob": -21.4, "finish": "stop",
     "sampling": {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.04, "max_tokens": 256, "seed": 7,
                  "stream": "21/0/0"}}

With "endpoint": {"base_url", "model"} instead of a parent a server is asked (`served.py`), such as vLLM; `sampling` then
says which model of which endpoint.

`logprob` is of the whole answer under the policy itself, in nats. Candidates of one prompt differ from each other: a
repeated or empty one is asked for again, and left out if the policy has nothing else to say (`metrics.json` counts
these). Killed on the way, the program goes on after the last saved prompt and writes the same file.
"""

from __future__ import annotations

import training_bridge.policy.environment  # noqa: F401  first: torch and the hub read it

# isort: split

import json
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training_bridge.policy.config import SampleParameters, parameters
from training_bridge.policy.generation import Generated, Request, Sampler, Sampling
from training_bridge.policy.prompts import Prompt, read_prompts
from training_bridge.policy.served import ServedSampler, sampler_of
from training_bridge.programs import Problem, RunDirectory, execute

SECONDS_BETWEEN_CHECKPOINTS = 20.0


@dataclass
class Candidate:
    stream: str
    answer: Generated


def sample(run: RunDirectory) -> dict[str, Any]:
    settings = parameters(SampleParameters, run.config)
    prompts = list(read_prompts(input_file(run)))
    if not prompts:
        raise Problem("There are no prompts.", 'Write lines {"id", "messages"} to prompts.jsonl.')
    sampling = Sampling.of(settings)
    sampler = sampler_of(run, sampling)
    source = sampler.source if isinstance(sampler, ServedSampler) else {}
    seed = int(run.config.get("seed") or 0)
    output = run.path / "responses.jsonl"
    done = resume(run, output)
    size = max(1, settings.batch // settings.n)
    saved = started = time.monotonic()
    tokens = 0

    def save() -> None:
        with run.checkpoint(done) as folder:
            shutil.copyfile(output, folder / "responses.jsonl")

    with output.open("a", encoding="utf-8") as file:
        while done < len(prompts):
            part = prompts[done : done + size]
            for prompt, candidates in zip(part, candidates_for(sampler, part, settings, seed), strict=True):
                for number, candidate in enumerate(candidates):
                    row = row_of(prompt, number, candidate, sampling, seed, source)
                    tokens += row.get("tokens", 0)
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
            done += len(part)
            rate = tokens / (time.monotonic() - started)
            run.report(
                step=done, steps=len(prompts), stage="sample", metrics={"tokens_per_s": round(rate, 1)}
            )
            if time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                saved = time.monotonic()
                save()
            run.stop_if_asked(save)
    with run.result() as folder:
        shutil.copyfile(output, folder / "responses.jsonl")
    return measures(prompts, read_rows(output), settings.n)


def candidates_for(
    sampler: Sampler | ServedSampler, prompts: Sequence[Prompt], settings: SampleParameters, seed: int
) -> list[list[Candidate]]:
    """Up to n different answers to each prompt. A prompt that does not fit into the context gets none."""
    found: list[dict[str, Candidate]] = [{} for _ in prompts]  # by normalised text
    wanted = [
        (i, number)
        for i, prompt in enumerate(prompts)
        for number in range(settings.n)
        if sampler.room(prompt.messages) >= 1
    ]
    for attempt in range(settings.retries + 1):
        streams = [f"{prompts[i].id}/{number}/{attempt}" for i, number in wanted]
        requests = [Request(s, prompts[i].messages) for s, (i, _) in zip(streams, wanted, strict=True)]
        again = []
        for slot, name, answer in zip(wanted, streams, sampler.sample(requests, seed=seed), strict=True):
            text = normalised(answer.text)
            if text and text not in found[slot[0]]:
                found[slot[0]][text] = Candidate(name, answer)
            else:
                again.append(slot)
        wanted = again
        if not wanted or sampler.sampling.temperature == 0.0:  # the most probable answer stays the same
            break
    return [list(candidates.values()) for candidates in found]


def row_of(
    prompt: Prompt,
    number: int,
    candidate: Candidate,
    sampling: Sampling,
    seed: int,
    source: Mapping[str, str],
) -> dict[str, Any]:
    answer = candidate.answer
    return {
        "id": prompt.id,
        "candidate": number,
        "text": answer.text,
        **({"tokens": len(answer.logprobs), "logprob": answer.logprob} if answer.logprobs else {}),
        "finish": answer.finish,
        "sampling": {**asdict(sampling), "seed": seed, "stream": candidate.stream, **source},
    }


def measures(prompts: Sequence[Prompt], rows: Iterable[Mapping[str, Any]], n: int) -> dict[str, Any]:
    """What the answers are like, for metrics.json."""
    count: dict[str, int] = {}
    tokens, cut = 0, 0
    for row in rows:
        count[row["id"]] = count.get(row["id"], 0) + 1
        tokens += row.get("tokens", 0)
        cut += row["finish"] == "length"
    answers = sum(count.values())
    return {
        "prompts": len(prompts),
        "responses": answers,
        "prompts_without_response": len(prompts) - len(count),
        "prompts_with_fewer": sum(c < n for c in count.values()),
        "mean_tokens": tokens / answers if answers else 0.0,
        "cut_share": cut / answers if answers else 0.0,
    }


def normalised(text: str) -> str:
    """Two answers that differ in white space and case alone are one."""
    return " ".join(text.split()).casefold()


# --- Files -----------------------------------------------------------------------------------------------------------


def input_file(run: RunDirectory) -> Path:
    path = Path(run.config.get("input") or "prompts.jsonl")
    return path if path.is_absolute() else run.path / path


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def resume(run: RunDirectory, output: Path) -> int:
    """Puts back what the newest checkpoint holds and returns how many prompts that is."""
    folder = run.newest_checkpoint()
    if folder is None:
        output.write_text("", encoding="utf-8")
        return 0
    shutil.copyfile(folder / "responses.jsonl", output)
    return int(folder.name.removeprefix("step-"))


if __name__ == "__main__":
    execute(sample)
