"""The pages of those who look after campaigns: what they show, what they change, who is let in."""

import io
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.assignment.services import lease_next
from annotation.campaigns.models import Campaign
from annotation.campaigns.services import CONTROL
from annotation.items import import_runs
from annotation.people.models import AuditEvent, Invitation, Membership
from annotation.views.campaign_new import SettingsPageForm
from feedback_types import registry
from tests.cast import add_some_items, make_campaign, make_cast, send

pytestmark = pytest.mark.django_db

TABS = ("", "items/", "quality/", "people/", "settings/", "history/", "questions/")


@pytest.fixture
def cast():
    return make_cast()


@pytest.fixture
def campaign(cast):
    campaign = make_campaign(cast, items=3, overlap=2)
    for person in (cast.lena, cast.otto):
        send(lease_next(labeler=person, campaign=campaign))
    return campaign


def rows(*lines):
    return io.BytesIO(b"\n".join(json.dumps(line).encode() for line in lines))


@pytest.mark.parametrize("tab", TABS)
def test_an_admin_sees_every_tab(client, cast, campaign, tab):
    client.force_login(cast.adam)
    response = client.get(f"/campaigns/{campaign.slug}/{tab}")
    assert response.status_code == 200
    assert campaign.name in response.content.decode()


@pytest.mark.parametrize("tab", TABS)
def test_a_stranger_learns_nothing(client, cast, campaign, tab):
    client.force_login(cast.stan)
    assert client.get(f"/campaigns/{campaign.slug}/{tab}").status_code == 404


@pytest.mark.parametrize("tab", TABS)
def test_a_labeler_is_not_let_in(client, cast, campaign, tab):
    client.force_login(cast.lena)
    assert client.get(f"/campaigns/{campaign.slug}/{tab}").status_code == 403


def test_reviewers_see_answers_by_pseudonym_and_admins_by_name(client, cast, campaign):
    item = campaign.submissions.first().item
    client.force_login(cast.rita)
    page = client.get(f"/campaigns/{campaign.slug}/items/{item.pk}/").content.decode()
    assert cast.lena.pseudonym(campaign.pk) in page
    assert f">{cast.lena.username}<" not in page
    client.force_login(cast.adam)
    page = client.get(f"/campaigns/{campaign.slug}/items/{item.pk}/").content.decode()
    assert cast.lena.username in page


def test_the_list_costs_the_same_for_more_items(client, cast, campaign):
    client.force_login(cast.adam)
    with CaptureQueriesContext(connection) as few:
        client.get(f"/campaigns/{campaign.slug}/items/")
    add_some_items(campaign, 40, start=10)
    with CaptureQueriesContext(connection) as many:
        client.get(f"/campaigns/{campaign.slug}/items/")
    assert len(many) == len(few)


def test_three_steps_make_a_campaign(client, cast, campaign):
    client.force_login(cast.adam)
    told = {"name": "Poems", "language": "en", "guidelines": "Prefer **short** lines."}
    response = client.post("/campaigns/new/", told)
    poems = Campaign.objects.get(name="Poems")
    assert response.url == f"/campaigns/{poems.slug}/questions/"
    assert poems.guidelines.markdown == told["guidelines"]

    page = client.get(response.url)
    form = {"count": "1", "version": str(poems.version), "q0-type": "comparison", "q0-key": "better",
            "q0-title": "Which poem?", "q0-required": "on", "q0-settings-mode": "auto", "q0-settings-strengths": "2",
            "q0-settings-ties": "on", "q0-settings-aspect": ""}  # fmt: skip
    assert page.status_code == 200
    added = client.post(response.url, form | {"act": "add:critique"})
    assert 'name="q1-type" value="critique"' in added.content.decode()
    poems.refresh_from_db()
    assert poems.protocol is None, "nothing is stored before it is saved"
    saved = client.post(response.url, form | {"act": "save"})
    assert saved.url == f"/campaigns/{poems.slug}/items/"
    poems.refresh_from_db()
    (question,) = poems.protocol.questions_json
    assert (question["key"], question["title"], question["settings"]["strengths"]) == (
        "better",
        "Which poem?",
        2,
    )

    file = rows({"id": "p1", "prompt": "A poem about rain", "responses": ["Rain.", "It rains."]})
    file.name = "poems.jsonl"
    waiting = client.post(f"/campaigns/{poems.slug}/items/import/", {"file": file})
    assert 'data-type="comparison"' in client.get(waiting.url).content.decode()
    client.post(waiting.url, {"act": "start", "prompt": "prompt", "response_list": "responses", "id": "id"})
    import_runs.run(poems.imports.get().pk)
    assert poems.items.count() == 1 and "1 items imported" in client.get(waiting.url).content.decode()
    client.post(f"/campaigns/{poems.slug}/state/open/")
    poems.refresh_from_db()
    assert poems.state == "open"


