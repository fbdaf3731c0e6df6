"""Every feedback type in a real browser, from its own VALID examples and nothing else.

A campaign asks one question about the example's texts. Then: its keys alone give its answer; a form without scripts gives
one too; nothing is wider than a phone and every control can be reached there; axe finds nothing, light and dark.

With WHETSTONE_SCREENSHOTS set, the picture of each type is written to docs/img/types/<slug>.png.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from playwright.sync_api import Page, expect

from annotation.assignment.models import Assignment
from annotation.assignment.services import lease_next
from annotation.consents.services import grant
from annotation.items.services import NewItem, NewResponse, add_items
from annotation.submissions.models import Feedback
from feedback_types import registry
from feedback_types.base import Example, FeedbackType, InvalidPayload, Question, Screen, Target
from feedback_types.protocol import forms, prefix, read_form
from tests.browsers import axe_finds_in_both_themes
from tests.cast import Cast, make_campaign, make_cast
from tests.conftest import watch_page

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "img" / "types"
PHONE = {"width": 390, "height": 844}
FIRST_ID = (
    1_000_000_000  # stored ids are like no other number of an answer, so that they can be told and translated
)

TYPES = registry.all_types()
of_types = pytest.mark.parametrize("feedback_type", TYPES, ids=lambda t: t.slug)


def alone(feedback_type: FeedbackType, example: Example) -> Example:
    """The example with its target alone on the screen, where a type asks about each response."""
    if feedback_type.target is not Target.EACH:
        return example
    responses = tuple(r for r in example.screen.responses if r.id == example.target)
    return replace(example, screen=Screen(example.screen.prompt, responses))


def can_be_shown(example: Example) -> bool:
    """Items have no empty texts."""
    return all(r.text.strip() for r in example.screen.responses)


PRESSED = [(t, alone(t, e)) for t in TYPES for e in t.valid if e.pressed and can_be_shown(alone(t, e))]
of_pressed = pytest.mark.parametrize(
    ("feedback_type", "example"), PRESSED, ids=[f"{t.slug}-{' '.join(e.pressed)[:40]}" for t, e in PRESSED]
)


def example_of(feedback_type: FeedbackType) -> Example:
    """The first that can be pressed; the usual settings before others."""
    return min((e for t, e in PRESSED if t is feedback_type), key=lambda e: bool(e.settings))


# --- A campaign that asks one question about one example ----------------------------------------------------------------


@dataclass
class Scene:
    """An example on a labeler's screen, and the way back from stored ids to the example's."""

    feedback_type: FeedbackType
    example: Example
    cast: Cast
    address: str
    ids: Mapping[str, str]  # stored response id -> the example's, as digits

    def own(self, text: str) -> str:
        """Text with the example's ids in the place of the stored ones."""
        return re.sub(r"\d{10,}", lambda found: self.ids.get(found[0], found[0]), text)

    def distance(self) -> float:
        """From what was stored about the example's target to the example's payload."""
        target = {v: k for k, v in self.ids.items()}.get(str(self.example.target))
        stored = Feedback.objects.get(target_id=target)
        payload = self.feedback_type.load(json.loads(self.own(json.dumps(stored.payload))))
        return self.feedback_type.distance(payload, self.feedback_type.load(self.example.payload))


