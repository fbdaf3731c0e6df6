"""Sets of traces, triplets and written texts: small rows of the same shapes, with the answers worked out by hand."""

import gzip
import json

import pytest

from annotation.replay.sets import SETS, answers_on
from annotation.replay.sets.triplets_faces36 import ITEMS, TRIPLETS, attention_checks
from feedback_types.base import InvalidPayload, Message, Screen, ShownResponse
from feedback_types.protocol import load_protocol

PROMPT = [{"role": "user", "content": "How warm is the sea?"}]


def screen(*texts):
    return Screen((Message("user", "?"),), tuple(ShownResponse(7 + n, t) for n, t in enumerate(texts)))


def payload(name, case, shown, which=0):
    [answer] = answers_on(shown, load_protocol(SETS[name].protocol), case.said[which])
    return answer.payload.dump()


def test_reading_levels_are_a_trace_from_the_easiest():
    levels = {"elementary": "Easy.", "advanced": "Arduous.", "intermediate": "Middling."}
    row = {
        "id": "o1",
        "title": "Amazon",
        "trace": [
            {"level": level, "value": n, "text": text} for n, (level, text) in enumerate(levels.items())
        ],
    }
    case = SETS["onestop_english"].read(row)
    assert case.prompt == [{"role": "user", "content": "Amazon"}]
    found = payload("onestop_english", case, screen("Middling.", "Arduous.", "Easy."))
    assert found["ordered_ids"] == [9, 7, 8] and found["feature"] == "reading difficulty"
    assert (found["start_level"], found["end_level"]) == (0.0, 1.0)
    with pytest.raises(InvalidPayload):
        payload("onestop_english", case, screen("Middling.", "Arduous.", "Other."))


def test_a_ranking_begins_with_the_best_and_a_trace_ends_with_it():
    votes = [
        {"labeler": "writer02", "ranking": [3, 1, 2]},
        {"labeler": "writer05", "ranking": [1, 1, 2]},
    ]
    responses = [{"content": c, "source": "m"} for c in ("a", "b", "c")]
    row = {"id": "l1", "prompt": PROMPT, "responses": responses, "votes": votes}
    case = SETS["lamp_rankings"].read(row)
    assert [said.labeler for said in case.said] == ["writer02"] and "no ties" in case.refused[0]
    assert payload("lamp_rankings", case, screen("c", "a", "b"))["ordered_ids"] == [8, 7, 9]  # a, c, b


@pytest.fixture
def faces(tmp_path):
    (tmp_path / "triplets_faces36").mkdir()
    people = [{"item": f"item0{n}", "person": f"p{n}", "expression": "happy"} for n in (1, 2, 3)]
    (tmp_path / ITEMS).write_text("\n".join(map(json.dumps, people)))

    def answer(labeler, trial, left, right, chosen):
        return {"labeler": labeler, "trial": trial, "anchor": "item02", "left": left, "right": right,
                "chosen": chosen, "response_ms": 900}  # fmt: skip

    rows = [
        answer("w1", "attention_check", "item02", "item03", "left"),
        answer("w1", "attention_check", "item01", "item02", "left"),
        answer("w2", "attention_check", "item02", "item03", "left"),
        answer("w1", "shared", "item03", "item01", "left"),
        answer("w2", "shared", "item01", "item03", "left"),
        answer("w2", "shared", "item03", "item01", "right"),
    ]
    with gzip.open(tmp_path / TRIPLETS, "wt") as file:
        file.write("\n".join(map(json.dumps, rows)))
    return tmp_path, rows


def test_triplets_are_gathered_by_their_pictures(faces):
    data, _rows = faces
    [shared] = SETS["triplets_faces36"].cases(data)
    assert [r["content"] for r in shared.responses] == ["p2, happy", "p1, happy", "p3, happy"]
    assert [said.labeler for said in shared.said] == ["w1", "w2"]
    assert "twice" in shared.refused[0]
    assert len(shared.refused) == 4 and all("attention check" in reason for reason in shared.refused[1:])
    shown = Screen(
        (), (ShownResponse(12, "p3, happy"), ShownResponse(10, "p2, happy"), ShownResponse(11, "p1, happy"))
    )
    first = payload("triplets_faces36", shared, shown)
    assert (first["pair"], first["reference"], first["items"]) == ([10, 12], 10, [12, 10, 11])
    assert payload("triplets_faces36", shared, shown, which=1)["pair"] == [10, 11]


def test_attention_checks_are_counted_by_labeler(faces):
    _data, rows = faces
    assert attention_checks(rows) == {"w1": (1, 2), "w2": (1, 1)}


def test_corrected_code_starts_from_the_draft():
    row = {"id": "i1", "prompt": PROMPT, "response": {"content": "x = 1\r\n", "source": "m"},
           "refined_response": "x = 2\n"}  # fmt: skip
    case = SETS["ilf_code"].read(row)
    found = payload("ilf_code", case, screen("x = 1\r\n"))
    assert (found["text"], found["written_from"], found["source"]) == ("x = 2\n", "draft", 7)
    assert found["keystrokes"] is None and found["paste_events"] is None
