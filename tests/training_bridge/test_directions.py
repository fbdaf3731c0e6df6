"""Which policy one screen speaks for, whatever types it asks: the first question that states a preference decides."""

import pytest

from annotation.assignment.selectors import questions_for, screen_for
from annotation.assignment.services import lease_next
from tests.cast import make_campaign, make_cast, send
from training_bridge.selectors import _direction

pytestmark = pytest.mark.django_db


def test_a_screen_with_a_comparison_and_grades_speaks_for_one_side():
    cast = make_cast()
    campaign = make_campaign(cast, items=12)
    found = set()
    for seed in range(12):
        assignment = lease_next(labeler=cast.lena, campaign=campaign)
        submission = send(assignment, seed=seed)
        screen = screen_for(assignment)
        first, second = screen.responses
        sides = {first.text: 1, second.text: -1}
        grades = {
            f.target_id: f.payload["ratings"]["overall"] for f in submission.feedback.filter(question="grade")
        }
        strength = submission.feedback.get(question="better").payload["strength"]
        gap = grades[first.id] - grades[second.id]
        stated = strength or (gap if abs(gap) >= 2 else 0)  # a tie leaves it to grades at least two apart
        expected = 0.5 if stated == 0 else float(stated > 0)
        said = _direction(submission, screen, {q.key: q for q in questions_for(assignment)}, sides)
        assert said == expected
        found.add(said)
    assert {0.0, 1.0} <= found
