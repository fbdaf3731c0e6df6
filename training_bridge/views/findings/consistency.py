"""Consistency: flips under rewrites, drops under edits, contrast, and what reward fusion changes."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from annotation.rendering import plots
from training_bridge.models import Run
from training_bridge.views.common import dig, interval
from training_bridge.views.findings import Section, Table, in_order


def sections(run: Run) -> list[Section]:
    metrics: Any = run.metrics
    found = []
    names = {
        "lower_case": _("all in lower case"), "typos": _("typing errors"), "spacing": _("line breaks"),
        "markdown": _("first sentence in bold"), "contractions": _("contractions"),
        "phrases": _("other words, same meaning"),
        "longer": _("longer, nothing new"), "shorter": _("shorter, nothing lost"), "negation": _("a “not” more or less"),
        "number": _("another number"), "entity": _("another name"), "response": _("right answer over the other prompt's"),
        "instruction": _("right prompt over the other prompt"),
    }  # fmt: skip

    def dots(entries: dict[str, Any], *path: str) -> list[tuple[str, float, float, float]]:
        return [
            (names.get(name, name), *numbers)
            for name, entry in in_order(entries, names)
            if (numbers := interval(dig(entry, *path) if path else entry))
        ]

    keeping = metrics.get("keeping") or {}
    rows: Any = dots(keeping, "flips")
    if rows:
        plot = plots.intervals(
            rows, title=_("Preferred side changes"), x_label=_("share of rewrites"), reference=0.0,
            note=_("Fewer is better. 95 percent intervals over prompts."),
        )  # fmt: skip
        head = [_("Rewrite"), _("flips"), _("mean shift, sd"), _("mean change, sd"), "n"]
        numbers = [
            [
                names.get(name, name), *(plots.short(v) for v in (
                    dig(entry, "flips", "value"), entry.get("shift"), entry.get("mean_change"), dig(entry, "flips", "n"),
                )),
            ]
            for name, entry in in_order(keeping, names) if dig(entry, "flips", "n")
        ]  # fmt: skip
        words = _(
            "One side of a held-out pair is rewritten by rule. What people preferred does not depend on it."
        )
        found.append(
            Section(_("Where the meaning stays"), words, [plot], [Table(_("Rewrites"), head, numbers)])
        )
    figures = []
    if rows := dots(metrics.get("changing") or {}):
        figures.append(
            plots.intervals(
                rows, title=_("Reward drops when one word changes the meaning"), x_label=_("share of edits (AUC)"),
                reference=0.5, x_range=(0, 1), note=_("More is better; the dashed line is a model that does not see it."),
            )
        )  # fmt: skip
    if rows := dots(metrics.get("contrast") or {}):
        figures.append(
            plots.intervals(
                rows, title=_("Near-identical prompts"), x_label=_("share right"), reference=0.5, x_range=(0, 1),
                note=_("Two prompts that differ in little, each with its own right answer."),
            )
        )  # fmt: skip
    if figures:
        found.append(Section(_("Where the meaning changes"), figures=figures))
    fusion = metrics.get("fusion") or {}
    if fusion:
        head = [_("Rewrite"), _("flips, plain"), _("flips, fused")]
        flips: list[list[Any]] = [
            [
                names.get(name, name),
                plots.short(dig(keeping, name, "flips", "value")),
                plots.short(dig(entry, "flips", "value")),
            ]
            for name, entry in (fusion.get("keeping") or {}).items()
            if dig(entry, "flips", "n")
        ]
        both = [
            (_("plain"), dig(fusion, "accuracy", "plain")),
            (_("fused"), dig(fusion, "accuracy", "fused")),
        ]
        plot = plots.intervals(
            [(name, *told) for name, entry in both if (told := interval(entry))],
            title=_("Agreement with held-out preferences"), x_label=_("share agreed with"), reference=0.5,
        )  # fmt: skip
        words = _(
            "Each reward as the mean with those of near texts; %(n)s of them are near enough on average."
        ) % {"n": plots.short(fusion.get("neighbours"))}
        found.append(Section(_("Reward fusion"), words, [plot], [Table(_("Flips"), head, flips)]))
    return found
