"""Improvement beyond the contract: what a browser may send, how far apart two edits are, what is exported."""

import json

import pytest

from feedback_types import protocol
from feedback_types.base import Event, InvalidPayload, Question
from feedback_types.improvement import feedback_type as improvement
from feedback_types.improvement.agreement import likeness, places
from feedback_types.improvement.diff import Op
from feedback_types.improvement.examples import CUT, EDIT, FIXED, REFUSED, SCREEN, TEXT
from feedback_types.improvement.schema import cuts, touched

WORSE = "Water boils at 9 °C. At height it boils sooner."


def op(kind, start, end, text=""):
    return Op(op=kind, start=start, end=end, text=text)


def parse(data, settings=None):
    settings = improvement.settings(settings)
    form = improvement.form_class(data, screen=SCREEN, settings=settings, target=7)
    assert form.is_valid(), form.errors
    payload = improvement.parse(form.cleaned_data, SCREEN, settings, 7)
    if payload is not None:
        improvement.validate(payload, SCREEN, settings, 7)
    return payload


def test_places_by_hand():
    # Characters 10..14 and 12..16: two in common of four each, on a ruler that also has a mark between neighbours:
    # 7 marks each (4 characters, 3 gaps), 3 of them shared.
    assert places([op("delete", 10, 14)], [op("delete", 12, 16)]) == pytest.approx(1 - 2 * 3 / (7 + 7))
    assert places([op("delete", 0, 4)], [op("delete", 4, 8)]) == 1
    assert places([op("insert", 4, 4, "a")], [op("insert", 4, 4, "b")]) == 0
    assert places([op("insert", 4, 4, "a")], [op("insert", 5, 5, "b")]) == 1
    assert places([op("replace", 2, 5, "a")], [op("delete", 2, 5)]) == 0


def test_likeness_by_hand():
    # n = 1: {a, b} against {a, c}: F1 1/2; n = 2: ab against ac: 0. Their mean is 1/4.
    assert likeness("a b", "ac") == 0.25
    assert likeness("same", "same") == 1 and likeness("", "") == 1
    assert likeness("", "x") == 0 and likeness("ab", "cd") == 0


def test_distance_by_hand():
    a = improvement.load(EDIT)
    assert improvement.distance(a, improvement.load(EDIT | {"keystrokes": 99})) == 0
    assert improvement.distance(a, improvement.load(EDIT | {"confirm_better": False})) == pytest.approx(1 / 3)
    # The same place, "100 " against "99 ": no character is shared.
    other = EDIT | {
        "edited_text": TEXT.replace("90", "99"),
        "ops": [{"op": "replace", "start": 15, "end": 18, "text": "99 "}],
    }
    assert improvement.distance(a, improvement.load(other)) == pytest.approx(1 / 3)
    # Another place, nothing written, the same verdict.
    assert improvement.distance(
        a, improvement.load(CUT | {"ops": [{"op": "delete", "start": 22, "end": 48, "text": ""}]})
    ) == pytest.approx(2 / 3)
    assert (
        improvement.consensus(
            [a, improvement.load(other), improvement.load(EDIT | {"keystrokes": 5})]
        ).edited_text
        == FIXED
    )


def test_touched_sentences():
    ends = [22, 48]
    assert touched(ends, [op("replace", 15, 18, "x")]) == {0}
    assert touched(ends, [op("delete", 0, 22)]) == {0}
    assert touched(ends, [op("delete", 21, 23)]) == {0, 1}
    assert touched(ends, [op("insert", 22, 22, "x")]) == {1}  # between two sentences: the one after it
    assert touched(ends, [op("insert", 48, 48, "x")]) == {1}
    assert touched([], [op("insert", 0, 0, "x")]) == frozenset()


def test_cuts():
    assert cuts("One. Two. Three.", [5, 10, 16]) == ["Two. Three.", "One. Three.", "One. Two. "]
    assert cuts("One.", [4]) == []
    assert cuts("A. A. ", [3, 6]) == []  # two cuts that are the same text are no choice
    assert cuts("A. " * 13, list(range(3, 40, 3))) == []


def test_only_confirmed_edits_are_exported():
    def rows(payload):
        return list(
            improvement.records(
                [Event("1", "improvement", "l", "q", SCREEN, 7, improvement.load(payload), None)]
            )
        )

    prompt = [{"role": "user", "content": "When does water boil?"}]
    edited, original = ([{"role": "assistant", "content": text}] for text in (FIXED, TEXT))
    assert rows(EDIT | {"refused": [REFUSED]}) == [
        ("preference", {"prompt": prompt, "chosen": edited, "rejected": original}),
        ("prompt_completion", {"prompt": prompt, "completion": edited}),
    ]
    assert rows(EDIT | {"confirm_better": False}) == []


