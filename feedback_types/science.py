"""Does a type's law say what its labelers do, and does learning by it find the truth? For every type, from its
contract alone.

A world has prompts and responses whose words carry latent features; the true reward of a prefix is linear in the features
of its words, and so is every other head. Synthetic labelers with known rationality answer by `simulate`. Then:

- normalisation: the probabilities of all `alternatives` sum to 1;
- the score test: at the true reward the mean gradient of the log-likelihood is 0; a wrong choice set shows at once;
- recovery: a linear reward learned from n answers ranks new responses as the truth does, ever better with n, and tells
  which labelers to trust.

`python -m feedback_types.science` prints the table of docs/types/README.md. Source: science.md of Jeon, Milli &
Dragan's setting (arXiv 2002.04833); White (1982) for the score test.
"""

from __future__ import annotations

import argparse
import itertools
import math
import re
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import django
import numpy as np
import torch
from django.conf import settings as django_settings
from torch import Tensor
from torch.nn import functional as F

from feedback_types import registry
from feedback_types.base import Event, FeedbackType, Message, Screen, ShownResponse, SyntheticLabeler
from feedback_types.likelihoods import Likelihood, Point, mix_lapse, pad

WORD = re.compile(r"\w+")
Prompt = tuple[Message, ...]


# --- The world -------------------------------------------------------------------------------------------------------


class World:
    """Prompts, responses and a true reward.

    Args:
        seed: of everything in it.
        dims: number of features that the truth uses.
        distractors: number of further features that a learner sees too and that say nothing.
        sentences: fewest and most sentences of a response.
        spread: standard deviation of the reward between two responses, roughly.
    """

    def __init__(
        self,
        seed: int,
        dims: int = 8,
        distractors: int = 0,
        sentences: tuple[int, int] = (3, 6),
        spread: float = 1.5,
    ):
        self.seed, self.dims, self.width = seed, dims, dims + distractors
        self.sentences, self.spread = sentences, spread
        rng = np.random.default_rng([seed, 1])
        syllables = ["ba", "do", "ki", "lu", "me", "no", "pa", "ri", "so", "tu", "ve", "zi"]
        self.vocabulary = sorted({"".join(rng.choice(syllables, size=3)) for _ in range(300)})
        self.numbers = {word: i for i, word in enumerate(self.vocabulary)}
        self.word_features = rng.normal(size=(len(self.vocabulary), self.width))
        self._ids = 0
        self.traces = lru_cache(maxsize=50_000)(self._traces)

    def screen(self, rng: np.random.Generator, responses: int, turns: int = 0) -> Screen:
        """Some responses to one prompt; `turns` is how many the assistant took before them."""
        before = np.random.default_rng(
            [self.seed, 4, self._ids]
        )  # of its own: the rest stays as it is without turns
        earlier = [
            Message(role, text)
            for _ in range(turns)
            for role, text in (("user", f"Topic {before.integers(10_000)}"), ("assistant", self.text(before)))
        ]
        prompt = (*earlier, Message("user", f"Topic {rng.integers(10_000)}"))
        shown = []
        for _ in range(responses):
            self._ids += 1
            shown.append(ShownResponse(self._ids, self.text(rng)))
        return Screen(prompt, tuple(shown))

    def text(self, rng: np.random.Generator) -> str:
        low, high = self.sentences
        return " ".join(self.sentence(rng) for _ in range(rng.integers(low, high + 1)))

    def write(self, prompt: Prompt, beginning: str, beta: float, rng: np.random.Generator) -> str:
        """A text that starts with `beginning` (whole sentences), drawn exactly from density(text) * exp(beta * reward).

        The reward is a sum over words, so words, their number in a sentence and the number of sentences can be drawn one
        after another: each word with weight exp(beta * its reward), k words with weight Z^k for the mean weight Z.
        """
        words = np.tanh(self.word_features + 0.7 * self.topic(prompt[-1].content)) @ self.truth("reward") / 4
        weight = np.exp(beta * words)
        number = weight.mean() ** np.arange(3, 6)
        low, high = self.sentences
        begun = beginning.count(".")
        more = np.arange(max(low - begun, 1), high - begun + 1)
        chosen = rng.choice(more, p=_share(number.mean() ** more))
        written = []
        for _ in range(chosen):
            size = rng.choice(np.arange(3, 6), p=_share(number))
            picked = rng.choice(len(words), size=size, p=_share(weight))
            written.append(" ".join(self.vocabulary[word] for word in picked).capitalize() + ".")
        return " ".join([beginning.strip(), *written]).strip()

    def sentence(self, rng: np.random.Generator) -> str:
        words = rng.integers(len(self.vocabulary), size=rng.integers(3, 6))
        return " ".join(self.vocabulary[word] for word in words).capitalize() + "."

    def rewrite(self, prompt: Prompt, text: str) -> list[str]:
        """Four versions of a text, in each of which one sentence is another: the same ones whenever asked."""
        rng = np.random.default_rng([self.seed, zlib.crc32(text.encode())])
        sentences = text.split(". ")
        versions = []
        for _ in range(4):
            changed = list(sentences)
            changed[rng.integers(len(changed))] = self.sentence(rng).rstrip(".")
            versions.append(". ".join(changed).rstrip(".") + ".")
        return versions

    def _traces(self, prompt: Prompt, text: str) -> tuple[list[int], np.ndarray]:
        """Where the words end, and the summed features of all words up to there (the first row is the empty prefix)."""
        found = [
            (m.end(), number)
            for m in WORD.finditer(text)
            if (number := self.numbers.get(m[0].lower())) is not None
        ]
        words = self.word_features[[number for _end, number in found]].reshape(-1, self.width)
        rows = np.tanh(words + 0.7 * self.topic(prompt[-1].content))
        summed = np.vstack([np.zeros(self.width), np.cumsum(rows, axis=0)])
        return [0, *(end for end, _number in found)], summed / 4

    @lru_cache(maxsize=20_000)  # noqa: B019  a world lives as long as its measurement
    def topic(self, question: str) -> np.ndarray:
        """(width,) what a prompt does to the features of every word."""
        return np.random.default_rng([self.seed, zlib.crc32(question.encode())]).normal(size=self.width)

    def features(self, prompt: Prompt, text: str, offset: int | None) -> np.ndarray:
        """(width,) features of text[:offset]; only whole words count."""
        ends, rows = self.traces(prompt, text)
        if offset is None:
            return rows[-1]
        return rows[int(np.searchsorted(ends, offset, side="right")) - 1]

    @lru_cache(maxsize=100)  # noqa: B019  a world lives as long as its measurement
    def truth(self, head: str) -> np.ndarray:
        """(width,) true weights of a head; 0 on the distractors."""
        weights = np.zeros(self.width)
        weights[: self.dims] = np.random.default_rng([self.seed, zlib.crc32(head.encode())]).normal(
            size=self.dims
        )
        return weights * self.spread * 1.6 / np.linalg.norm(weights)

    def value(self, prompt: Prompt, text: str, offset: int | None, head: str) -> float:
        return float(self.features(prompt, text, offset) @ self.truth(head))


