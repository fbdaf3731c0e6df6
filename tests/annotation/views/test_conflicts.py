"""Two admins at once: a 412 that shows both sides, keeps what only one of them changed, and asks about the rest."""

import json
import re

import pytest

from annotation.campaigns.services import change_campaign, publish_protocol
from annotation.people.models import AuditEvent
from annotation.rendering.changes import changes, line_changes
from annotation.views.conflicts import compare
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return make_cast()


@pytest.fixture
def campaign(cast):
    return make_campaign(cast, items=2, overlap=2)


def fields_of(page):
    """What a browser would post from the settings form of a page."""
    form = re.search(r'<form method="post" class="stack[^>]*>.*?</form>', page, re.S)[0]
    found = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        kind = re.search(r'type="([^"]*)"', tag)[1]
        if name and (kind not in ("checkbox", "radio") or "checked" in tag):
            found[name[1]] = unescaped(value[1] if value else "on" if kind == "checkbox" else "")
    for name, inner in re.findall(r'<select name="([^"]*)".*?</select>()', form, re.S):
        found[name] = inner
    for name, text in re.findall(r'<textarea name="([^"]*)"[^>]*>\s?(.*?)</textarea>', form, re.S):
        found[name] = unescaped(text)
    return found


def unescaped(text):
    for entity, sign in (("&quot;", '"'), ("&lt;", "<"), ("&gt;", ">"), ("&#x27;", "'"), ("&amp;", "&")):
        text = text.replace(entity, sign)
    return text


@pytest.mark.parametrize(("keep", "overlap"), [("yours", 3), ("theirs", 5)])
def test_what_only_one_changed_is_kept_and_the_rest_is_chosen(client, cast, campaign, keep, overlap):
    """Theirs: overlap 5, lease 600. Mine, from the page of before: overlap 3, another name."""
    client.force_login(cast.adam)
    url = f"/campaigns/{campaign.slug}/settings/"
    mine = fields_of(client.get(url).content.decode()) | {"overlap": "3", "name": "Mine"}
    change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"overlap": 5, "lease_s": 600}
    )
    refused = client.post(url, mine)
    page = refused.content.decode()
    assert refused.status_code == 412 and "adam" in page
    asked = re.findall(r'name="keep-(\w+)"', page)
    assert set(asked) == {"overlap"}
    again = fields_of(page)
    assert (again["lease_s"], again["name"], again["overlap"]) == ("600", "Mine", "3")
    assert client.post(url, again | {"keep-overlap": keep}).status_code == 302
    campaign.refresh_from_db()
    assert (campaign.overlap, campaign.lease_s, campaign.name) == (overlap, 600, "Mine")


def test_guidelines_are_compared_line_by_line(client, cast, campaign):
    client.force_login(cast.adam)
    url = f"/campaigns/{campaign.slug}/settings/"
    first = fields_of(client.get(url).content.decode())
    assert client.post(url, first | {"guidelines": "One.\n\nTwo.\n\nThree, theirs."}).status_code == 302
    refused = client.post(url, first | {"guidelines": "One.\n\nTwo.\n\nThree, mine."})
    page = refused.content.decode()
    assert refused.status_code == 412
    assert re.search(r"<del>.*Three, theirs\.</del>", page) and re.search(r"<ins>.*Three, mine\.</ins>", page)
    assert "Three, mine." in fields_of(page)["guidelines"]
    assert client.post(url, fields_of(page) | {"keep-guidelines": "theirs"}).status_code == 302
    campaign.refresh_from_db()
    assert campaign.guidelines.markdown.endswith("theirs.") and campaign.guidelines.number == 2


def test_a_base_that_was_tampered_with_changes_nothing_by_itself(client, cast, campaign):
    client.force_login(cast.adam)
    url = f"/campaigns/{campaign.slug}/settings/"
    first = fields_of(client.get(url).content.decode())
    for base in ("", "[]", "{", json.dumps({"overlap": "x"}), json.dumps({"guidelines": 3})):
        fields = first | {"base": base, "keep-overlap": "theirs", "keep-guidelines": "theirs"}
        assert client.post(url, fields).status_code in (302, 422)
    campaign.refresh_from_db()
    assert campaign.overlap == 2 and campaign.guidelines.number == 1


