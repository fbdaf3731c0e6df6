"""The last hidden states of a reward model along a text: for similarity, and for potentials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from training_bridge.evaluation.judges import Text
from training_bridge.reward_model.model import Place
from training_bridge.reward_model.score import Scorer

AT_ONCE = 16


@torch.no_grad()
def hidden_states(scorer: Scorer, texts: Sequence[Text]) -> Iterator[Tensor]:
    """(tokens + 2, hidden) float32 on the CPU for each text: at the end of the prompt, at each token, and at EOS."""
    model = scorer.model
    for start in range(0, len(texts), AT_ONCE):
        sequences = [model.encoder.sequence(*text) for text in texts[start : start + AT_ONCE]]
        places = [Place(i, p) for i, s in enumerate(sequences) for p in range(len(s.prompt) - 1, len(s))]
        found = model.hidden_at(sequences, places).float().cpu()
        yield from found.split([len(s.text) + 1 for s in sequences])


def embeddings(scorer: Scorer, texts: Sequence[Text]) -> Tensor:
    """(texts, hidden) mean hidden state of each text, of length 1."""
    means = torch.stack([states[1:].mean(dim=0) for states in hidden_states(scorer, texts)])
    return torch.nn.functional.normalize(means, dim=1)
