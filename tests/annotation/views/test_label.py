"""The labeling page as a plain form, and the small requests of its script."""

import json
import uuid

import pytest
from django.test import Client

from annotation.assignment.models import Assignment, Flag, Skip
from annotation.assignment.services import lease_next
from annotation.campaigns.services import close_campaign, pause_campaign
from annotation.submissions.models import Submission
from annotation.views import label as label_views
from tests.cast import add_some_items, make_campaign, make_cast, send

pytestmark = pytest.mark.django_db

JSON = {"headers": {"accept": "application/json"}}


@pytest.fixture
def cast():
    return make_cast()


@pytest.fixture
def campaign(cast):
    return make_campaign(cast, items=3)


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def filled_in(assignment: Assignment, strength: str = "1", rating: str = "5") -> dict[str, str]:
    first, second = assignment.response_order
    return {
        "idempotency_key": str(uuid.uuid4()),
        "better-choice": strength,
        **{f"grade-{r}-{name}": rating for r in (first, second) for name in rating_fields(assignment)},
    }


def rating_fields(assignment: Assignment) -> list[str]:
    """What the critique of the protocol calls its rating: asked of the type, not known here."""
    from annotation.assignment.selectors import questions_for, screen_for
    from feedback_types.protocol import forms

    question = questions_for(assignment)[1]
    form = forms(question, screen_for(assignment))[0]
    return [
        name
        for name, field in form.fields.items()
        if ("5", "5") in [(str(v), str(v)) for v, _ in getattr(field, "choices", [])]
    ]


def leased(user, campaign) -> Assignment:
    assignment = lease_next(labeler=user, campaign=campaign)
    assert assignment is not None
    return assignment


def address(campaign, assignment, what: str = "") -> str:
    return f"/campaigns/{campaign.slug}/label/{assignment.pk}/{what}"


def test_page_shows_the_screen_of_the_lease(cast, campaign):
    response = signed_in(cast.lena).get(f"/campaigns/{campaign.slug}/label/")

    assert response.status_code == 200
    html = response.content.decode()
    assignment = Assignment.objects.get(labeler=cast.lena)
    shown = [html.index(f'data-response="{r}"') for r in assignment.response_order]
    assert shown == sorted(shown)  # in the recorded order
    assert 'data-label="A" data-position="0"' in html
    assert "Which is better?" in html and "How good is it?" in html
    assert response["Cache-Control"] == "private, no-store"


def test_page_is_blind(cast, campaign):
    send(leased(cast.otto, campaign))
    client = signed_in(cast.lena)

    bodies = [
        client.get(f"/campaigns/{campaign.slug}/label/"),
        client.get(f"/campaigns/{campaign.slug}/label/next/", **JSON),
    ]

    for body in bodies:
        for secret in (b"canary", b"gold", b"purpose", b"expected", b"source", b"otto"):
            assert secret not in body.content.replace(b"response-source", b"")


def test_page_has_no_inline_script_or_style(cast, campaign):
    html = signed_in(cast.lena).get(f"/campaigns/{campaign.slug}/label/").content.decode()

    assert " style=" not in html and "<style" not in html and " onclick" not in html
    scripts = [part.split(">")[0] for part in html.split("<script")[1:]]
    assert all("src=" in s or 'type="application/json"' in s for s in scripts)


def test_plain_form_sends_and_gives_the_next_page(cast, campaign):
    client, assignment = signed_in(cast.lena), leased(cast.lena, campaign)

    response = client.post(address(campaign, assignment), filled_in(assignment))

    assert response.status_code == 302 and response["Location"] == f"/campaigns/{campaign.slug}/label/"
    submission = Submission.objects.get()
    assert submission.status == "counted" and submission.feedback.count() == 3
    assert submission.feedback.get(question="better").payload["strength"] == 1
    assert client.get(response["Location"]).context["item"]["assignment_id"] != assignment.pk


