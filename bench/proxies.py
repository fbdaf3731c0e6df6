"""Proxies beside people, on published sets: `python -m bench.proxies DATA` prints the table of docs/types/proxy_reward.md.

DATA holds wqrm_rankings/, ttcw/ and xsum_hallucination/. Nothing is stored; nothing of Django's settings is needed.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import django
import numpy as np
from django.conf import settings

from annotation.replay.sets.base import RealSet, answers_on
from annotation.replay.sets.ttcw_rubric import CRITERIA
from annotation.replay.sets.ttcw_rubric import SETS as TTCW
from annotation.replay.sets.wqrm_rankings import SETS as WQRM
from annotation.replay.sets.wqrm_rankings import proxy_hits
from feedback_types.base import Message, Screen, ShownResponse
from feedback_types.distances import krippendorff_alpha, nominal
from feedback_types.protocol import load_protocol
from feedback_types.proxy_reward.order import kendall_w, ranks, tau_b

AUTOMATIC = ("rouge1", "rouge2", "rougeL", "bertscore", "entailment")


def answered(real: RealSet, data: Path) -> Iterator[list[Any]]:
    """The payloads that each item got, in the order of the set's responses."""
    questions = load_protocol(real.protocol)
    for case in real.cases(data):
        prompt = tuple(Message(m["role"], m["content"]) for m in case.prompt)
        screen = Screen(
            prompt, tuple(ShownResponse(i, r["content"]) for i, r in enumerate(case.responses, 1))
        )
        yield [answers_on(screen, questions, said)[0].payload for said in case.said]


def area(better: Sequence[float], worse: Sequence[float]) -> float:
    """Area under the ROC curve: how often a better one scores higher, a tie counting half."""
    gaps = np.subtract.outer(np.array(better), np.array(worse))
    return float(np.mean((gaps > 0) + 0.5 * (gaps == 0)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Proxies beside people, on published sets.")
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    settings.configure(USE_I18N=False)
    django.setup()

    rows = [json.loads(line) for line in (data / "wqrm_rankings/comparisons.jsonl").open(encoding="utf-8")]
    units = list(answered(WQRM[0], data))
    alpha = krippendorff_alpha(units, load_protocol(WQRM[0].protocol)[0].type.distance, resamples=1000)
    print(f"wqrm: proxy's best is the people's first in {proxy_hits(rows)}")
    orders = [[list(p.ranks) for p in unit] for unit in units]
    own = [tau_b(a, b) for unit in orders for a, b in combinations(unit, 2)]
    its = [
        tau_b(ranks(row["extra"]["proxy_scores"]), order)
        for row, unit in zip(rows, orders, strict=True)
        for order in unit
    ]
    print(f"  tau-b of two people {np.mean(own):.2f}, of proxy and person {np.mean(its):.2f}; {alpha}")

    units = list(answered(TTCW[0], data))
    alpha = krippendorff_alpha(units, load_protocol(TTCW[0].protocol)[0].type.distance, resamples=1000)
    w = np.nanmean([kendall_w([list(p.ranks) for p in unit]) for unit in units])
    cells = [[p.judgements[name][i] for p in unit] for unit in units for name in CRITERIA for i in range(3)]
    unanimous = np.mean([len(set(cell)) == 1 for cell in cells])
    print(f"ttcw: orders {alpha}, mean W {w:.2f}; {unanimous:.1%} of {len(cells)} verdicts unanimous")
    print(f"  verdicts {krippendorff_alpha(cells, nominal)}; yes {np.mean(cells):.1%}")

    with gzip.open(data / "xsum_hallucination/summaries.jsonl.gz", "rt", encoding="utf-8") as file:
        summaries = [json.loads(line) for line in file]
    votes = [[v["factual"] for v in s["factual_votes"] if v["factual"] is not None] for s in summaries]
    print(f"xsum: factual votes {krippendorff_alpha(votes, nominal)}")
    judged = [(s, sum(v) * 2 > len(v)) for s, v in zip(summaries, votes, strict=True) if len(v) == 3]
    for name in AUTOMATIC:
        scored = [(s["automatic_scores"][name], true) for s, true in judged if s["automatic_scores"]]
        better, worse = ([x for x, true in scored if true is is_true] for is_true in (True, False))
        print(f"  {name}: area {area(better, worse):.2f} ({len(better)} factual, {len(worse)} not)")


if __name__ == "__main__":
    main()
