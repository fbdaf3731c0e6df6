"""How probable an edit is under a reward: where, what, and whether it is better.

An edit of y is up to three choices, each from a set of its own (u_n = beta r_n, r_n the step reward of sentence n):

    where    the k sentences that were touched, out of all sets of k: softmax over sets of -sum u_n (k = 1: softmax of -u_n).
             Read when the labeler chose the place: own words, or suggestions that were asked for at a place.
    what     the suggestion taken, out of those shown: softmax of beta R(y_c).
             Read when one was taken as it was; own words come from a set that nobody can list.
    better   {edit, keep} for each draft that was put beside the original: s(beta (R(y') - R(y))), or the rest.
             A second, fresh choice, given the draft. Drafts that got a "no" before are part of the answer.

The law of one event is the product of those that apply: a normalised distribution, given how many sentences were touched,
which suggestions were shown and which drafts were written. "Edited beats original" for every edit is not a law of this
choice: the editor wrote y' to be better, and it fails the score test (tests/feedback_types/improvement/test_likelihood.py).
The effort of editing is not modelled: it is spent before the verdict is asked.
Source: reward-rational choice (2002.04833); the law of "where" is the conditional Bernoulli of Chen, Dempster & Liu (1994).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional as F

from feedback_types.base import Event
from feedback_types.improvement.diff import Op, apply
from feedback_types.improvement.schema import Draft, ImprovementPayload
from feedback_types.likelihoods import Likelihood, Point, pad
from feedback_types.segments import segments

FAR = -1e30  # a log-probability of nothing that adds and differentiates without NaN


class ImprovementLikelihood(Likelihood):
    def points(self, event: Event) -> Sequence[Point]:
        """The original at 0 and each sentence end, then each draft, then each suggestion."""
        text, payload = event.screen.response(event.target).text, event.payload
        inner = [Point(text, end) for end in payload.segments[:-1]]
        original = [Point(text, 0), *inner, Point(text)] if payload.segments else [Point(text, 0)]
        return [
            *original,
            *(Point(d.edited_text) for d in payload.drafts),
            *(Point(s) for s in payload.suggestions_shown),
        ]

    def collate(self, events: Sequence[Event]) -> dict[str, Tensor]:
        payloads: list[ImprovementPayload] = [event.payload for event in events]
        n = [len(p.segments) for p in payloads]
        drafts = [len(p.drafts) for p in payloads]
        steps, offered = pad([range(1, k + 1) for k in n])
        draft, judged = pad([range(k + 1, k + 1 + d) for k, d in zip(n, drafts, strict=True)])
        suggestion, shown = pad(
            [
                range(k + 1 + d, k + 1 + d + len(p.suggestions_shown))
                for k, d, p in zip(n, drafts, payloads, strict=True)
            ]
        )
        place, _ = pad(
            [[i in p.place for i in range(k)] for k, p in zip(n, payloads, strict=True)], dtype=torch.bool
        )
        verdict, _ = pad(
            [[0] * (d - 1) + [int(p.confirm_better)] for d, p in zip(drafts, payloads, strict=True)],
            dtype=torch.bool,
        )
        return {
            "steps": steps,  # column of the score at the end of each sentence
            "offered": offered,
            "place": place & _asks_where(payloads).unsqueeze(1),
            "end": torch.tensor(n),  # column of R(y)
            "draft": draft,
            "judged": judged,
            "verdict": verdict,
            "suggestion": suggestion,
            "shown": shown,
            "picked": torch.tensor([p.drafts[0].picked or 0 for p in payloads]),
            "asks_what": torch.tensor([p.drafts[0].picked is not None for p in payloads]),
        }

    def log_likelihood(
        self, values: Tensor, batch: Mapping[str, Tensor], beta: Tensor, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        scale = beta.unsqueeze(1)
        step = scale * (
            values.gather(1, batch["steps"]) - values.gather(1, (batch["steps"] - 1).clamp_min(0))
        )
        where = _log_subset(-step, batch["place"], batch["offered"])
        utility = (scale * values.gather(1, batch["suggestion"])).masked_fill(~batch["shown"], FAR)
        what = torch.log_softmax(utility, dim=1).gather(1, batch["picked"].unsqueeze(1)).squeeze(1)
        gain = scale * (values.gather(1, batch["draft"]) - values.gather(1, batch["end"].unsqueeze(1)))
        better = torch.where(
            batch["judged"], F.logsigmoid(torch.where(batch["verdict"], gain, -gain)), 0.0
        ).sum(1)
        return where + torch.where(batch["asks_what"], what, 0.0) + better

    def log_uniform(self, batch: Mapping[str, Tensor]) -> Tensor:
        n, k = batch["offered"].sum(1).double(), batch["place"].sum(1).double()
        places = torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
        suggestions = torch.where(
            batch["asks_what"], torch.log(batch["shown"].sum(1).clamp_min(1).double()), 0.0
        )
        return -(places + suggestions + math.log(2) * batch["judged"].sum(1)).to(torch.get_default_dtype())

    def alternatives(self, event: Event) -> Sequence[Event]:
        """Every place of the same size, every suggestion shown, and every way in which the drafts could have been judged.

        What the labeler would have written elsewhere is not known; any text stands for it, because the verdict on it is a
        choice of its own.
        """
        payload: ImprovementPayload = event.payload
        text = event.screen.response(event.target).text
        return [
            replace(event, payload=judged)
            for placed in _elsewhere(payload, text)
            for chosen in _other_suggestions(placed, text)
            for judged in _other_verdicts(chosen)
        ]


def _asks_where(payloads: Sequence[ImprovementPayload]) -> Tensor:
    return torch.tensor([p.drafts[0].picked is None or bool(p.suggested_for) for p in payloads])


def _log_subset(utility: Tensor, chosen: Tensor, offered: Tensor) -> Tensor:
    """Log-probability of a set among all sets of its size, each as likely as exp of the sum of its utilities.

    Args:
        utility: (n, s) float; chosen, offered: (n, s) bool, chosen within offered.
    Returns: (n,) float, nats, never above 0; exactly 0 for the empty set and for the whole.
    Elementary symmetric polynomials by the usual recursion, in logarithms: O(s k).
    """
    size = chosen.sum(1)
    utility = torch.where(offered, utility, 0.0)
    # Of sets with k members the mean utility drops out: what stays is of moderate size.
    utility = utility - (utility.sum(1) / offered.sum(1).clamp_min(1)).unsqueeze(1)
    table = [torch.zeros_like(utility[:, 0])] + [
        torch.full_like(utility[:, 0], FAR) for _ in range(int(size.max()))
    ]
    total = torch.stack(table, dim=1)
    for u, there in zip(utility.unbind(1), offered.unbind(1), strict=True):
        with_it = torch.logaddexp(total[:, 1:], total[:, :-1] + u.unsqueeze(1))
        total = torch.cat([total[:, :1], torch.where(there.unsqueeze(1), with_it, total[:, 1:])], dim=1)
    picked = torch.where(chosen, utility, 0.0).sum(1)
    free = (size > 0) & (size < offered.sum(1))
    return torch.where(free, picked - total.gather(1, size.unsqueeze(1)).squeeze(1), 0.0)


def _elsewhere(payload: ImprovementPayload, text: str) -> list[ImprovementPayload]:
    if not bool(_asks_where([payload])):
        return [payload]
    spans = segments(text, payload.segments)
    found = []
    for place in combinations(range(len(spans)), len(payload.place)):
        if set(place) == payload.place:
            found.append(payload)
        elif payload.suggested_for:
            found.append(payload.model_copy(update={"suggested_for": place}))
        else:
            ops = tuple(
                Op(op="replace", start=s, end=e, text=f"({text[s:e]})") for s, e in (spans[n] for n in place)
            )
            found.append(_with_first(payload, Draft(edited_text=apply(text, ops), ops=ops)))
    return found


def _other_suggestions(payload: ImprovementPayload, text: str) -> list[ImprovementPayload]:
    if payload.drafts[0].picked is None:
        return [payload]
    return [
        payload
        if number == payload.drafts[0].picked
        else _with_first(payload, Draft(edited_text=shown, ops=payload.drafts[0].ops, picked=number))
        for number, shown in enumerate(payload.suggestions_shown)
    ]


def _other_verdicts(payload: ImprovementPayload) -> list[ImprovementPayload]:
    """ "Yes" at each draft, after "no" to those before, or "no" to the last one as well."""
    drafts = payload.drafts
    judged = [_with_drafts(payload, drafts[: number + 1], True) for number in range(len(drafts))]
    return [*judged, _with_drafts(payload, drafts, False)]


def _with_first(payload: ImprovementPayload, first: Draft) -> ImprovementPayload:
    return _with_drafts(payload, (first, *payload.drafts[1:]), payload.confirm_better)


def _with_drafts(
    payload: ImprovementPayload, drafts: Sequence[Draft], confirm_better: bool
) -> ImprovementPayload:
    last = drafts[-1]
    return payload.model_copy(
        update={
            "edited_text": last.edited_text,
            "ops": last.ops,
            "intervened_at": last.ops[0].start,
            "picked": last.picked,
            "refused": tuple(drafts[:-1]),
            "confirm_better": confirm_better,
        }
    )


likelihood = ImprovementLikelihood()
