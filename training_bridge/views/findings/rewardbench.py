"""RewardBench: accuracy per section and subset."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from annotation.rendering import plots
from training_bridge.models import Run
from training_bridge.views.common import dig, interval, is_number
from training_bridge.views.findings import Section, Table

PARTS = ("reference_accuracy", "tied_accuracy", "preferred", "preferred_hard", "margin", "score")


def sections(run: Run) -> list[Section]:
    metrics: Any = run.metrics
    subsets = metrics.get("subsets") or {}
    rows = [(name, *numbers) for name, entry in subsets.items() if (numbers := interval(entry))]
    figures = []
    chance = 0.25 if metrics.get("version") == 2 else 0.5
    if metrics.get("sections"):
        dots = [(name, value, None, None) for name, value in metrics["sections"].items()]
        figures.append(
            plots.intervals(
                dots,
                title=_("By section"),
                x_label=_("weighted accuracy"),
                x_range=(0, 1),
                reference=chance,
                note=_(
                    "Each subset weighs as many rows as the published set has. The dashed line is chance."
                ),
            )
        )
    if rows:
        figures.append(
            plots.intervals(
                rows,
                title=_("By subset"),
                x_label=_("share right"),
                x_range=(0, 1),
                reference=chance,
                note=_("95 percent intervals over rows."),
            )
        )
    words = _("%(rows)s rows, %(left)s left out as too long. Score: %(score)s.") % {
        "rows": plots.short(metrics.get("rows")),
        "left": plots.short(metrics.get("left_out")),
        "score": plots.short(metrics["score"]) if is_number(metrics.get("score")) else "–",
    }
    table = Table(
        _("By subset"),
        [_("Subset"), _("section"), _("share right"), _("from"), _("to"), _("rows")],
        [
            [
                name,
                entry.get("section") or "–",
                *(plots.short(entry.get(k)) for k in ("value", "low", "high", "n")),
            ]
            for name, entry in subsets.items()
            if interval(entry)
        ],
    )
    found = [Section(_("On the benchmark"), words, figures, [table])]
    parts = dig(subsets, "Ties")
    if isinstance(parts, dict):
        names = {
            "reference_accuracy": _("one right answer: it is above all wrong ones"),
            "tied_accuracy": _("many right answers: all are above all wrong ones"),
            "preferred": _("right answers are closer to each other than to wrong ones"),
            "preferred_hard": _("the same, also where there is one right answer"),
            "margin": _("by how much (−1 to 1)"),
            "score": _("score"),
        }
        rows_of = [[names[p], plots.short(parts.get(p))] for p in PARTS]
        found.append(Section(_("Ties"), tables=[Table(_("Ties"), [_("What"), _("share")], rows_of)]))
    return found
