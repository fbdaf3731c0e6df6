"""A snapshot directory comes back as the events that were written, and damage is named."""

import json

import pytest

from feedback_types.base import Message, ShownResponse
from tests.training_bridge.reward_model import world
from training_bridge.exports.reader import UnreadableSnapshot, read_events, verify


@pytest.fixture
def written(tmp_path):
    made = world.World(1)
    screens = made.screens(6)
    rows = world.answer(
        screens, {"a": made.labeler(), "b": made.labeler()}, [world.COMPARISON, world.RATING], overlap=2
    )
    return tmp_path / "snapshot", screens, rows, world.write_snapshot(tmp_path / "snapshot", screens, rows)


def test_events_are_what_was_said_on_the_screen_as_shown(written):
    snapshot, screens, rows, _ = written
    events = list(read_events(snapshot))
    assert [e.id for e in events] == [str(row["id"]) for row in rows]
    assert len(events) == 6 * 2 * (1 + 2)
    for event, row in zip(events, rows, strict=True):
        screen = screens[row["item"]]
        assert event.screen.prompt == screen.prompt
        assert [r.id for r in event.screen.responses] == row["responses"]
        assert {r.id: r.text for r in event.screen.responses} == {r.id: r.text for r in screen.responses}
        assert event.payload.dump() == row["payload"]
        assert event.settings.model_dump(mode="json") == row["settings"]
        assert (event.labeler, event.question, event.target) == (
            row["labeler"],
            row["question"],
            row["target"],
        )
        assert (event.extra["split"], event.extra["campaign"], event.extra["round"]) == (row["split"], 1, 1)


def test_one_split_is_read_alone(written):
    snapshot, _, rows, _ = written
    by_split = {split: [e.id for e in read_events(snapshot, split=split)] for split in ("train", "test")}
    assert by_split == {s: [str(r["id"]) for r in rows if r["split"] == s] for s in ("train", "test")}


def test_texts_with_every_kind_of_line_end_stay_whole(tmp_path):
    text = "a\u2028b\u0085c\r\nd 👋🏽"
    screens = [
        world.Screen((Message("user", "x\u2029y"),), (ShownResponse(1, text), ShownResponse(2, "other")))
    ]
    made = world.World()
    world.write_snapshot(
        tmp_path / "s", screens, world.answer(screens, {"a": made.labeler()}, [world.COMPARISON])
    )
    [event] = read_events(tmp_path / "s")
    assert event.screen.response(1).text == text
    assert event.screen.prompt[0].content == "x\u2029y"


def test_a_directory_without_a_manifest_is_not_complete(written):
    snapshot, *_ = written
    (snapshot / "manifest.json").unlink()
    with pytest.raises(UnreadableSnapshot, match=r"no manifest\.json"):
        next(read_events(snapshot))


def test_the_content_address_is_checked(written):
    snapshot, _, _, address = written
    assert verify(snapshot) == verify(snapshot, address) == address
    with pytest.raises(UnreadableSnapshot, match="was asked for"):
        verify(snapshot, "0" * 64)
    with (snapshot / "native/feedback.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(UnreadableSnapshot, match=r"native/feedback\.jsonl is not as it was written"):
        verify(snapshot, address)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"responses": [1, 999]}, "no row 999"),
        ({"type": "telepathy"}, "no feedback type 'telepathy'"),
        ({"payload": {"items": [1]}}, "InvalidPayload"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(written, change, said):
    snapshot, _, rows, _ = written
    path = snapshot / "native/feedback.jsonl"
    rows[2] = {**rows[0], **change}
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    with pytest.raises(UnreadableSnapshot, match=said) as error:
        list(read_events(snapshot))
    assert "line 3" in str(error.value) or "row 999" in str(error.value)