def test_what_a_browser_sends():
    assert parse({"edited_text": TEXT}) is None  # a text area nobody touched
    assert parse({"edited_text": ""}) is None
    edited = parse({"edited_text": FIXED, "better": "yes", "keystrokes": "4", "edit_ms": "5200"})
    assert edited == improvement.load(EDIT)
    assert parse({"edited_text": FIXED, "better": "no"}).confirm_better is False
    # "No" to a first draft, then another one; the same draft is not told twice, nor the original.
    again = parse({"edited_text": FIXED, "better": "yes", "refused": json.dumps([WORSE, TEXT, FIXED])})
    assert [draft.edited_text for draft in again.refused] == [WORSE]
    # "No", and then back to the original: the refused draft is the answer.
    back = parse({"edited_text": TEXT, "better": "", "refused": json.dumps([WORSE])})
    assert (back.edited_text, back.confirm_better, back.refused) == (WORSE, False, ())


def test_one_response_is_improved():
    question = Question("q", improvement, improvement.settings())
    other = SCREEN.responses[1].text + "!"
    posted = {"q-7-edited_text": FIXED, "q-7-better": "yes", "q-4-edited_text": SCREEN.responses[1].text}
    [answer] = protocol.read_form([question], SCREEN, posted)
    assert answer.target == 7
    with pytest.raises(InvalidPayload) as refused:
        protocol.read_form([question], SCREEN, posted | {"q-4-edited_text": other, "q-4-better": "yes"})
    assert refused.value.errors == {"q": ["Answer about one response only, and take the others back."]}
    edits = [*protocol.read_form([question], SCREEN, {"q-4-edited_text": other, "q-4-better": "yes"}), answer]
    sent = [{"question": "q", "target": a.target, "payload": a.payload.dump()} for a in edits]
    assert protocol.read_json([question], SCREEN, sent[:1]) == edits[:1]
    with pytest.raises(InvalidPayload):
        protocol.read_json([question], SCREEN, sent)


def test_cuts_need_no_script():
    shown = cuts(TEXT, [22, 48])
    payload = parse({"edited_text": TEXT, "cut": "0", "better": "yes"}, {"suggestions": "cuts"})
    assert (payload.edited_text, payload.picked, payload.suggestions_shown) == (shown[0], 0, tuple(shown))
    own = parse({"edited_text": FIXED, "cut": "0", "better": "yes"}, {"suggestions": "cuts"})
    assert (own.edited_text, own.picked, own.suggestions_shown) == (
        FIXED,
        None,
        tuple(shown),
    )  # own words were typed
    assert parse({"edited_text": TEXT, "better": ""}, {"suggestions": "cuts"}) is None


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"edited_text": TEXT, "better": "yes"}, "edited_text"),
        ({"edited_text": FIXED}, "better"),
        ({"edited_text": " \n", "better": "yes"}, "edited_text"),
        ({"edited_text": "x" * 30_000, "better": "yes"}, "edited_text"),
        ({"edited_text": FIXED, "better": "yes", "refused": json.dumps(["x" * 30_000])}, "edited_text"),
        ({"edited_text": FIXED, "better": "yes", "refused": '["\\ud83d"]'}, "edited_text"),
        ({"edited_text": FIXED, "better": "yes", "suggestions": '["a\\u0000"]'}, "edited_text"),
        ({"edited_text": FIXED, "better": "yes", "suggested_for": "0"}, "suggested_for"),
        ({"edited_text": FIXED, "better": "yes", "suggestions": json.dumps([TEXT])}, "suggestions_shown"),
    ],
)
def test_what_is_refused(data, field):
    with pytest.raises(InvalidPayload) as refused:
        parse(data)
    assert field in refused.value.errors


@pytest.mark.parametrize(
    "data",
    [
        {"edited_text": "a\x00"},
        {"refused": "{"},
        {"refused": "[1]"},
        {"refused": "[" * 100_000},
        {"refused": json.dumps(["a"] * 6)},
        {"suggestions": '{"a": 1}'},
        {"suggested_for": "-1"},
        {"suggested_for": "9" * 5000},
        {"better": "maybe"},
        {"cut": "7"},
        {"keystrokes": "-1"},
    ],
)
def test_what_cannot_be_read(data):
    form = improvement.form_class(data, screen=SCREEN, settings=improvement.settings(), target=7)
    assert not form.is_valid()
