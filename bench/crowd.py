"""Does the truth come out of what a crowd said, and does a ranking come out of its preferences?

python -m bench crowd --data DIR            three sets with truth, one of preferences; a minute
pip install -e ".[bench]"                   the same beside crowd-kit, where it is installed (several minutes)

binary, sites, hitspam     share of items with known truth that each model gets right (crowd_labels_gal)
llmfao                     59 language models compared by a crowd, with ties: how much of held-out judgements is told by
                           Bradley-Terry with ties and by the one in which labelers do not always look, and whether
                           labelers who do not look are found when some are put in
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SHRINK = 5.0
SETS = {
    "binary": ("binary_labels.jsonl", "binary_truth.jsonl"),
    "sites": ("sites_labels.jsonl.gz", "sites_truth.jsonl"),
    "hitspam": ("hitspam_labels.jsonl.gz", "hitspam_truth.jsonl"),
}


def run(small: bool, data: Path) -> dict[str, Any]:
    names = ("binary",) if small else tuple(SETS)
    return {name: truths(name, data / "crowd_labels_gal") for name in names} | {
        "llmfao": preferences(data / "llmfao_crowd", folds=2 if small else 5)
    }


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:  # type: ignore[operator]
        yield from map(json.loads, lines)


# --- Truth from labels -----------------------------------------------------------------------------------------------


def truths(name: str, folder: Path) -> dict[str, Any]:
    from annotation.quality import crowd

    labels, truth = (list(rows_of(folder / file)) for file in SETS[name])
    rows = [(row["item"], row["worker"], row["label"]) for row in labels]
    known = {row["item"]: row["truth"] for row in truth}
    said = crowd.table(rows)

    def right(posterior: Any) -> float:
        best = {
            unit: said.classes[int(k)] for unit, k in zip(said.units, posterior.argmax(axis=1), strict=True)
        }
        return round(sum(best.get(item) == true for item, true in known.items()) / len(known), 4)

    found = {
        "majority": timed(lambda: right(crowd.votes(said))),
        "dawid_skene": timed(lambda: right(crowd.dawid_skene(said).posterior)),
        "dawid_skene_shrunk": timed(lambda: right(crowd.dawid_skene(said, shrink=SHRINK).posterior)),
        "mace": timed(lambda: right(crowd.mace(said).posterior)),
    }
    return {
        "answers": len(rows),
        "items": len(said.units),
        "labelers": len(said.labelers),
        "with_truth": len(known),
        "ours": found,
        "crowd_kit": crowd_kit(rows, known),
    }


def timed(measure: Callable[[], float]) -> dict[str, float]:
    started = time.perf_counter()
    return {"right": measure(), "seconds": round(time.perf_counter() - started, 2)}


def crowd_kit(rows: Sequence[tuple[str, str, str]], known: dict[str, str]) -> dict[str, Any] | None:
    """The same from crowd-kit, None where it is not installed."""
    if find_spec("crowdkit") is None:
        return None
    import pandas
    from crowdkit.aggregation import MACE, DawidSkene, MajorityVote

    table = pandas.DataFrame(rows, columns=["task", "worker", "label"])

    def right(model: Any) -> float:
        best = model.fit_predict(table)
        return round(sum(best.get(item) == true for item, true in known.items()) / len(known), 4)

    return {
        "majority": timed(lambda: right(MajorityVote())),
        "dawid_skene": timed(lambda: right(DawidSkene(n_iter=100))),
        "mace": timed(lambda: right(MACE())),
    }


# --- A ranking from preferences --------------------------------------------------------------------------------------


def preferences(folder: Path, folds: int) -> dict[str, Any]:
    import numpy as np

    from annotation.quality import bradley_terry as bt

    models: dict[str, int] = {}
    people: dict[str, int] = {}
    rows, labelers, prompts, lengths = [], [], [], []
    asked: dict[str, int] = {}
    for row in rows_of(folder / "comparisons.jsonl.gz"):
        a, b = row["responses"]
        first, second = (models.setdefault(r["source"], len(models)) for r in (a, b))
        prompt = asked.setdefault(row["prompt"][-1]["content"], len(asked))
        longer = (len(a["content"]) - len(b["content"])) / max(1, len(a["content"]) + len(b["content"]))
        for vote in row["votes"]:
            chosen = vote["chosen"]
            rows.append((first, second, 0.5 if chosen is None else 1.0 - chosen))
            labelers.append(people.setdefault(vote["labeler"], len(people)))
            prompts.append(prompt)
            lengths.append([longer])
    m, who = len(models), np.array(labelers)
    order = np.argsort(prompts, kind="stable")
    pairs = bt.pairs_of(rows, lengths, prompts).take(order)
    who = who[order]
    bare = pairs.without_covariates()

    fold = np.random.default_rng(0).integers(folds, size=len(bare))
    told: dict[str, list[float]] = {"chance": [], "plain": [], "with_length": [], "noisy": []}
    for k in range(folds):
        train, test = fold != k, fold == k
        plain = bt.fit(bare.take(train), m, robust=False)
        length = bt.fit(pairs.take(train), m, robust=False)
        noisy = bt.noisy(bare.take(train), who[train], m)
        shares = np.array([(bare.outcome[train] == x).mean() for x in (1, 0.5, 0)])
        told["chance"].append(log_loss(np.tile(shares[:, None], int(test.sum())), bare.outcome[test]))
        told["plain"].append(log_loss(probabilities(plain, bare.take(test)), bare.outcome[test]))
        told["with_length"].append(log_loss(probabilities(length, pairs.take(test)), bare.outcome[test]))
        law = probabilities(noisy.fitted, bare.take(test))
        known = np.minimum(who[test], len(noisy.attention) - 1)
        attention = noisy.attention[known]
        mixed = attention * law + (1 - attention) * noisy.habits[known].T
        told["noisy"].append(log_loss(mixed, bare.outcome[test]))

    plain, noisy = bt.fit(bare, m), bt.noisy(bare, who, m)
    names = list(models)
    top = [names[i] for i in np.argsort(-plain.strengths)[:10]]
    return {
        "judgements": len(bare),
        "labelers": len(people),
        "models": m,
        "ties": round(float((bare.outcome == 0.5).mean()), 3),
        "log_loss_of_held_out": {name: round(float(np.mean(values)), 4) for name, values in told.items()},
        "top": top,
        "votes_to_flip": bt.votes_to_flip(bare, plain),
        "rank_correlation": {
            "noisy and plain": spearman(noisy.fitted.strengths, plain.strengths),
            "length out of the way and plain": spearman(bt.fit(pairs, m).strengths, plain.strengths),
        },
        "twice_as_long_odds": round(float(np.exp(bt.fit(pairs, m).effects[0] / 3)), 3),
        "planted": planted(bare, who, m),
        "crowd_kit": noisy_of_crowd_kit(bare, who, names, plain.strengths),
    }


def probabilities(fitted: Any, pairs: Any) -> Any:
    import numpy as np

    from annotation.quality import bradley_terry as bt

    s = fitted.strengths
    d = s[pairs.first] - s[pairs.second] + pairs.covariates @ fitted.effects
    return np.stack(bt.probabilities(d, fitted.log_nu))


def log_loss(told: Any, outcome: Any) -> float:
    import numpy as np

    kind = np.where(outcome == 1, 0, np.where(outcome == 0.5, 1, 2))
    return float(-np.log(np.maximum(told[kind, np.arange(len(kind))], 1e-12)).mean())


def spearman(a: Any, b: Any) -> float:
    import numpy as np

    ranks = [np.argsort(np.argsort(x)) for x in (a, b)]
    return round(float(np.corrcoef(*ranks)[0, 1]), 3)


def planted(pairs: Any, who: Any, m: int) -> dict[str, Any]:
    """A fifth of the labelers (those with the most answers) are made to answer by a coin: are they found?"""
    import numpy as np

    from annotation.quality import bradley_terry as bt

    rng = np.random.default_rng(0)
    often = np.bincount(who)
    busy = np.flatnonzero(often >= 20)
    coins = rng.choice(busy, len(busy) // 5, replace=False)
    outcome = pairs.outcome.copy()
    theirs = np.isin(who, coins)
    outcome[theirs] = rng.choice([0, 0.5, 1], size=int(theirs.sum()))
    spoilt = bt.Pairs(pairs.first, pairs.second, outcome, pairs.covariates, pairs.cluster)
    found = bt.noisy(spoilt, who, m)
    is_coin = np.isin(busy, coins)
    attention = found.attention[busy]
    pairs_of_people = attention[~is_coin][:, None] - attention[is_coin][None, :]
    return {
        "labelers": len(busy),
        "coins": len(coins),
        "auc": round(float((pairs_of_people > 0).mean() + (pairs_of_people == 0).mean() / 2), 3),
        "rank_correlation_with_its_own_clean_order": {
            "plain": spearman(bt.fit(spoilt, m).strengths, bt.fit(pairs, m).strengths),
            "noisy": spearman(found.fitted.strengths, bt.noisy(pairs, who, m).fitted.strengths),
        },
    }


def noisy_of_crowd_kit(pairs: Any, who: Any, names: Sequence[str], strengths: Any) -> dict[str, Any] | None:
    """crowd-kit's noisy Bradley-Terry, which has no ties: they are left out."""
    if find_spec("crowdkit") is None:
        return None
    import pandas
    from crowdkit.aggregation import NoisyBradleyTerry

    kept = pairs.outcome != 0.5
    left, right = pairs.first[kept], pairs.second[kept]
    table = pandas.DataFrame(
        {
            "worker": who[kept], "left": left, "right": right,
            "label": [a if y == 1 else b for a, b, y in zip(left, right, pairs.outcome[kept], strict=True)],
        }
    )  # fmt: skip
    started = time.perf_counter()
    scores = NoisyBradleyTerry(n_iter=100).fit_predict(table)
    theirs = [float(scores.get(i, 0)) for i in range(len(names))]
    return {
        "rank_correlation_with_ours": spearman(theirs, strengths),
        "seconds": round(time.perf_counter() - started, 2),
    }
