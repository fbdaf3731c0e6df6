"""Which entry of the top bar is marked as the one whose section is open."""

import pytest

from annotation.views.navigation import navigation
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("path", "current"),
    [
        ("/", "Home"),
        ("/campaigns/", "Campaigns"),
        ("/campaigns/bread/", "Campaigns"),
        ("/campaigns/bread/items/7/", "Campaigns"),
        ("/campaigns/bread/rounds/", "Rounds"),
        ("/campaigns/bread/rounds/2/train/", "Rounds"),
        ("/campaigns/bread/data/new/", "Data"),
        ("/campaigns/bread/runs/new/", "Runs"),
        ("/campaigns/bread/models/3/promote/", "Models"),
        ("/campaigns/data/", "Campaigns"),  # a campaign of that name
        ("/campaigns/data/settings/", "Campaigns"),
        ("/models/3/lineage/", "Models"),
        ("/privacy/", None),
    ],
)
def test_the_section_of_a_page_is_marked(rf, path, current):
    cast = make_cast()
    make_campaign(cast, items=0)
    request = rf.get(path)
    request.user = cast.reza

    marked = [str(entry["label"]) for entry in navigation(request) if entry["is_current"]]

    assert marked == ([current] if current else [])
