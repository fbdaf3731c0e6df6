"""Least covered: every item's first answer before anybody's second one."""

from django.utils.translation import gettext_lazy

from annotation.assignment.strategies.base import Strategy

strategy = Strategy(
    slug="least_covered",
    label=gettext_lazy("Least covered first"),
    purpose=gettext_lazy(
        "Every item gets a first answer before any item gets a second one: broad early, deep late."
    ),
    order="covered, shuffle",
    position=30,
    breadth=True,
)
