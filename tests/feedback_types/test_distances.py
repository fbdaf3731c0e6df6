"""Distances, Krippendorff's alpha and consensus against hand-worked tables and an independent library."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_types import distances as d

# Krippendorff (2011), example C: four observers, twelve units, missing data; None for a missing answer.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
UNITS = [[row[u] for row in OBSERVERS if row[u] is not None] for u in range(12)]
TABLE = np.array([[np.nan if v is None else v for v in row] for row in OBSERVERS], dtype=float)
PAIRABLE = [v for unit in UNITS if len(unit) > 1 for v in unit]


def test_alpha_of_the_published_example() -> None:
    # The paper's own figures, to its three digits.
    assert d.krippendorff_alpha(UNITS, d.nominal).alpha == pytest.approx(0.743, abs=5e-4)
    assert d.krippendorff_alpha(UNITS, d.ordinal(PAIRABLE)).alpha == pytest.approx(0.815, abs=5e-4)
    assert d.krippendorff_alpha(UNITS, d.interval).alpha == pytest.approx(0.849, abs=5e-4)


def test_alpha_by_hand() -> None:
    # Units (1,1), (2,2), (1,2). Observed: (0 + 0 + 2) / 6 = 1/3. Values 1,1,2,2,1,2: three of each, so expected is
    # 2 * 3 * 3 / (6 * 5) = 0.6, and alpha = 1 - (1/3) / 0.6 = 4/9.
    found = d.krippendorff_alpha([[1, 1], [2, 2], [1, 2], [5]], d.nominal)
    assert found.alpha == pytest.approx(4 / 9)
    assert (found.units, found.answers) == (3, 6)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
@pytest.mark.parametrize("seed", range(5))
def test_alpha_equals_the_krippendorff_package(level: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 6, size=40)
    table = np.clip(truth + rng.integers(-1, 2, size=(4, 40)), 1, 5).astype(float)
    table[rng.random(table.shape) < 0.4] = np.nan
    units = [[int(v) for v in column if not np.isnan(v)] for column in table.T]
    distance = {
        "nominal": d.nominal,
        "interval": d.interval,
        "ordinal": d.ordinal(v for unit in units if len(unit) > 1 for v in unit),
    }[level]
    expected = krippendorff.alpha(reliability_data=table, level_of_measurement=level)
    assert d.krippendorff_alpha(units, distance).alpha == pytest.approx(expected, abs=1e-9)


def test_alpha_says_when_it_cannot_tell() -> None:
    assert d.krippendorff_alpha([], d.nominal) == d.Agreement(None, None, None, 0, 0)
    assert d.krippendorff_alpha([[1], [2]], d.nominal).alpha is None
    assert d.krippendorff_alpha([[3, 3], [3, 3]], d.nominal, resamples=50).alpha is None


def test_interval_covers_the_truth_and_narrows() -> None:
    rng = np.random.default_rng(7)

    def answers(n: int) -> list[list[int]]:
        truth = rng.integers(0, 2, size=n)
        return [[int(t if rng.random() < 0.9 else 1 - t) for _ in range(3)] for t in truth]

    # Two labelers agree with probability .9² + .1² = .82; chance is .5: alpha = 1 - .18 / .5 = .64.
    covered = 0
    for seed in range(20):
        found = d.krippendorff_alpha(answers(120), d.nominal, resamples=200, seed=seed)
        assert found.low is not None and found.high is not None
        covered += found.low <= 0.64 <= found.high
    assert covered >= 16  # 19 expected; fewer than 16 has probability 0.3 % at 95 %
    wide, narrow = (d.krippendorff_alpha(answers(n), d.nominal, resamples=200) for n in (50, 800))
    assert (narrow.high - narrow.low) < 0.5 * (wide.high - wide.low)  # type: ignore[operator]


def test_drawn_pairs_are_close_to_all_pairs() -> None:
    rng = np.random.default_rng(3)
    units = [[float(x), float(x + rng.normal(0, 0.5))] for x in rng.normal(size=200)]
    exact = d.krippendorff_alpha(units, d.interval, budget=10**6, resamples=100)
    drawn = d.krippendorff_alpha(units, d.interval, budget=20_000, resamples=100)
    assert drawn.alpha == pytest.approx(exact.alpha, abs=0.02)
    assert drawn.low == pytest.approx(exact.low, abs=0.03)


def test_ranking_by_hand() -> None:
    assert d.ranking([1, 2, 3], [1, 2, 3]) == 0
    assert d.ranking([1, 2, 3], [3, 2, 1]) == 1
    assert d.ranking([1, 2, 3], [2, 1, 3]) == pytest.approx(1 / 3)
    assert d.ranking([1, 1, 2], [1, 2, 3]) == pytest.approx(0.5 / 3)  # one tie against an order
    assert d.ranking([1, None, None], [1, 2, 3]) == 0  # the order of the rest was not said
    assert d.ranking([None, None, 1], [1, None, None]) == 1
    with pytest.raises(ValueError, match="cannot be compared"):
        d.ranking([1, 2], [1, 2, 3])


def test_spans_by_hand() -> None:
    a = [(0, 10, "fact")]
    assert d.spans(a, a) == 0
    assert d.spans(a, [(0, 10, "tone")]) == 1
    assert d.spans(a, [(5, 15, "fact")]) == pytest.approx(0.5)  # shared 5, marked 20: F1 = 10 / 20
    assert d.spans([], []) == 0
    assert d.spans(a, []) == 1
    assert d.spans([(0, 6, "fact"), (4, 10, "fact")], a) == 0  # overlapping marks of one category are one run


def test_sets_by_hand() -> None:
    assert d.sets({"a", "b"}, {"b", "c"}) == pytest.approx(2 / 3)
    assert d.sets([], []) == 0


MARKS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 10), st.sampled_from("ab")).map(
        lambda m: (m[0], m[0] + m[1], m[2])
    ),
    max_size=5,
)


@given(MARKS, MARKS)
def test_spans_equal_a_count_of_code_points(a: list, b: list) -> None:
    first, second = ({(i, c) for s, e, c in marks for i in range(s, e)} for marks in (a, b))
    total = len(first) + len(second)
    assert d.spans(a, b) == pytest.approx(1 - 2 * len(first & second) / total if total else 0)
    assert d.spans(a, b) == pytest.approx(d.spans(b, a))


@given(st.lists(MARKS, min_size=1, max_size=5))
def test_majority_spans_equal_a_count_of_code_points(marks: list) -> None:
    votes: dict = {}
    for labeler in marks:
        for point in {(i, c) for s, e, c in labeler for i in range(s, e)}:
            votes[point] = votes.get(point, 0) + 1
    expected = {point for point, count in votes.items() if 2 * count > len(marks)}
    assert {(i, c) for s, e, c in d.majority_spans(marks) for i in range(s, e)} == expected


def test_consensus_does_not_depend_on_the_order() -> None:
    assert d.medoid([1, 5, 2], d.interval) == 2
    assert d.medoid([4, 1], d.interval) == d.medoid([1, 4], d.interval) == 1
    assert d.lower_median([4, 1]) == 1
    assert d.lower_median([3, 1, 2]) == 2
    assert d.majority([["a"], ["a", "b"], ["b", "b"]], 3) == {"a", "b"}
    assert d.majority([["a"], []], 2) == set()
