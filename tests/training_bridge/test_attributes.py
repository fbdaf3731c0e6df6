"""The survey's attributes of a run follow from its settings and inputs, and from nothing else."""

import pytest

from training_bridge import methods
from training_bridge.methods import Inputs
from training_bridge.methods.attributes import LABELS, NOT_ASKED, WORDS, Attributes, feedback_of
from training_bridge.models import Checkpoint, Run, Snapshot


def snapshot_by(**kinds):
    return Snapshot(manifest={"counts": {"labeler_kinds": kinds}})


@pytest.mark.parametrize(
    ("kinds", "word"),
    [
        ({"human": 3}, "human"),
        ({"ai": 3}, "ai"),
        ({"ai": 3, "simulated": 1}, "human and ai"),
        ({"ai": 0, "human": 1}, "human"),
        ({"simulated": 4}, "simulated"),
        ({"simulated": 4, "human": 1}, "human"),
    ],
)
def test_feedback_is_of_whom_the_snapshot_says(kinds, word):
    assert feedback_of(snapshot_by(**kinds)) == word


def test_a_snapshot_that_is_being_built_is_taken_to_be_of_people():
    assert feedback_of(Snapshot()) == feedback_of(None) == "human"


def codes(method, config=None, **inputs):
    return methods.get(method).attributes_for(config or {}, Inputs(**inputs))


def test_dpo_is_implicit_and_offline_and_knows_an_ai_judge():
    found = codes("dpo", snapshot=snapshot_by(ai=9))
    assert (found.reward, found.signal, found.schedule, found.feedback) == (
        "implicit",
        "preference",
        "offline",
        "ai",
    )


def test_the_reward_of_rloo_is_what_its_settings_name():
    learned = Checkpoint(kind="reward_model", run=Run(method="reward_model", snapshot=snapshot_by(ai=2)))
    found = codes("rloo", reward_model=learned, snapshot=snapshot_by(human=2))
    assert (found.reward, found.feedback, found.sampling) == ("explicit", "ai", "on")
    assert codes("rloo", {"stated_reward": 7}).reward == "stated"
    assert codes("rloo", {"reward": "warm"}).reward == "verifiable"
    assert codes("rloo", {"reward": "warm"}).feedback == "none"


def test_a_reward_model_of_pairs_alone_says_so():
    assert codes("reward_model").level == "response and token"
    pairs = codes("reward_model", {"objective": "bradley_terry"})
    assert (pairs.signal, pairs.level) == ("preference", "response")


def test_a_run_of_a_method_or_version_that_is_gone_can_still_be_shown():
    assert methods.attributes_of(Run(method="no-such")) == Attributes()
    old = Run(method="dpo", config={"a_setting_of_another_version": 1})
    assert methods.attributes_of(old) == methods.get("dpo").attributes


def test_every_value_has_a_word_in_every_method():
    for method in methods.all_methods().values():
        for name, value in method.attributes.codes().items():
            assert name in LABELS and (value == NOT_ASKED or value in WORDS), (method.name, name)
    assert dict(methods.get("dpo").attributes.rows())["Reference model"] == "the policy it starts from"
