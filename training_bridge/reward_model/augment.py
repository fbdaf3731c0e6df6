"""ConvexDA: what people said of an answer is also learned of the answer with slips of the pen in it, the outermost of them.

For one response of each screen, drawn by the seed, five copies are made, with neighbouring letters changing places in 5 % of
the words. All are placed by the model's mean hidden state, laid flat by their two principal components, and those that are
corners of the convex hull are kept: the ones that differ most from each other. The copies and the answer share its weight.

A slip keeps the length of a text, so marks and steps, which count code points, stay where they are.
Source: Shen et al. (2023), arXiv 2309.16155, section 4.1 and code, with the model that is trained in place of SimCSE.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from feedback_types.base import Event, Message
from training_bridge.evaluation.rewrites import typos
from training_bridge.reward_model.data import Dataset
from training_bridge.reward_model.model import Place, RewardModel

COPIES = 5
AT_ONCE = 8  # responses, with their copies


def augmented(events: Sequence[Event], model: RewardModel, seed: int) -> list[Event]:
    """The events, and of each that shows a response its copies; a copy has the id of its event."""
    drawn = {}
    for event in events:
        if event.screen.responses:
            rng = random.Random(f"{seed}/{event.item or event.id}")
            response = rng.choice(event.screen.responses)
            drawn[event.screen.prompt, response.text] = [typos(response.text, rng) for _ in range(COPIES)]
    copies = dict(corners(model, drawn))
    groups: dict[tuple[str, int, int], list[Event]] = {}  # what was said on one screen stays together
    for event in events:
        for number, response in enumerate(event.screen.responses):
            for k, text in enumerate(copies.get((event.screen.prompt, response.text), [])):
                changed = list(event.screen.responses)
                changed[number] = replace(response, text=text)
                submission = event.submission or event.id
                copy = replace(
                    event,
                    screen=replace(event.screen, responses=tuple(changed)),
                    submission=f"{submission}~{number}.{k}",
                )
                groups.setdefault((submission, number, k), []).append(copy)
    return [*events, *(copy for group in groups.values() for copy in group)]


def share_weights(data: Dataset) -> None:
    """An answer and its copies count as much together as the answer did alone."""
    counts = Counter(o.event.id for o in data.observations)
    for observation in data.observations:
        observation.weight /= counts[observation.event.id]


Text = tuple[tuple[Message, ...], str]


def corners(model: RewardModel, drawn: dict[Text, list[str | None]]) -> Iterator[tuple[Text, list[str]]]:
    """Of each text the copies that are corners of the hull of the text and its copies."""
    known = [(text, [c for c in dict.fromkeys(copies) if c is not None]) for text, copies in drawn.items()]
    known = [(text, copies) for text, copies in known if copies and fits(model, text)]
    training = model.training
    model.eval()
    for start in range(0, len(known), AT_ONCE):
        part = known[start : start + AT_ONCE]
        places = embeddings(model, [(t[0], words) for t, copies in part for words in (t[1], *copies)])
        for (text, copies), points in zip(
            part, places.split([1 + len(copies) for _, copies in part]), strict=True
        ):
            outer = set(hull(flat(points).tolist()))
            yield text, [copy for k, copy in enumerate(copies, start=1) if k in outer]
    model.train(training)


def fits(model: RewardModel, text: Text) -> bool:
    return model.encoder.fits(model.encoder.sequence(*text))


@torch.no_grad()
def embeddings(model: RewardModel, texts: Sequence[Text]) -> Tensor:
    """(texts, hidden) float32: the mean hidden state of each text, on the CPU."""
    sequences = [model.encoder.sequence(*text) for text in texts]
    places = [Place(i, p) for i, s in enumerate(sequences) for p in range(len(s.prompt), len(s))]
    hidden = model.hidden_at(sequences, places).float().cpu()
    return torch.stack([states.mean(dim=0) for states in hidden.split([len(s.text) for s in sequences])])


def flat(points: Tensor) -> Tensor:
    """(n, 2): points on their two principal components; in one dimension the second is 0."""
    centred = points.double() - points.double().mean(dim=0)
    left, sizes, _ = torch.linalg.svd(centred, full_matrices=False)
    found = torch.zeros(len(points), 2, dtype=torch.float64)
    found[:, : min(2, len(sizes))] = (left * sizes)[:, :2]
    return found


def hull(points: Sequence[Sequence[float]]) -> list[int]:
    """Which points are corners of the convex hull, in a turn around it.

    >>> hull([[0, 0], [2, 0], [1, 0.5], [2, 2], [0, 2], [1, 1]])
    [0, 1, 3, 4]
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][0], points[i][1]))

    def chain(indices: Sequence[int]) -> list[int]:
        kept: list[int] = []
        for i in indices:
            while len(kept) > 1 and turn(points[kept[-2]], points[kept[-1]], points[i]) <= 0:
                kept.pop()
            kept.append(i)
        return kept

    lower, upper = chain(order), chain(order[::-1])
    return list(dict.fromkeys(lower[:-1] + upper[:-1])) if len(order) > 1 else order


def turn(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> float:
    """Above 0 for a turn to the left. Source: Andrew (1979)."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
