"""Money through the API: terms, a bonus, costs, a payout and its file, and what a labeler learns of it."""

import uuid

from django.utils import timezone

from annotation.assignment.services import lease_next
from tests.cast import send


def test_from_terms_to_a_payout(cast, campaign, api):
    adam, lena, base = api(cast.adam), api(cast.lena), f"campaigns/{campaign.slug}"
    assert (
        adam("put", f"{base}/terms/", {"currency": "EUR", "pay_per": "answer", "rate": "0.1"}).status_code
        == 428
    )
    given = {
        "currency": "EUR",
        "pay_per": "answer",
        "rate": "0.25",
        "budget": "5",
        "version": campaign.version,
    }
    assert adam("put", f"{base}/terms/", {**given, "rate": 0.25}).json()["fields"].keys() == {"rate"}
    terms = adam("put", f"{base}/terms/", given).json()
    assert (terms["rate"], terms["budget"], terms["pays_late"]) == ("0.25", "5.00", True)
    assert adam("put", f"{base}/terms/", {**given, "rate": "9"}).status_code == 412
    seen = lena("get", f"{base}/terms/").json()
    assert (seen["rate"], seen["budget"]) == ("0.25", None)
    campaign.refresh_from_db()
    send(lease_next(labeler=cast.lena, campaign=campaign))
    bonus = {
        "labeler": "lena",
        "kind": "bonus",
        "amount": "1.5",
        "note": "hard ones",
        "key": str(uuid.uuid4()),
    }
    first, again = (adam("post", f"{base}/ledger/", bonus) for _ in range(2))
    assert first.status_code == 201 and first.json()["id"] == again.json()["id"]
    for odd in (
        {"labeler": "nobody"},
        {"labeler": 5},
        {"kind": []},
        {"amount": None},
        {"note": {}},
        {"key": "x"},
    ):
        refused = adam("post", f"{base}/ledger/", {**bonus, "key": str(uuid.uuid4()), **odd})
        assert refused.status_code == 422 and refused.json()["fields"].keys() == odd.keys()
    costs = adam("get", f"{base}/costs/").json()
    assert (costs["spent"], costs["accepted"], costs["owed"]) == ("1.75", 1, "1.75")
    assert costs["labelers"][0] | {"active_ms": 0} == {
        "labeler": "lena", "answers": 1, "active_ms": 0, "earned": "1.75", "paid": "0.00", "owed": "1.75",
    }  # fmt: skip
    day = {"until": timezone.now().date().isoformat(), "key": str(uuid.uuid4())}
    payout = adam("post", f"{base}/payouts/", day).json()
    assert (payout["amount"], payout["labelers"], payout["is_undone"]) == ("1.75", 1, False)
    assert adam("post", f"{base}/payouts/", day).json() == payout
    for odd in ("tomorrow", 5, None, "9999-12-31"):
        assert adam("post", f"{base}/payouts/", {**day, "until": odd}).status_code == 422
    mine = lena("get", f"{base}/progress/").json()["earned"]
    assert mine == {"currency": "EUR", "earned": "1.75", "paid": "1.75", "owed": "0.00"}
    file = adam("get", f"{base}/payouts/{payout['id']}/file/")
    assert b"lena" in b"".join(file.streaming_content)
    kinds = [e["kind"] for e in adam("get", f"{base}/ledger/").json()["results"]]
    assert sorted(kinds) == ["answer", "bonus", "payout"]
    assert adam("post", f"{base}/payouts/{payout['id']}/undo/", {}).json()["is_undone"] is True
    assert adam("post", f"{base}/payouts/99999/undo/", {}).status_code == 404