def test_plain_form_with_a_gap_comes_back_as_it_was(cast, campaign):
    client, assignment = signed_in(cast.lena), leased(cast.lena, campaign)
    data = filled_in(assignment)
    del data["better-choice"]

    response = client.post(address(campaign, assignment), data)

    assert response.status_code == 422 and not Submission.objects.exists()
    html = response.content.decode()
    assert "One question still needs you; what you wrote is kept." in html
    assert html.count("checked") == 2  # both ratings


def test_same_key_twice_is_one_answer(cast, campaign):
    client, assignment = signed_in(cast.lena), leased(cast.lena, campaign)
    data = filled_in(assignment)

    first = client.post(address(campaign, assignment), data, **JSON)
    second = client.post(address(campaign, assignment), data, **JSON)

    assert first.json()["submission"] == second.json()["submission"]
    assert Submission.objects.count() == 1


def test_second_tab_is_told(cast, campaign):
    client, assignment = signed_in(cast.lena), leased(cast.lena, campaign)
    client.post(address(campaign, assignment), filled_in(assignment))

    again = client.post(address(campaign, assignment), filled_in(assignment, rating="2"), **JSON)

    assert again.status_code == 409 and again.json()["code"] == "already_sent"
    assert "undo" in again.json()["message"]
    assert (
        client.post(address(campaign, assignment), filled_in(assignment, rating="2"), follow=True).status_code
        == 200
    )


def test_reply_to_a_script_carries_the_item_after_the_next(cast, campaign):
    client, first = signed_in(cast.lena), leased(cast.lena, campaign)
    prepared = client.get(f"/campaigns/{campaign.slug}/label/next/?beyond={first.pk}", **JSON).json()["next"]

    reply = client.post(
        address(campaign, first),
        {**filled_in(first), "want_next": "1", "beyond": prepared["assignment"]},
        **JSON,
    ).json()

    assert reply["status"] == "counted" and reply["message"] == ""
    assert reply["next"]["assignment"] not in (str(first.pk), prepared["assignment"])
    assert f'data-assignment="{reply["next"]["assignment"]}"' in reply["next"]["html"]
    last = client.post(
        f"/campaigns/{campaign.slug}/label/{prepared['assignment']}/",
        {
            **filled_in(Assignment.objects.get(pk=prepared["assignment"])),
            "want_next": "1",
            "beyond": reply["next"]["assignment"],
        },
        **JSON,
    ).json()
    assert last["next"] is None  # three items in all


def test_next_item_that_the_page_has_is_not_sent_again(cast, campaign):
    client, first = signed_in(cast.lena), leased(cast.lena, campaign)
    url = f"/campaigns/{campaign.slug}/label/next/?beyond={first.pk}"
    prepared = client.get(url, **JSON).json()["next"]["assignment"]

    assert client.get(f"{url}&have={prepared}", **JSON).json() == {"next": {"assignment": prepared}}


def test_draft_is_kept_and_comes_back(cast, campaign):
    client, assignment = signed_in(cast.lena), leased(cast.lena, campaign)

    client.post(address(campaign, assignment, "draft/"), {"better-choice": "-1", "active_ms": "9"}, **JSON)

    assert Assignment.objects.get(pk=assignment.pk).draft == {"better-choice": "-1"}
    html = client.get(f"/campaigns/{campaign.slug}/label/").content.decode()
    assert 'data-restored="true"' in html and html.count("checked") == 1


def test_undo_shows_the_answer_again_and_sends_a_revision(cast, campaign):
    client, assignment = signed_in(cast.lena), leased(cast.lena, campaign)
    client.post(address(campaign, assignment), filled_in(assignment, "1"))
    original = Submission.objects.get()

    shown = client.get(f"/campaigns/{campaign.slug}/label/undo/")
    assert shown.context["item"]["revises"] == original.pk
    assert shown.content.decode().count("checked") == 3
    client.post(address(campaign, assignment), {**filled_in(assignment, "-1"), "revises": str(original.pk)})

    revision = Submission.objects.get(revision=1)
    assert revision.supersedes_id == original.pk
    assert revision.feedback.get(question="better").payload["strength"] == -1


