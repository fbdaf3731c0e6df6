"""Oldest first: items in the order in which they came in."""

from django.utils.translation import gettext_lazy

from annotation.assignment.strategies.base import Strategy

strategy = Strategy(
    slug="oldest",
    label=gettext_lazy("Oldest first"),
    purpose=gettext_lazy("Items in the order in which they came in."),
    order="item",
    position=20,
    merges=False,
)
