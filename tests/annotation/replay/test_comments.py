"""Sets with comments and marks: small rows of the same shapes, with the answers worked out by hand."""

from __future__ import annotations

import json

import pytest

from annotation.replay.sets import SETS, answers_on
from annotation.replay.sets.ttcw import TESTS, Stories
from feedback_types.base import Message, Screen, ShownResponse
from feedback_types.protocol import load_protocol


def said(name: str, case, which: int = 0) -> dict[str, dict]:
    """Payload of each question, of one labeler, on the screen of the case."""
    screen = Screen(
        tuple(Message(**message) for message in case.prompt),
        tuple(ShownResponse(7 + n, r["content"]) for n, r in enumerate(case.responses)),
    )
    answers = answers_on(screen, load_protocol(SETS[name].protocol), case.said[which])
    return {a.question: a.payload.dump() for a in answers}


PROMPT = [{"role": "user", "content": "Add two numbers."}]


@pytest.mark.parametrize(("passes", "has_edit"), [(True, True), (False, False)])
def test_a_comment_and_a_correction_that_works(passes: bool, has_edit: bool) -> None:
    row = {"id": "i1", "prompt": PROMPT, "response": {"content": "a - b\n", "source": "m"}, "feedback": "Use +.",
           "refined_response": "a + b\n", "refinement_passes_tests": passes}  # fmt: skip
    case = SETS["ilf_code_comments"].read(row)
    found = said("ilf_code_comments", case)
    assert (found["why"]["text"], found["why"]["verdict"], found["why"]["language"]) == ("Use +.", None, "en")
    assert ("edit" in found) == has_edit == (not case.refused)
    if has_edit:
        assert (found["edit"]["edited_text"], found["edit"]["confirm_better"]) == ("a + b\n", True)


def test_a_comment_on_sql_without_the_set_s_own_answer() -> None:
    row = {"id": "s1", "prompt": PROMPT, "response": {"content": "select a", "source": "p"},
           "feedback": "Take b .", "corrected_response": "SELECT b"}  # fmt: skip
    case = SETS["splash_editsql"].read(row)
    assert said("splash_editsql", case)["why"]["text"] == "Take b ."
    assert "data set's own" in case.refused[0]


def test_the_reason_of_the_first_error_is_about_its_step() -> None:
    row = {"id": "m1", "prompt": PROMPT, "steps": ["2 💰 and 3.", "2 + 3 = 6.", "#### 6"], "first_error_step": 1,
           "error_reason": "加错了。", "reason_language": "zh", "variant": "original"}  # fmt: skip
    case = SETS["mr_gsm8k_reasons"].read(row)
    payload = said("mr_gsm8k_reasons", case)["why"]
    assert case.responses[0]["content"][payload["start"] : payload["end"]] == "2 + 3 = 6."
    assert (payload["start"], payload["verdict"], payload["language"]) == (11, -1, "zh")


def test_three_experts_take_the_tests_on_a_story(tmp_path) -> None:
    """Two people, tests 1, 2 and 9: the last belongs to the other half of the set."""
    (tmp_path / "ttcw").mkdir()
    story = {"id": "t1", "prompt": PROMPT, "response": {"content": "Once.", "source": "m"}}
    judged = [("e1", 1, True), ("e2", 1, False), ("e1", 2, False), ("e1", 9, True)]
    rows = [
        {"story": "t1", "test": test, "labeler": who, "verdict": yes, "explanation": f"{who} on {test}"}
        for who, test, yes in judged
    ]
    (tmp_path / "ttcw" / "stories.jsonl").write_text(json.dumps(story) + "\n")
    (tmp_path / "ttcw" / "judgements.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    cases = {name: list(SETS[name].cases(tmp_path)) for name in SETS if name.startswith("ttcw")}
    (first,), (second,) = cases["ttcw_fluency_flexibility"], cases["ttcw_originality_elaboration"]
    assert [s.labeler for s in first.said] == ["e1", "e2"] and [s.labeler for s in second.said] == ["e1"]
    assert set(second.said[0].payloads) == {"t09"}
    assert set(first.said[0].payloads) == {"t01", "t02"} and set(first.said[1].payloads) == {"t01"}


def test_each_test_of_a_story_teaches_its_own_attribute() -> None:
    asked = [
        q
        for name in sorted(SETS)
        if isinstance(SETS[name], Stories)
        for q in load_protocol(SETS[name].protocol)
    ]
    assert [q.settings.criterion for q in asked] == [criterion for criterion, _words in TESTS.values()]
    assert len({q.settings.criterion for q in asked}) == 14


def test_an_explanation_and_the_words_of_the_question_that_say_so() -> None:
    row = {"id": "c1", "question": "Where is a 🔦 that is not for sale?", "choices": ["shop", "house"], "answer": "house",
           "highlight": {"start": 21, "end": 33}, "explanation": "A house sells nothing."}  # fmt: skip
    case = SETS["cos_e"].read(row)
    found = said("cos_e", case)
    (mark,) = found["where"]["marks"]
    assert case.prompt[0]["content"][mark["start"] : mark["end"]] == "not for sale"
    assert (mark["where"], mark["turn"], mark["sign"], found["where"]["explains"]) == ("prompt", 0, 0, "why")
    # Sentences: the question, and a line for each of two choices.
    assert found["where"]["prompt_segments"] == [[35, 42, 49]]
    assert found["why"]["text"] == "A house sells nothing."


def test_errors_are_what_hurt_an_answer() -> None:
    errors = [
        {"type": "Redundant", "start": 10, "end": 14},
        {"type": "Irrelevant", "start": 0, "end": 4},
        {"type": "Incoherent", "start": 3, "end": 6},
    ]
    row = {
        "id": "f1",
        "prompt": PROMPT,
        "response": {"content": "One two three four.", "source": "m"},
        "errors": errors,
    }
    case = SETS["finegrained_qa_importance"].read(row)
    payload = said("finegrained_qa_importance", case)["why"]
    assert [(m["start"], m["end"], m["sign"]) for m in payload["marks"]] == [(0, 6, -1), (10, 14, -1)]
    assert (
        said("finegrained_qa_importance", SETS["finegrained_qa_importance"].read(row | {"errors": []}))[
            "why"
        ]["marks"]
        == []
    )
