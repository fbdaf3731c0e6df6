"""Random: the items of each import in a shuffle, behind those that are there already."""

from django.utils.translation import gettext_lazy

from annotation.assignment.strategies.base import Strategy

strategy = Strategy(
    slug="random",
    label=gettext_lazy("Random"),
    purpose=gettext_lazy(
        "Items in a random order, each one finished before the next; later items follow. What is answered first says the"
        " most about the whole."
    ),
    order="shuffle",
    position=10,
    is_random=True,
    merges=False,
)
