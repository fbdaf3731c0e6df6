"""Uncertainty: what a reward model is least sure about comes first; items without a score come last, in a shuffle.

The score of an item is written from above (`assignment.services.save_scores`); its scale is the writer's business.
Source: Lewis & Gale (1994), uncertainty sampling; for reward models Gleave & Irving (2022), ensemble disagreement.
"""

from django.utils.translation import gettext_lazy

from annotation.assignment.strategies.base import Strategy

strategy = Strategy(
    slug="uncertainty",
    label=gettext_lazy("Uncertainty of a reward model"),
    purpose=gettext_lazy(
        "Items first about which a reward model is least sure. Score the open items again after each new model."
    ),
    order="score DESC NULLS LAST, shuffle",
    position=50,
)
