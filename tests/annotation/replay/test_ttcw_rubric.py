"""Stories under fourteen tests: small rows of the set's shape, worked out by hand."""

import json

from annotation.replay.sets import SETS, answers_on
from annotation.replay.sets.ttcw_rubric import CRITERIA
from feedback_types.base import Message, Screen, ShownResponse
from feedback_types.protocol import load_protocol

PROMPT = [{"role": "user", "content": "Write a short story."}]
STORIES = [
    {"id": f"ttcw-0_{name}", "prompt": PROMPT, "response": {"content": text, "source": name}}
    for name, text in (("Claude", "A."), ("GPT3.5", "B."), ("GPT4", "C."))
]


def judged(story, expert, yes):
    """Verdicts of one expert on one story: yes to the tests named."""
    return [{"story": story["id"], "test": n, "labeler": expert, "verdict": n in yes} for n in range(1, 15)]


def cases(folder, judgements):
    home = folder / "ttcw"
    home.mkdir()
    (home / "stories.jsonl").write_text("\n".join(map(json.dumps, STORIES)))
    (home / "judgements.jsonl").write_text("\n".join(map(json.dumps, judgements)))
    return list(SETS["ttcw_rubric"].cases(folder))


def test_stories_of_one_plot_are_one_item_with_a_rubric(tmp_path):
    rows = [
        *judged(STORIES[0], "e2", {1, 2}),
        *judged(STORIES[1], "e2", {3}),
        *judged(STORIES[2], "e2", {2, 14}),
    ]
    (case,) = cases(tmp_path, rows)
    assert (case.external_id, len(case.responses)) == ("ttcw-0", 3)
    shown = Screen(
        (Message("user", "?"),), (ShownResponse(4, "C."), ShownResponse(5, "A."), ShownResponse(6, "B."))
    )
    (answer,) = answers_on(shown, load_protocol(SETS["ttcw_rubric"].protocol), case.said[0])
    payload = answer.payload
    assert payload.judgements[CRITERIA[0]] == (0, 1, 0)
    assert payload.judgements[CRITERIA[1]] == (1, 1, 0)
    assert payload.judgements[CRITERIA[2]] == (0, 0, 1)
    assert payload.judgements[CRITERIA[13]] == (1, 0, 0)
    assert payload.ranks == (1, 1, 2) and set(payload.weights.values()) == {1}  # two, two and one yes


def test_who_did_not_judge_everything_is_left_out(tmp_path):
    rows = [j for story in STORIES for j in judged(story, "e1", {1})][:-1]
    (case,) = cases(tmp_path, rows)
    assert case.said == [] and len(case.refused) == 1


def test_criteria_are_the_fourteen_tests():
    assert len(set(CRITERIA)) == 14 and all(len(name) <= 40 for name in CRITERIA)
