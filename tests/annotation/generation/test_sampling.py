"""Sampling parameters: what is stored comes back, what no policy could follow is refused."""

import pytest

from annotation.generation.sampling import Sampling


def test_what_is_stored_comes_back():
    sampling = Sampling(temperature=0.7, top_p=0.9, max_new_tokens=40, seed=7)
    assert Sampling.of({**sampling.dump(), "stream": "21/0/0"}) == sampling


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": 2.5},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"max_new_tokens": 0},
        {"max_new_tokens": 10**6},
        {"seed": -1},
        {"seed": 2**40},
    ],
)
def test_out_of_range_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Sampling(**wrong)
