"""How a response is drawn from a policy, whichever one it is.

>>> Sampling.of({"temperature": 0.7, "seed": 7})
Sampling(temperature=0.7, top_p=1.0, max_new_tokens=256, seed=7)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

MAX_TEMPERATURE = 2.0
MAX_NEW_TOKENS = 4096
MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class Sampling:
    """Raises ValueError, in words for the person who set it, for a value out of range."""

    temperature: float = 1.0  # 0: always the most probable token
    top_p: float = 1.0
    max_new_tokens: int = 256
    seed: int | None = None  # the same seed gives the same response; None: drawn anew each time

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and 0.0 <= self.temperature <= MAX_TEMPERATURE):
            raise ValueError(f"temperature must be between 0 and {MAX_TEMPERATURE:g}.")
        if not (math.isfinite(self.top_p) and 0.0 < self.top_p <= 1.0):
            raise ValueError("top_p must be above 0 and at most 1.")
        if not 1 <= self.max_new_tokens <= MAX_NEW_TOKENS:
            raise ValueError(f"max_new_tokens must be between 1 and {MAX_NEW_TOKENS}.")
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            raise ValueError(f"seed must be between 0 and {MAX_SEED}.")

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Sampling:
        """From what `dump` made, or from some of it; a name it does not know is left out."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})

    def dump(self) -> dict[str, Any]:
        return asdict(self)
