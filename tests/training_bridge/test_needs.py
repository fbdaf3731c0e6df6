"""Every method that learns says before a run starts how much it needs and how much there is."""

from __future__ import annotations

import pytest

from training_bridge import methods
from training_bridge.methods.base import Inputs
from training_bridge.models import Snapshot

EMPTY = {"counts": {"prompts": 0, "types": {}}, "views": {}}
ENOUGH = {
    "counts": {"prompts": 8, "types": {"comparison": {"train": 20}}},
    "views": {view: {"rows": {"train": 20}} for view in ("preference", "unpaired", "prompt_completion")},
}
SETTINGS = {"rloo": {"reward": "warm"}, "grpo": {"reward": "warm"}, "ppo": {"reward": "warm"},
            "online_dpo": {"reward": "warm"}, "rft": {"rule": "e"}}  # fmt: skip
LEARNING = ["reward_model", "sft", "dpo", "kto", "online_dpo", "rloo", "grpo", "ppo", "rft"]


def test_no_method_is_left_out() -> None:
    made = {m.name for m in methods.all_methods().values() if m.makes and "snapshot" in m.needs}
    assert made == set(LEARNING)


@pytest.mark.parametrize("name", LEARNING)
def test_need_and_have_are_said(name: str) -> None:
    method = methods.get(name)
    parameters = method.read(SETTINGS.get(name))

    def said(manifest: dict[str, object]) -> str:
        return " ".join(method.check(parameters, Inputs(snapshot=Snapshot(manifest=manifest))))

    told = said(EMPTY)
    assert "Not enough data: need " in told and "have 0" in told
    assert said(ENOUGH) == ""
