"""Priority: the items of the highest priority first, those of equal priority in a shuffle."""

from django.utils.translation import gettext_lazy

from annotation.assignment.strategies.base import Strategy

strategy = Strategy(
    slug="priority",
    label=gettext_lazy("Priority"),
    purpose=gettext_lazy(
        "Items with the highest “priority” of their import first; equals in a random order."
    ),
    order="priority DESC, shuffle",
    position=40,
)
