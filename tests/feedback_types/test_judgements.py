"""Labels and preferences that types read out of answers, worked out by hand."""

import pytest

from feedback_types import registry
from feedback_types.judgements import Preference


def preferences(slug, answers, shown):
    kind = registry.get(slug)
    return list(kind.preferences([(target, kind.load(stored)) for target, stored in answers], shown))


def test_a_comparison_prefers_by_its_ranks():
    def ranked(*ranks, **more):
        stored = {"items": [7, 5, 9][: len(ranks)], "ranks": list(ranks), **more}
        return preferences("comparison", [(None, stored)], [7, 5, 9])

    assert ranked(2, 1, strength=-2) == [Preference(7, 5, 0)]
    assert ranked(1, 1, strength=0) == ranked(1, 1, both_bad=True) == [Preference(7, 5, 0.5)]
    assert ranked(1, 2, 1) == [Preference(7, 5, 1), Preference(7, 9, 0.5), Preference(5, 9, 0)]
    # The best of several says nothing about the others.
    assert ranked(None, 1, None) == [Preference(7, 5, 0), Preference(5, 9, 1)]


def test_grades_and_verdicts_prefer_what_has_more():
    grades = [
        (5, {"ratings": {"overall": 6}}),
        (7, {"ratings": {"overall": 3}}),
        (9, {"ratings": {"style": 7}}),
    ]
    assert preferences("critique", grades, [7, 5, 9]) == [Preference(7, 5, 0)]
    verdicts = [(5, {"verdict": 1}), (7, {"verdict": 1})]
    assert preferences("critique", verdicts, [7, 5]) == [Preference(7, 5, 0.5)]


def test_a_critique_has_a_label_for_everything_that_was_asked():
    kind = registry.get("critique")
    settings = kind.settings(
        {"criteria": ["overall"], "grades": 5, "tags": ["wordy", "rude"], "categories": ["false"]}
    )
    said = kind.load(
        {
            "grades": 5,
            "ratings": {"overall": 2},
            "tags": ["rude"],
            "spans": [{"start": 0, "end": 4, "category": "false"}],
        }
    )
    labels = kind.labels(said, settings)
    assert {name: label.value for name, label in labels.items()} == {
        "grade:overall": 2, "tag:wordy": False, "tag:rude": True, "mark:false": ((0, 4, "false"),),
    }  # fmt: skip
    assert labels["grade:overall"].distance(2, 4) == pytest.approx((2 / 4) ** 2)
    assert labels["mark:false"].distance(((0, 4, "false"),), ((2, 4, "false"),)) == pytest.approx(
        1 - 2 * 2 / 6
    )


def test_the_best_of_a_comparison_does_not_depend_on_the_order_shown():
    kind = registry.get("comparison")
    settings = kind.settings()
    for items, ranks in (([7, 5], [2, 1]), ([5, 7], [1, 2])):
        said = kind.load({"items": items, "ranks": ranks})
        assert kind.labels(said, settings)["preferred"].value == "1"
