"""A world whose truth is known: sentences with hidden features, a reward linear in them, and the two tests of a law.

A text is made of sentences; each has a feature vector that follows from its words (a hash seeds it), and the score
of a prefix is w times the sum of the features of its whole sentences.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch

from feedback_types.base import Event, Message, Screen, ShownResponse, SyntheticLabeler
from feedback_types.likelihoods import Likelihood
from feedback_types.segments import segments

PROMPT = (Message("user", "Tell me."),)
D = 6


@cache
def features(sentence: str) -> np.ndarray:
    """What a sentence is like: D numbers, standard normal."""
    seed = int.from_bytes(hashlib.sha256(sentence.strip().encode()).digest()[:8])
    return np.random.default_rng(seed).normal(size=D)


@cache
def prefix_features(text: str, offset: int | None) -> np.ndarray:
    end = len(text) if offset is None else offset
    return sum((features(text[s:e]) for s, e in segments(text) if e <= end), np.zeros(D))


def sentence(rng: np.random.Generator) -> str:
    """Words that no other sentence has, so that a word difference finds exactly what was changed."""
    return f"W{rng.integers(1 << 40):x} v{rng.integers(1 << 40):x}."


def text(rng: np.random.Generator, steps: int) -> str:
    return " ".join(sentence(rng) for _ in range(steps))


@dataclass
class World:
    seed: int
    scale: float = 0.5
    w: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        direction = np.random.default_rng([self.seed, 1]).normal(size=D)
        self.w = self.scale * direction / np.linalg.norm(direction) * np.sqrt(D) / 2

    def value(self, prompt: object, text: str, offset: int | None, head: str) -> float:
        assert head == "reward"
        return float(self.w @ prefix_features(text, offset))

    def rewrite(self, prompt: object, text: str) -> list[str]:
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]))
        return [sentence(rng) for _ in range(4)]

    def labeler(self, **law: object) -> SyntheticLabeler:
        return SyntheticLabeler(value=self.value, rewrite=self.rewrite, **law)  # type: ignore[arg-type]


def screen(*texts: str) -> Screen:
    return Screen(PROMPT, tuple(ShownResponse(n, t) for n, t in enumerate(texts, start=1)))


def event(payload: object, on: Screen, target: int = 1, labeler: str = "l-1") -> Event:
    return Event(str(id(payload)), "", labeler, "q", on, target, payload, None)


def tensors(law: Likelihood, events: Sequence[Event]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Features (n, p, D) of every point, and the collated batch."""
    rows = [[prefix_features(point.text, point.offset) for point in law.points(e)] for e in events]
    longest = max(map(len, rows))
    phi = torch.zeros(len(rows), longest, D, dtype=torch.float64)
    for i, row in enumerate(rows):
        phi[i, : len(row)] = torch.tensor(np.array(row))
    return phi, law.collate(events)


def nuisance(law: Likelihood, n: int, values: dict[str, float] | None = None) -> dict[str, torch.Tensor]:
    known = {p.name: p.initial for p in law.parameters} | (values or {})
    return {p.name: torch.full((n,), float(known[p.name]), dtype=torch.float64) for p in law.parameters}  # type: ignore[arg-type]


def log_probabilities(
    law: Likelihood, events: Sequence[Event], w: np.ndarray, beta: float = 1.0, **values: float
) -> torch.Tensor:
    phi, batch = tensors(law, events)
    n = len(events)
    return law.log_likelihood(
        phi @ torch.tensor(w), batch, torch.full((n,), beta, dtype=torch.float64), nuisance(law, n, values)
    )


def score_test(
    law: Likelihood, events: Iterable[Event], w: np.ndarray, beta: float = 1.0, **values: float
) -> float:
    """chi-square of the mean gradient at the truth; D degrees of freedom when the law is right (99.9 % point: 22.5
    for 6)."""
    usable = [e for e in events if law.usable(e)]
    phi, batch = tensors(law, usable)
    n = len(usable)
    scores = (phi @ torch.tensor(w)).requires_grad_()
    law.log_likelihood(
        scores, batch, torch.full((n,), beta, dtype=torch.float64), nuisance(law, n, values)
    ).sum().backward()
    assert scores.grad is not None
    gradient = torch.einsum("np,npd->nd", scores.grad, phi)
    mean = gradient.mean(0)
    return float(n * mean @ torch.linalg.solve(torch.cov(gradient.T, correction=0), mean))


def fit(law: Likelihood, events: Iterable[Event], prior_sd: float = 1.0) -> np.ndarray:
    """Most probable reward weights, with the law's nuisance parameters (one value for all labelers) beside them."""
    usable = [e for e in events if law.usable(e)]
    phi, batch = tensors(law, usable)
    n = len(usable)
    w = torch.zeros(D, dtype=torch.float64, requires_grad=True)
    free = {
        p.name: torch.tensor(float(p.initial), dtype=torch.float64, requires_grad=True)
        for p in law.parameters
    }  # type: ignore[arg-type]
    optimiser = torch.optim.LBFGS([w, *free.values()], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        values = {name: parameter.expand(n) for name, parameter in free.items()}
        likelihood = law.log_likelihood(phi @ w, batch, torch.ones(n, dtype=torch.float64), values).sum()
        prior = sum(
            (((free[p.name] - p.initial) / p.prior_sd) ** 2 / 2 for p in law.parameters),
            (w**2).sum() / (2 * prior_sd**2),
        )
        total = prior - likelihood
        total.backward()
        return total

    optimiser.step(loss)
    return w.detach().numpy()


def spearman(w: np.ndarray, truth: np.ndarray, seed: int = 99, texts: int = 200, steps: int = 6) -> float:
    """Rank correlation of two rewards over texts that were not used for fitting."""
    rng = np.random.default_rng(seed)
    phi = np.array([prefix_features(text(rng, steps), None) for _ in range(texts)])
    ranks = [np.argsort(np.argsort(phi @ v)) for v in (w, truth)]
    return float(np.corrcoef(ranks)[0, 1])