def set_up(cast: Cast, feedback_type: FeedbackType, example: Example) -> Scene:
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value FROM annotation_response_id_seq")
        if cursor.fetchone()[0] < FIRST_ID:
            cursor.execute("SELECT setval('annotation_response_id_seq', %s)", [FIRST_ID])
    asked = {"key": "q", "type": feedback_type.slug, "settings": dict(example.settings)}
    campaign = make_campaign(cast, items=0, protocol=[asked], name=str(feedback_type.label))
    prompt = [{"role": m.role, "content": m.content} for m in example.screen.prompt]
    by_id = sorted(example.screen.responses, key=lambda r: r.id)  # stored ids rise as the example's do
    add_items(
        campaign=campaign, items=[NewItem(prompt, [NewResponse(r.text, source_name="p") for r in by_id])]
    )
    if slug := feedback_type.needs_consent:
        grant(user=cast.lena, slug=slug, version=registry.consents()[slug].version)
    assignment = lease_next(labeler=cast.lena, campaign=campaign)
    assert assignment is not None
    stored = assignment.item.responses.order_by("itemresponse__position").values_list("pk", flat=True)
    ids = {r.id: pk for r, pk in zip(by_id, stored, strict=True)}
    shown = [ids[r.id] for r in example.screen.responses]  # as in the example, not by lot
    Assignment.objects.filter(pk=assignment.pk).update(response_order=shown)
    own = {str(pk): str(response_id) for response_id, pk in ids.items()}
    return Scene(feedback_type, example, cast, f"/campaigns/{campaign.slug}/label/", own)


@contextmanager
def screen(browser: Any, site: Any, scene: Scene, **options: Any) -> Iterator[Page]:
    """The labeler's page; whatever its console complains about fails the test."""
    problems: list[str] = []
    with browser.page(
        site.url, reduced_motion="reduce", **{"viewport": {"width": 1440, "height": 900}, **options}
    ) as page:
        watch_page(page, problems, home=site.url)
        site.sign_in(page, scene.cast.lena)
        page.goto(scene.address)
        yield page
    assert problems == []


def press(page: Page, keys: Sequence[str]) -> None:
    for key in keys:
        kind, colon, words = key.partition(":")
        if colon and kind == "type":
            page.keyboard.type(words)
        else:
            page.keyboard.press(key)


def send_by_key(page: Page) -> None:
    page.wait_for_timeout(300)  # an Enter right after an item appears is the second half of a double press
    is_writing = page.evaluate(
        "document.activeElement.matches('textarea, input[type=text], [contenteditable=true]')"
    )
    page.keyboard.press("Control+Enter" if is_writing else "Enter")
    expect(page.get_by_text("Nothing is waiting for you here.")).to_be_visible()


# --- The proofs ------------------------------------------------------------------------------------------------------------


@of_pressed
def test_the_keys_give_the_answer(browser, site, feedback_type: FeedbackType, example: Example) -> None:
    scene = set_up(make_cast(), feedback_type, example)
    with screen(browser, site, scene) as page:
        press(page, example.pressed)
        send_by_key(page)
    assert scene.distance() == 0


def said_without_scripts(feedback_type: FeedbackType, example: Example) -> dict[str, list[str]] | None:
    """Field -> values of what a person puts into the visible controls; None if that does not give the answer."""
    settings = feedback_type.settings(example.settings)
    question = Question("q", feedback_type, settings)
    form = next(f for f in forms(question, example.screen) if f.target == example.target)
    data = feedback_type.to_form(feedback_type.load(example.payload), example.screen, settings)
    said = {
        name: [str(v) for v in value] if isinstance(value, list) else [str(value)]
        for name, value in data.items()
        if not form.fields[name].widget.is_hidden and value not in ("", [], None)
    }
    posted = QueryDict(mutable=True)
    for name, values in said.items():
        posted.setlist(f"{prefix(question, example.target)}-{name}", values)
    try:
        [answer] = read_form([question], example.screen, posted)
    except (InvalidPayload, ValueError):
        return None
    is_same = feedback_type.distance(answer.payload, feedback_type.load(example.payload)) == 0
    return said if is_same else None


