"""Rewards of texts: as a library, as a reward function for TRL, and as a program.

    >>> scorer = Scorer.load("reward-model")
    >>> scorer.score([(prompt, "Otters sleep afloat."), (prompt, "No idea.")])
    [0.81, -0.64]
    >>> scorer.token_rewards(prompt, "Otters sleep afloat.")[0]
    TokenReward(start=0, end=3, text='Ott', reward=0.07)

    python -m training_bridge.reward_model.score DIR

reads `config.json` ({"reward_model": {"path": …}, "input": "texts.jsonl", "parameters": {"tokens": false}}), whose input has
lines {"id", "messages", "text"}, and writes `result/scores.jsonl`: {"id", "reward"} in the same order, with
"tokens": [{"start", "end", "reward"}] when tokens are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from torch import Tensor

from feedback_types.base import Message
from training_bridge.programs import Problem, RunDirectory, execute, plain, read_json
from training_bridge.reward_model.config import ScoreParameters, parameters, source
from training_bridge.reward_model.encoding import Encoded
from training_bridge.reward_model.model import Place, RewardModel

POOL = 2000  # texts of a snapshot that a fused reward looks for its neighbours in
CHUNK = 2048  # texts of an input file that are held at once


@dataclass(frozen=True)
class TokenReward:
    """What one token adds to the score: `text[start:end]` in code points; EOS is empty, at the end of the text."""

    start: int
    end: int
    text: str
    reward: float


class Scorer:
    """A reward model at rest, with the mean and sd of its rewards over what it was trained on."""

    def __init__(self, model: RewardModel, *, mean: float = 0.0, sd: float = 1.0, pack_tokens: int = 16_384):
        self.model, self.mean, self.sd, self.pack_tokens = model.eval(), mean, sd, pack_tokens

    @classmethod
    def load(cls, path: str | Path, *, device: str = "", pack_tokens: int = 16_384) -> Scorer:
        """A scorer from a reward model directory, on a GPU if there is one. Raises Problem."""
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        note = Path(path) / "whetstone.json"
        reward = read_json(note).get("reward", {}) if note.is_file() else {}
        dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
        model = RewardModel.load(path, device=device, dtype=dtype)
        return cls(model, mean=reward.get("mean") or 0.0, sd=reward.get("sd") or 1.0, pack_tokens=pack_tokens)

    def score(
        self, texts: Iterable[tuple[Sequence[Message], str]], *, normalise: bool = False
    ) -> list[float]:
        """Final reward of each (prompt, text); `normalise` gives them mean 0 and sd 1 over the training data.

        Raises: Problem for a text longer than the model reads, or when the model is broken (a reward that is no number).
        """
        sequences = [self._sequence(prompt, text) for prompt, text in texts]
        rewards = scores_at(
            self.model, sequences, [Place(i, len(s) - 1) for i, s in enumerate(sequences)], self.pack_tokens
        )
        if not torch.isfinite(rewards).all():
            raise Problem(
                "The reward model gives a reward that is no number.",
                "Its weights are broken; use another one.",
            )
        return [(r - self.mean) / self.sd if normalise else r for r in rewards.tolist()]

    def score_members(self, texts: Iterable[tuple[Sequence[Message], str]]) -> list[list[float]]:
        """Final rewards of each (prompt, text) by each member of the ensemble, (texts, members); one for a single head.

        Their mean is the reward. Raises Problem as `score` does.
        """
        sequences = [self._sequence(prompt, text) for prompt, text in texts]
        ends = [Place(i, len(s) - 1) for i, s in enumerate(sequences)]
        rewards = scores_at(self.model, sequences, ends, self.pack_tokens, members=True)
        if not torch.isfinite(rewards).all():
            raise Problem(
                "The reward model gives a reward that is no number.",
                "Its weights are broken; use another one.",
            )
        found: list[list[float]] = rewards.T.tolist()
        return found

    def score_with_sd(self, texts: Iterable[tuple[Sequence[Message], str]]) -> list[tuple[float, float]]:
        """(reward, sd over the members) of each text; sd is 0 for a single head, which does not know how sure it is."""
        return [(fmean(row), stdev(row) if len(row) > 1 else 0.0) for row in self.score_members(texts)]

    def token_rewards(self, prompt: Sequence[Message], text: str) -> list[TokenReward]:
        """What each token of the response adds; they sum to the final reward less the score of the empty response.

        Tokens inside one character (bytes of an emoji) are one entry. The last entry is EOS.
        """
        sequence = self._sequence(prompt, text)
        first = len(sequence.prompt) - 1
        places = [Place(0, p) for p in range(first, len(sequence))]
        steps = scores_at(self.model, [sequence], places, self.pack_tokens).diff().tolist()
        rewards: list[TokenReward] = []
        for token, reward in enumerate(steps):
            start, end = sequence.span(token)
            last_byte_of = token < len(sequence.ends) and start == end and rewards
            if last_byte_of:
                before = rewards.pop()
                start, end, reward = before.start, before.end, before.reward + reward
            rewards.append(TokenReward(start, end, text[start:end], reward))
        return rewards

    def _sequence(self, prompt: Sequence[Message], text: str) -> Encoded:
        sequence = self.model.encoder.sequence(prompt, text)
        if not self.model.encoder.fits(sequence):
            raise Problem(
                f"A text has {len(sequence)} tokens with its prompt; this model reads {self.model.encoder.max_length}.",
                "Score shorter texts.",
            )
        return sequence


@torch.inference_mode()
def scores_at(
    model: RewardModel,
    sequences: Sequence[Encoded],
    places: Sequence[Place],
    pack_tokens: int = 16_384,
    *,
    members: bool = False,
) -> Tensor:
    """(len(places),) float32 on the CPU: scores at any places of any number of sequences, a pack at a time.

    With `members` (members, len(places)), by each member of the ensemble.

    Texts to one prompt run together when they stand together. Padded models get sequences of like length together.
    """
    wanted: dict[int, list[int]] = {}
    for i, place in enumerate(places):
        wanted.setdefault(place.sequence, []).append(i)
    order = sorted(wanted, key=lambda i: (sequences[i].prompt, i) if model.packed else (len(sequences[i]), i))
    result = torch.zeros((model.size, len(places)) if members else len(places))
    compute = model.compute_members if members else model.compute
    part: list[int] = []

    def run() -> None:
        local = {s: i for i, s in enumerate(part)}
        rows = [i for s in part for i in wanted[s]]
        moved = [Place(local[places[i].sequence], places[i].position, places[i].head) for i in rows]
        result[..., rows] = compute([sequences[s] for s in part], moved).cpu()

    for i in order:
        if part and model.tokens_run([sequences[s] for s in (*part, i)]) > pack_tokens:
            run()
            part = []
        part.append(i)
    if part:
        run()
    return result


class RewardFunction:
    """A reward model as TRL's GRPO and RLOO want it: called with prompts and completions, returns a number for each.

    Prompts and completions are texts or lists of messages; a text prompt is one user turn. Columns of the data set arrive by
    name and are not needed. With `normalise` the rewards have mean 0 and sd 1 over the training data, so that the weight of
    the KL penalty means the same for every reward model.
    """

    def __init__(self, scorer: Scorer, *, normalise: bool = True, name: str = "reward_model"):
        self.scorer, self.normalise = scorer, normalise
        self.__name__ = name  # TRL logs rewards under the function's name

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        pairs = zip(prompts, completions, strict=True)
        return self.scorer.score([(messages_of(p), text_of(c)) for p, c in pairs], normalise=self.normalise)


def messages_of(prompt: str | Sequence[Mapping[str, str]]) -> tuple[Message, ...]:
    if isinstance(prompt, str):
        return (Message("user", prompt),)
    return tuple(Message(m["role"], m["content"]) for m in prompt)


def text_of(completion: str | Sequence[Mapping[str, str]]) -> str:
    return completion if isinstance(completion, str) else "".join(m["content"] for m in completion)


# --- The program -----------------------------------------------------------------------------------------------------


def score(run: RunDirectory) -> dict[str, Any]:
    settings = parameters(ScoreParameters, run.config)
    path, _ = source(run.config, "reward_model")
    texts = Path(run.config.get("input") or "")
    texts = texts if texts.is_absolute() else run.path / texts
    if not texts.is_file():
        raise Problem(f"There is no input file {texts}.", 'Name a JSONL file as "input".')
    scorer = Scorer.load(path, pack_tokens=settings.pack_tokens)
    judge = fused(run, scorer) if settings.fusion else scorer.score
    total = sum(1 for _ in texts.open(encoding="utf-8"))
    count, sum1, sum2 = 0, 0.0, 0.0
    with run.result() as folder, (folder / "scores.jsonl").open("w", encoding="utf-8") as output:
        for rows in chunks(read_texts(texts)):
            run.stop_if_asked(lambda: None)
            rewards = judge([(messages, text) for _, messages, text in rows])
            for (name, messages, text), reward in zip(rows, rewards, strict=True):
                line: dict[str, Any] = {"id": name, "reward": reward}
                if settings.tokens:
                    line["tokens"] = [
                        {"start": t.start, "end": t.end, "reward": t.reward}
                        for t in scorer.token_rewards(messages, text)
                    ]
                output.write(json.dumps(plain(line), ensure_ascii=False) + "\n")
            count, sum1, sum2 = count + len(rewards), sum1 + sum(rewards), sum2 + sum(r * r for r in rewards)
            run.report(step=count, steps=total, stage="score", metrics={"mean": sum1 / count})
    if not count:
        raise Problem(f"{texts} is empty.", "Give at least one text.")
    mean = sum1 / count
    return {"texts": count, "mean": mean, "sd": max(sum2 / count - mean * mean, 0.0) ** 0.5}


def fused(run: RunDirectory, scorer: Scorer) -> Callable[[Sequence[Any]], list[float]]:
    """Scores by RewardFusion, among the responses of the snapshot's training side. Raises Problem without any."""
    from training_bridge.evaluation.fusion import Fused  # which scores with this module
    from training_bridge.evaluation.judges import RewardModelJudge, Text
    from training_bridge.reward_model.evaluate import load_events

    events = load_events(run)("train")
    shown = dict.fromkeys(Text(e.screen.prompt, r.text) for e in events for r in e.screen.responses)
    judge = RewardModelJudge(scorer)
    pool = [text for text in shown if judge.fits(text)][:POOL]
    if not pool:
        raise Problem("The snapshot has no responses to be near to.", "Name another one, or turn fusion off.")
    among = Fused(judge, pool)
    return lambda pairs: among.rewards([Text(*pair) for pair in pairs])


def read_texts(path: Path) -> Iterator[tuple[Any, tuple[Message, ...], str]]:
    """(id, prompt, text) of each line. Raises Problem naming the line at fault."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                yield row["id"], messages_of(row["messages"]), str(row["text"])
            except (ValueError, KeyError, TypeError) as error:
                raise Problem(
                    f"{path.name}, line {number} is no text to score: {error!r}.",
                    'Write {"id", "messages", "text"}.',
                ) from error


def chunks(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while part := list(islice(rows, CHUNK)):
        yield part


if __name__ == "__main__":
    execute(score)
