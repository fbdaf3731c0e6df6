"""On a GPU: the variable-length kernel against padding, in bfloat16. Left out where there is none."""

import pytest
import torch

from feedback_types.base import Message
from training_bridge.reward_model.model import Place, RewardModel

TEXTS = [
    "Yes.",
    "Bread needs flour, water, salt and time.",
    "你好 👋🏽 and a longer answer, then the best of all.",
    "",
]
PROMPTS = [(Message("user", "How do I bake?"),), (Message("user", "Tell me about otters."),)]


@pytest.mark.gpu
@pytest.mark.parametrize("share_prompts", [False, True])
def test_packed_equals_padded_in_bfloat16(policy_dir, share_prompts):
    torch.manual_seed(3)
    model = RewardModel.load(policy_dir, device="cuda", share_prompts=share_prompts)
    assert model.packed, "the packed kernel was refused on this machine"
    sequences = [model.encoder.sequence(p, t) for t in TEXTS for p in PROMPTS]
    places = [Place(i, s.position(k)) for i, s in enumerate(sequences) for k in (0, 3, None)]

    def both():
        model.zero_grad()
        scores = model.compute(sequences, places)
        torch.tanh(scores).sum().backward()
        return scores.detach(), torch.cat(
            [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        )

    packed, packed_gradient = both()
    model.choose_packing(False)
    padded, padded_gradient = both()
    assert (packed - padded).norm() < 0.03 * padded.norm()
    assert (packed_gradient - padded_gradient).norm() < 0.05 * padded_gradient.norm()