def _share(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum()


# --- Labelers and their answers --------------------------------------------------------------------------------------


def rationalities(rng: np.random.Generator, n: int, spammers: int = 0) -> np.ndarray:
    """(n,) beta of n labelers, the last `spammers` of whom answer without looking (0)."""
    betas = np.exp(rng.normal(0, 0.5, size=n))
    betas[n - spammers :] = 0
    return betas


def crew(
    world: World, law: Likelihood, betas: np.ndarray, rng: np.random.Generator, lapse: float = 0.05
) -> list[SyntheticLabeler]:
    """Labelers of this rationality, each with habits of their own for one type."""
    shared = {p.name: _near(p.initial, 0.3 * p.prior_sd, rng) for p in law.parameters if p.scope != "labeler"}
    return [
        SyntheticLabeler(
            value=world.value,
            beta=float(beta),
            lapse=lapse,
            parameters={
                **shared,
                **{
                    p.name: _near(p.initial, 0.5 * p.prior_sd, rng)
                    for p in law.parameters
                    if p.scope == "labeler"
                },
            },
            rewrite=world.rewrite,
            write=world.write,
        )
        for beta in betas
    ]


def _near(initial: float | tuple[float, ...], sd: float, rng: np.random.Generator) -> Any:
    if isinstance(initial, tuple):
        return tuple(float(v) for v in rng.normal(initial, sd))
    return float(rng.normal(initial, sd))


@dataclass(frozen=True)
class Case:
    """One way of asking: a type under some settings, on screens with some number of responses and of earlier turns."""

    type: FeedbackType
    settings: Any
    responses: int
    turns: int = 0

    @property
    def name(self) -> str:
        default = type(self.settings)().model_dump(mode="json")
        changed = {name: v for name, v in self.settings.model_dump(mode="json").items() if v != default[name]}
        words = ", ".join(f"{name}={_short(value)}" for name, value in changed.items())
        return f"{self.type.slug} of {self.responses}" + (f" ({words})" if words else "")


def _short(value: Any) -> str:
    return str(len(value)) if isinstance(value, list) else str(value).lower()


def cases(feedback_type: FeedbackType) -> list[Case]:
    """The ways of asking that the type's own examples show, and about which its law says something."""
    law = feedback_type.likelihood
    found: dict[str, Case] = {}
    for example in feedback_type.valid:
        settings, payload = feedback_type.settings(example.settings), feedback_type.load(example.payload)
        offered = feedback_type.choice_set(example.screen, settings, payload)
        event = Event(
            "", feedback_type.slug, "", "q", example.screen, example.target, payload, settings, offered
        )
        if law is None or law.usable(event):
            case = Case(feedback_type, settings, len(example.screen.responses), len(example.screen.turns))
            found.setdefault(case.name, case)
    return list(found.values())


def answers(
    world: World, case: Case, labelers: Sequence[SyntheticLabeler], rng: np.random.Generator
) -> Iterator[Event]:
    """Endless answers, each on a screen of its own, by labelers in turn."""
    number = 0
    while True:
        who = number % len(labelers)
        screen = world.screen(rng, case.responses, case.turns)
        for target, payload in case.type.simulate(screen, case.settings, labelers[who], rng):
            yield Event(
                id=str(number),
                type=case.type.slug,
                labeler=str(who),
                question="q",
                screen=screen,
                target=target,
                payload=payload,
                settings=case.settings,
                choice_set=case.type.choice_set(screen, case.settings, payload),
            )
        number += 1


def gather(
    world: World,
    case: Case,
    labelers: Sequence[SyntheticLabeler],
    rng: np.random.Generator,
    n: int,
) -> list[Event]:
    """n usable answers."""
    law = case.type.likelihood
    assert law is not None
    usable = (event for event in answers(world, case, labelers, rng) if law.usable(event))
    return list(itertools.islice(usable, n))


# --- The law on many answers -----------------------------------------------------------------------------------------


@dataclass
class Data:
    """Answers of one case as tensors: what the law reads, and the features of the points it looks at."""

    law: Likelihood
    batch: dict[str, Tensor]
    heads: list[str]
    features: Tensor  # (n, p, width)
    head: Tensor  # (n, p) index in heads, -1 for padding
    who: Tensor  # (n,) index of the labeler

    @classmethod
    def of(cls, world: World, law: Likelihood, events: Sequence[Event]) -> Data:
        points = [law.points(event) for event in events]
        heads = sorted({point.head for row in points for point in row}, key=lambda h: (h != "reward", h))
        width = max(len(row) for row in points)
        features = np.zeros((len(events), width, world.width))
        head = np.full((len(events), width), -1)
        for i, (event, row) in enumerate(zip(events, points, strict=True)):
            for j, point in enumerate(row):
                features[i, j] = world.features(point.prompt(event.screen), point.text, point.offset)
                head[i, j] = heads.index(point.head)
        batch = _double(law.collate(events))
        who = torch.tensor([int(event.labeler) for event in events])
        return cls(law, batch, heads, torch.from_numpy(features), torch.from_numpy(head), who)

    def values(self, weights: Tensor) -> Tensor:
        """(n, p) scores under (heads, width) weights; 0 where padded."""
        by_head = torch.einsum("npw,hw->nph", self.features, weights)
        scores = by_head.gather(2, self.head.clamp_min(0).unsqueeze(2)).squeeze(2)
        return torch.where(self.head >= 0, scores, torch.zeros_like(scores))

    def log_likelihood(
        self, values: Tensor, beta: Tensor, lapse: Tensor, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        inside = self.law.log_likelihood(values, self.batch, beta, parameters)
        return mix_lapse(inside, self.law.log_uniform(self.batch).double(), lapse)


# --- Normalisation ---------------------------------------------------------------------------------------------------


def total_probability(
    law: Likelihood,
    event: Event,
    values: Callable[[Point], float],
    beta: float = 1.0,
    parameters: Mapping[str, Any] | None = None,
) -> tuple[float, float]:
    """Sums over all alternatives of exp(log_likelihood) and of exp(log_uniform): both are 1 for a proper law.

    Args:
        values: the score of a point, so that alternatives that look at different points are scored alike.
        parameters: of the type; missing ones take their initial value.
    Raises: AssertionError when one log-probability is above 0.
    """
    alternatives = law.alternatives(event)
    rows = [[values(point) for point in law.points(alternative)] for alternative in alternatives]
    scores, _mask = pad(rows, dtype=torch.float64)
    n = len(alternatives)
    own = {
        p.name: torch.tensor([(parameters or {}).get(p.name, p.initial)] * n, dtype=torch.float64)
        for p in law.parameters
    }
    batch = _double(law.collate(alternatives))
    found = law.log_likelihood(scores, batch, torch.full((n,), beta, dtype=torch.float64), own)
    if float(found.max()) > 1e-9:
        raise AssertionError(f"A log-probability of {float(found.max())} is above 0.")
    return float(found.exp().sum()), float(law.log_uniform(batch).double().exp().sum())


def _double(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in batch.items()}


# --- The score test --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """chi2 = n m' S^-1 m for the mean gradient m at the truth; chi-squared with `dof` degrees of freedom under a
    right law."""

    n: int
    chi2: float
    dof: int

    def bound(self, z: float) -> float:
        """The point that chi-squared exceeds as often as a normal number exceeds z (Wilson & Hilferty 1931)."""
        a = 2 / (9 * self.dof)
        return self.dof * (1 - a + z * math.sqrt(a)) ** 3

    @property
    def passes(self) -> bool:
        """Below the 99.9 % point."""
        return self.chi2 < self.bound(3.0902)


@dataclass(frozen=True)
class Trial:
    """Answers of synthetic labelers, to try laws on."""

    case: Case
    world: World
    labelers: Sequence[SyntheticLabeler]
    events: Sequence[Event]

    @classmethod
    @lru_cache(maxsize=2)  # several mistakes are tried on the same answers
    def run(cls, case: Case, n: int, seed: int = 0) -> Trial:
        """n answers of ten labelers."""
        world, rng = World(seed), np.random.default_rng([seed, 2])
        own = case.type.likelihood
        assert own is not None
        labelers = crew(world, own, rationalities(rng, 10), rng)
        return cls(case, world, labelers, gather(world, case, labelers, rng, n))

    def changed(self, change: Callable[[Event], Event | None]) -> Trial:
        """The same answers with a mistake planted in what is stored; `change` alters an answer or drops it."""
        law = self.case.type.likelihood
        assert law is not None
        changed = (change(event) for event in self.events)
        return replace(self, events=[event for event in changed if event is not None and law.usable(event)])

    def score(self, law: Likelihood | None = None, sharper: float = 1.0) -> Score:
        """The score test at the truth.

        Args:
            law: to try on these answers; the type's own unless given.
            sharper: factor on the rationality that the law is told; 1 is the truth.
        """
        law = law or self.case.type.likelihood
        assert law is not None
        data = Data.of(self.world, law, [event for event in self.events if law.usable(event)])
        truth = torch.from_numpy(np.stack([self.world.truth(head) for head in data.heads]))
        values = data.values(truth).requires_grad_()
        beta = torch.tensor([sharper * who.beta for who in self.labelers], dtype=torch.float64)[data.who]
        lapse = torch.tensor([who.lapse for who in self.labelers], dtype=torch.float64)[data.who]
        parameters = {
            p.name: torch.tensor(
                [w.parameters.get(p.name, p.initial) for w in self.labelers], dtype=torch.float64
            )[data.who]
            for p in law.parameters
        }
        (slope,) = torch.autograd.grad(data.log_likelihood(values, beta, lapse, parameters).sum(), values)
        by_head = F.one_hot(data.head.clamp_min(0), len(data.heads)).double() * (data.head >= 0).unsqueeze(2)
        n = len(slope)
        gradient = torch.einsum("np,nph,npw->nhw", slope, by_head, data.features).reshape(n, -1)
        gradient = gradient[:, gradient.abs().sum(dim=0) > 0]
        mean, covariance = gradient.mean(dim=0), torch.cov(gradient.T).reshape(gradient.shape[1], -1)
        chi2 = n * float(mean @ torch.linalg.pinv(covariance, hermitian=True) @ mean)
        return Score(n, chi2, int(torch.linalg.matrix_rank(covariance, hermitian=True)))


# --- Recovery --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recovery:
    """What was learned from n answers.

    spearman: mean over new prompts of the rank correlation of learned and true reward of eight responses (or of what
        else the law says can be recovered of them).
    beta: rank correlation of learned and true rationality of the labelers who look.
    auc: probability that a labeler who looks is trusted more than one who does not.
    """

    n: int
    spearman: float
    beta: float
    auc: float


@dataclass
class Learner:
    """Linear heads, rationality and lapse of each labeler, and the parameters of each type: fitted jointly (MAP)."""

    world: World
    data: dict[str, Data]  # by type
    labelers: int
    prior_sd: float = 1.0
    heads: list[str] = field(default_factory=list)

    def fit(self, steps: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(heads, width) weights, (labelers,) beta and lapse."""
        self.heads = sorted(
            {head for data in self.data.values() for head in data.heads}, key=lambda h: (h != "reward", h)
        )
        weights = torch.full((len(self.heads), self.world.width), 1e-3, dtype=torch.float64)
        # Heads that a law treats alike would stay alike if they started so.
        chance = torch.Generator().manual_seed(0)
        weights[1:] += 0.1 * torch.randn(weights[1:].shape, generator=chance, dtype=torch.float64)
        weights.requires_grad_()
        rationality = torch.zeros(self.labelers, dtype=torch.float64, requires_grad=True)
        careless = torch.full((self.labelers,), -3.0, dtype=torch.float64, requires_grad=True)
        level = {
            slug: torch.zeros((), dtype=torch.float64, requires_grad=i > 0)
            for i, slug in enumerate(self.data)
        }
        own = {
            (slug, p.name): torch.tensor(
                [p.initial] * (self.labelers if p.scope == "labeler" else 1), dtype=torch.float64
            ).requires_grad_()
            for slug, data in self.data.items()
            for p in data.law.parameters
        }
        learned = [
            weights,
            rationality,
            careless,
            *own.values(),
            *(v for v in level.values() if v.requires_grad),
        ]
        optimiser = torch.optim.LBFGS(learned, max_iter=steps, history_size=20, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimiser.zero_grad()
            total = (weights**2).sum() / (2 * self.prior_sd**2) + (rationality**2).sum() / (2 * 0.7**2)
            total = total + rationality.sum() ** 2 + ((careless + 3) ** 2).sum() / (2 * 1.5**2)
            for slug, data in self.data.items():
                total = total + level[slug] ** 2 / 2
                parameters = {}
                for p in data.law.parameters:
                    table = own[slug, p.name]
                    start = torch.tensor(p.initial, dtype=torch.float64)
                    total = total + ((table - start) ** 2).sum() / (2 * p.prior_sd**2)
                    parameters[p.name] = table[
                        data.who if p.scope == "labeler" else torch.zeros_like(data.who)
                    ]
                mine = weights[[self.heads.index(head) for head in data.heads]]
                beta = torch.exp(rationality[data.who] + level[slug])
                lapse = torch.sigmoid(careless[data.who])
                total = total - data.log_likelihood(data.values(mine), beta, lapse, parameters).sum()
            total.backward()
            return total

        optimiser.step(loss)
        return (
            weights.detach().numpy(),
            torch.exp(rationality).detach().numpy(),
            torch.sigmoid(careless).detach().numpy(),
        )


def recovery(
    asked: Sequence[Case],
    sizes: Sequence[int],
    seed: int = 0,
    labelers: int = 12,
    spammers: int = 3,
    law: Callable[[FeedbackType], Likelihood | None] = lambda feedback_type: feedback_type.likelihood,
) -> list[Recovery]:
    """Learn from the first n answers of each case, for each n; one of the labelers' crew for all of them."""
    world, rng = World(seed, distractors=16), np.random.default_rng([seed, 3])
    truly = rationalities(rng, labelers, spammers)  # one person has one rationality, whatever is asked
    looks = truly > 0
    gathered: dict[str, list[Event]] = {}
    for case in asked:
        own = case.type.likelihood
        assert own is not None
        gathered[case.type.slug] = gather(world, case, crew(world, own, truly, rng), rng, max(sizes))
    tests = [world.screen(rng, 8) for _ in range(100)]
    found = []
    for n in sizes:
        data = {}
        for case in asked:
            chosen = law(case.type)
            assert chosen is not None
            data[case.type.slug] = Data.of(
                world, chosen, [e for e in gathered[case.type.slug][:n] if chosen.usable(e)]
            )
        learner = Learner(world, data, labelers)
        weights, beta, lapse = learner.fit()
        # The reward where any of the answers is about it; of several laws the first that reads it says what to compare.
        lead = next(each for each in data.values() if learner.heads[0] in each.heads)
        learned = weights[[learner.heads.index(head) for head in lead.heads]]
        true = np.stack([world.truth(head) for head in lead.heads])
        ranks = []
        for screen in tests:
            features = np.array([world.features(screen.prompt, r.text, None) for r in screen.responses])
            recovered, truth = (
                lead.law.recovered(torch.from_numpy(features @ each.T)).numpy() for each in (learned, true)
            )
            ranks.append(spearman(recovered, truth))
        trust = beta * (1 - lapse)
        wins = [float(trust[i] > trust[j]) for i in np.flatnonzero(looks) for j in np.flatnonzero(~looks)]
        auc = float(np.mean(wins)) if wins else math.nan
        found.append(Recovery(n, float(np.mean(ranks)), spearman(beta[looks], truly[looks]), auc))
    return found


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation; ties do not happen among real numbers."""
    first, second = np.argsort(np.argsort(a)), np.argsort(np.argsort(b))
    return float(np.corrcoef(first, second)[0, 1])


# --- The table -------------------------------------------------------------------------------------------------------

SIZES = (100, 400, 1600)


def table(
    n: int = 4000, worlds: int = 3, sizes: Sequence[int] = SIZES, slugs: Sequence[str] = ()
) -> Iterator[str]:
    """Markdown, line by line: every case of every type with a law (or of the types named), and of two types together."""
    ranks = " | ".join(f"ρ at {size}" for size in sizes)
    yield f"| case | n | χ² in each world | d.o.f. | 95 % point | {ranks} | β | AUC |"
    yield "|---|---:|---|---:|---:|" + "---:|" * (len(sizes) + 2)
    for feedback_type in registry.all_types():
        if feedback_type.likelihood is None or (slugs and feedback_type.slug not in slugs):
            continue
        for case in cases(feedback_type):
            scores = [Trial.run(case, n, seed).score() for seed in range(worlds)]
            runs = [recovery([case], sizes, seed) for seed in range(worlds)]
            yield _row(case.name, scores, runs)
    if slugs:
        return
    first = [Case(t, t.settings(), 2) for slug in ("comparison", "critique") if (t := registry.get(slug))]
    runs = [recovery(first, sizes, seed) for seed in range(worlds)]
    yield _row(" + ".join(case.name for case in first), [], runs)


def _row(name: str, scores: Sequence[Score], runs: Sequence[Sequence[Recovery]]) -> str:
    cells = [name]
    if scores:
        chi2 = ", ".join(f"{score.chi2:.1f}{'' if score.passes else ' ✗'}" for score in scores)
        cells += [str(scores[0].n), chi2, str(scores[0].dof), f"{scores[0].bound(1.6449):.1f}"]
    else:
        cells += ["", "", "", ""]
    columns = list(zip(*runs, strict=True))
    cells += [f"{np.mean([run.spearman for run in column]):.2f}" for column in columns]
    cells += [
        f"{np.mean([run.beta for run in columns[-1]]):.2f}",
        f"{np.nanmean([run.auc for run in columns[-1]]):.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description="Score tests and recovery for every feedback type, as a table."
    )
    parser.add_argument("-n", type=int, default=4000, help="answers of each score test")
    parser.add_argument("--worlds", type=int, default=3)
    parser.add_argument(
        "--type", dest="slugs", action="append", default=[], help="only this type; may be repeated"
    )
    options = parser.parse_args(arguments)
    if not django_settings.configured:
        django_settings.configure(USE_I18N=False)
        django.setup()
    start = time.monotonic()
    for line in table(options.n, options.worlds, slugs=options.slugs):
        print(line, flush=True)
    print(f"\n{time.monotonic() - start:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
