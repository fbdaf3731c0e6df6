"""Every page of PAGES: axe finds nothing, light and dark; the console is silent; nothing scrolls sideways at 390 px.

With WHETSTONE_SCREENSHOTS=DIR the pictures are kept there.
"""

import json
import os
from pathlib import Path

import pytest

from annotation.adjudication.models import Adjudication
from annotation.adjudication.selectors import queue_of
from annotation.assignment.services import lease_next
from annotation.people.services import create_sign_in_link, invite
from annotation.webhooks.services import create_webhook
from tests.browser.scene import dispute, make_scene
from tests.browser.screenshots import addresses, readme_picture, take_all
from tests.browsers import axe_finds, axe_finds_in_both_themes
from tests.cast import make_cast, make_labelers, send
from tests.training_bridge.findings import EVALUATIONS
from training_bridge.models import Checkpoint, Run
from training_bridge.services import build_snapshot, take_snapshot

pytestmark = pytest.mark.browser

PERSON = {"labeler": "lena", "reviewer": "rita", "admin": "adam", "researcher": "reza", "another": "otto"}


@pytest.fixture
def scene(site):
    cast = make_cast()
    campaign = make_scene(cast)
    send(lease_next(labeler=cast.lena, campaign=campaign))
    (busy,) = make_labelers(campaign, 1)  # so that quality has something to show
    while assignment := lease_next(labeler=busy, campaign=campaign):
        send(assignment, seed=assignment.pk)
    return cast, campaign


@pytest.fixture
def arguments(scene):
    """What the addresses of pages name: the campaign, a file, a webhook with a log, an item in dispute and a settled one,
    two snapshots, a reward model and a policy."""
    cast, campaign = scene
    webhook, _secret = create_webhook(
        actor=cast.adam,
        campaign=campaign,
        url="http://127.0.0.1:9/hooks",
        kinds=["item.completed", "run.finished"],
    )
    for state, status, failure in (
        ("delivered", 204, ""),
        ("given_up", 422, "not_accepted"),
        ("waiting", None, "unreachable"),
    ):
        webhook.deliveries.create(
            kind="item.completed", data={}, state=state, status=status, failure=failure, attempts=2,
            duration_ms=1234, excerpt='{"error": "unknown event"}' if status == 422 else "",
        )  # fmt: skip
    dispute(campaign, cast.adam, cast.rita)
    settled = Adjudication.objects.get(campaign=campaign).item_id
    disputed, *_others = queue_of(campaign)
    snapshots = [
        take_snapshot(campaign=campaign, actor=cast.reza, filters=filters)
        for filters in ({}, {"settled": True})
    ]
    for snapshot in snapshots:
        build_snapshot(str(snapshot.pk))
    reward, policy = (
        Checkpoint.objects.create(
            kind=kind, name=name, path=f"{kind}-of-the-scene", sha256=digit * 64, campaign=campaign,
            run=Run.objects.create(
                campaign=campaign, method=method, status="succeeded", snapshot=snapshots[0], code_revision="test"
            ),
        )
        for kind, method, name, digit in (
            ("reward_model", "reward_model", "Reward model of round 1", "a"), ("policy", "dpo", "Policy of round 1", "b"),
        )
    )  # fmt: skip
    return {
        "snapshot": str(snapshots[0].pk),
        "later": str(snapshots[1].pk),
        "event": str(first_event(snapshots[0])),
        "reward": str(reward.pk),
        "policy": str(policy.pk),
        "campaign": campaign.slug,
        "import": str(campaign.imports.get().pk),
        "webhook": str(webhook.pk),
        "item": str(disputed.item_id),
        "settled": str(settled),
        "labeler_membership": str(campaign.memberships.get(user=cast.lena, role="labeler").pk),
        **{
            method: str(
                Run.objects.create(
                    campaign=campaign, method=method, status="succeeded", metrics=found, code_revision="test"
                ).pk
            )
            for method, found in EVALUATIONS.items()
        },
    }


