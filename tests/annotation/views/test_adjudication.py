"""The reviewers' pages: the queue, choosing, answering blind, writing; and nothing leaks while blind."""

import re
import uuid

import pytest

from annotation.adjudication.models import Adjudication
from annotation.adjudication.selectors import queue_of
from annotation.adjudication.services import compare_answers
from annotation.assignment.services import lease_next
from annotation.campaigns.services import change_campaign
from annotation.people.models import AuditEvent
from annotation.submissions.selectors import form_data_of
from tests.annotation.adjudication.test_services import GRADE, graded
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return make_cast()


@pytest.fixture
def campaign(cast):
    """Two items; lena gives everything a 1, otto a 5 to the first and a 2 to the second."""
    campaign = make_campaign(cast, items=2, overlap=2, protocol=GRADE)
    first = campaign.items.order_by("pk")[0].pk
    for person, values in ((cast.lena, (1, 1)), (cast.otto, (5, 2))):
        while lease := lease_next(labeler=person, campaign=campaign):
            graded(lease, values[lease.item_id != first])
    compare_answers()
    return campaign


def address(campaign, tail=""):
    return f"/campaigns/{campaign.slug}/review/{tail}"


def test_the_queue_and_choosing(client, cast, campaign):
    client.force_login(cast.rita)
    page = client.get(address(campaign)).content.decode()
    first, second = (row.item_id for row in queue_of(campaign))
    assert page.index(f"/review/{first}/") < page.index(f"/review/{second}/")
    assert cast.lena.username not in page and "otto" not in page
    low = campaign.submissions.get(item_id=first, labeler=cast.lena)
    high = campaign.submissions.get(item_id=first, labeler=cast.otto)
    form = {"chosen": high.pk, f"error-{low.pk}": "misread", "seen": "", "idempotency_key": uuid.uuid4()}
    missing = client.post(address(campaign, f"{first}/"), form)
    assert missing.status_code == 422 and "Say why" in missing.content.decode()
    assert 'value="misread" selected' in missing.content.decode()  # what was chosen is kept
    known = AuditEvent.objects.count()
    done = client.post(address(campaign, f"{first}/"), form | {"reason": "It is right."})
    assert done.url == address(campaign) and AuditEvent.objects.count() == known + 1
    assert f"/review/{first}/" not in client.get(address(campaign)).content.decode()
    again = client.post(
        address(campaign, f"{first}/"), form | {"reason": "No.", "idempotency_key": uuid.uuid4()}
    )
    assert again.status_code == 409 and "Somebody else settled" in again.content.decode()
    quality = client.get(f"/campaigns/{campaign.slug}/quality/labelers/").content.decode()
    assert "misread the prompt" in quality and cast.lena.pseudonym(campaign.pk) in quality
    item = client.get(f"/campaigns/{campaign.slug}/items/{first}/").content.decode()
    assert "It is right." in item and "chose one of the answers" in item


def test_blind_shows_nothing_of_others_and_leads_to_the_rest(client, cast, campaign):
    client.force_login(cast.rita)
    item = queue_of(campaign)[0].item_id
    page = client.get(address(campaign, f"{item}/blind/")).content.decode()
    for person in (cast.lena, cast.otto):
        assert person.username not in page and person.pseudonym(campaign.pk) not in page
    assert "checked" not in re.sub(r"<header.*?</header>", "", page, flags=re.S)
    low = campaign.submissions.get(item_id=item, labeler=cast.lena)
    fields = form_data_of(low) | {"seen": "", "idempotency_key": uuid.uuid4()}
    refused = client.post(address(campaign, f"{item}/blind/"), fields)
    assert refused.status_code == 422 and not Adjudication.objects.exists()
    done = client.post(address(campaign, f"{item}/blind/"), fields | {"reason": "As I read it."})
    assert done.url == address(campaign, f"{item}/")
    made = Adjudication.objects.get()
    assert made.act == "blind" and {a["payload"]["ratings"]["overall"] for a in made.answers} == {1}
    # Afterwards the others are shown, blind is over, and the own answer is where writing begins.
    after = client.get(done.url).content.decode()
    assert cast.otto.pseudonym(campaign.pk) in after and "/blind/" not in after
    high = campaign.submissions.get(item_id=item, labeler=cast.otto)
    write = client.get(address(campaign, f"{item}/write/")).content.decode()
    assert write.count("checked") == 2 and f"error-{high.pk}" in write
    fields |= {
        "seen": made.pk,
        "reason": "Still.",
        "idempotency_key": uuid.uuid4(),
        f"error-{high.pk}": "style",
    }
    assert client.post(address(campaign, f"{item}/write/"), fields).status_code == 302
    assert Adjudication.objects.get(act="write").supersedes == made


def test_labelers_see_their_errors_only_where_the_campaign_shows_them(client, cast, campaign):
    item = queue_of(campaign)[0].item_id
    low = campaign.submissions.get(item_id=item, labeler=cast.lena)
    high = campaign.submissions.get(item_id=item, labeler=cast.otto)
    client.force_login(cast.rita)
    client.post(
        address(campaign, f"{item}/"),
        {"chosen": high.pk, f"error-{low.pk}": "facts", "reason": "So.", "idempotency_key": uuid.uuid4()},
    )
    client.force_login(cast.lena)
    assert "missed a mistake" not in client.get("/work/").content.decode()
    campaign.refresh_from_db()
    change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"shows_errors": True}
    )
    assert "missed a mistake of fact: 1" in client.get("/work/").content.decode()
    client.force_login(cast.otto)
    assert "missed a mistake" not in client.get("/work/").content.decode()


def test_the_queue_costs_the_same_for_more_items(client, cast, campaign, django_assert_max_num_queries):
    client.force_login(cast.rita)
    with django_assert_max_num_queries(8):
        client.get(address(campaign))
    for odd in ("?after=x", "?after=nan:3", "?by=nonsense", "?after=1.0:99999999999999999999"):
        assert client.get(address(campaign, odd)).status_code == 200
