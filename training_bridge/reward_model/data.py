"""Feedback as the trainer sees it: which scores each answer is about, and which texts run together.

An observation is one answer with the places of its scores among the sequences of the data set; each distinct (prompt, text)
is one sequence however many answers are about it. A step takes some items with all of their feedback; a pack is a part of a
step that runs at once. How a step is cut into packs changes no sum.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from feedback_types.base import Event
from feedback_types.likelihoods import Likelihood
from training_bridge.reward_model.encoding import Encoded, Encoder
from training_bridge.reward_model.model import REWARD, Place
from training_bridge.reward_model.packing import tokens_run


@dataclass
class Observation:
    """One usable answer. `places` name sequences of the whole data set."""

    event: Event
    places: tuple[Place, ...]
    weight: float = 1.0

    @property
    def kind(self) -> str:
        return self.event.type

    @cached_property
    def sequences(self) -> frozenset[int]:
        return frozenset(p.sequence for p in self.places)


@dataclass
class Pack:
    """What runs at once.

    Args:
        sequences: distinct, each once.
        places: distinct; the first `len(sequences)` are the ends of the sequences, their final rewards.
        observations: by kind of likelihood.
        index: kind -> (n, p) long, the place behind each point of each observation; `len(places)` where there is none.
    """

    sequences: list[Encoded]
    places: list[Place]
    observations: dict[str, list[Observation]]
    index: dict[str, Tensor]

    @property
    def size(self) -> int:
        return sum(map(len, self.observations.values()))


@dataclass
class Dataset:
    sequences: list[Encoded] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    items: list[list[int]] = field(default_factory=list)  # observations about one item
    dropped: Counter[str] = field(default_factory=Counter)  # why answers are left out, by type and reason

    @property
    def kinds(self) -> Counter[str]:
        return Counter(o.kind for o in self.observations)

    @property
    def heads(self) -> list[str]:
        return sorted({p.head for o in self.observations for p in o.places} - {REWARD})

    @property
    def labelers(self) -> Counter[str]:
        return Counter(o.event.labeler for o in self.observations)

    def steps(self, batch_items: int, seed: int, epoch: int) -> list[list[int]]:
        """Items of each step of an epoch, shuffled by the seed; steps of nearly equal size, every item once."""
        order = list(range(len(self.items)))
        random.Random(f"{seed}/{epoch}").shuffle(order)
        count = max(1, round(len(order) / batch_items))
        edges = [len(order) * k // count for k in range(count + 1)]
        return [order[a:b] for a, b in pairwise(edges)]

    def packs(self, items: Sequence[int], pack_tokens: int, *, share_prompts: bool = True) -> Iterator[Pack]:
        """Cut items into packs of at most `pack_tokens`; a single observation that is longer has a pack of its own."""
        chosen: list[Observation] = []
        inside: set[int] = set()
        for item in items:
            for part in self._parts(item, pack_tokens, share_prompts):
                wanted = inside.union(*(o.sequences for o in part))
                if chosen and self._tokens(wanted, share_prompts) > pack_tokens:
                    yield self.pack(chosen)
                    chosen, wanted = [], set().union(*(o.sequences for o in part))
                chosen, inside = chosen + part, wanted
        if chosen:
            yield self.pack(chosen)

    def _parts(self, item: int, pack_tokens: int, share_prompts: bool) -> Iterator[list[Observation]]:
        """An item's observations, together if they fit into one pack."""
        part: list[Observation] = []
        inside: set[int] = set()
        for observation in (self.observations[i] for i in self.items[item]):
            if part and self._tokens(inside | observation.sequences, share_prompts) > pack_tokens:
                yield part
                part, inside = [], set()
            part.append(observation)
            inside = inside | observation.sequences
        yield part

    def _tokens(self, sequences: Iterable[int], share_prompts: bool) -> int:
        return tokens_run([self.sequences[i] for i in sequences], share_prompts=share_prompts)

    def pack(self, observations: Sequence[Observation]) -> Pack:
        used = sorted(set().union(*(o.sequences for o in observations)))
        local = {sequence: i for i, sequence in enumerate(used)}
        sequences = [self.sequences[i] for i in used]
        places = {Place(i, s.position(None)): i for i, s in enumerate(sequences)}
        by_kind: dict[str, list[Observation]] = {}
        rows: dict[str, list[list[int]]] = {}
        for observation in observations:
            by_kind.setdefault(observation.kind, []).append(observation)
            rows.setdefault(observation.kind, []).append(
                [
                    places.setdefault(Place(local[p.sequence], p.position, p.head), len(places))
                    for p in observation.places
                ]
            )
        return Pack(
            sequences, list(places), by_kind, {kind: _rectangle(r, len(places)) for kind, r in rows.items()}
        )


def _rectangle(rows: list[list[int]], fill: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [fill] * (longest - len(row)) for row in rows], dtype=torch.long)


def build(
    events: Iterable[Event],
    likelihoods: Mapping[str, Likelihood],
    encoder: Encoder,
    *,
    correlation: float = 0.0,
) -> Dataset:
    """A data set from events whose type has a likelihood.

    What cannot be used is counted in `dropped`: types that say nothing about a reward, answers their type does not count
    (a slip of the key), texts longer than the model reads. `correlation` tempers the labels of one read, n of which then
    weigh n / (1 + (n - 1) correlation) together: the design effect of a cluster.
    """
    data = Dataset()
    known: dict[tuple[tuple[int, ...], str], int] = {}
    items: dict[str, int] = {}
    reads: Counter[str] = Counter()
    for event in events:
        likelihood = likelihoods.get(event.type)
        if likelihood is None:
            data.dropped[f"{event.type}: says nothing about the reward"] += 1
            continue
        if not likelihood.usable(event):
            data.dropped[f"{event.type}: not counted by its type"] += 1
            continue
        points = likelihood.points(event)
        keys = [(encoder.prompt(p.prompt(event.screen)), p.text) for p in points]
        encoded = {
            key: encoder.sequence(p.prompt(event.screen), p.text)
            for key, p in zip(keys, points, strict=True)
            if key not in known
        }
        if not all(encoder.fits(s) for s in encoded.values()):
            data.dropped[f"{event.type}: longer than {encoder.max_length} tokens"] += 1
            continue
        for key, sequence in encoded.items():
            known[key] = len(data.sequences)
            data.sequences.append(sequence)
        places = []
        for key, point in zip(keys, points, strict=True):
            number = known[key]
            places.append(Place(number, data.sequences[number].position(point.offset), point.head))
        item = items.setdefault(event.item or str(event.screen.prompt), len(items))
        if item == len(data.items):
            data.items.append([])
        data.items[item].append(len(data.observations))
        data.observations.append(Observation(event, tuple(places)))
        reads[event.submission or event.id] += 1
    if correlation:
        for observation in data.observations:
            n = reads[observation.event.submission or observation.event.id]
            observation.weight = 1 / (1 + (n - 1) * correlation)
    return data
