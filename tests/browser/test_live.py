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


def until(true: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def tiny_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.training_bridge.reward_model import tiny

    return tiny.save_policy(tmp_path_factory.mktemp("live-policy"))


@pytest.fixture
def policy(transactional_db: None, tiny_policy: Path, tmp_path: Path) -> Iterator[PolicyProcess]:
    Checkpoint.objects.create(
        kind="policy", name="tiny canary", path=str(tiny_policy), sha256=directory_sha256(tiny_policy)
    )
    made = PolicyProcess(tmp_path / "policy.log")
    made.start()
    yield made
    for process in made.processes:
        _stop(process)
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
    row = until(lambda: Generation.objects.exclude(state="running").first(), 2)
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
    first = until(lambda: Generation.objects.filter(state="failed").first(), 3)
    assert first.error["code"] == "died" and first.text
    policy.start()
    page.reload()  # and what came is in the draft, too
    page.keyboard.press("Space")
    second = until(lambda: Generation.objects.filter(continues=first).exclude(state="running").first(), 30)
    assert second.prefix == first.text.rstrip() and second.state == "finished"
    assert second.spans[0] == {"by": "policy", "start": 0, "end": len(second.prefix)}
    until(lambda: page.locator("[name$=outcome]").input_value() == "finished", 30)
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
    until(lambda: page.locator("[name$=outcome]").input_value() == "finished", 30)
    page.keyboard.press("Enter")
    assert "live" not in until(Feedback.objects.first).payload
