"""Rankings of drafts: small rows of the set's shape, worked out by hand."""

import pytest

from annotation.replay.sets import SETS, answers_on
from annotation.replay.sets.wqrm_rankings import proxy_hits
from feedback_types.base import InvalidPayload, Message, Screen, ShownResponse
from feedback_types.protocol import load_protocol

ROW = {
    "id": "w1",
    "prompt": [{"role": "user", "content": "Write a paragraph."}],
    "responses": [{"content": text, "source": "m"} for text in ("One.", "Two.", "Three.")],
    "chosen": 2,
    "votes": [
        {"labeler": "slot1", "chosen": 2, "ranking": [2, 3, 1]},
        {"labeler": "slot2", "chosen": None, "ranking": [1, 3, 1]},
    ],
    "extra": {"proxy_scores": [3.0, 1.0, 5.5], "genre": "fiction"},
}


def said(which, *texts):
    real = SETS["wqrm_rankings"]
    shown = Screen((Message("user", "?"),), tuple(ShownResponse(7 + n, t) for n, t in enumerate(texts)))
    return answers_on(shown, load_protocol(real.protocol), real.read(ROW).said[which])[0].payload


@pytest.mark.parametrize(
    ("which", "texts", "ranks"),
    [
        (0, ("One.", "Two.", "Three."), (2, 3, 1)),
        (0, ("Three.", "One.", "Two."), (1, 2, 3)),
        (1, ("One.", "Two.", "Three."), (1, 2, 1)),  # 1, 3, 1 is the same order without the gap
    ],
)
def test_a_ranking_is_the_same_in_whatever_order_it_is_shown(which, texts, ranks):
    assert said(which, *texts).ranks == ranks


def test_labelers_are_places_and_other_screens_are_refused():
    assert [s.labeler for s in SETS["wqrm_rankings"].read(ROW).said] == ["slot1", "slot2"]
    with pytest.raises(InvalidPayload, match="other responses"):
        said(0, "One.", "Two.", "Four.")


def test_hits_are_counted_where_there_is_a_first():
    rows = [ROW, ROW | {"chosen": 0}, ROW | {"chosen": None}]
    assert proxy_hits(rows) == (1, 2)
