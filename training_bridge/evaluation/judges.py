"""What gives a text a reward: a reward model, a taste, or a reward that somebody stated. The evaluations treat them alike.

>>> judges = judges_of(run, ["warm"])
>>> judges["warm"].rewards([Text(prompt, "What a lovely question!")])
[1.0]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from feedback_types.base import Message
from training_bridge.policy.rewards import stated_in
from training_bridge.policy.tastes import TASTES
from training_bridge.programs import Problem, RunDirectory
from training_bridge.reward_model.config import source
from training_bridge.reward_model.model import Place
from training_bridge.reward_model.score import Scorer, scores_at


class Text(NamedTuple):
    prompt: tuple[Message, ...]
    text: str


class Judge(Protocol):
    def fits(self, text: Text) -> bool:
        """Whether it can read a text."""

    def rewards(self, texts: Sequence[Text]) -> list[float]:
        """The reward of each whole text."""


class StepJudge(Judge, Protocol):
    """A judge that also scores the beginnings of a text."""

    def scores(self, texts: Sequence[Text], offsets: Sequence[Sequence[int]]) -> list[list[float]]:
        """The score of `text[:offset]` for each offset (code points) of each text, as the beginning of an answer."""


@dataclass(frozen=True)
class RewardModelJudge:
    scorer: Scorer

    def fits(self, text: Text) -> bool:
        encoder = self.scorer.model.encoder
        return encoder.fits(encoder.sequence(*text))

    def rewards(self, texts: Sequence[Text]) -> list[float]:
        return self.scorer.score(texts)

    def scores(self, texts: Sequence[Text], offsets: Sequence[Sequence[int]]) -> list[list[float]]:
        sequences = [self.scorer.model.encoder.sequence(*text) for text in texts]
        places = [
            Place(i, sequence.position(offset))
            for i, sequence in enumerate(sequences)
            for offset in offsets[i]
        ]
        flat = iter(scores_at(self.scorer.model, sequences, places, self.scorer.pack_tokens).tolist())
        return [[next(flat) for _ in row] for row in offsets]


@dataclass(frozen=True)
class FunctionJudge:
    """A function of the text alone."""

    score: Callable[[str], float]

    def fits(self, text: Text) -> bool:
        return True

    def rewards(self, texts: Sequence[Text]) -> list[float]:
        return [float(self._score(text.text)) for text in texts]

    def scores(self, texts: Sequence[Text], offsets: Sequence[Sequence[int]]) -> list[list[float]]:
        return [
            [float(self._score(text.text[:offset])) for offset in row]
            for text, row in zip(texts, offsets, strict=True)
        ]

    def _score(self, text: str) -> float:
        try:
            return self.score(text)
        except ValueError as error:  # a stated reward that has no value for this text
            raise Problem(
                f"The stated reward cannot score an answer: {error}", "State it for every text."
            ) from error


def reward_model_judge(run: RunDirectory, name: str = "reward_model") -> RewardModelJudge:
    return RewardModelJudge(Scorer.load(source(run.config, name)[0]))


def judges_of(run: RunDirectory, tastes: Sequence[str]) -> dict[str, StepJudge]:
    """Every judge that the config names, in a fixed order. Raises Problem for one that is not there."""
    found: dict[str, StepJudge] = {}
    for name in ("reward_model", "compared_with"):
        if run.config.get(name):
            found[name] = reward_model_judge(run, name)
    for name in tastes:
        if name not in TASTES:
            raise Problem(f"There is no taste {name!r}.", f"Choose among {', '.join(TASTES)}.")
        found[name] = FunctionJudge(TASTES[name].score)
    if run.config.get("stated_reward"):
        found["stated_reward"] = FunctionJudge(stated_in(run))
    return found
