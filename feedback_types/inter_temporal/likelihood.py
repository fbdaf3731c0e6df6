"""How probable labels, a curve or an order of moments are under a reward: a sequence of ordered choices.

v_n is the score of the prefix that ends with segment n, v_0 that of the empty prefix, v_N the score of the whole text;
r_n = v_n - v_{n-1} is the step reward, so v_0 and the steps add up to the reward and one head learns from local and global
answers. For a turn of a dialogue r_n is its final reward, as an answer to what came before. s is the logistic function.

    labels   P(Y_n <= k) = s(c_k + s_i - beta r_n) for each labelled segment; s_i the severity of the labeler, two cutpoints
             (one without "okay") for each question. Where the first error stops, the product runs up to the first -1: what
             follows is no choice, and the probabilities of all sequences that can be given sum to 1.
    curve    the same for "fell, stayed, rose" between two segment ends, with the labeler's drift d_i in place of s_i.
    order    the same for "second, equal, first" with the score beta (r_m - r_n), cutpoints -t and t (Rao & Kupper 1967).

A segment without a label says nothing. A lapse draws from all sequences alike.
Source: steps, Lightman et al. 2023 (2305.20050) for the data, McCullagh (1980) for the law; curves, Cabi et al. 2019
(1909.12200), whose hinge over pairs of times is here a normalised choice over consecutive ones; that a label is about r_n
is our reading.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from feedback_types.base import Event
from feedback_types.inter_temporal import offer
from feedback_types.inter_temporal.schema import InterTemporalPayload
from feedback_types.inter_temporal.simulate import INITIAL
from feedback_types.likelihoods import Likelihood, Parameter, Point, log_between, pad

READINGS = {"labels": 0, "curve": 1, "order": 2}
NOTHING = [(0, 0.0)] * 4


class InterTemporalLikelihood(Likelihood):
    parameters = (
        # The middle of the cutpoints, and the distance between them before softplus.
        Parameter("middle", "question", INITIAL["middle"], 2.0),
        Parameter("width", "question", INITIAL["width"], 1.0),
        # s_i: a severe labeler's is above 0. d_i: a labeler whose hand sinks by itself has one above 0.
        Parameter("shift", "labeler", INITIAL["shift"], 1.0),
        Parameter("drift", "labeler", INITIAL["drift"], 1.0),
    )

    def usable(self, event: Event) -> bool:
        return bool(offer.choices(event))

    def points(self, event: Event) -> Sequence[Point]:
        payload: InterTemporalPayload = event.payload
        text = event.screen.response(event.target).text
        reached = [max(c.plus, c.minus or 0) for c in offer.choices(event)]
        segments = payload.segments[: max(reached, default=-1) + 1]
        if payload.unit == "turn":
            spoken = offer.words(event.screen, event.target, "turn", segments)
            dialogue = len(event.screen.prompt)
            return [
                Point(said, turn=n if n < dialogue else None)
                for n, said in zip(segments, spoken, strict=True)
            ]
        length = payload.segments[-1]
        return [Point(text, 0), *(Point(text, None if end == length else end) for end in segments)]

    def collate(self, events: Sequence[Event]) -> dict[str, Tensor]:
        rows = [offer.choices(event) for event in events]
        chosen, present = pad([[c.chosen for c in row] for row in rows])
        widest = chosen.shape[1]
        terms = [
            [_terms(c, event.payload.unit == "turn") for c in row] + [NOTHING] * (widest - len(row))
            for event, row in zip(events, rows, strict=True)
        ]
        return {
            "chosen": chosen,
            "present": present,
            "levels": pad([[c.levels for c in row] for row in rows], value=2)[0],
            "index": torch.tensor([[[place for place, _by in four] for four in row] for row in terms]),
            "sign": torch.tensor([[[by for _place, by in four] for four in row] for row in terms]),
            "reading": torch.tensor([READINGS[event.payload.reading] for event in events]),
            "log_options": torch.tensor([_log_options(event) for event in events], dtype=torch.float64),
        }

    def log_likelihood(
        self, values: Tensor, batch: Mapping[str, Tensor], beta: Tensor, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        chosen, levels, reading = batch["chosen"], batch["levels"], batch["reading"].unsqueeze(1)
        n, widest, _four = batch["index"].shape
        at = values.gather(1, batch["index"].reshape(n, -1)).reshape(n, widest, 4)
        score = beta.unsqueeze(1) * (at * batch["sign"].to(values.dtype)).sum(dim=2)

        habit = torch.where(reading == 0, parameters["shift"].unsqueeze(1), parameters["drift"].unsqueeze(1))
        middle = torch.where(reading == 2, 0.0, parameters["middle"].unsqueeze(1) + habit)
        half = F.softplus(parameters["width"]).unsqueeze(1) / 2 * (levels == 3)
        # Three levels: cutpoints at the middle -+ half; two: one, at the middle.
        low = torch.where(chosen == 0, -torch.inf, middle + half * (2 * chosen - 3) - score)
        high = torch.where(chosen == levels - 1, torch.inf, middle + half * (2 * chosen - 1) - score)
        return torch.where(batch["present"], log_between(low, high), 0.0).sum(dim=1)

    def log_uniform(self, batch: Mapping[str, Tensor]) -> Tensor:
        return -batch["log_options"]

    def alternatives(self, event: Event) -> Sequence[Event]:
        return [replace(event, payload=payload) for payload in offer.answers(event)]


def _terms(choice: offer.Choice, is_turn: bool) -> list[tuple[int, float]]:
    """Four points with signs, whose sum is the score of a choice: v_n - v_{n-1}, less the same of the other segment."""
    found: list[tuple[int, float]] = []
    for segment, by in ((choice.plus, 1.0), (choice.minus, -1.0)):
        if segment is not None:
            found += [(segment, by)] if is_turn else [(segment + 1, by), (segment, -by)]
    return [*found, *NOTHING[len(found) :]]


def _log_options(event: Event) -> float:
    """Log of the number of answers on offer: with g grades and n segments g^n, or, where the first error stops,
    1 + h + … + h^n with h = g - 1 grades that go on."""
    if not offer.is_stopping(event):
        return sum(math.log(c.levels) for c in offer.choices(event))
    n, going_on = len(event.payload.labels), len(offer.values(event)) - 1
    if going_on == 1:
        return math.log(n + 1)
    return (n + 1) * math.log(2) + math.log1p(-(2.0 ** -(n + 1)))


likelihood = InterTemporalLikelihood()
