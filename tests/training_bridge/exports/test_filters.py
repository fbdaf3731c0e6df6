"""Filters of a snapshot: what each keeps, counted by hand; the same choice gives the same bytes; nonsense is named."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from annotation.errors import Invalid
from annotation.models import Feedback
from tests.training_bridge.exports.test_snapshot import lines, snap, tree
from tests.training_bridge.world import START, World
from training_bridge.exports import agreement
from training_bridge.exports.cut import open_cut
from training_bridge.exports.filters import Filters
from training_bridge.exports.snapshot import build
from training_bridge.models import Snapshot
from training_bridge.services import take_snapshot

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def split() -> World:
    """Three items and three labelers: all of one mind, two against one, and an item that one person alone answered."""
    world = World(n_prompts=3, n_labelers=3)
    for item, strengths in zip(world.items, ((2, 2, 2), (2, 2, -2), (2,)), strict=True):
        for labeler, strength in zip(world.labelers, strengths, strict=False):
            world.say(item, labeler, strength)
    return world


def items_of(built: Any) -> set[int]:
    return {row["item"] for row in lines(built.path / "native/feedback.jsonl")}


def test_agreement_keeps_items_of_one_mind(split: World, tmp_path: Path) -> None:
    unanimous, contested, alone = (item.pk for item in split.items)
    kind = split.protocol.questions[0].type
    said = [kind.load(f.payload, f.version) for f in Feedback.objects.order_by("id")[3:6]]
    mean = (kind.distance(*said[:2]) + kind.distance(said[0], said[2]) + kind.distance(*said[1:])) / 3
    assert mean > 0
    assert items_of(snap(split, tmp_path)) == {unanimous, contested, alone}
    assert items_of(snap(split, tmp_path, agreement_at_least=1)) == {unanimous}
    assert items_of(snap(split, tmp_path, agreement_at_least=1 - mean)) == {unanimous, contested}
    assert items_of(snap(split, tmp_path, agreement_at_least=1 - mean + 0.01)) == {unanimous}
    built = snap(split, tmp_path, agreement_at_least=1)
    assert built.manifest["counts"]["items"] == 1 and built.manifest["counts"]["submissions"] == 3
    assert built.manifest["filters"]["agreement_at_least"] == 1.0
    assert "look better than they are" in (built.path / "README.md").read_text()


def test_a_session_of_a_pool_serves_one_cut_after_the_other(
    split: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second cut has the session of the first one, and nothing of what the first one kept."""
    session = connections.create_connection("default")
    monkeypatch.setattr(connections, "create_connection", lambda alias: session)
    monkeypatch.setattr(session, "close", lambda: None)
    kept = []
    for least in (0.0, 1.0):
        with open_cut(split.campaign.pk, Filters(agreement_at_least=least)) as cut:
            kept.append(cut.items)
    monkeypatch.undo()
    session.close()
    assert kept == [2, 1]


def test_labelers_are_chosen_and_excluded_by_pseudonym(split: World, tmp_path: Path) -> None:
    first, second, third = (labeler.pseudonym(split.campaign.pk) for labeler in split.labelers)

    def labelers(**filters: Any) -> dict[str, int]:
        found: dict[str, int] = {}
        for row in lines(snap(split, tmp_path, **filters).path / "native/feedback.jsonl"):
            found[row["labeler"]] = found.get(row["labeler"], 0) + 1
        return found

    assert labelers() == {first: 3, second: 2, third: 2}
    assert labelers(labelers=[first]) == {first: 3}
    assert labelers(labelers_excluded=[first, third]) == {second: 2}
    assert labelers(labelers=["l-000000000000"]) == {}
    # With the one who differs left out, the contested item is of one mind.
    kept = snap(split, tmp_path, labelers_excluded=[third], agreement_at_least=1)
    assert items_of(kept) == {split.items[0].pk, split.items[1].pk}


def test_types_and_times(tmp_path: Path) -> None:
    world = World(n_prompts=3, n_labelers=1)
    for item in world.items:
        world.say(item, world.labelers[0])
    assert snap(world, tmp_path, types=["comparison"]).manifest["counts"]["feedback"] == 3
    assert snap(world, tmp_path, types=["critique"]).manifest["counts"]["feedback"] == 0
    second = START + timedelta(seconds=2)
    between = snap(world, tmp_path, submitted_from=second, submitted_until=second)
    assert items_of(between) == {world.items[1].pk}


