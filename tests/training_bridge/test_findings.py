"""What evaluations found, on the page of their run; and the second reward model that a run may be given."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotation.errors import Invalid
from tests.training_bridge.findings import BENCH, CONSISTENCY, CURVE, DISTANCE, EMPTY, GROUP, INSPECTION, OVER
from tests.training_bridge.world import World
from training_bridge.models import Checkpoint, Round, Run
from training_bridge.services import start_run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toys", "valkey")]


@pytest.fixture
def world() -> World:
    return World(n_prompts=2)


@pytest.fixture
def page_of(world: World) -> Any:
    """The page of a finished run with these metrics, as a researcher sees it."""
    client = Client()
    client.force_login(world.researcher, backend="django.contrib.auth.backends.ModelBackend")

    def page(method: str, metrics: Any) -> str:
        run = Run.objects.create(
            campaign=world.campaign, method=method, status="succeeded", metrics=metrics, code_revision="test"
        )
        answer = client.get(reverse("run", args=[run.pk]))
        assert answer.status_code == 200
        return answer.content.decode()

    return page


def model(world: World, kind: str = "reward_model", name: str = "m") -> Checkpoint:
    return Checkpoint.objects.create(kind=kind, name=name, path="/nowhere", campaign=world.campaign)


@pytest.mark.parametrize("metrics", [{}, {"distances": []}, {"distances": [{"between": ["a", "b"]}]}])
def test_numbers_that_are_missing_are_left_out(page_of: Any, metrics: Any) -> None:
    assert "distance" in page_of("distance", metrics).lower()


def test_distances_as_plots_and_numbers(page_of: Any) -> None:
    page = page_of("distance", DISTANCE)
    assert page.count("<figure") == 2  # centred return and VAL; the others have no value
    assert "0.313" in page and "0.25" in page and "0.4" in page and "0.80" in page
    assert "reward model – short" in page and "-2.0" in page
    assert "&lt;b&gt;Because" in page and "<b>Because" not in page


def test_a_reward_models_page_shows_whose_answers_it_agrees_with(world: World) -> None:
    pairs = {
        "accuracy": GROUP, "types": {"comparison": GROUP}, "length_controlled": GROUP, "alike_in_length": EMPTY,
        "labeler_groups": {"kinds": {"human": GROUP}, "reliability": {"more_reliable": GROUP}},
        "agreement": {"high": GROUP, "low": EMPTY},
    }  # fmt: skip
    run = Run.objects.create(
        campaign=world.campaign, method="reward_model", status="succeeded", code_revision="test",
        metrics={"evaluation": {"pairs": pairs}},
    )  # fmt: skip
    found = Checkpoint.objects.create(
        kind="reward_model", name="m", path="/nowhere", campaign=world.campaign, run=run
    )
    client = Client()
    client.force_login(world.researcher, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(reverse("model", args=[found.pk])).content.decode()
    for words in ("more reliable half", "people", "80 % of them", "length-controlled", "1,234", "3.1 %"):
        assert words in page, words
    assert "fewer do" not in page and "alike in length" not in page


def test_rewardbench_by_section_and_subset(page_of: Any) -> None:
    page = page_of("rewardbench", BENCH)
    assert page.count("<figure") == 2 and "alpacaeval-easy" in page and "0.66" in page and "Ties" in page
    assert page_of("rewardbench", {})


def test_best_of_n_shows_proxy_gold_and_the_peak(page_of: Any) -> None:
    page = page_of("overoptimisation", OVER)
    assert page.count("<figure") == 3
    for words in (
        "one member alone",
        "0.51",
        "0.193",
        "yes",
        "not shown",
        "25",
        "Gold gained over one member",
    ):
        assert words in page, words
    single = {**OVER, "curves": {"mean": CURVE}, "against": {}}
    assert page_of("overoptimisation", single).count("<figure") == 1
    assert page_of("overoptimisation", {})


def test_over_optimisation_needs_one_gold_reward(world: World) -> None:
    start = {
        "campaign": world.campaign, "actor": None, "method": "overoptimisation", "reward_model": model(world),
        "parent": model(world, "policy"),
    }  # fmt: skip
    for inputs, config in (({}, {}), ({"compared_with": model(world)}, {"gold": "warm"})):
        with pytest.raises(Invalid, match="one gold reward"):
            start_run(**start, **inputs, config=config)
    assert start_run(**start, config={"gold": "warm"})


def test_consistency_shows_flips_drops_and_fusion(page_of: Any) -> None:
    page = page_of("consistency", CONSISTENCY)
    assert page.count("<figure") == 4
    for words in ("typing errors", "0.31", "a “not” more or less", "Reward fusion", "1.5"):
        assert words in page, words
    assert "another number" not in page
    assert page_of("consistency", {})


def test_inspection_shows_heat_maps_beside_marks(page_of: Any) -> None:
    page = page_of("inspection", INSPECTION)
    assert "<mark>two</mark>" in page and "&lt;i&gt;one" in page and "<i>one" not in page
    assert page.count('class="heat"') == 3 and "heat-p5" in page and "0.123" in page and "0.31" in page
    assert page_of("inspection", {})


def test_a_benchmark_is_a_file_of_the_server(world: World, settings: Any, tmp_path: Any) -> None:
    settings.BENCHMARK_DIR = tmp_path
    found = model(world)
    (tmp_path / "mine.jsonl").write_text("{}")
    start = {"campaign": world.campaign, "actor": None, "method": "rewardbench", "reward_model": found}
    assert start_run(**start, config={"file": "mine.jsonl"}).config == {"file": "mine.jsonl"}
    for name in ("rewardbench.jsonl", "../mine.jsonl", "/etc/passwd"):
        with pytest.raises(Invalid, match=r"there are: mine\.jsonl"):
            start_run(**start, config={"file": name})


def test_a_distance_needs_two_rewards_and_answers(world: World) -> None:
    first, second = model(world), model(world, name="n")
    with pytest.raises(Invalid, match="between two rewards"):
        start_run(campaign=world.campaign, actor=None, method="distance", reward_model=first)
    with pytest.raises(Invalid, match="no answers"):
        start_run(
            campaign=world.campaign, actor=None, method="distance", reward_model=first, compared_with=second
        )
    policy = model(world, "policy")
    run = start_run(
        campaign=world.campaign,
        actor=None,
        method="distance",
        reward_model=first,
        compared_with=second,
        parent=policy,
    )
    assert (run.compared_with, run.config["answers"]) == (second, 8)
    with pytest.raises(Invalid) as refused:
        start_run(
            campaign=world.campaign,
            actor=None,
            method="distance",
            reward_model=first,
            compared_with=policy,
            parent=policy,
        )
    assert "compared_with" in refused.value.fields


def test_a_foreign_model_is_no_model_to_compare_with(world: World) -> None:
    elsewhere = model(World("elsewhere", n_prompts=0))
    with pytest.raises(Invalid) as refused:
        start_run(
            campaign=world.campaign, actor=None, method="distance", reward_model=model(world), compared_with=elsewhere,
            parent=model(world, "policy"),
        )  # fmt: skip
    assert list(refused.value.fields) == ["compared_with"]


def test_the_form_asks_for_a_second_reward_model(world: World) -> None:
    client = Client()
    client.force_login(world.researcher, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(reverse("new_run", args=[world.slug]) + "?method=distance").content.decode()
    assert "Reward model to compare with" in page and "Continuations" in page


def test_a_reward_models_page_leads_to_its_evaluations(world: World) -> None:
    found = model(world)
    mine = Run.objects.create(
        campaign=world.campaign,
        method="distance",
        status="succeeded",
        code_revision="test",
        compared_with=found,
    )
    other = Run.objects.create(
        campaign=world.campaign, method="distance", status="succeeded", code_revision="test"
    )
    client = Client()
    client.force_login(world.researcher, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(reverse("model", args=[found.pk])).content.decode()
    assert str(mine.pk) in page and str(other.pk) not in page
    for name in ("distance", "overoptimisation", "consistency", "inspection", "rewardbench"):
        assert f"?method={name}" in page, name


def test_rounds_stand_in_a_line(world: World) -> None:
    client = Client()
    client.force_login(world.researcher, backend="django.contrib.auth.backends.ModelBackend")
    assert "Nothing to line up yet" in client.get(reverse("progress", args=[world.slug])).content.decode()
    for number, wins in ((1, 0.61), (2, 0.55)):
        evidence = {
            "win_rate": {
                "reward_model": {"value": wins, "low": wins - 0.1, "high": wins + 0.1, "ties": 0.07}
            },
            "kl": {"per_response": {"value": 2.5, "low": 2.0, "high": 3.0}},
            "diversity": {
                "old": {"words": 21.5, "distinct_2": 0.4},
                "new": {"words": 25.25, "distinct_2": 0.35},
            },
        }
        Round.objects.create(campaign=world.campaign, number=number, evidence=evidence)
    page = client.get(reverse("progress", args=[world.slug])).content.decode()
    assert page.count("<figure") == 2
    for words in ("61 %", "51 %–71 %", "7 %", "2.5", "21.5", "25.2", "40 %", "35 %"):
        assert words in page, words
    assert reverse("progress", args=[world.slug]) in client.get(reverse("rounds")).content.decode()