def test_the_preview_is_the_labelers_own_screen(client, cast, campaign):
    client.force_login(cast.adam)
    url = f"/campaigns/{campaign.slug}/questions/"
    page = client.get(url).content.decode()
    assert 'data-type="comparison"' in page and 'data-type="critique"' in page
    fragment = client.post(f"{url}?preview=1", {"count": "1", "q0-type": "critique", "q0-key": "grade",
                                               "q0-settings-criteria": "overall\nhumour", "q0-settings-grades": "5",
                                               "q0-settings-verdict": "off"}).content.decode()  # fmt: skip
    assert "humour" in fragment and 'data-type="comparison"' not in fragment
    assert "<html" not in fragment


def test_types_that_cannot_share_a_screen_say_why(client, cast, campaign, monkeypatch):
    client.force_login(cast.adam)
    monkeypatch.setattr(type(registry.get("critique")), "arity", (1, 1))
    form = {"count": "2", "q0-type": "comparison", "q0-key": "a", "q1-type": "critique", "q1-key": "b",
            "q0-settings-mode": "auto", "q0-settings-strengths": "3", "q1-settings-criteria": "overall",
            "q1-settings-grades": "7", "q1-settings-verdict": "off", "act": "save"}  # fmt: skip
    response = client.post(f"/campaigns/{campaign.slug}/questions/", form)
    assert response.status_code == 422
    assert "cannot share a screen" in response.content.decode()


def test_a_file_is_looked_at_before_it_is_imported(client, cast, campaign):
    client.force_login(cast.adam)
    file = io.BytesIO(b"question;a;b;topic\nQ1?;<b>One</b>;Two;x\nQ2?;Three;;y\n")
    file.name = "answers.csv"
    page = client.post(f"/campaigns/{campaign.slug}/items/import/", {"file": file}, follow=True)
    url, html = page.redirect_chain[-1][0], page.content.decode()
    assert "answers.csv" in html and "question" in html and 'value=";" selected' in html
    form = {"prompt": "question", "responses": ["a", "b"], "delimiter": ";"}
    shown = client.post(f"{url}?preview=1", form).content.decode()
    assert "<html" not in shown and 'data-type="comparison"' in shown and "&lt;b&gt;One" in shown
    assert "1 of the first 2 rows cannot be imported" in shown and '<td class="num">3</td>' in shown
    assert "Give as many responses" in shown
    wrong = client.post(url, {**form, "act": "start", "prompt": "nothing"})
    assert wrong.status_code == 422 and "has no column nothing" in wrong.content.decode()
    before = campaign.items.count()
    client.post(url, {**form, "act": "start"})
    assert 'hx-trigger="every 1s"' in client.get(url).content.decode()
    import_runs.run(campaign.imports.get().pk)
    assert campaign.items.count() == before
    refused = client.get(url).content.decode()
    assert "Nothing was imported" in refused and '<td class="num">3</td>' in refused
    assert client.get(f"{url}?live=1").headers["HX-Refresh"] == "true"
    lines = b"".join(client.get(f"{url}errors.jsonl").streaming_content).splitlines()
    assert [json.loads(line)["line"] for line in lines] == [3]
    other = client.post(f"{url}?preview=1", {**form, "delimiter": ","}, headers={"hx-request": "true"})
    assert other.status_code == 422 or other.headers.get("HX-Refresh")
    client.post(f"{url}cancel/")
    assert "Files on their way in" not in client.get(f"/campaigns/{campaign.slug}/items/").content.decode()


def test_a_file_that_cannot_be_read_says_why(client, cast, campaign):
    client.force_login(cast.adam)
    file = io.BytesIO(b"PAR1 and no more")
    file.name = "<script>.parquet"
    response = client.post(f"/campaigns/{campaign.slug}/items/import/", {"file": file})
    page = response.content.decode()
    assert response.status_code == 422 and "Parquet file is broken" in page
    assert "&lt;script&gt;" in page and "<script>.parquet" not in page and not campaign.imports.exists()


