"""Rows of OpenAssistant's reactions in our terms, worked out by hand; and how surely a consent is behind each."""

from annotation.replay.sets import SETS, answers_on
from feedback_types.base import Message, Screen, ShownResponse
from feedback_types.protocol import load_protocol

REAL = SETS["oasst_reactions"]
QUESTION, ANSWER = {"role": "user", "content": "How warm is the sea?"}, "About 17 °C. 🌊"


def row(role="assistant", context=(QUESTION,), **reactions):
    message = {"role": role, "content": ANSWER, "synthetic": False}
    return {"id": "r1", "context": list(context), "message": message, "reactions": reactions}


def test_each_thumb_is_one_exposure_of_somebody_unknown():
    case = REAL.read(row(**{"+1": 2, "-1": 1, "_skip_reply": 3, "red_flag": 1}))
    assert case.import_row() == {"id": "r1", "prompt": [QUESTION], "responses": [{"content": ANSWER}]}
    assert [said.labeler for said in case.said] == ["voter0", "voter1", "voter2"]
    assert (
        sorted(case.refused)
        == ["a report is not a reaction to the answer"]
        + ["skipping a task says nothing about the answer"] * 3
    )
    screen = Screen((Message("user", QUESTION["content"]),), (ShownResponse(7, ANSWER),))
    said = [answers_on(screen, load_protocol(REAL.protocol), s)[0] for s in case.said]
    assert [a.payload.reaction for a in said] == ["up", "up", "down"]
    assert said[0].target == 7 and said[0].payload.dump() == {
        "recorder": "plain", "reaction": "up", "reaction_ms": None, "exposed_ms": 0, "segments": [12, 14],
        "visible_ms": [], "revisits": [], "events": [], "condensed": False,
    } | {"segments": list(said[0].payload.segments)}  # fmt: skip
    assert said[0].payload.segments[-1] == len(ANSWER)


def test_what_is_no_reaction_to_an_answer_is_refused():
    case = REAL.read(row(role="user", context=(), **{"+1": 2, "_skip_labeling": 1, "heart": 1}))
    assert case.said == [] and case.responses == []  # no item is made of it
    assert sorted(case.refused) == [
        "a reaction to a question of a person, not to an answer",
        "a reaction to a question of a person, not to an answer",
        "heart is no reaction that is known here",
        "skipping a task says nothing about the answer",
    ]
