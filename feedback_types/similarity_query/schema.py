"""What is stored for a similarity query, and how a campaign asks one.

    {"items": [5, 2, 9], "pair": [9, 5], "reference": null, "instruction_version": 1}

says: of the three responses shown, 5 and 9 are the most alike, so 2 is the odd one out. With a `reference` the question was
which of the other two is more like it, and the pair holds the reference.
"""

from __future__ import annotations

from typing import Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, model_validator

from feedback_types.base import Many, Payload, Settings, setting

DIMENSIONS = 8  # of the embedding; each is one head `similarity/k`


class SimilarityPayload(Payload):
    """`items` are response ids as shown, `pair` the two most alike in rising order; the third is the odd one out."""

    items: Many[int] = Field(min_length=3, max_length=3)
    pair: Many[int] = Field(min_length=2, max_length=2)
    reference: int | None = None
    instruction_version: int = Field(ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> SimilarityPayload:
        if len(set(self.items)) != 3:
            raise ValueError(_("A response is named twice in items; name each once."))
        if len(set(self.pair) & set(self.items)) != 2 or list(self.pair) != sorted(self.pair):
            raise ValueError(_("A pair is two of the items, the smaller number first."))
        if self.reference is not None and self.reference not in self.pair:
            raise ValueError(_("The reference is one of the pair; name the response that is more like it."))
        return self

    @property
    def odd(self) -> int:
        """The response that is not in the pair."""
        return next(item for item in self.items if item not in self.pair)


class SimilaritySettings(Settings):
    mode: Literal["odd", "reference"] = setting(
        "odd",
        title=gettext_lazy("What is asked"),
        description=gettext_lazy(
            "odd: which of the three is the odd one out. reference: which of two is more like the item’s first response."
        ),
    )
    instruction: str = setting(
        "",
        max_length=300,
        title=gettext_lazy("Alike in what"),
        description=gettext_lazy(
            "What labelers should look at, in a sentence. Empty: what matters for how good a response is."
        ),
    )
    instruction_version: int = setting(
        1,
        ge=1,
        le=1_000_000,
        title=gettext_lazy("Version of the instruction"),
        description=gettext_lazy(
            "Stored with each answer; raise it when you change what “alike” means, so that answers can be told apart."
        ),
    )
