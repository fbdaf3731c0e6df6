"""Which answers are true, and who gives them: a model of the labelers for every label that is one of few classes.

The report, as it is stored; a model is enough to say what is believed of any item (`beliefs`), so no item is in it:

    {"models": [{"question": "better", "type": "comparison", "label": "preferred", "classes": ["0", "1", "2"],
        "prior": [0.2, 0.41, 0.39], "units": 900, "answers": 2700, "sure": 0.71,
        "labelers": [{"labeler": 7, "answers": 120, "accuracy": 0.87, "low": …, "high": …, "informative": 0.66,
                      "competence": 0.81, "confusion": [[…], …]}],
        "others": [[…], …], "unsure": [{"item": 44, "target": null, "belief": 0.41, "said": "1", "answers": 3}]}]}

Truth here is what explains the answers best when everybody errs in a way of their own (Dawid & Skene 1979). It is no better
than the labelers together: where most of them err alike, gold items are needed. Competence is MACE's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from annotation.campaigns.models import Campaign
from annotation.items.models import Item
from annotation.people.models import PEOPLE
from annotation.quality import crowd
from annotation.quality.intervals import wilson
from annotation.quality.models import QualityReport
from annotation.quality.reading import answers_about, blocks

SHRINK = 5.0  # imagined answers like the group's, for each labeler and class of truth
MOST_LABELERS = 500  # with a matrix of their own; the others share one
MOST_CLASSES = 12
UNSURE = 20
SURE = 0.95
RESTARTS, STEPS = 4, 40  # of MACE
NAME = "reliability"

Key = tuple[str, str, str]  # question, type, label


class Belief(NamedTuple):
    """What a model believes of one label of one target: the likeliest class with its probability, and all of them."""

    question: str
    type: str
    label: str
    target: int | None
    value: Any
    probability: float
    probabilities: dict[str, float]
    answers: int


def report(campaign: Campaign, kinds: Sequence[str] = PEOPLE) -> dict[str, Any]:
    rows: dict[Key, list[tuple[tuple[int, int | None], int, Any]]] = defaultdict(list)
    for block in blocks(campaign, kinds):
        for told in block.told:
            for key, answers in told.answers.items():
                question = told.questions[key]
                for target, payload in answers:
                    for name, label in question.type.labels(payload, question.settings).items():
                        if label.is_class:
                            rows[key, question.type.slug, name].append(
                                ((told.item_id, target), told.labeler_id, label.value)
                            )
    keys = [q.key for q in (campaign.protocol.questions if campaign.protocol else ())]
    ordered = sorted(rows, key=lambda k: (keys.index(k[0]) if k[0] in keys else len(keys), k))
    return {"models": [model for key in ordered if (model := _model(key, rows[key])) is not None]}


def _model(key: Key, rows: Sequence[tuple[tuple[int, int | None], int, Any]]) -> dict[str, Any] | None:
    """None where nothing can be told: nothing judged twice, or everybody said the same."""
    times = Counter(unit for unit, _labeler, _value in rows)
    kept = [row for row in rows if times[row[0]] > 1]
    classes = sorted({value for _unit, _labeler, value in kept}, key=_order)
    if not 2 <= len(classes) <= MOST_CLASSES:
        return None
    said = crowd.table(kept, classes)
    fitted = crowd.dawid_skene(said, shrink=SHRINK)
    competence = crowd.mace(said, restarts=RESTARTS, steps=STEPS).competence
    answers = np.bincount(said.labeler, minlength=len(said.labelers))
    ranked = sorted(range(len(said.labelers)), key=lambda n: (-answers[n], str(said.labelers[n])))
    group = np.average(fitted.confusion, axis=0, weights=answers)
    belief = fitted.posterior.max(axis=1)
    return {
        **dict(zip(("question", "type", "label"), key, strict=True)),
        "classes": classes,
        "prior": _rounded(fitted.prior),
        "units": len(said.units),
        "answers": len(kept),
        "sure": float((belief >= SURE).mean()),
        "labelers": [
            _labeler(
                said.labelers[n], fitted.confusion[n], fitted.prior, int(answers[n]), float(competence[n])
            )
            for n in ranked[:MOST_LABELERS]
        ],
        "others": _rounded(group),
        "unsure": [
            {
                "item": said.units[u][0],
                "target": said.units[u][1],
                "belief": round(float(belief[u]), 4),
                "said": classes[int(fitted.posterior[u].argmax())],
                "answers": times[said.units[u]],
            }
            for u in np.argsort(belief, kind="stable")[:UNSURE].tolist()
            if belief[u] < SURE
        ],
    }


def _labeler(
    who: Any, confusion: crowd.Floats, prior: crowd.Floats, n: int, competence: float
) -> dict[str, Any]:
    accuracy = crowd.accuracy_of(confusion, prior)
    low, high = wilson(min(1.0, accuracy), n)
    return {
        "labeler": who,
        "answers": n,
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "informative": crowd.spammer_score(confusion, prior),
        "competence": competence,
        "confusion": _rounded(confusion),
    }


def _rounded(values: crowd.Floats) -> Any:
    return np.round(values, 5).tolist()


def _order(value: Any) -> tuple[bool, Any]:
    return isinstance(value, str), value


# --- What is believed of items ---------------------------------------------------------------------------------------


def beliefs(
    campaign: Campaign, items: Sequence[Item], kinds: Sequence[str] = PEOPLE
) -> dict[int, list[Belief]]:
    """For each item what the stored models believe of it, by its answers now; [] where nothing has been computed."""
    stored = QualityReport.objects.filter(campaign=campaign, statistic=NAME).first()
    models = {
        (m["question"], m["type"], m["label"]): _Model(m)
        for m in ((stored and stored.data) or {}).get("models", [])
    }
    found: dict[int, list[Belief]] = {item.pk: [] for item in items}
    said: dict[tuple[int, int | None, Key], list[tuple[int, Any]]] = defaultdict(list)
    for told in answers_about(campaign, [item.pk for item in items], kinds) if models else ():
        for key, answers in told.answers.items():
            question = told.questions[key]
            for target, payload in answers:
                for name, label in question.type.labels(payload, question.settings).items():
                    which = (key, question.type.slug, name)
                    if which in models and label.value in models[which].place:
                        said[told.item_id, target, which].append((told.labeler_id, label.value))
    for (item, target, which), votes in said.items():
        p = models[which].believes(votes)
        classes = models[which].classes
        best = int(p.argmax())
        probabilities = {str(c): round(float(x), 4) for c, x in zip(classes, p, strict=True)}
        found[item].append(Belief(*which, target, classes[best], float(p[best]), probabilities, len(votes)))
    return found


class _Model:
    """A stored model, read back."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self.classes = stored["classes"]
        self.place = {value: n for n, value in enumerate(self.classes)}
        self.prior = np.array(stored["prior"])
        self.others = np.array(stored["others"])
        self.confusion = {row["labeler"]: np.array(row["confusion"]) for row in stored["labelers"]}

    def believes(self, votes: Sequence[tuple[int, Any]]) -> crowd.Floats:
        return crowd.posterior_of(
            [(self.confusion.get(labeler, self.others), self.place[value]) for labeler, value in votes],
            self.prior,
        )
