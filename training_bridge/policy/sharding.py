"""Policies whose weights are spread over processes (FSDP2), by the launcher of accelerate:

    accelerate launch --use_fsdp --fsdp_version 2 --fsdp_auto_wrap_policy TRANSFORMER_BASED_WRAP --num_processes 2 \\
        -m training_bridge.policy.dpo DIR

accelerate spreads what TRL trains; here is what is left: that CPU processes are told of it too, and how the trained policy
becomes one model again.
"""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch.distributed import broadcast

from training_bridge.policy.adapters import peft_config
from training_bridge.policy.config import LearningParameters
from training_bridge.programs import Problem
from training_bridge.reward_model.sharding import is_asked_for


def tell_accelerate() -> None:
    """accelerate heeds its launcher's FSDP on GPUs alone, and trains copies on CPUs without a word (1.15.0: `state.py` reads
    it for the kinds of GPUs it lists). To be called after the trainer's arguments are made, which forget what was set.

    Raises: Problem for FSDP 1, which cuts weights another way.
    """
    if not is_asked_for():
        return
    plugin = FullyShardedDataParallelPlugin()
    if plugin.fsdp_version != 2:
        raise Problem("Weights are spread by FSDP 2 only.", "Start with --fsdp_version 2.")
    if torch.cuda.is_available():
        return
    # Both states are shared by whoever asks for one after this; the second takes its type from the first each time.
    PartialState(cpu=True).distributed_type = DistributedType.FSDP
    Accelerator(cpu=True).state.fsdp_plugin = plugin


def gathered(trainer: Any, model: Any, settings: LearningParameters) -> Any:
    """The trained policy with all of its weights, in every process.

    Args:
        model: the policy it began with, loaded anew; it takes the trained weights.
    """
    state = trainer.accelerator.get_state_dict(trainer.model)  # of the first process; the others have nothing
    if (adapter := peft_config(settings)) is not None:
        from peft import get_peft_model

        model = get_peft_model(model, adapter)
    if trainer.run.writes:
        model.load_state_dict(state)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            broadcast(tensor, src=0)
    return model
