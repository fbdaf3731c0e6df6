"""Lists go on behind the row that they ended with: nothing twice, nothing left out, odd addresses are no error."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from annotation.assignment.services import flag, lease_next
from annotation.items import selectors as items
from annotation.items.models import Item
from annotation.people.selectors import members, members_by_role
from annotation.submissions.models import Submission
from annotation.submissions.selectors import own_page
from tests.cast import make_campaign, make_cast, make_labelers, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return make_cast()


def sign_in(user) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def walk(campaign, **asked) -> tuple[list[int], int]:
    """Every id of the list, and how many pages it took."""
    found, after, pages = [], None, 0
    while True:
        page = items.page_of(campaign, after=after, size=2, **asked)
        found += [i.pk for i in page.items]
        after, pages = page.after, pages + 1
        if after is None:
            return found, pages


def test_items_by_state_id_and_report(cast, monkeypatch):
    other = make_campaign(cast, name="Other", items=3)
    campaign = make_campaign(cast, items=9, overlap=2)
    ids = sorted(campaign.items.values_list("pk", flat=True), reverse=True)
    Item.objects.filter(pk__in=ids[:4]).update(counted=1)  # begun
    Item.objects.filter(pk=ids[8]).update(counted=2)  # complete
    Item.objects.filter(pk=ids[5]).update(withdrawn_at=campaign.created_at)
    assert walk(campaign) == (ids, 5)
    assert walk(campaign, state="begun") == (ids[:4], 2)
    monkeypatch.setattr(items, "LOOKED_THROUGH", 3)
    assert walk(campaign, state="complete") == ([ids[8]], 3)  # of nine, three at a time
    assert items.page_of(campaign, state="complete", size=2).looked == 3
    assert walk(campaign, state="waiting")[0] == [ids[4], ids[6], ids[7]]
    assert walk(campaign, state="withdrawn") == ([ids[5]], 1)
    Item.objects.filter(pk=ids[3]).update(external_id="q-3")
    assert walk(campaign, query="q-3") == walk(campaign, query=str(ids[3])) == ([ids[3]], 1)
    assert walk(campaign, query="q-3", state="waiting") == ([], 1)
    assert walk(campaign, query=str(other.items.first().pk)) == ([], 1)
    leases = [lease_next(labeler=person, campaign=campaign) for person in (cast.lena, cast.otto)]
    for lease in leases:
        flag(labeler=lease.labeler, assignment_id=lease.pk, reason="broken")
        flag(labeler=lease.labeler, assignment_id=lease.pk, reason="other")
    assert walk(campaign, state="reported")[0] == sorted({a.item_id for a in leases}, reverse=True)
    page, adam = reverse("campaign_items", args=[campaign.slug]), sign_in(cast.adam)
    text = adam.get(page, {"state": "complete"}).content.decode()
    assert "Look further" in text and f"after={ids[2]}" in text
    for odd in ({"after": "x"}, {"after": "9" * 30}, {"q": "\x00"}, {"q": "9" * 30}, {"state": "odd"}):
        assert adam.get(page, odd).status_code == 200


def test_members_by_name(cast):
    campaign = make_campaign(cast, items=0)
    make_labelers(campaign, 5)
    first, after = members(campaign, "labeler", size=4)
    rest, end = members(campaign, "labeler", after=after, size=4)
    names = [m.user.username for m in first + rest]
    assert (
        names == ["labeler-0", "labeler-1", "labeler-2", "labeler-3", "labeler-4", "lena", "otto"]
        and end == ""
    )
    assert [m.user.username for m in members(campaign, "labeler", prefix="le")[0]] == ["lena"]
    assert members_by_role(campaign) == {"labeler": 7, "reviewer": 1, "admin": 1, "researcher": 1}
    page, adam = reverse("campaign_people", args=[campaign.slug]), sign_in(cast.adam)
    text = adam.get(page, {"name": "le"}).content.decode()
    assert "lena" in text and "otto" not in text and "Nobody of this name." in text
    for odd in ({"role": "odd"}, {"after": "\x00"}, {"name": "\x00%_"}):
        assert adam.get(page, odd).status_code == 200


def test_own_answers_of_several_campaigns(cast):
    campaigns = [make_campaign(cast, name=f"C{n}", items=3, overlap=2) for n in range(2)]
    sent = [send(lease_next(labeler=cast.lena, campaign=campaigns[n % 2])) for n in range(5)]
    changed = send(sent[1].assignment, seed=2, revises=sent[1].pk)
    send(lease_next(labeler=cast.otto, campaign=campaigns[0]))
    found, before = [], None
    while True:
        rows, before = own_page(cast.lena, before=before, size=2)
        found += [row.pk for row in rows]
        if before is None:
            break
    assert found == [changed.pk, *(s.pk for s in sent[:0:-1] if s != sent[1]), sent[0].pk]
    assert Submission.objects.filter(labeler=cast.lena).count() == 6
    page, lena = reverse("my_work"), sign_in(cast.lena)
    assert re.search(r"<dd>5</dd>", lena.get(page).content.decode())  # first answers in all
    for odd in ("x", "2026-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        assert lena.get(page, {"before": odd}).status_code == 200
