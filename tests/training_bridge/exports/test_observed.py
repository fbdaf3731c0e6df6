"""Views of observed answers: calibrated on what was said outright, and none before twenty people stand behind them."""

import uuid

import pytest

from annotation.assignment.selectors import screen_for
from annotation.assignment.services import lease_next
from annotation.consents.services import erase, grant
from annotation.submissions.services import submit
from feedback_types import registry
from feedback_types.base import Answer
from feedback_types.segments import segment_ends
from tests.cast import make_campaign, make_cast, make_labelers
from tests.training_bridge.exports.test_snapshot import lines
from training_bridge.exports.filters import Filters
from training_bridge.exports.snapshot import build

pytestmark = pytest.mark.django_db(transaction=True)
PROTOCOL = [
    {"key": "good", "type": "critique", "settings": {"criteria": [], "verdict": "two"}},
    {"key": "seen", "type": "social_behavior", "settings": {"signals": ["copy"]}},
]


def answers(screen):
    """What ends in .0. is called good and copied, the rest bad and left alone."""
    critique, social = registry.get("critique"), registry.get("social_behavior")
    for response in screen.responses:
        is_good = response.text.endswith(".0.")
        verdict = {"verdict": 1 if is_good else -1, "grades": 7, "ratings": {}, "tags": [], "spans": []}
        yield Answer("good", response.id, critique.load(verdict))
        seen = {
            "recorder": "page", "reaction": None, "reaction_ms": None, "exposed_ms": 0, "visible_ms": [], "revisits": [],
            "segments": segment_ends(response.text),
            "events": [{"event": "copy", "count": 1, "t_ms": 5}] if is_good else [],
        }  # fmt: skip
        yield Answer("seen", response.id, social.load(seen))


@pytest.mark.parametrize(("people", "rows"), [(19, 0), (20, 40)])
def test_twenty_people_stand_behind_a_view(tmp_path, people, rows):
    cast = make_cast()
    campaign = make_campaign(cast, items=2, overlap=people, protocol=PROTOCOL)
    labelers = make_labelers(campaign, people)
    for labeler in labelers:
        grant(user=labeler, slug="implicit_signals", version=1)
        for _ in range(2):
            lease = lease_next(labeler=labeler, campaign=campaign)
            said = list(answers(screen_for(lease)))
            submit(labeler=labeler, assignment_id=lease.pk, idempotency_key=uuid.uuid4(), answers=said)
    built = build(campaign_id=campaign.pk, slug=campaign.slug, filters=Filters(), root=tmp_path)
    found = [
        row
        for file in (built.path / "unpaired").glob("*.jsonl")
        for row in lines(file)
        if row["type"] == "social_behavior"
    ]
    assert len(found) == rows  # each of them copied from the good response of both items
    assert all(row["label"] and '"source":"implicit"' in row["extra"] for row in found)
    about = built.manifest["views"]["unpaired"]["types"]["social_behavior"]
    assert about["rows"] == rows and "20 labelers" in about["loses"]

    native = lines(built.path / "native/feedback.jsonl")
    assert sum(row["type"] == "social_behavior" for row in native) == people * 4
    erase(user=labelers[0], slug="implicit_signals")
    later = build(campaign_id=campaign.pk, slug=campaign.slug, filters=Filters(), root=tmp_path)
    assert later.sha256 != built.sha256
    name = labelers[0].pseudonym(campaign.pk)
    kinds = {r["type"] for r in lines(later.path / "native/feedback.jsonl") if r["labeler"] == name}
    assert kinds == {"critique"}  # a snapshot taken afterwards does not have it
    assert (built.path / "manifest.json").exists()  # and the one before is as it was