def test_revision_of_an_answer_whose_id_the_page_does_not_know_yet(cast, campaign):
    client, assignment = signed_in(cast.lena), leased(cast.lena, campaign)
    client.post(address(campaign, assignment), filled_in(assignment, "1"))
    data = {**filled_in(assignment, "-1"), "revises": "latest"}

    first = client.post(address(campaign, assignment), data, **JSON).json()
    again = client.post(address(campaign, assignment), data, **JSON).json()

    assert first["submission"] == again["submission"]
    assert sorted(Submission.objects.values_list("revision", flat=True)) == [0, 1]


def test_change_link_of_my_work_is_for_own_answers(cast, campaign):
    submission = send(leased(cast.lena, campaign))
    url = f"/campaigns/{campaign.slug}/label/undo/{submission.pk}/"

    assert signed_in(cast.lena).get(url).status_code == 200
    assert signed_in(cast.otto).get(url).status_code == 404


def test_skip_and_flag(cast, campaign):
    client, assignment = signed_in(cast.lena), leased(cast.lena, campaign)

    assert client.post(address(campaign, assignment, "flag/"), {"reason": "harmful"}, **JSON).json() == {
        "status": "flagged"
    }
    assert client.post(address(campaign, assignment, "skip/"), {"reason": "unclear"}).status_code == 302

    assert Flag.objects.get().reason == "harmful" and Skip.objects.get().reason == "unclear"
    assert leased(cast.lena, campaign).pk != assignment.pk
    refused = client.post(address(campaign, assignment, "skip/"), {"reason": "bored"}, **JSON)
    assert refused.status_code == 422 and "reason" in refused.json()["fields"]


@pytest.mark.parametrize(
    ("state", "sentence"),
    [("done", "Nothing is waiting"), ("paused", "is paused"), ("closed", "is closed")],
)
def test_there_is_a_page_when_there_is_no_item(cast, state, sentence):
    campaign = make_campaign(cast, items=0)
    if state == "paused":
        pause_campaign(actor=cast.adam, campaign=campaign)
    elif state == "closed":
        close_campaign(actor=cast.adam, campaign=campaign)

    assert sentence in signed_in(cast.lena).get(f"/campaigns/{campaign.slug}/label/").content.decode()


def test_closed_campaign_keeps_a_late_answer_and_says_so(cast, campaign):
    client, assignment = signed_in(cast.lena), leased(cast.lena, campaign)
    close_campaign(actor=cast.adam, campaign=campaign)

    reply = client.post(address(campaign, assignment), filled_in(assignment), **JSON).json()

    assert reply["status"] == "late" and "kept" in reply["message"]


def test_strangers_and_other_campaigns_see_nothing(cast, campaign):
    assignment = leased(cast.lena, campaign)
    other = make_campaign(cast, items=1, name="Another")
    for who, path, status in (
        (cast.stan, f"/campaigns/{campaign.slug}/label/", 404),
        (cast.rita, f"/campaigns/{campaign.slug}/label/", 403),
        (cast.stan, f"/campaigns/{campaign.slug}/guidelines/", 404),
        (cast.otto, address(campaign, assignment, "heartbeat/"), 404),
        (cast.lena, address(other, assignment, "heartbeat/"), 404),
    ):
        client = signed_in(who)
        method = client.post if path.endswith("heartbeat/") else client.get
        assert method(path).status_code == status, (who, path)


def test_a_preview_is_for_the_holder_of_the_item_and_stores_nothing(cast, campaign):
    assignment = leased(cast.lena, campaign)
    path = address(campaign, assignment, "preview/better/")

    reply = signed_in(cast.lena).post(path, {"choice": "1"}, **JSON)

    # A comparison has nothing to show.
    assert reply.status_code == 422 and "shows nothing" in reply.json()["message"]
    assert signed_in(cast.otto).post(path, **JSON).status_code == 404
    assert signed_in(cast.stan).post(path, **JSON).status_code == 404
    other = address(campaign, assignment, "preview/no_such/")
    assert signed_in(cast.lena).post(other, **JSON).status_code == 404
    assert signed_in(cast.lena).get(path).status_code == 405
    assert not Submission.objects.exists() and not Assignment.objects.get(pk=assignment.pk).draft


