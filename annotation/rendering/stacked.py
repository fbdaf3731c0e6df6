"""Bars made of parts, such as active and idle hours of each day: a plot as those of `plots.py`, with its table."""

from __future__ import annotations

import math
from collections.abc import Sequence

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from annotation.rendering import plots


def stacked(
    rows: Sequence[tuple[str, Sequence[float]]],
    parts: Sequence[str],
    *,
    title: str,
    y_label: str,
    x_label: str = "",
    note: str = "",
) -> SafeString:
    """One bar for each (name, values of the parts, none below 0), the first part at the bottom; the axis starts at 0."""
    tallest = max((sum(values) for _name, values in rows), default=0.0)
    if tallest <= 0:
        return plots._nothing(title, note)
    axes = plots._Axes(0, len(rows), 0, tallest)
    step = (plots.WIDTH - plots.LEFT - plots.RIGHT) / len(rows)
    every = math.ceil(len(rows) / 12)
    shapes = [axes.draw(x_label, y_label, x_ticks=False)]
    for i, (name, values) in enumerate(rows):
        x, below = plots.LEFT + i * step + step * 0.14, 0.0
        for number, value in enumerate(values):
            top, bottom = axes.y(below + value), axes.y(below)
            shapes.append(
                f'<rect class="bar s{number}" x="{x:.1f}" y="{top:.1f}" width="{step * 0.72:.1f}"'
                f' height="{bottom - top:.1f}"/>'
            )
            below += value
        if i % every == 0:
            room = max(4, int(step * every / 7))
            at = x + step * 0.36, plots.HEIGHT - plots.BOTTOM + 18
            shapes.append(plots._text(*at, plots._cut(name, room), "middle"))
    return plots._figure(
        title,
        note,
        "".join(shapes),
        [x_label or _("Name"), *parts],
        [[name, *(plots.short(round(value, 3)) for value in values)] for name, values in rows],
        legend=parts,
    )