def first_event(snapshot):
    snapshot.refresh_from_db()
    with (snapshot.path / "native" / "feedback.jsonl").open() as lines:
        return json.loads(next(lines))["id"]


def test_axe_finds_nothing(browser, site, scene, arguments):
    cast, _campaign = scene
    found, problems = [], []
    for role in ("nobody", "labeler", "reviewer", "admin", "researcher"):
        with browser.page(site.url, bypass_csp=True, reduced_motion="reduce") as page:
            page.on("console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None)
            if role != "nobody":
                site.sign_in(page, getattr(cast, PERSON[role]))
            for entry, address in addresses(arguments):
                if entry.role == role:
                    page.goto(address)
                    lines = axe_finds_in_both_themes(page)
                    found += [f"{role} {entry.name} {address}: {line}" for line in lines]
    assert found == [] and problems == []


def test_axe_finds_nothing_in_any_state_of_the_labeling_screen(browser, site, scene):
    cast, campaign = scene
    with browser.page(site.url, bypass_csp=True, reduced_motion="reduce") as page:
        site.sign_in(page, cast.otto)
        page.goto(f"/campaigns/{campaign.slug}/label/")
        page.wait_for_timeout(400)
        found = []
        for state, keys in (
            ("guidelines", ["g"]),
            ("keys", ["Escape", "?"]),
            ("reasons", ["Escape", "s"]),
            ("raw", ["Escape", "r"]),
            ("differences", ["d"]),
            ("apart", ["d", "l"]),
            ("needs an answer", ["Enter"]),
            ("second question", ["ArrowDown"]),
            ("next item", ["5", "5", "Enter"]),
            ("undo", ["u"]),
        ):
            for key in keys:
                page.keyboard.press(key)
            page.wait_for_timeout(350)
            found += [f"{state}: {line}" for line in axe_finds(page)]
    assert found == []


def test_axe_finds_nothing_on_pages_that_say_no(browser, site, scene):
    cast, campaign = scene
    with browser.page(site.url, bypass_csp=True) as page:
        _invitation, token = invite(actor=cast.adam, campaign=campaign)
        link = create_sign_in_link(user=cast.lena)
        found = []
        for address in ("/no-such-page/", f"/join/{token}/", "/join/nonsense/", link):
            page.goto(address)
            found += [f"{address}: {line}" for line in axe_finds(page)]
        site.sign_in(page, cast.stan)
        for address in (
            "/",
            "/work/",
            f"/campaigns/{campaign.slug}/label/",
            f"/join/{token}/",
            "/accounts/logout/",
        ):
            page.goto(address)
            found += [f"{address}: {line}" for line in axe_finds(page)]
    assert found == []


def test_nothing_scrolls_sideways_on_a_phone(browser, site, scene, arguments):
    cast, _campaign = scene
    wide = []
    for role in ("nobody", "labeler", "reviewer", "admin", "researcher"):
        with browser.page(site.url, viewport={"width": 390, "height": 844}, has_touch=True) as page:
            if role != "nobody":
                site.sign_in(page, getattr(cast, PERSON[role]))
            for entry, address in addresses(arguments):
                if entry.role == role:
                    page.goto(address)
                    over = page.evaluate(
                        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                    )
                    if over > 0:
                        wide.append((role, entry.name, over))
    assert wide == []


def test_pictures(browser, site, scene, arguments):
    """The pictures themselves are for people; here it is enough that every console stays silent while they are taken."""
    cast, campaign = scene
    out = os.environ.get("WHETSTONE_SCREENSHOTS")
    if out is None:
        assert addresses(arguments)
        return

    def sign_in(page, role):
        site.sign_in(page, getattr(cast, PERSON[role]))

    assert take_all(browser, site.url, Path(out), sign_in, arguments, os.environ.get("ONLY", "")) == []
    readme_picture(browser, site.url, sign_in, campaign.slug)
