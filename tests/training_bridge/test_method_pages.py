"""Choosing a method: groups and a table, presets that fill the form, what they cost, and runs found by their attributes."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client, override_settings
from django.urls import reverse

from tests.training_bridge.world import World
from training_bridge.models import Checkpoint, Run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toys", "valkey")]


@pytest.fixture
def world() -> World:
    return World(n_prompts=2)


@pytest.fixture
def client(world: World) -> Client:
    client = Client()
    client.force_login(world.researcher, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(client: Client, name: str, *args: Any, **query: Any) -> str:
    response = client.get(reverse(name, args=args), query)
    assert response.status_code == 200
    return response.content.decode()


def test_methods_stand_in_groups_and_side_by_side(world: World, client: Client) -> None:
    said = page(client, "new_run", world.slug)
    places = [
        said.index(t) for t in ("Reward models", "Policies from what people said", "Policies from a reward")
    ]
    assert places == sorted(places)
    ends = [*places[1:], said.index("How they differ")]
    groups = [said[a:b] for a, b in zip(places, ends, strict=True)]
    assert "method=kto" in groups[1] and "method=grpo" in groups[2] and "method=kto" not in groups[2]
    assert "method=rft" in groups[2] and "method=rft" not in groups[1]
    table = said[said.index("How they differ") :]
    assert "implicit" in table and "online, in iterations" in table


def test_a_preset_fills_the_form_and_is_what_starts(world: World, client: Client) -> None:
    said = page(client, "new_run", world.slug, method="dpo", preset="gentle")
    assert 'value="0.3"' in said and "as in “Gentle”" in said
    assert said.count('aria-current="true"') >= 1
    usual = page(client, "new_run", world.slug, method="dpo")
    assert 'value="0.1"' in usual and "as in “Usual”" in usual
    assert "as in “Usual”" in page(client, "new_run", world.slug, method="dpo", preset="no-such")


def test_what_a_preset_costs_is_said_before_it_starts(world: World, client: Client, tmp_path: Any) -> None:
    import json

    config = {"hidden_size": 4096, "num_hidden_layers": 32, "vocab_size": 128256}
    (tmp_path / "config.json").write_text(json.dumps(config))
    header = json.dumps({"w": {"dtype": "BF16", "shape": [8, 10**9], "data_offsets": [0, 0]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    Checkpoint.objects.create(kind="policy", name="huge", path=str(tmp_path))
    with override_settings(WORKER_MEMORY_MB=64 * 1024):
        said = page(client, "new_run", world.slug, method="dpo")
    assert "more than the worker has" in said and "The worker has 64.0 GB." in said
    assert "time unknown until a run of this method has ended" in said


def test_runs_are_found_by_their_attributes(world: World, client: Client) -> None:
    made = {
        name: Run.objects.create(campaign=world.campaign, method=method, config=config, code_revision="x")
        for name, method, config in (
            ("taste", "rloo", {"reward": "warm"}),
            ("model", "rloo", {}),
            ("pairs", "dpo", {}),
        )
    }

    def found(kind: str) -> set[str]:
        said = page(client, "runs", kind=kind)
        listed = said[said.index("All runs") :]
        return {name for name, run in made.items() if str(run.pk) in listed}

    assert found("sampling:on") == {"taste", "model"}
    assert found("reward:verifiable") == {"taste"}
    assert found("reward:implicit") == {"pairs"}
    assert found("") == set(made)