@of_types
def test_a_form_without_scripts_gives_an_answer(browser, site, feedback_type: FeedbackType) -> None:
    examples = [alone(feedback_type, e) for e in feedback_type.valid if can_be_shown(alone(feedback_type, e))]
    found = ((e, said) for e in examples if (said := said_without_scripts(feedback_type, e)))
    example, said = next(found, (None, None))
    assert example and said, "no VALID example can be given through the visible controls alone"

    scene = set_up(make_cast(), feedback_type, example)
    with screen(browser, site, scene, java_script_enabled=False) as page:
        filled = set()
        for control in page.locator(".question-body").locator("input, select, textarea").all():
            if control.get_attribute("type") == "hidden":
                continue
            name = scene.own(control.get_attribute("name") or "").removeprefix(
                "q-" if example.target is None else f"q-{example.target}-"
            )
            if name not in said:
                continue
            filled.add(name)
            kind = control.get_attribute("type")
            if kind in ("radio", "checkbox"):
                wanted = scene.own(control.get_attribute("value") or "on") in said[name]
                if wanted or kind == "checkbox":
                    control.set_checked(wanted)
            elif control.evaluate("c => c.tagName") == "SELECT":
                control.select_option(said[name])
            elif kind == "range":
                control.evaluate("(c, value) => { c.value = value; }", said[name][0])
            else:
                control.fill(said[name][0])
        assert filled == set(said)
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_text("Nothing is waiting for you here.")).to_be_visible()
    assert scene.distance() == 0


UNREACHABLE = """() => {
  const active = document.querySelector(".question[data-state=active]") || document.body, lost = [];
  const controls = [...active.querySelectorAll("button, select, textarea, input:not([type=hidden])"),
                    ...document.querySelectorAll(".strip-actions button.send, .strip-actions summary")];
  for (const control of controls) {
    const seen = control.closest("label") || control;
    if (!seen.checkVisibility({ checkVisibilityCSS: true })) continue;
    seen.scrollIntoView({ block: "nearest", inline: "nearest" });
    const box = seen.getBoundingClientRect(), x = box.left + box.width / 2, y = box.top + box.height / 2;
    const hit = document.elementFromPoint(x, y);
    const isInside = box.left >= -0.5 && box.right <= innerWidth + 0.5;
    if (!isInside || !hit || !(seen.contains(hit) || hit.contains(seen))) {
      lost.push(`${control.outerHTML.slice(0, 120)} at ${Math.round(box.left)}–${Math.round(box.right)}, ${Math.round(y)}`);
    }
  }
  return lost;
}"""


@of_types
def test_a_phone_is_wide_enough(browser, site, feedback_type: FeedbackType) -> None:
    scene = set_up(make_cast(), feedback_type, example_of(feedback_type))
    with screen(browser, site, scene, viewport=PHONE, has_touch=True) as page:
        for keys in ((), scene.example.pressed):
            press(page, keys)
            page.wait_for_timeout(100)
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.evaluate(wide) <= 0
            inside = """() => [...document.querySelectorAll(".question-body, .reading")]
                .filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.className)"""
            assert page.evaluate(inside) == []
            assert page.evaluate(UNREACHABLE) == []


@of_types
def test_axe_finds_nothing(browser, site, feedback_type: FeedbackType) -> None:
    scene = set_up(make_cast(), feedback_type, example_of(feedback_type))
    with screen(browser, site, scene, bypass_csp=True) as page:
        for state, keys in (("fresh", ()), ("answered", scene.example.pressed)):
            press(page, keys)
            found = axe_finds_in_both_themes(page)
            assert (state, found) == (state, [])


@of_types
def test_picture(browser, site, tmp_path: Path, feedback_type: FeedbackType) -> None:
    """For people to look at; here it is enough that the console stays silent while it is taken."""
    folder = PICTURES if "WHETSTONE_SCREENSHOTS" in os.environ else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    scene = set_up(make_cast(), feedback_type, example_of(feedback_type))
    view = {"viewport": {"width": 1280, "height": 640}, "color_scheme": "light", "device_scale_factor": 1.25}
    with screen(browser, site, scene, **view) as page:
        press(page, scene.example.pressed)
        page.wait_for_timeout(900)
        page.screenshot(path=str(folder / f"{feedback_type.slug}.png"))
