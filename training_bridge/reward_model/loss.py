"""One reward, many observation models: the joint negative log-likelihood of everything that was said.

    L = - sum_j w_j log[(1 - e_i) P_k(c_j | R, beta_ik) + e_i / |C_j|] - log priors + center (mean R)^2
    beta_ik = exp(a_i + b_k)

for answer j of labeler i to a question of type k. `a_i` says how rational a labeler is, `b_k` how telling a type is, `e_i`
how often the labeler answers without looking (lapse). The scale of R is fixed by b = 0 for the anchor type and a mean of 0
over the labelers. A type's own parameters (cutpoints, shifts, …) are learned beside them, whatever their scope.

No type is named here; each brings its `Likelihood`. Sources: Jeon, Milli & Dragan (2020), arXiv 2002.04833; the lapse is
psychophysics' (Wichmann & Hill 2001).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from feedback_types import registry
from feedback_types.base import Event, Target
from feedback_types.likelihoods import Likelihood, Parameter, mix_lapse
from training_bridge.reward_model.config import TrainParameters
from training_bridge.reward_model.data import Observation, Pack
from training_bridge.reward_model.pairs import VIEW


class Objective(nn.Module):
    """Log-likelihoods and priors. Its parameters are the nuisances; the reward comes from outside.

    Args:
        likelihoods: by kind; only kinds that occur.
        labelers: name -> number of answers.
        questions: kind -> the questions asked, as `question_of` names them.
        anchor: the kind whose rationality is 1.
        settings: the priors.
        learned: False is the baseline: rationality 1 and no lapse for everybody.
    """

    def __init__(
        self,
        likelihoods: Mapping[str, Likelihood],
        labelers: Mapping[str, int],
        questions: Mapping[str, Iterable[str]],
        anchor: str,
        settings: TrainParameters,
        *,
        learned: bool = True,
    ):
        super().__init__()
        self.settings, self.learned, self.anchor = settings, learned, anchor
        self.kinds = sorted(questions)
        self.likelihoods = {kind: likelihoods[kind] for kind in self.kinds}
        self.counts = dict(labelers)
        self.labelers = sorted(labelers)
        self.questions = {kind: sorted(questions[kind]) for kind in self.kinds}
        self._labeler = {name: i for i, name in enumerate(self.labelers)}
        self._question = {
            kind: {name: i for i, name in enumerate(names)} for kind, names in self.questions.items()
        }
        self.prior_lapse = math.log(settings.lapse / (1 - settings.lapse))

        self.rationality = nn.Parameter(
            torch.zeros(len(self.labelers)), requires_grad=learned
        )  # a_i, before centring
        self.type_rationality = nn.Parameter(torch.zeros(len(self.kinds)), requires_grad=learned)  # b_k
        self.lapse = nn.Parameter(
            torch.full((len(self.labelers),), self.prior_lapse), requires_grad=learned
        )  # logit e_i
        self.extra = nn.ParameterDict()
        for kind, spec in self.specs():
            rows = {"global": 1, "labeler": len(self.labelers), "question": len(self.questions[kind])}[
                spec.scope
            ]
            initial = torch.tensor(spec.initial, dtype=torch.float32)
            self.extra[f"{kind}/{spec.name}"] = nn.Parameter(torch.stack([initial] * rows))

    @classmethod
    def for_observations(
        cls,
        likelihoods: Mapping[str, Likelihood],
        observations: Sequence[Observation],
        settings: TrainParameters,
        *,
        learned: bool = True,
    ) -> Objective:
        """With the labelers and questions that occur in what is trained on."""
        questions: dict[str, set[str]] = {}
        for observation in observations:
            questions.setdefault(observation.kind, set()).add(question_of(observation.event))
        labelers = Counter(o.event.labeler for o in observations)
        anchor = settings.anchor if settings.anchor in questions else anchor_of(observations)
        return cls(likelihoods, labelers, questions, anchor, settings, learned=learned)

    @classmethod
    def from_report(cls, likelihoods: Mapping[str, Likelihood], report: Mapping[str, Any]) -> Objective:
        """As it was when `report` was written: the labelers and types that a reward model knows."""
        questions: dict[str, set[str]] = {kind: set() for kind in report["types"] if kind in likelihoods}
        for entry in report["parameters"]:
            if entry["scope"] == "question" and entry["type"] in questions:
                questions[entry["type"]].add(entry["of"])
        labelers = {name: entry["events"] for name, entry in report["labelers"].items()}
        objective = cls(
            likelihoods,
            labelers,
            questions,
            report["anchor"],
            TrainParameters(),
            learned=report.get("learned", True),
        )
        objective.start_from(report)
        return objective

    def specs(self) -> Iterable[tuple[str, Parameter]]:
        return [(kind, spec) for kind in self.kinds for spec in self.likelihoods[kind].parameters]

    # What applies to whom; one row more, the last, for whom or what was not there in training

    def log_rationality(self) -> Tensor:
        """a_i, mean 0, and 0 for a stranger."""
        a = self.rationality
        return torch.cat([a - a.mean() if len(a) else a, a.new_zeros(1)])

    def log_type_rationality(self) -> Tensor:
        """b_k, 0 for the anchor."""
        anchor = torch.tensor(
            [kind == self.anchor for kind in self.kinds], device=self.type_rationality.device
        )
        return self.type_rationality.masked_fill(anchor, 0.0)

    def lapses(self) -> Tensor:
        """e_i, and the prior median for a stranger."""
        return torch.sigmoid(torch.cat([self.lapse, self.lapse.new_full((1,), self.prior_lapse)]))

    def labeler_rows(self, events: Sequence[Event]) -> Tensor:
        rows = [self._labeler.get(e.labeler, len(self.labelers)) for e in events]
        return torch.tensor(rows, device=self.rationality.device)

    def parameters_for(self, kind: str, events: Sequence[Event]) -> dict[str, Tensor]:
        """name -> (n, *shape): the values of a type's own parameters that apply to each event."""
        values: dict[str, Tensor] = {}
        for spec in self.likelihoods[kind].parameters:
            table = self.extra[f"{kind}/{spec.name}"]
            initial = torch.tensor(spec.initial, dtype=table.dtype, device=table.device)
            table = torch.cat([table, initial.unsqueeze(0)])
            if spec.scope == "global":
                rows = torch.zeros(len(events), dtype=torch.long, device=table.device)
            elif spec.scope == "labeler":
                rows = self.labeler_rows(events)
            else:
                known = self._question[kind]
                rows = torch.tensor(
                    [known.get(question_of(e), len(known)) for e in events], device=table.device
                )
            values[spec.name] = table[rows]
        return values

    def beta(self, kind: str, events: Sequence[Event]) -> Tensor:
        """(n,) rationality of each event's labeler for this type."""
        if not self.learned:
            return torch.ones(len(events), device=self.rationality.device)
        b = self.log_type_rationality()[self.kinds.index(kind)] if kind in self.kinds else 0.0
        return torch.exp(self.log_rationality()[self.labeler_rows(events)] + b)

    # Likelihood

    def log_likelihood(
        self, kind: str, events: Sequence[Event], values: Tensor, beta: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(n,) log-probability of each answer, lapse included, and (n,) the same for somebody who does not look.

        Args:
            values: (n, p) scores at the points of each event, 0 where there is none.
            beta: (n,) rationalities, if other than those learned.
        """
        likelihood = self.likelihoods[kind]
        batch = {name: tensor.to(values.device) for name, tensor in likelihood.collate(events).items()}
        beta = self.beta(kind, events) if beta is None else beta
        said = likelihood.log_likelihood(values, batch, beta, self.parameters_for(kind, events))
        chance = likelihood.log_uniform(batch)
        if self.learned:
            said = mix_lapse(said, chance, self.lapses()[self.labeler_rows(events)])
        return said, chance

    def forward(self, scores: Tensor, pack: Pack) -> dict[str, Tensor]:
        """Kind -> (n,) log-probabilities of a pack's observations, from the scores at its places."""
        padded = torch.cat([scores, scores.new_zeros(1)])
        return {
            kind: self.log_likelihood(
                kind, [o.event for o in members], padded[pack.index[kind].to(scores.device)]
            )[0]
            for kind, members in pack.observations.items()
        }

    def log_prior(self) -> Tensor:
        """Log-density of the Gaussian priors, up to a constant."""
        s = self.settings
        total = -0.5 * (self.log_type_rationality() / s.type_sd).square().sum()
        total = total - 0.5 * (self.rationality / s.rationality_sd).square().sum()
        total = total - 0.5 * ((self.lapse - self.prior_lapse) / s.lapse_sd).square().sum()
        for kind, spec in self.specs():
            table = self.extra[f"{kind}/{spec.name}"]
            initial = torch.tensor(spec.initial, dtype=table.dtype, device=table.device)
            total = total - 0.5 * ((table - initial) / spec.prior_sd).square().sum()
        return total

    # In words

    def report(self, standard_errors: Mapping[str, float] | None = None) -> dict[str, Any]:
        """nuisance.json: every nuisance by the name of whom or what it belongs to, and readable back by `start_from`."""
        a, b, lapse = (
            self.log_rationality().tolist(),
            self.log_type_rationality().tolist(),
            self.lapses().tolist(),
        )
        return {
            "anchor": self.anchor,
            "learned": self.learned,
            "labelers": {
                name: {
                    "events": self.counts[name],
                    "log_beta": a[i],
                    "beta": math.exp(a[i]),
                    "log_beta_se": (standard_errors or {}).get(name),
                    "lapse": lapse[i],
                }
                for i, name in enumerate(self.labelers)
            },
            "types": {kind: {"log_beta": b[k], "beta": math.exp(b[k])} for k, kind in enumerate(self.kinds)},
            "parameters": [
                {"type": kind, "name": spec.name, "scope": spec.scope, "of": name, "value": value}
                for kind, spec in self.specs()
                for name, value in zip(
                    {"global": [""], "labeler": self.labelers, "question": self.questions[kind]}[spec.scope],
                    self.extra[f"{kind}/{spec.name}"].tolist(),
                    strict=True,
                )
            ],
        }

    @torch.no_grad()
    def start_from(self, report: Mapping[str, Any]) -> None:
        """Take over what an earlier model learned about the labelers, types and questions that are here again."""
        for i, name in enumerate(self.labelers):
            if known := report["labelers"].get(name):
                self.rationality[i] = known["log_beta"]
                self.lapse[i] = math.log(known["lapse"] / (1 - known["lapse"]))
        if report["anchor"] == self.anchor:
            for k, kind in enumerate(self.kinds):
                self.type_rationality[k] = report["types"].get(kind, {"log_beta": 0.0})["log_beta"]
        places = {"global": {"": 0}, "labeler": self._labeler}
        for entry in report["parameters"]:
            key = f"{entry['type']}/{entry['name']}"
            if key in self.extra:
                row = (places.get(entry["scope"]) or self._question[entry["type"]]).get(entry["of"])
                value = torch.tensor(entry["value"], device=self.extra[key].device)
                if row is not None and value.shape == self.extra[key][row].shape:
                    self.extra[key][row] = value


def question_of(event: Event) -> str:
    """A question of a campaign: another campaign's question of the same name has cutpoints of its own."""
    return f"{event.extra.get('campaign', '')}/{event.question}"


def anchor_of(observations: Sequence[Observation]) -> str:
    """The kind whose rationality is 1: the most frequent one that compares, otherwise the most frequent."""
    counts = Counter(o.kind for o in observations)

    def compares(kind: str) -> bool:
        if kind not in registry.folders():
            return kind == VIEW
        feedback_type = registry.get(kind)
        return feedback_type.target is Target.SET and VIEW in feedback_type.views

    return max(counts, key=lambda kind: (compares(kind), counts[kind], kind), default="")
