"""A replay against the running site: every answer arrives once, as its labeler's, however often it is run."""

import json

import pytest

from annotation.campaigns.models import Campaign
from annotation.people.models import ApiToken
from annotation.replay.replay import replay
from annotation.replay.sets import SETS, RealSet
from annotation.submissions.models import Submission

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def votes(tmp_path):
    """Three pairs, the first of them judged by two people."""
    real = SETS["tulu1_human_eval"]
    rows = []
    for n in range(3):
        labelers = ["r01", "r02"] if n == 0 else ["r02"]
        rows.append(
            {
                "id": f"t{n}",
                "prompt": [{"role": "user", "content": f"Question {n}?"}],
                "responses": [
                    {"content": f"Yes {n}.", "source": "m1"},
                    {"content": f"No {n}.", "source": "m2"},
                ],
                "votes": [
                    {"labeler": p, "chosen": n % 2, "strength": "slight", "acceptable": [True, False]}
                    for p in labelers
                ],
            }
        )
    (tmp_path / "votes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return RealSet(real.name, real.title, real.protocol, ["votes.jsonl"], real.read), tmp_path


def test_every_answer_arrives_once(site, votes):
    real, data = votes
    report = replay(real, data=data, url=site.url, progress=lambda done, total: None)
    assert (report.rows, report.imported, report.answers, report.stored, report.late) == (3, 3, 4, 4, 0)
    assert report.feedback == {"comparison": 4, "critique": 8}
    campaign = Campaign.objects.get(slug=report.campaign)
    given = sorted(
        (s.item.external_id, s.labeler.username.rpartition("-")[2], s.status)
        for s in Submission.objects.filter(campaign=campaign).select_related("item", "labeler")
    )
    assert given == [
        ("t0", "r01", "counted"),
        ("t0", "r02", "counted"),
        ("t1", "r02", "counted"),
        ("t2", "r02", "counted"),
    ]
    for submission in Submission.objects.filter(campaign=campaign).select_related("item"):
        payload = submission.feedback.get(question="better").payload
        first = submission.item.responses.get(pk=payload["items"][0]).text
        chosen = "No" if submission.item.external_id == "t1" else "Yes"
        assert (payload["strength"] > 0) == first.startswith(chosen)
    assert not ApiToken.objects.filter(revoked_at=None).exists()

    again = replay(real, data=data, url=site.url, progress=lambda done, total: None)
    assert (again.imported, again.stored, again.already_there) == (0, 0, 4)
    assert Submission.objects.filter(campaign=campaign).count() == 4
