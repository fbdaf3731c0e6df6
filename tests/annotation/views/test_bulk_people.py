"""The page where a list of people becomes links, the list of invitations that comes of it, and the same by the API."""

import base64
import csv
import html
import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from annotation.people.bulk import invite_many, rows_of
from annotation.people.models import Invitation, Membership
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return make_cast()


@pytest.fixture
def campaign(cast):
    return make_campaign(cast, items=0)


@pytest.fixture
def adam(client, cast):
    client.force_login(cast.adam)
    return client


@pytest.fixture
def address(campaign):
    return reverse("campaign_invite_many", args=[campaign.slug])


def file(text: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("people.csv", text, content_type="text/csv")


def test_a_pasted_list_becomes_links_that_work_and_are_shown_once(client, cast, campaign, adam, address):
    page = adam.post(address, {"people": "note,role\r\n<b>anna</b>,\r\nben,reviewer", "days": "7"})
    text = page.content.decode()
    links = [html.unescape(found) for found in re.findall(r'<code class="once">(.*?)</code>', text)]
    assert (
        len(links) == 2 and "&lt;b&gt;anna&lt;/b&gt;" in text and page["Cache-Control"] == "private, no-store"
    )
    data = re.search(r'href="data:text/csv;charset=utf-8;base64,([^"]+)" download="([^"]+)"', text)
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(html.unescape(data[1])).decode("utf-8-sig"))))
    assert [(row["note"], row["role"], row["link"]) for row in rows] == [
        ("<b>anna</b>", "labeler", links[0]),
        ("ben", "reviewer", links[1]),
    ]
    people = adam.get(reverse("campaign_people", args=[campaign.slug])).content.decode()
    assert "<bdi>ben</bdi>" in people and not any(link in people for link in links)
    client.force_login(cast.stan)
    assert client.post(links[1].removeprefix("http://testserver")).status_code == 302
    assert Membership.objects.filter(user=cast.stan, campaign=campaign, role="reviewer").exists()


def test_an_uploaded_file_does_the_same(adam, address):
    page = adam.post(address, {"people": "", "file": file(b"\xef\xbb\xbfnote\nanna\nben\n"), "days": "7"})
    assert page.status_code == 200 and page.content.decode().count('<code class="once">') == 2


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"people": " \n"}, 422, "one of the two"),
        ({"people": "anna", "file": b"ben"}, 422, "one of the two"),
        ({"file": b""}, 422, "has no rows"),
        ({"file": b"note\nJos\xe9"}, 422, "not UTF-8"),
        ({"file": b"x" * (1024**2 + 1)}, 413, "larger than 1 MB"),
        ({"people": "anna", "days": "0"}, 422, "greater than or equal to 1"),
        ({"people": "an\x00na"}, 422, "Null characters"),
        ({"file": b"an\x00na"}, 422, "control character"),
    ],
)
def test_a_refused_list_says_why_and_nobody_is_invited(adam, address, fields, status, said):
    fields = {name: file(value) if name == "file" else value for name, value in fields.items()}
    page = adam.post(address, {"days": "7", **fields})
    assert page.status_code == status and said in page.content.decode()
    assert not Invitation.objects.exists()


def test_bad_rows_stand_in_a_table_and_what_was_typed_is_kept(adam, address):
    typed = "note,role\n" + "".join(f"anna{n},owner\n" for n in range(52))
    text = adam.post(address, {"people": typed, "days": "9"}).content.decode()
    assert text.count("<td>no such role</td>") == 50 and "And 2 more errors." in text
    assert (
        '<td class="num">2</td><td><code>role</code></td>' in text
    )  # the row of a spreadsheet: the header is 1
    assert "anna51,owner" in text and 'value="9"' in text


def test_ten_lists_a_minute(adam, address, monkeypatch):
    monkeypatch.setattr("annotation.views.brake.time.time", lambda: 1_000_020.0)  # all in one minute
    said = [adam.post(address, {"people": f"anna{n}", "days": "7"}) for n in range(11)]
    assert [page.status_code for page in said] == [200] * 10 + [429]
    assert 0 < int(said[-1]["Retry-After"]) <= 60 and Invitation.objects.count() == 10


def test_invitations_are_found_by_their_note_and_listed_page_by_page(adam, cast, campaign):
    people = rows_of([{"note": f"person {n:02}"} for n in range(60)])
    invite_many(actor=cast.adam, campaign=campaign, people=people)
    address = reverse("campaign_people", args=[campaign.slug])
    first = adam.get(address).content.decode()
    assert "person 59" in first and "person 10" in first and "person 09" not in first
    older = html.unescape(re.search(r'href="(\?invited=[^"#]*)#invitations"', first)[1])
    second = adam.get(address + older).content.decode()
    assert re.findall(r"<bdi>person (\d+)</bdi>", second) == [f"{n:02}" for n in range(9, -1, -1)]
    found = adam.get(address, {"invited": "ERSON 07"}).content.decode()
    assert re.findall(r"<bdi>person (\d+)</bdi>", found) == ["07"]
    for odd in ({"older": "9" * 30}, {"older": "-1"}, {"invited": "%\x00"}):
        assert adam.get(address, odd).status_code == 200


def test_the_api_makes_them_too(adam, campaign):
    address = reverse("api:invitations-bulk", args=[campaign.slug])
    send = lambda body: adam.post(address, body, content_type="application/json")  # noqa: E731
    said = send(
        {"people": [{"note": "anna", "languages": ["en"]}, {"note": "ben", "role": "admin"}], "days": 3}
    )
    made = said.json()["invitations"]
    assert said.status_code == 201
    assert [(m["note"], m["role"], m["languages"], m["state"], m["max_uses"]) for m in made] == [
        ("anna", "labeler", ["en"], "open", 1),
        ("ben", "admin", [], "open", 1),
    ]
    assert all("/join/" in m["link"] for m in made)
    listed = adam.get(reverse("api:invitations", args=[campaign.slug])).json()["results"]
    assert [row["note"] for row in listed] == ["anna", "ben"] and "link" not in listed[0]
    refused = send({"people": [{"note": "zoe"}, "nobody", {"note": "Zoe"}]})
    assert refused.status_code == 422 and [e["line"] for e in refused.json()["extra"]["errors"]] == [2, 3]
    for odd in ({}, {"people": "anna"}, {"people": []}, {"people": [{"note": "x"}], "days": 0}):
        assert send(odd).status_code == 422
    assert Invitation.objects.count() == 2
