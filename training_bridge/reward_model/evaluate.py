"""How good a reward model is, on prompts it has not seen.

    python -m training_bridge.reward_model.evaluate DIR

reads `config.json` ({"reward_model": {"path": …}, "snapshot": {"path": …, "sha256": …}}) and ends with `metrics.json`:

    pairs        accuracy on preferences (in all, per type, per length and with length out of the way, per group of labelers,
                 where people agree and where not), beside a baseline that looks at lengths only and beside how often two
                 people agree about the same pair
    calibration  of the probabilities that the model gives to what people then preferred
    likelihood   per type: nats per answer, against those of somebody who does not look
    labelers     reliability of each: rationality with its standard error, lapse, share of answers the model agrees with
    reward       mean, sd and histogram of the rewards of preferred and other texts

Probabilities are those of the answer given that this labeler states a preference between these two texts, by the law of the
answer's own type where its choice set can be listed, otherwise (1 - e) s(beta (R_A - R_B)) + e/2.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from feedback_types import registry
from feedback_types.base import Event, Message
from feedback_types.likelihoods import Likelihood
from training_bridge.exports.reader import UnreadableSnapshot, read_events, verify
from training_bridge.programs import Problem, RunDirectory, execute, read_json
from training_bridge.reward_model.config import EvaluateParameters, parameters, source
from training_bridge.reward_model.data import Dataset, build
from training_bridge.reward_model.encoding import Encoded
from training_bridge.reward_model.groups import (
    accuracy_of,
    agreement_groups,
    alike_in_length,
    labeler_groups,
    length_controlled,
    measured,
)
from training_bridge.reward_model.loss import Objective
from training_bridge.reward_model.measures import calibration, difference, histogram, logistic_weight, share
from training_bridge.reward_model.model import Place, RewardModel
from training_bridge.reward_model.pairs import Preference, preferences, stated, statistics
from training_bridge.reward_model.score import Scorer, scores_at

LISTABLE = 64  # longest choice set that is gone through for a probability


def likelihoods_of(kinds: Sequence[str]) -> dict[str, Likelihood]:
    """The observation models of these types; types without one are left out."""
    found = {kind: registry.get(kind).likelihood for kind in kinds if kind in registry.folders()}
    return {kind: likelihood for kind, likelihood in found.items() if likelihood is not None}


# --- Preferences under the model -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """A held-out preference with what the model makes of it: both rewards and the probability of the stated direction."""

    preference: Preference
    chosen: float
    rejected: float
    probability: float

    @property
    def correct(self) -> float:
        """1 if the model prefers the same text, 0 if the other, 1/2 if neither."""
        return 0.5 if self.chosen == self.rejected else float(self.chosen > self.rejected)


class Rewards:
    """Final rewards of texts, each run once."""

    def __init__(self, model: RewardModel, pack_tokens: int):
        self.model, self.pack_tokens = model, pack_tokens
        self.known: dict[tuple[tuple[Message, ...], str], float] = {}

    def learn(self, texts: Sequence[tuple[tuple[Message, ...], str]]) -> None:
        """Score what is not known yet; texts that are too long stay unknown."""
        new = [key for key in dict.fromkeys(texts) if key not in self.known]
        pairs = [(key, self.model.encoder.sequence(*key)) for key in new]
        pairs = [(key, sequence) for key, sequence in pairs if self.model.encoder.fits(sequence)]
        places = [Place(i, len(s) - 1) for i, (_, s) in enumerate(pairs)]
        rewards = scores_at(self.model, [s for _, s in pairs], places, self.pack_tokens).tolist()
        self.known.update({key: r for (key, _), r in zip(pairs, rewards, strict=True)})

    def of(self, prompt: tuple[Message, ...], text: str) -> float | None:
        return self.known.get((prompt, text))


def judge(
    model: RewardModel, objective: Objective, found: Sequence[Preference], pack_tokens: int
) -> list[Judged]:
    """What the model makes of each preference; those with a text it cannot read are left out."""
    rewards = Rewards(model, pack_tokens)
    rewards.learn([(p.prompt, text) for p in found for text in (p.chosen, p.rejected)])
    readable = [
        (p, a, b)
        for p in found
        if (a := rewards.of(p.prompt, p.chosen)) is not None
        and (b := rewards.of(p.prompt, p.rejected)) is not None
    ]
    by_law = probabilities_by_law(model, objective, [p for p, _, _ in readable], pack_tokens)
    by_link = probabilities_by_link(objective, readable)
    return [
        Judged(p, a, b, by_link[i] if by_law[i] is None else by_law[i])  # type: ignore[arg-type]
        for i, (p, a, b) in enumerate(readable)
    ]


@torch.no_grad()
def probabilities_by_link(
    objective: Objective, readable: Sequence[tuple[Preference, float, float]]
) -> list[float]:
    """(1 - e) s(beta d) + e/2 with the rationality and lapse of the labeler who answered."""
    result = [0.5] * len(readable)
    by_kind: dict[str, list[int]] = defaultdict(list)
    for i, (preference, _, _) in enumerate(readable):
        by_kind[preference.type].append(i)
    for kind, members in by_kind.items():
        events = [readable[i][0].events[0] for i in members]
        beta = objective.beta(kind, events)
        lapse = objective.lapses()[objective.labeler_rows(events)] * objective.learned
        d = torch.tensor([readable[i][1] - readable[i][2] for i in members], device=beta.device)
        for i, p in zip(members, ((1 - lapse) * torch.sigmoid(beta * d) + lapse / 2).tolist(), strict=True):
            result[i] = p
    return result


@torch.no_grad()
def probabilities_by_law(
    model: RewardModel, objective: Objective, found: Sequence[Preference], pack_tokens: int
) -> list[float | None]:
    """P(this text preferred | one of the two is), summed over all answers on offer; None where they cannot be listed.

    An answer counts for the direction that its type's view states. None also where the view can state only one direction.
    """
    result: list[float | None] = [None] * len(found)
    by_kind: dict[str, list[int]] = defaultdict(list)
    for i, preference in enumerate(found):
        if len(preference.events) == 1 and preference.type in objective.kinds:
            by_kind[preference.type].append(i)
    for kind, members in by_kind.items():
        likelihood = objective.likelihoods[kind]
        sizes = torch.exp(-likelihood.log_uniform(likelihood.collate([found[i].events[0] for i in members])))
        rows: list[tuple[int, bool, Event]] = []
        for i, size in zip(members, sizes.tolist(), strict=True):
            if size > LISTABLE + 0.5:
                continue
            for other in likelihood.alternatives(found[i].events[0]):
                for said in stated((other,)):
                    if said.prompt == found[i].prompt and said.pair == found[i].pair:
                        rows.append((i, said.chosen == found[i].chosen, other))
        if not rows:
            continue
        values = points_of([event for _, _, event in rows], likelihood, model, pack_tokens)
        said_so, _ = objective.log_likelihood(
            kind, [event for _, _, event in rows], values.to(objective.lapse.device)
        )
        mass: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for (i, same, _), p in zip(rows, said_so.exp().tolist(), strict=True):
            mass[i][same] += p
        for i, (against, towards) in mass.items():
            if against > 0:
                result[i] = towards / (towards + against)
    return result


def points_of(
    events: Sequence[Event], likelihood: Likelihood, model: RewardModel, pack_tokens: int
) -> Tensor:
    """(n, p) scores at the points of events, padded with 0."""
    known: dict[tuple[tuple[Message, ...], str], int] = {}
    sequences: list[Encoded] = []
    places: dict[Place, int] = {}
    rows: list[list[int]] = []
    for event in events:
        row = []
        for point in likelihood.points(event):
            key = (point.prompt(event.screen), point.text)
            if key not in known:
                known[key] = len(sequences)
                sequences.append(model.encoder.sequence(*key))
            place = Place(known[key], sequences[known[key]].position(point.offset), point.head)
            row.append(places.setdefault(place, len(places)))
        rows.append(row)
    scores = torch.cat([scores_at(model, sequences, list(places), pack_tokens), torch.zeros(1)])
    longest = max(map(len, rows))
    return scores[torch.tensor([row + [len(places)] * (longest - len(row)) for row in rows])]


# --- Groups of them -------------------------------------------------------------------------------------------------


def human_agreement(judged: Sequence[Judged]) -> dict[str, Any]:
    """How often two labelers who preferred one of the same two texts (by the same type) agree, and the model with them."""
    answers: dict[Any, dict[str, Judged]] = defaultdict(dict)
    for j in judged:
        answers[(j.preference.type, j.preference.pair)][j.preference.labeler] = j
    agree: list[float] = []
    prompts: list[Any] = []
    model: list[float] = []
    model_prompts: list[Any] = []
    for (_, pair), by_labeler in answers.items():
        said = list(by_labeler.values())
        if len(said) < 2:
            continue
        for i, one in enumerate(said):
            model.append(one.correct)
            model_prompts.append(pair[0])
            for other in said[i + 1 :]:
                agree.append(float(one.preference.chosen == other.preference.chosen))
                prompts.append(pair[0])
    humans, same = share(agree, prompts), share(model, model_prompts)
    ratio = same["value"] / humans["value"] if humans["value"] else None
    return {"labelers": humans, "model": same, "ratio": ratio}


def length_buckets(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Accuracy in four buckets of equal size, by the mean length of the two texts in code points."""
    ordered = sorted(judged, key=lambda j: len(j.preference.chosen) + len(j.preference.rejected))
    buckets = []
    for k in range(4):
        part = ordered[len(ordered) * k // 4 : len(ordered) * (k + 1) // 4]
        if part:
            lengths = [(len(j.preference.chosen) + len(j.preference.rejected)) / 2 for j in part]
            buckets.append({"from": min(lengths), "to": max(lengths), **measured(part)})
    return buckets


# --- Everything together ---------------------------------------------------------------------------------------------


@torch.no_grad()
def likelihood_table(
    model: RewardModel, objective: Objective, data: Dataset, pack_tokens: int
) -> dict[str, dict[str, Any]]:
    """Kind -> answers, nats per answer under the model, and for somebody who draws from the choice set."""
    totals: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for pack in data.packs(range(len(data.items)), pack_tokens, share_prompts=model.share_prompts):
        scores = torch.cat([model.compute(pack.sequences, pack.places), torch.zeros(1, device=model.device)])
        for kind, members in pack.observations.items():
            if kind not in objective.kinds:
                continue
            values = scores[pack.index[kind].to(scores.device)]
            said, chance = objective.log_likelihood(kind, [o.event for o in members], values)
            total = totals[kind]
            total[0] += len(members)
            total[1] -= said.sum().item()
            total[2] -= chance.sum().item()
    return {
        kind: {"answers": int(n), "nll": nll / n, "nll_chance": chance / n}
        for kind, (n, nll, chance) in sorted(totals.items())
    }


def standard_errors(
    model: RewardModel, objective: Objective, data: Dataset, pack_tokens: int
) -> dict[str, float]:
    """Labeler -> standard error of the log-rationality, from how much each answer pulls on it, and from the prior.

    Information is the sum of squared slopes of the log-likelihood (Berndt, Hall, Hall & Hausman 1974). The reward and the
    other nuisances are held fixed, so the error is a little too small.
    """
    information = dict.fromkeys(objective.labelers, objective.settings.rationality_sd**-2)
    for pack in data.packs(range(len(data.items)), pack_tokens, share_prompts=model.share_prompts):
        with torch.no_grad():
            scores = torch.cat(
                [model.compute(pack.sequences, pack.places), torch.zeros(1, device=model.device)]
            )
        for kind, members in pack.observations.items():
            events = [o.event for o in members]
            log_beta = objective.beta(kind, events).detach().log().requires_grad_()
            values = scores[pack.index[kind].to(scores.device)]
            said, _ = objective.log_likelihood(kind, events, values, beta=log_beta.exp())
            (slopes,) = torch.autograd.grad(said.sum(), log_beta)
            for event, slope in zip(events, slopes.tolist(), strict=True):
                information[event.labeler] += slope * slope
    return {name: value**-0.5 for name, value in information.items()}


def evaluate(
    model: RewardModel,
    objective: Objective,
    held_out: Sequence[Event],
    train: Sequence[Event],
    *,
    pack_tokens: int = 16_384,
    report: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Every number of the page on one reward model.

    Args:
        held_out: events of prompts that were not trained on.
        train: events that were; the length baseline is fitted on them.
        report: nuisance.json, if it holds more (standard errors) than the objective knows.
    """
    model.eval()
    known = statistics(train)
    found, trained = list(preferences(held_out, known)), list(preferences(train, known))
    judged = judge(model, objective, found, pack_tokens)
    prompts = [j.preference.prompt for j in judged]
    weight = logistic_weight([(len(p.chosen) - len(p.rejected)) / 100 for p in trained])
    by_length = [length_correct(j.preference, weight) for j in judged]
    kinds = sorted({j.preference.type for j in judged})
    longer = [j for j in judged if len(j.preference.chosen) > len(j.preference.rejected)]
    shorter = [j for j in judged if len(j.preference.chosen) < len(j.preference.rejected)]

    data = build(held_out, likelihoods_of(sorted({e.type for e in held_out})), model.encoder)
    labelers = (report or objective.report())["labelers"]
    by_labeler: dict[str, list[Judged]] = defaultdict(list)
    for j in judged:
        by_labeler[j.preference.labeler].append(j)
    chosen, rejected = [j.chosen for j in judged], [j.rejected for j in judged]
    return {
        "pairs": {
            "accuracy": accuracy_of(judged),
            "length_baseline": {
                **share(by_length, prompts),
                "log_odds_per_100": weight,
                "fitted_on": len(trained),
            },
            "over_length": difference([j.correct for j in judged], by_length, prompts),
            "humans": human_agreement(judged),
            "types": {k: accuracy_of([j for j in judged if j.preference.type == k]) for k in kinds},
            "lengths": length_buckets(judged),
            "longer_preferred": accuracy_of(longer),
            "shorter_preferred": accuracy_of(shorter),
            "length_controlled": length_controlled(judged),
            "alike_in_length": alike_in_length(judged),
            "labeler_groups": labeler_groups(judged, labelers),
            "agreement": agreement_groups(judged),
            "unreadable": len(found) - len(judged),
        },
        "calibration": {
            **calibration([j.probability for j in judged]),
            "types": {
                k: calibration([j.probability for j in judged if j.preference.type == k]) for k in kinds
            },
        },
        "likelihood": likelihood_table(model, objective, data, pack_tokens),
        "labelers": {
            name: {**entry, "held_out": accuracy_of(by_labeler.get(name, []))}
            for name, entry in sorted(labelers.items())
        },
        "types": objective.report()["types"],
        "reward": {
            "chosen_mean": mean_of(chosen),
            "rejected_mean": mean_of(rejected),
            "histogram": histogram({"chosen": chosen, "rejected": rejected}),
        },
        "held_out": {
            "answers": len(held_out),
            "prompts": len({e.screen.prompt for e in held_out}),
            "dropped": dict(sorted(data.dropped.items())),
        },
    }


def length_correct(preference: Preference, weight: float) -> float:
    sign = weight * (len(preference.chosen) - len(preference.rejected))
    return 0.5 if sign == 0 else float(sign > 0)


def mean_of(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


# --- The program -----------------------------------------------------------------------------------------------------


def load_events(run: RunDirectory) -> Callable[[str], list[Event]]:
    """The events of a split of the run's snapshot, once the snapshot is found to be whole. Raises Problem."""
    path, sha256 = source(run.config, "snapshot")

    def read(split: str) -> list[Event]:
        try:
            return list(read_events(path, split=split))
        except UnreadableSnapshot as error:
            raise Problem(str(error), "Make the snapshot again.") from error

    try:
        verify(path, sha256)
    except UnreadableSnapshot as error:
        raise Problem(str(error), "Make the snapshot again.") from error
    return read


def program(run: RunDirectory) -> dict[str, Any]:
    settings = parameters(EvaluateParameters, run.config)
    path, _ = source(run.config, "reward_model")
    read = load_events(run)
    run.report(step=0, steps=1, stage="evaluate")
    scorer = Scorer.load(path)
    report = read_json(path / "nuisance.json")
    objective = Objective.from_report(likelihoods_of(list(report["types"])), report)
    metrics = evaluate(
        scorer.model,
        objective.to(scorer.model.device),
        read(settings.split),
        read("train"),
        pack_tokens=settings.pack_tokens,
        report=report,
    )
    run.report(step=1, steps=1, stage="evaluate", metrics={"accuracy": metrics["pairs"]["accuracy"]["value"]})
    return metrics


if __name__ == "__main__":
    execute(program)