def questions(*keys, version, protocol):
    form = {"count": str(len(keys)), "version": str(version), "protocol": str(protocol), "act": "save"}
    for n, key in enumerate(keys):
        form |= {f"q{n}-type": "critique", f"q{n}-key": key, f"q{n}-required": "on", f"q{n}-settings-grades": "7",
                 f"q{n}-settings-criteria": "overall", f"q{n}-settings-verdict": "off"}  # fmt: skip
    return form


def test_two_admins_publish_questions(client, cast, campaign):
    client.force_login(cast.adam)
    url = f"/campaigns/{campaign.slug}/questions/"
    mine = questions("mine", version=campaign.version, protocol=1)
    # Somebody saves the name: the questions are still those that I saw.
    campaign = change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"name": "New"}
    )
    publish_protocol(actor=cast.adam, campaign=campaign, questions=[{"key": "theirs", "type": "comparison"}])
    refused = client.post(url, mine)
    page = refused.content.decode()
    assert refused.status_code == 412 and "Publish mine instead" in page and "<del>" in page
    campaign.refresh_from_db()
    assert [q.key for q in campaign.protocol.questions] == ["theirs"]
    found = {n: re.search(rf'name="{n}" value="(\d+)"', page)[1] for n in ("version", "protocol")}
    assert client.post(url, questions("mine", **found)).status_code == 302
    campaign.refresh_from_db()
    assert [q.key for q in campaign.protocol.questions] == ["mine"]
    campaign = change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"name": "Newer"}
    )
    stale = questions("mine", "more", version=campaign.version - 1, protocol=campaign.protocol.number)
    assert client.post(url, stale).status_code == 302, "only the questions themselves are compared"


def test_taking_out_what_was_answered_is_confirmed(client, cast, campaign):
    from annotation.assignment.services import lease_next
    from tests.cast import send

    sent = send(lease_next(labeler=cast.lena, campaign=campaign))
    client.force_login(cast.adam)
    url = f"/campaigns/{campaign.slug}/questions/"
    known = AuditEvent.objects.count()
    form = questions("grade", version=campaign.version, protocol=1)
    told = client.post(url, form)
    page = told.content.decode()
    assert told.status_code == 409 and "<code>better</code> (comparison)" in page
    assert AuditEvent.objects.count() == known
    assert client.post(url, form | {"act": "confirm"}).status_code == 302
    assert AuditEvent.objects.count() == known + 1
    item = client.get(f"/campaigns/{campaign.slug}/items/{sent.item_id}/").content.decode()
    assert "questions of version 1" in item and "Which is better?" in item


def test_differences_by_hand():
    before = {"a": 1, "b": [{"key": "x", "n": 1}, {"key": "y", "n": 2}], "c": None}
    after = {"a": 1, "b": [{"key": "y", "n": 3}], "d": "new"}
    assert [tuple(c) for c in changes(before, after)] == [
        ("b.x", '{"key": "x", "n": 1}', None),
        ("b.y.n", "2", "3"),
        ("c", "null", None),
        ("d", None, "new"),
    ]
    assert [tuple(c) for c in changes(None, {"state": "open"})] == [("state", None, "open")]
    assert [tuple(c) for c in changes(3, "x" * 500)] == [("–", "3", "x" * 400 + "…")]
    lines = line_changes("\n".join("abcdefgh"), "\n".join("abcdeXgh"))
    assert "".join(line.sign for line in lines) == "…  -+  " and lines[3].text == "f"
    rows = compare(
        {"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 1, "c": 2, "d": 1}, {"a": 3, "b": 2, "c": 1, "d": 1}
    )
    assert [(r.name, r.keeps) for r in rows] == [("a", "ask"), ("b", "yours"), ("c", "theirs")]