def test_previews_have_a_limit(cast, campaign, monkeypatch):
    monkeypatch.setattr(label_views, "PREVIEWS_A_MINUTE", 3)
    path = address(campaign, leased(cast.lena, campaign), "preview/better/")
    client = signed_in(cast.lena)

    replies = [client.post(path, **JSON) for _ in range(8)]  # at least four of them in one minute

    refused = [reply for reply in replies if reply.status_code == 429]
    assert refused and {reply.status_code for reply in replies} == {422, 429}
    assert 0 < int(refused[0]["Retry-After"]) <= 60 and refused[0].json()["code"] == "too_many"


def test_signed_out_script_gets_401_and_a_person_the_sign_in_page(cast, campaign):
    assignment = leased(cast.lena, campaign)

    reply = Client().post(address(campaign, assignment), {}, **JSON)
    page = Client().get(f"/campaigns/{campaign.slug}/label/")

    assert reply.status_code == 401 and reply.json()["code"] == "signed_out"
    assert page.status_code == 302 and page["Location"].startswith("/accounts/login/?next=/campaigns/")


def test_post_without_the_token_is_refused(cast, campaign):
    assignment = leased(cast.lena, campaign)
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.lena, backend="django.contrib.auth.backends.ModelBackend")

    assert client.post(address(campaign, assignment), filled_in(assignment)).status_code == 403
    token = client.get(f"/campaigns/{campaign.slug}/label/token/", **JSON).json()
    assert token["user"] == str(cast.lena.pk)
    sent = client.post(
        address(campaign, assignment), filled_in(assignment), headers={"x-csrftoken": token["token"]}
    )
    assert sent.status_code == 302


@pytest.mark.parametrize("key", ["", "no-uuid", "\x00"])
def test_bad_key_is_told(cast, campaign, key):
    client, assignment = signed_in(cast.lena), leased(cast.lena, campaign)

    reply = client.post(
        address(campaign, assignment), {**filled_in(assignment), "idempotency_key": key}, **JSON
    )

    assert reply.status_code == 422 and "idempotency_key" in reply.json()["fields"]


@pytest.mark.parametrize("active_ms", ["-5", "1e308", "NaN", "9" * 40, "x"])
def test_nonsense_about_time_is_ignored(cast, campaign, active_ms):
    client, assignment = signed_in(cast.lena), leased(cast.lena, campaign)

    client.post(address(campaign, assignment), {**filled_in(assignment), "active_ms": active_ms})

    assert Submission.objects.get().active_ms is None


def test_statements_of_submit_and_next_do_not_grow(cast, campaign, django_assert_max_num_queries):
    add_some_items(campaign, 20, start=100)
    client, first = signed_in(cast.lena), leased(cast.lena, campaign)
    prepared = client.get(f"/campaigns/{campaign.slug}/label/next/?beyond={first.pk}", **JSON).json()["next"][
        "assignment"
    ]
    data = {**filled_in(first), "want_next": "1", "beyond": prepared}

    with django_assert_max_num_queries(26):  # savepoints of the test's own transaction among them
        assert client.post(address(campaign, first), data, **JSON).json()["next"]


def test_source_of_a_response_cannot_leave_its_script(cast):
    campaign = make_campaign(cast, items=0)
    from annotation.items.services import NewItem, NewResponse, add_items

    text = "</script><script>alert(1)</script> \u2028 😀 <!--"
    add_items(campaign=campaign, items=[NewItem("Q", [NewResponse(text), NewResponse("b")])])

    html = signed_in(cast.lena).get(f"/campaigns/{campaign.slug}/label/").content.decode()

    sources = [part.split("</script>")[0] for part in html.split('class="response-source">')[1:]]
    assert text in [json.loads(s)["text"] for s in sources]
    assert "<script>alert" not in html
