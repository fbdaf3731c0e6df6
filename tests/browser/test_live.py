"""The policy live in the page, by a real local policy in a process of its own: stopped, taken over, killed on the way."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from annotation.consents.services import grant
from annotation.generation.models import Generation
from annotation.generation.services import set_live
from annotation.submissions.models import Feedback
from tests.cast import Cast, make_campaign, make_cast
from tests.conftest import _start, _stop
from training_bridge.models import Checkpoint
from training_bridge.services.checkpoints import directory_sha256

SEED = 3


@dataclass
class PolicyProcess:
    log: Path
    processes: list[Any] = field(default_factory=list)

    def start(self) -> None:
        Path(settings.POLICY_SOCKET).unlink(missing_ok=True)
        os.environ["WHETSTONE_LIVE_TOKENS_PER_S"] = "20"
        self.processes.append(_start(["django", "serve_policy", "--settings", "tests.settings"], self.log))
        until(lambda: Path(settings.POLICY_SOCKET).exists())

    def kill(self) -> None:
        os.kill(self.processes[-1].pid, signal.SIGKILL)
        self.processes[-1].wait()


def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def tiny_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.training_bridge.reward_model import tiny

    return tiny.save_policy(tmp_path_factory.mktemp("live-policy"))


@pytest.fixture(scope="module")
def policy_process(_site_process: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolicyProcess]:
    made = PolicyProcess(tmp_path_factory.mktemp("live") / "policy.log")
    made.start()
    yield made
    for process in made.processes:
        _stop(process)


@pytest.fixture
def policy(
    policy_process: PolicyProcess, transactional_db: None, tiny_policy: Path
) -> Iterator[PolicyProcess]:
    Checkpoint.objects.create(
        kind="policy", name="tiny canary", path=str(tiny_policy), sha256=directory_sha256(tiny_policy)
    )
    yield policy_process
    with connection.cursor() as cursor:  # its rows refuse to be deleted one by one
        cursor.execute("TRUNCATE annotation_generation CASCADE")


def open_screen(page: Any, site: Any, cast: Cast, protocol: list[dict[str, Any]], **live: Any) -> Any:
    campaign = make_campaign(cast, items=1, responses=1, protocol=protocol)
    how = {"temperature": 1.0, "max_new_tokens": 200, "seed": SEED} | live
    set_live(actor=cast.adam, campaign=campaign, source=how.pop("source", "policy"), sampling=how)
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")
    return campaign


LIVE_STOP = [
    {"key": "halt", "type": "e_stop", "settings": {"response": "live", "start": "key", "chars_per_s": 30}}
]


def test_esc_stops_the_policy_itself_and_what_was_on_the_screen_is_stored(
    page: Any, site: Any, policy: PolicyProcess
) -> None:
    cast = make_cast()
    open_screen(page, site, cast, LIVE_STOP)
    page.keyboard.press("Space")
    box = page.locator(".e_stop-stream")
    until(lambda: len(page.locator(".e_stop-stream").text_content()) > 30)
    page.keyboard.press("Escape")
    shown = box.evaluate("e => e.childNodes[1].data")
    row = until(lambda: Generation.objects.exclude(state="running").first())
    assert row.state == "stopped" and 0 < row.served_tokens < 200 and row.policy["name"] == "tiny canary"
    assert len(row.tokens) == row.served_tokens and row.sampling["seed"] == SEED
    assert "canary" not in page.content()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    stored = until(Feedback.objects.first)
    payload = stored.payload
    assert payload["outcome"] == "stopped" and payload["reason"] == "bad"
    assert payload["live"]["generations"] == [str(row.pk)]
    assert payload["live"]["text"][: payload["rendered_char"]] == shown
    assert (
        payload["rendered_char"] <= payload["stop_char"] <= len(payload["live"]["text"]) <= row.served_chars
    )
    assert row.text.startswith(payload["live"]["text"])
    assert stored.choice_set["stop_after_each_segment_of"][0]["segments"] == payload["segments"]


def test_a_policy_that_dies_says_so_loses_nothing_and_goes_on_when_it_is_back(
    page: Any, site: Any, policy: PolicyProcess
) -> None:
    cast = make_cast()
    open_screen(page, site, cast, LIVE_STOP, max_new_tokens=60)
    page.keyboard.press("Space")
    until(lambda: len(page.locator(".e_stop-stream").text_content()) > 20)
    policy.kill()
    page.locator(".e_stop-status", has_text="What came is kept.").wait_for()
    first = until(lambda: Generation.objects.filter(state="failed").first())
    assert first.error["code"] == "died" and first.text
    policy.start()
    page.reload()  # and what came is in the draft, too
    page.keyboard.press("Space")
    second = until(lambda: Generation.objects.filter(continues=first).exclude(state="running").first())
    assert second.prefix == first.text.rstrip() and second.state == "finished"
    assert second.spans[0] == {"by": "policy", "start": 0, "end": len(second.prefix)}
    until(lambda: page.locator("[name$=outcome]").input_value() == "finished")
    page.keyboard.press("Enter")
    payload = until(Feedback.objects.first).payload
    assert payload["outcome"] == "finished" and payload["live"]["text"] == second.prefix + second.text
    assert payload["live"]["generations"] == [str(first.pk), str(second.pk)]


def test_where_no_policy_answers_the_stored_response_is_shown_and_why(page: Any, site: Any) -> None:
    cast = make_cast()
    open_screen(page, site, cast, LIVE_STOP, source="off")
    page.keyboard.press("Space")
    page.locator(".e_stop-status", has_text="The stored response is shown.").wait_for()
    page.locator(".e_stop-stream", has_text="Answer 0.0.").wait_for()
    until(lambda: page.locator("[name$=outcome]").input_value() == "finished")
    page.keyboard.press("Enter")
    assert "live" not in until(Feedback.objects.first).payload


def test_a_labeler_takes_over_and_the_policy_goes_on_from_the_edited_beginning_again_and_again(
    page: Any, site: Any, policy: PolicyProcess
) -> None:
    cast = make_cast()
    protocol = [{"key": "mend", "type": "improvement", "settings": {"take_over": True}}]
    open_screen(page, site, cast, protocol, max_new_tokens=40)
    page.keyboard.press("e")
    editor = page.locator(".improvement-editor")
    editor.press("Control+End")
    editor.press_sequentially(" Besides, otters ")
    edited = editor.input_value()
    editor.press("Alt+Enter")
    until(lambda: len(editor.input_value()) > len(edited) + 5)
    assert editor.get_attribute("readonly") is not None
    page.keyboard.press("Escape")
    first = until(lambda: Generation.objects.filter(state="stopped").first())
    assert first.prefix == edited.rstrip() and 0 < first.served_tokens < 40
    assert first.spans[0] == {"by": "person", "start": 0, "end": len(first.prefix)}
    until(lambda: editor.get_attribute("readonly") is None)
    stopped_at = editor.input_value()
    editor.press("Backspace")
    editor.press_sequentially(" no: they")
    again = editor.input_value()
    editor.press("Alt+Enter")
    second = until(lambda: Generation.objects.filter(continues=first, state="finished").first())
    until(lambda: editor.get_attribute("readonly") is None)
    assert second.prefix == again and [s["by"] for s in second.spans] == [
        "person",
        "policy",
        "person",
        "policy",
    ]
    page.keyboard.press("Control+Enter")
    page.keyboard.press("y")
    page.keyboard.press("Enter")
    payload = until(Feedback.objects.first).payload
    one, two = payload["takeovers"]
    assert (one["before"], one["at"], one["prefix"]) == ("Answer 0.0.", len("Answer 0.0."), edited.rstrip())
    assert (one["generation"], one["outcome"]) == (str(first.pk), "stopped")
    assert (one["prefix"] + one["text"]).replace("\r", "\n") == stopped_at.replace("\r", "\n")
    assert (two["before"], two["prefix"], two["outcome"]) == (stopped_at, again, "finished")
    assert two["at"] == len(stopped_at) - 1 and two["text"] == second.text
    assert payload["confirm_better"] and payload["edited_text"].startswith(again)


def test_another_response_is_written_from_nothing_and_each_time_a_new_one(
    page: Any, site: Any, policy: PolicyProcess
) -> None:
    cast = make_cast()
    protocol = [
        {"key": "seen", "type": "social_behavior", "settings": {"signals": ["regenerate"]}},
        {"key": "mend", "type": "improvement", "settings": {"take_over": True}},
    ]
    grant(user=cast.lena, slug="implicit_signals", version=1)
    open_screen(page, site, cast, protocol, max_new_tokens=8)
    page.get_by_role("button", name="Another response").click()
    first = until(lambda: Generation.objects.filter(state="finished").first())
    editor = page.locator(".improvement-editor")
    until(lambda: editor.get_attribute("readonly") is None)
    editor.press("Alt+r")
    second = until(lambda: Generation.objects.filter(state="finished", continues=first).first())
    assert (first.prefix, second.prefix) == ("", "")
    assert (first.sampling["seed"], second.sampling["seed"]) == (SEED, SEED + 1) and first.text != second.text
    until(lambda: editor.get_attribute("readonly") is None)
    page.keyboard.press("Control+Enter")
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    payload = until(Feedback.objects.filter(question="mend").first).payload
    assert [(t["prefix"], t["at"], t["text"]) for t in payload["takeovers"]] == [
        ("", 0, first.text), ("", 0, second.text)
    ]  # fmt: skip
    (observed,) = Feedback.objects.get(question="seen").payload["events"]
    assert (observed["event"], observed["count"]) == ("regenerate", 2)


def test_the_policy_revises_by_a_comment_and_the_labeler_judges_the_revision(
    page: Any, site: Any, policy: PolicyProcess
) -> None:
    cast = make_cast()
    protocol = [
        {"key": "say", "type": "natural_language", "settings": {"refinements": "policy", "aspects": []}}
    ]
    open_screen(page, site, cast, protocol, max_new_tokens=15)
    page.keyboard.press("n")
    page.keyboard.type("Say more about otters.")
    page.keyboard.press("Control+Enter")
    page.get_by_text("What the revision changes").wait_for()
    row = Generation.objects.get()
    assert row.messages[-1]["content"].endswith("Say more about otters.") and row.state == "finished"
    assert row.messages[-2] == {"role": "assistant", "content": "Answer 0.0."}
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    shown = until(Feedback.objects.first).payload["refinements_shown"]
    assert shown == [{"text": row.text, "source": "policy", "generation": str(row.pk), "accepted": True}]