def test_two_admins_get_a_difference_instead_of_a_lost_change(client, cast, campaign):
    client.force_login(cast.adam)
    url = f"/campaigns/{campaign.slug}/settings/"
    form = {
        "version": campaign.version,
        "name": "Mine",
        "overlap": 2,
        "lease_s": 600,
        "hold_after": 1,
        **{name: getattr(campaign, name) for name in CONTROL},
        "guidelines": "First.",
    }
    assert client.post(url, form).status_code == 302
    again = client.post(url, form | {"name": "Theirs", "guidelines": "Second."})
    page = again.content.decode()
    assert again.status_code == 412
    assert "Theirs" in page and "Mine" in page and "Second." in page
    campaign.refresh_from_db()
    assert campaign.name == "Mine"
    assert campaign.guidelines.markdown == "First."
    fresh = client.post(url, form | {"name": "Theirs", "version": campaign.version, "guidelines": "Second."})
    assert fresh.status_code == 302


def test_an_overlap_below_the_answers_given_is_refused_with_the_number(client, cast, campaign):
    client.force_login(cast.adam)
    for person in (cast.lena, cast.otto):
        for _ in range(2):
            send(lease_next(labeler=person, campaign=campaign))
    form = {
        "version": campaign.version,
        "name": "Same",
        "overlap": 1,
        "lease_s": 600,
        "hold_after": 1,
        **{name: getattr(campaign, name) for name in CONTROL},
        "guidelines": "",
    }
    response = client.post(f"/campaigns/{campaign.slug}/settings/", form)
    assert response.status_code == 409
    assert "2" in response.content.decode()


@pytest.mark.parametrize(
    ("act", "before", "after"),
    [("pause", "open", "paused"), ("close", "open", "closed"), ("open", "paused", "open")],
)
def test_each_change_of_state_leaves_one_row_in_the_history(client, cast, campaign, act, before, after):
    client.force_login(cast.adam)
    Campaign.objects.filter(pk=campaign.pk).update(state=before)
    known = AuditEvent.objects.count()
    assert client.get(f"/campaigns/{campaign.slug}/state/{act}/").status_code == 200
    assert AuditEvent.objects.count() == known
    client.post(f"/campaigns/{campaign.slug}/state/{act}/")
    campaign.refresh_from_db()
    assert campaign.state == after
    assert AuditEvent.objects.count() == known + 1


def test_an_invitation_link_is_shown_once_and_works(client, cast, campaign):
    client.force_login(cast.adam)
    page = client.post(f"/campaigns/{campaign.slug}/people/", {"role": "reviewer", "max_uses": 1, "days": 7})
    link = page.content.decode().partition('<code class="once">')[2].partition("<")[0]
    assert "/join/" in link
    assert link not in client.get(f"/campaigns/{campaign.slug}/people/").content.decode()
    client.force_login(cast.stan)
    client.post("/" + link.split("/", 3)[3])
    assert Membership.objects.filter(user=cast.stan, campaign=campaign, role="reviewer").exists()


def test_a_revoked_invitation_and_a_suspended_member(client, cast, campaign):
    client.force_login(cast.adam)
    client.post(f"/campaigns/{campaign.slug}/people/", {"role": "labeler", "max_uses": 1, "days": 7})
    invitation = Invitation.objects.get()
    client.post(f"/campaigns/{campaign.slug}/people/invitations/{invitation.pk}/revoke/")
    invitation.refresh_from_db()
    assert invitation.revoked_at is not None
    membership = Membership.objects.get(user=cast.lena, campaign=campaign)
    client.post(f"/campaigns/{campaign.slug}/people/{membership.pk}/")
    membership.refresh_from_db()
    assert membership.suspended_at is not None
    client.force_login(cast.lena)
    assert client.get(f"/campaigns/{campaign.slug}/label/").status_code == 404


def test_a_foreign_member_cannot_be_touched(client, cast, campaign):
    other = make_campaign(cast, name="Other", items=0)
    membership = Membership.objects.get(user=cast.lena, campaign=other)
    client.force_login(cast.adam)
    assert client.post(f"/campaigns/{campaign.slug}/people/{membership.pk}/").status_code == 404


def test_a_token_is_shown_once(client, cast):
    client.force_login(cast.adam)
    page = client.post("/tokens/", {"name": "notebook", "scopes": ["read"], "days": 30}).content.decode()
    text = page.partition('<code class="once">')[2].partition("<")[0]
    assert len(text) > 30
    assert text not in client.get("/tokens/").content.decode()
    api = client.get("/api/campaigns/", headers={"Authorization": f"Bearer {text}"})
    assert api.status_code == 200


def test_every_setting_stands_in_one_part_of_its_page():
    form = SettingsPageForm()

    shown = [field.name for part in form.parts() for field in part.fields]

    assert sorted(shown) == sorted(field.name for field in form.visible_fields())