def test_the_same_choice_in_another_order_gives_the_same_bytes(split: World, tmp_path: Path) -> None:
    first, second, _ = (labeler.pseudonym(split.campaign.pk) for labeler in split.labelers)
    one = snap(split, tmp_path / "a", labelers=[first, second], types=["comparison"], agreement_at_least=0.5)
    two = snap(
        split, tmp_path / "b", labelers=[second, first, second], types=["comparison"], agreement_at_least=0.5
    )
    assert one.sha256 == two.sha256 and tree(one.path) == tree(two.path)
    again = build(
        campaign_id=split.campaign.pk,
        slug=split.slug,
        filters=Filters.read(one.manifest["filters"]),
        root=tmp_path / "c",
    )
    assert again.sha256 == one.sha256


def test_the_manifest_tells_agreement_of_what_two_people_judged(split: World, tmp_path: Path) -> None:
    built = snap(split, tmp_path)
    about = built.manifest["agreement"]["better"]
    assert (about["type"], about["units"], about["answers"]) == ("comparison", 2, 6)
    assert -1 <= about["low"] <= about["alpha"] <= about["high"] <= 1
    assert f"| better | comparison | {about['alpha']:.2f} |" in (built.path / "README.md").read_text()


def test_agreement_of_units_by_hand() -> None:
    """Units (1, 1), (2, 2), (1, 2): alpha 4/9, as in `feedback_types/distances.py`."""

    def row(item: int, score: int) -> agreement.Row:
        return (item, "grade", "critique", 1, 7, f'{{"ratings": {{"overall": {score}}}}}')

    rows = [row(1, 1), row(1, 1), row(2, 2), row(2, 2), row(3, 1), row(3, 2)]
    assert agreement.told(rows)["grade"]["alpha"] == round(4 / 9, 4)
    assert list(agreement.agreed(rows, 1.0)) == [(1, "grade"), (2, "grade")]
    assert agreement.told([row(1, 1)])["grade"]["alpha"] is None
    gone = [(1, "old", "no_such_type", 1, None, "{}")] * 2
    assert list(agreement.agreed(gone, 0.0)) == []


def test_terms_of_the_data_come_from_the_campaign(split: World, tmp_path: Path) -> None:
    split.campaign.data_license, split.campaign.legal_basis = "cc-by-4.0", "consent"
    split.campaign.save()
    snapshot = take_snapshot(campaign=split.campaign, actor=split.researcher)
    assert snapshot.filters["data_license"] == "cc-by-4.0"
    built = snap(split, tmp_path, **{k: snapshot.filters[k] for k in ("data_license", "legal_basis")})
    card = (built.path / "README.md").read_text()
    assert 'license: "cc-by-4.0"' in card and "CC BY 4.0" in card and "the labelers' consent" in card
    assert "~~~markdown\nBe fair.\n~~~" in card and "- n<1K" in card and "language:\n- en" in card


@pytest.mark.parametrize(
    "filters, field, word",
    [
        ({"labelers": ["reza"]}, "labelers", "pseudonym"),
        ({"labelers": ["l-000000000000"]}, "labelers", "no labeler l-000000000000"),
        ({"labelers_excluded": ["l-00"]}, "labelers_excluded", "pseudonym"),
        ({"agreement_at_least": 1.5}, "agreement_at_least", "less than or equal"),
        ({"agreement_at_least": "high"}, "agreement_at_least", "number"),
        (
            {"submitted_from": "2026-02-01T00:00:00Z", "submitted_until": "2026-01-01T00:00:00Z"},
            "filters",
            "after submitted_until",
        ),
        ({"labelers": ["l-3f9a0c2e11d4"], "labelers_excluded": ["l-3f9a0c2e11d4"]}, "filters", "both"),
    ],
)
def test_nonsense_is_refused_by_name(split: World, filters: dict[str, Any], field: str, word: str) -> None:
    with pytest.raises(Invalid) as refused:
        take_snapshot(campaign=split.campaign, actor=None, filters=filters)
    assert word in " ".join(refused.value.fields[field]), refused.value.fields
    assert not Snapshot.objects.exists()
