"""Rows of published sets, said in our terms: small rows of the same shapes, with the answers worked out by hand."""

import gzip
import json

import pytest

from annotation.replay.sets import SETS, answers_on
from annotation.replay.sets.finegrained_qa import merged
from feedback_types.base import Message, Screen, ShownResponse
from feedback_types.protocol import load_protocol

PROMPT = [{"role": "user", "content": "How warm is the sea?"}]
A, B = "About 17 °C. 🌊", "Very warm."


def screen(*texts):
    return Screen(
        (Message("user", PROMPT[0]["content"]),), tuple(ShownResponse(7 + n, t) for n, t in enumerate(texts))
    )


def said(name, row, shown, which=0):
    """(case, {question: payload, or target -> payload}) of one labeler's answers on a screen."""
    real = SETS[name]
    case = real.read(row)
    answers = answers_on(shown, load_protocol(real.protocol), case.said[which])
    found = {}
    for a in answers:
        found.setdefault(a.question, {})[a.target] = a.payload.dump()
    return case, found


def comparison(**fields):
    return {"id": "x1", "prompt": PROMPT, "responses": [{"content": A, "source": "m1"}, {"content": B, "source": "m2"}],
            "chosen": 0, "labeler": None, "strength": None} | fields  # fmt: skip


@pytest.mark.parametrize(("texts", "strength", "ranks"), [((A, B), 1, [1, 2]), ((B, A), -1, [2, 1])])
def test_a_choice_is_the_same_whichever_side_it_is_shown_on(texts, strength, ranks):
    case, found = said("hh_helpful", comparison(), screen(*texts))
    payload = found["better"][None]
    assert (payload["items"], payload["strength"], payload["ranks"]) == ([7, 8], strength, ranks)
    assert case.said[0].labeler == "unknown"


def test_votes_of_several_people_with_ties_and_verdicts():
    votes = [
        {"labeler": "r01", "chosen": 1, "strength": "clear", "acceptable": [False, True]},
        {"labeler": "r02", "chosen": None, "strength": None, "acceptable": [True, True]},
        {"labeler": "r01", "chosen": 0, "strength": "slight", "acceptable": [True, True]},
    ]
    row = comparison(votes=votes)
    case, first = said("tulu1_human_eval", row, screen(A, B))
    assert [s.labeler for s in case.said] == ["r01", "r02"]
    assert len(case.refused) == 1 and "twice" in case.refused[0]
    assert first["better"][None]["strength"] == -2
    assert {t: p["verdict"] for t, p in first["acceptable"].items()} == {7: -1, 8: 1}
    _case, second = said("tulu1_human_eval", row, screen(A, B), which=1)
    assert (second["better"][None]["strength"], second["better"][None]["ranks"]) == (0, [1, 1])


@pytest.mark.parametrize(("after", "is_better"), [(8, True), (3, False)])
def test_an_edit_is_better_when_its_writer_says_so(after, is_better):
    row = {"id": "l1", "prompt": PROMPT, "response": {"content": A, "source": "m"}, "edited_response": "About 16 °C. 🌊",
           "edits": [], "score_before": 3, "score_after": after, "editor": "writer07"}  # fmt: skip
    _case, found = said("lamp_writing", row, screen(A))
    assert found["grade"][7]["ratings"] == {"overall": 3}
    edit = found["edit"][7]
    assert (edit["edited_text"], edit["confirm_better"]) == ("About 16 °C. 🌊", is_better)
    (op,) = edit["ops"]
    assert A[: op["start"]] + op["text"] + A[op["end"] :] == "About 16 °C. 🌊"


def test_marks_of_one_kind_that_overlap_become_one():
    errors = [
        {"type": "Irrelevant", "start": 10, "end": 20},
        {"type": "Irrelevant", "start": 0, "end": 12},
        {"type": "Redundant", "start": 5, "end": 8},
        {"type": "Irrelevant", "start": 20, "end": 25},
    ]
    assert [(m["start"], m["end"], m["category"]) for m in merged(errors)] == [
        (0, 20, "Irrelevant"), (5, 8, "Redundant"), (20, 25, "Irrelevant"),
    ]  # fmt: skip


def test_marks_and_a_correction_and_what_is_left_out():
    row = {"id": "f1", "prompt": PROMPT, "response": {"content": A, "source": "m"}, "corrected_response": None,
           "errors": [{"type": "Unverifiable", "start": 0, "end": 5}]}  # fmt: skip
    case, found = said("finegrained_qa", row, screen(A))
    assert [(s["start"], s["end"], s["category"]) for s in found["errors"][7]["spans"]] == [
        (0, 5, "Unverifiable")
    ]
    assert "edit" not in found and "no corrected answer" in case.refused[0]
    _case, corrected = said("finegrained_qa", row | {"corrected_response": B}, screen(A))
    assert corrected["edit"][7]["confirm_better"] is True


def test_files_are_read_plain_or_zipped_in_order(tmp_path):
    folder = tmp_path / "hh_helpful"
    folder.mkdir()
    for n, name in enumerate(SETS["hh_helpful"].files):
        with gzip.open(tmp_path / name, "wt") as file:
            file.write(json.dumps(comparison(id=f"x{n}")) + "\n")
    assert [case.external_id for case in SETS["hh_helpful"].cases(tmp_path)] == ["x0", "x1", "x2"]
