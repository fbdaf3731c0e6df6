"""However a training ends, a person reads why and what to do, and nothing half-written can be taken for a checkpoint.

Each program against each way in which data, numbers, memory and disk give out. The faults are real: weights that are
infinite, an adapter that no machine has the memory for, a file that may hold no more. A program that is killed, or hangs, is
the runner's matter (test_runs.py, test_workers.py); what a killed one leaves behind is tested with each program.
"""

import json
import re
import resource

import pytest
import torch

from tests.training_bridge.reward_model import world
from training_bridge.policy.chat import load_policy
from training_bridge.policy.dpo import dpo
from training_bridge.policy.grpo import grpo
from training_bridge.policy.kto import kto
from training_bridge.policy.online_dpo import online_dpo
from training_bridge.policy.ppo.train import ppo
from training_bridge.policy.rft import rft
from training_bridge.policy.rloo import rloo
from training_bridge.policy.sft import sft
from training_bridge.programs import PROBLEM, main
from training_bridge.reward_model.train import train

ANSWERED = {"reward": "concrete", "prompts": 2, "answers": 2, "max_tokens": 4, "held_out": 0}
PROGRAMS = {
    "reward_model": (train, {"evaluate_epochs": False}),
    "sft": (sft, {"chosen": "always"}),
    "dpo": (dpo, {}),
    "kto": (kto, {"pairs": "always"}),
    "online_dpo": (online_dpo, {**ANSWERED, "prompts": 16, "answers": 4, "max_tokens": 10, "iterations": 2}),
    "rloo": (rloo, {**ANSWERED, "steps": 2}),
    "grpo": (grpo, {**ANSWERED, "steps": 2}),
    "ppo": (ppo, {**ANSWERED, "steps": 2}),
    "rft": (rft, {**ANSWERED, "reward": "", "kind": "regex", "rule": "e", "steps": 2}),
}
ENDINGS = {
    "no data": r"Not enough data: need \d+ .*have 0",
    "numbers that are none": r"Training broke|numbers that are none",
    "no memory": r"The program ran out of memory",
    "no disk": r"No space left on the disk",
}
SMALLEST_FILE = 20_000  # bytes: every log fits, no weights do


@pytest.fixture
def answers(tmp_path):
    """What the reward model learns from."""
    made = world.World()
    screens = made.screens(24)
    rows = world.answer(screens, {"a": made.labeler()}, [world.COMPARISON], test_share=0)
    world.write_snapshot(tmp_path / "answers", screens, rows)
    return tmp_path / "answers"


@pytest.fixture
def nothing(tmp_path, write_lines):
    world.write_snapshot(tmp_path / "nothing", [], [])
    return tmp_path / "nothing"


@pytest.fixture
def broken(tmp_path, policy_dir):
    model, tokenizer = load_policy(policy_dir, device="cpu")
    with torch.no_grad():
        model.model.norm.weight.fill_(torch.inf)
    model.save_pretrained(tmp_path / "broken")
    tokenizer.save_pretrained(tmp_path / "broken")
    return tmp_path / "broken"


@pytest.fixture
def small_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (SMALLEST_FILE, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_it_ends_with_cause_and_advice_and_nothing_half_written(
    name, ending, run_in, policy_dir, snapshot, answers, nothing, broken, small_files
):
    program, settings = PROGRAMS[name]
    usual = answers if name == "reward_model" else snapshot
    settings = {**settings, "checkpoint_steps": 1}
    if ending == "no memory":
        settings |= {"adapter": "lora", "lora_rank": 10**12}
    run = run_in(
        method=name,
        seed=1,
        parent={"path": str(broken if ending == "numbers that are none" else policy_dir)},
        snapshot={"path": str(nothing if ending == "no data" else usual)},
        parameters=settings,
    )
    if ending == "no disk":
        small_files()
    assert main(program, [str(run.path)]) == PROBLEM
    told = json.loads((run.path / "failure.json").read_text())
    assert re.search(ENDINGS[ending], told["error"]) and told["advice"]
    left = {str(path.relative_to(run.path)) for path in run.path.rglob("*")}
    assert not left & {"metrics.json", "result"}
    assert not [name for name in left if name.startswith(("checkpoints/step-", "checkpoints/.tmp", ".tmp"))]
