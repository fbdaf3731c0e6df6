"""Home, my work, preferences, and the ways in."""

import re

import pytest
from django.test import Client

from annotation.assignment.services import lease_next
from annotation.models import User
from annotation.people.models import Membership, Role
from annotation.people.services import create_sign_in_link, invite
from annotation.quality.selectors import labeler_reports, own_score
from tests.annotation.views.test_label import signed_in
from tests.cast import make_campaign, make_cast, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return make_cast()


def names_in_bar(html: str) -> list[str]:
    bar = html.split('<nav class="topnav"')[1].split("</nav>")[0]
    return re.findall(r">([^<]+)</a>", bar)


def test_home_of_a_labeler_says_what_waits(cast):
    campaign = make_campaign(cast, items=2)
    send(lease_next(labeler=cast.lena, campaign=campaign))

    html = signed_in(cast.lena).get("/").content.decode()

    assert "Waiting for you" in html and "1 today · 1 in all" in html and "Go on" in html
    assert names_in_bar(html) == ["Home", "My work"]
    assert "Campaigns you look after" not in html


def test_home_of_an_admin_says_how_far_it_is(cast):
    campaign = make_campaign(cast, items=2, overlap=3)
    send(lease_next(labeler=cast.lena, campaign=campaign))

    html = signed_in(cast.adam).get("/").content.decode()

    assert "1 / 6" in html and "Waiting for you" not in html


def test_home_of_a_stranger_says_what_to_do(cast):
    make_campaign(cast)
    html = signed_in(cast.stan).get("/").content.decode()
    assert "Ask its admin for an invitation" in html and "Everyday answers" not in html


def test_my_work_lists_own_answers_only(cast):
    campaign = make_campaign(cast, items=3)
    mine = send(lease_next(labeler=cast.lena, campaign=campaign))
    theirs = send(lease_next(labeler=cast.otto, campaign=campaign))

    html = signed_in(cast.lena).get("/work/").content.decode()

    assert str(mine.pk) in html and str(theirs.pk) not in html and "canary" not in html


def test_my_work_shows_days_and_the_own_score_where_the_campaign_does(cast, monkeypatch):
    campaign = make_campaign(cast, items=3, overlap=2)
    for _ in range(3):
        for person in (cast.lena, cast.otto):
            send(lease_next(labeler=person, campaign=campaign))
    score = own_score(cast.lena, campaign)
    assert score.compared == 9 and score.closeness is None  # three items, a comparison and two grades each
    monkeypatch.setattr("annotation.quality.selectors.FEWEST_COMPARED", 9)
    (report,) = [r for r in labeler_reports(campaign) if r.user == cast.lena]
    assert own_score(cast.lena, campaign).closeness == report.closeness  # of the same answers

    client = signed_in(cast.lena)
    html = client.get("/work/").content.decode()
    assert "My answers per day" in html and "Take my data along" in html and "Like the others" not in html
    campaign.shows_scores = True
    campaign.save(update_fields=["shows_scores"])
    assert f"{report.closeness:.0%}".replace("%", " %") in client.get("/work/").content.decode()


def test_queries_of_home_do_not_grow_with_answers(cast, django_assert_max_num_queries):
    campaign = make_campaign(cast, items=8)
    for _ in range(6):
        send(lease_next(labeler=cast.lena, campaign=campaign))
    client = signed_in(cast.lena)
    with django_assert_max_num_queries(12):
        client.get("/")


def test_preferences_are_cookies_and_lead_back(cast):
    client = Client()
    response = client.post("/preferences/", {"theme": "dark", "next": "/work/"})

    assert response["Location"] == "/work/" and client.cookies["theme"].value == "dark"
    assert 'data-theme="dark"' in client.get("/accounts/login/").content.decode()
    client.post("/preferences/", {"theme": "system"})
    assert client.cookies["theme"].value == ""
    client.post("/preferences/", {"language": "zh-hans"})
    assert 'lang="zh-hans"' in client.get("/accounts/login/").content.decode()


@pytest.mark.parametrize("away", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_preferences_lead_nowhere_else(away):
    assert Client().post("/preferences/", {"theme": "dark", "next": away})["Location"] == "/"


def test_sign_in_link_works_once_and_only_by_a_press(cast):
    link = create_sign_in_link(user=cast.lena)
    client = Client()

    assert client.get(link).status_code == 200 and client.get(link)["Referrer-Policy"] == "same-origin"
    assert client.post(link)["Location"] == "/"
    assert client.get("/work/").status_code == 200
    assert Client().post(link).status_code == 410


def test_invitation_makes_an_account_and_a_member(cast):
    campaign = make_campaign(cast)
    _invitation, token = invite(actor=cast.adam, campaign=campaign, role=Role.LABELER)
    client = Client()

    assert "Everyday answers" in client.get(f"/join/{token}/").content.decode()
    smuggled = client.post(
        f"/join/{token}/", {"username": "nina", "password": "a long one, really", "role": "admin"}
    )
    assert smuggled.status_code == 422 and not User.objects.filter(username="nina").exists()  # B83
    weak = client.post(f"/join/{token}/", {"username": "nina", "password": "short"})
    assert weak.status_code == 422 and 'value="nina"' in weak.content.decode()
    joined = client.post(f"/join/{token}/", {"username": "nina", "password": "a long one, really"})
    assert joined["Location"] == f"/campaigns/{campaign.slug}/label/"
    assert Membership.objects.get(user=User.objects.get(username="nina")).role == "labeler"
    assert client.get(joined["Location"]).status_code == 200
    late = Client().post(f"/join/{token}/", {"username": "nora", "password": "a long one, really"})
    assert late.status_code == 410 and not User.objects.filter(username="nora").exists()  # B83


def test_unknown_doors_say_so():
    assert Client().get("/join/nonsense/").status_code == 404
    assert Client().post("/sign-in/nonsense/").status_code == 410


@pytest.mark.parametrize(("path", "status"), [("/nowhere/", 404), ("/", 302), ("/work/", 302)])
def test_pages_for_nobody(path, status):
    assert Client().get(path).status_code == status


def test_pages_in_chinese(cast):
    campaign = make_campaign(cast, items=1)
    client = signed_in(cast.lena)
    client.post("/preferences/", {"language": "zh-hans"})

    html = client.get(f"/campaigns/{campaign.slug}/label/").content.decode()

    for word in ("发送", "跳过", "原始文本", "指南", "A 略好"):
        assert word in html
    assert "等你处理" in client.get("/").content.decode()
