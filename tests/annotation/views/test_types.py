"""The page of feedback types: filters, the example that works, and choosing one for a campaign without losing a word."""

from __future__ import annotations

import re

import pytest

from annotation.campaigns.models import Protocol
from annotation.submissions.models import Submission
from feedback_types import overview, registry
from feedback_types.base import Question
from feedback_types.protocol import prefix
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.django_db
SLUGS = registry.folders()


@pytest.fixture
def cast():
    return make_cast()


def listed(page: str) -> list[str]:
    return re.findall(r'name="show" value="(\w+)"', page)


@pytest.mark.parametrize("slug", SLUGS)
def test_every_type_is_explained_and_its_example_is_there(client, cast, slug):
    client.force_login(cast.stan)
    page = client.get("/types/", {"show": slug}).content.decode()
    assert listed(page) == SLUGS
    assert f'data-type="{slug}"' in page and 'data-mode="preview"' in page


@pytest.mark.parametrize("name", ["category", "granularity", "intent", "explicitness"])
def test_filters_leave_exactly_the_types_that_declare_it(client, cast, name):
    client.force_login(cast.stan)
    declared = {t.slug: {"category": t.category, **vars(t.attributes)}[name] for t in registry.all_types()}
    for value in {*declared.values(), "no such value"}:
        page = client.get("/types/", {name: value}).content.decode()
        assert listed(page) == [slug for slug in SLUGS if declared[slug] == value]


def test_filters_are_read_together(client, cast):
    client.force_login(cast.stan)
    page = client.get("/types/", {"category": "primary", "arity": "Multiple", "show": "nonsense"})
    assert listed(page.content.decode()) == [
        t.slug for t in registry.all_types() if t.category == "primary" and t.attributes.arity == "Multiple"
    ]


def form_of(slug: str) -> dict[str, object]:
    """What a browser posts for the example of a type, about each of its targets."""
    feedback_type = registry.get(slug)
    example = overview.example(feedback_type)
    question = Question("q", feedback_type, feedback_type.settings(example.settings))
    payload = feedback_type.load(example.payload)
    said = feedback_type.to_form(payload, example.screen, question.settings)
    return {"idempotency_key": "x"} | {
        f"{prefix(question, example.target)}-{name}": value for name, value in said.items()
    }


def test_an_answer_to_the_example_is_told_and_stored_nowhere(client, cast):
    client.force_login(cast.stan)
    page = client.post("/types/?show=comparison", form_of("comparison")).content.decode()
    assert "A is clearly better" in page and "&quot;strength&quot;: 2" in page
    assert not Submission.objects.exists()


def test_an_answer_that_is_not_whole_is_told_what_it_lacks(client, cast):
    client.force_login(cast.stan)
    page = client.post("/types/?show=comparison", {"idempotency_key": "x"}).content.decode()
    assert "This question still needs an answer." in page


DRAFTS = {
    "count": "1", "version": "3", "q0-type": "critique", "q0-key": "grade", "q0-title": "How <good>?", "q0-required": "on",
    "q0-settings-criteria": "overall\nwit", "q0-settings-grades": "5", "q0-settings-verdict": "off",
}  # fmt: skip


def hidden(page: str) -> dict[str, str]:
    form = page[page.index('id="chosen"') : page.index("</form>", page.index('id="chosen"'))]
    found = re.findall(r'name="([^"]+)" value="([^"]*)"', form)
    return {name: value.replace("&lt;", "<").replace("&gt;", ">") for name, value in found}


def test_choosing_carries_along_what_was_typed_and_adds_the_type(client, cast):
    campaign = make_campaign(cast, items=1)
    client.force_login(cast.adam)
    stored = Protocol.objects.count()
    page = client.post(
        f"/campaigns/{campaign.slug}/questions/types/", DRAFTS | {"category": "primary", "show": "comparison"}
    ).content.decode()
    carried = hidden(page)
    assert DRAFTS.items() <= {**carried, "version": "3"}.items()
    assert 'data-type="comparison"' in page and 'value="add:comparison"' in page

    back = client.post(f"/campaigns/{campaign.slug}/questions/", carried | {"act": "add:comparison"})
    after = back.content.decode()
    assert "How &lt;good&gt;?" in after and "wit" in after
    assert 'name="q1-type" value="comparison"' in after
    assert Protocol.objects.count() == stored


def test_what_cannot_be_added_says_why_before_it_is_added(client, cast):
    campaign = make_campaign(cast, items=1)
    client.force_login(cast.adam)
    page = client.post(f"/campaigns/{campaign.slug}/questions/types/", DRAFTS).content.decode()
    assert (
        page.count("The responses are hidden until it has let them appear; put it before “How &lt;good&gt;?”")
        >= 1
    )


def test_a_conflict_is_told_at_its_question_and_mended_by_moving_it(client, cast):
    campaign = make_campaign(cast, items=1)
    client.force_login(cast.adam)
    url = f"/campaigns/{campaign.slug}/questions/"
    both = DRAFTS | {
        "count": "2", "q1-type": "e_stop", "q1-key": "stop", "q1-required": "on", "q1-settings-chars_per_s": "40",
        "q1-settings-start": "self", "q1-settings-reasons": "bad",
    }  # fmt: skip
    refused = client.post(url, both | {"act": "save"})
    page = refused.content.decode()
    assert refused.status_code == 422
    second = page[page.index("2. E-stop") :]
    assert "put it before “How &lt;good&gt;?”" in second[: second.index("</fieldset>")]
    moved = client.post(url, both | {"act": "down:0"}).content.decode()
    assert 'name="q0-type" value="e_stop"' in moved and "put it before" not in moved


def test_the_whole_screen_can_be_tried_before_anything_is_stored(client, cast):
    campaign = make_campaign(cast, items=1)
    client.force_login(cast.adam)
    stored = Protocol.objects.count()
    page = client.post(f"/campaigns/{campaign.slug}/questions/", DRAFTS | {"act": "screen"}).content.decode()
    assert 'data-mode="preview"' in page and "Question 0?" in page and "Answer 0.1." in page
    assert "How &lt;good&gt;?" in page and Protocol.objects.count() == stored
