"""A real worker, broker and bucket: what is taken is copied, and what is erased is gone from the copy, by themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from annotation.people.erasure import erase_person
from tests.bucket import KEYS, Bucket, configured
from tests.training_bridge.conftest import until
from tests.training_bridge.world import World
from training_bridge.models import Snapshot
from training_bridge.services import take_snapshot

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module", autouse=True)
def bucket() -> Iterator[Bucket]:
    """Before the worker starts, which finds address and keys in its environment."""
    made = Bucket()
    with configured(made.address):
        assert os.environ["WHETSTONE_ARTIFACT_STORAGE"] == made.address
        yield made
    made.stop()


def test_a_snapshot_is_copied_and_an_erasure_follows_it(bucket: Bucket, worker: None, places: Any) -> None:
    world = World(n_prompts=3, texts=("A canary of an answer {n}.", "Another one {n}."))
    world.answer_all()
    taken = take_snapshot(campaign=world.campaign, actor=world.researcher)

    def has(field: str) -> bool:
        taken.refresh_from_db()
        return getattr(taken, field) is not None

    def logs() -> str:
        return places.log(f"test-worker-{os.getpid()}").read_text(errors="replace")

    until(lambda: has("mirrored_at"), 90, what=logs)
    folder = f"snapshots/{taken.sha256}"
    local = {p.relative_to(taken.path).as_posix(): p for p in taken.path.rglob("*") if p.is_file()}
    objects = bucket.objects
    assert objects == {f"{folder}/{name}": path.read_bytes() for name, path in local.items()}
    pseudonym = world.labelers[1].pseudonym(world.campaign.pk).encode()
    assert any(pseudonym in data for data in objects.values())

    erase_person(user=world.labelers[1], actor=None)
    successor = Snapshot.objects.get(supersedes=taken)

    def is_followed() -> bool:
        successor.refresh_from_db()
        note = bucket.objects.get(f"{folder}/SUPERSEDED.json", b"")
        return bool(successor.mirrored_at) and successor.sha256.encode() in note and has("unmirrored_at")

    until(is_followed, 90, what=logs)
    objects = bucket.objects
    assert {name for name in objects if name.startswith(folder)} == {
        f"{folder}/{name}" for name in ("SUPERSEDED.json", "manifest.json")
    }
    assert not any(pseudonym in data for data in objects.values())
    assert any(name.startswith(f"snapshots/{successor.sha256}/native/") for name in objects)
    assert f"{folder} is copied to s3://{bucket.name}/site." in logs()
    assert not any(key in logs() for key in KEYS.values())
