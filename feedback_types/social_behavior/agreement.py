"""How alike two exposures were, and how much observed events say about explicit labels.

No measure of agreement between raters exists for behaviour that nobody was asked for: two people who read one text
differently do not disagree. `distance` is there so that the pages can show something; what counts is `auc` and
`mutual_information` against explicit labels on the overlap (science.md of the survey's row 5).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from feedback_types import distances
from feedback_types.social_behavior.schema import SocialPayload


def distance(a: SocialPayload, b: SocialPayload) -> float:
    """Jaccard's distance of what happened: the reaction, what was copied, selected, read again; 0 when nothing did twice."""
    return distances.sets(a.signs, b.signs)


def consensus(payloads: Sequence[SocialPayload]) -> SocialPayload:
    """The exposure nearest to all others."""
    return distances.medoid(payloads, distance)


def auc(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Probability that a good response has a higher score than a bad one; ties count half.

    Args: scores: (n,) float. labels: (n,) bool, whether the explicit label says good.
    Returns: in [0, 1]; 0.5 says nothing, nan when one class is missing.
    Source: Mann & Whitney (1947).
    """
    value, good = np.asarray(scores, float), np.asarray(labels, bool)
    n_good, n_bad = int(good.sum()), int((~good).sum())
    if not n_good or not n_bad:
        return float("nan")
    _distinct, where, counts = np.unique(value, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[where]  # the mean rank of equal scores, from 1
    return float((rank[good].sum() - n_good * (n_good + 1) / 2) / (n_good * n_bad))


def mutual_information(events: Sequence[Hashable], labels: Sequence[Hashable]) -> float:
    """How much what happened says about the label, in bits, with Miller and Madow's correction for small samples.

    Args: events, labels: n values each, paired.
    Returns: about 0 when they are independent (it may be slightly below), at most the entropy of the labels; nan for n = 0.
    Source: Shannon (1948); Miller (1955) for the correction.
    """

    def entropy(values: Sequence[Hashable]) -> float:
        counts = np.array(list(Counter(values).values()), float)
        share = counts / counts.sum()
        return float(-(share * np.log(share)).sum() + (len(counts) - 1) / (2 * counts.sum()))

    if not events:
        return float("nan")
    together = list(zip(events, labels, strict=True))
    return (entropy(events) + entropy(labels) - entropy(together)) / float(np.log(2))
