"""Distances between rewards: each pair under each definition, and the answers they see most differently."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from annotation.rendering import plots
from training_bridge.models import Run
from training_bridge.views.common import dig, interval, is_number
from training_bridge.views.findings import Section, Table

UNRELATED = 0.7071  # sqrt(1/2): correlation 0


def sections(run: Run) -> list[Section]:
    metrics: Any = run.metrics
    pairs = metrics.get("distances") or []
    forms = {
        "centred_return": (
            _("Prompt-centred return"),
            _(
                "Whole answers, less the mean of their prompt. The one to go by: 0 means that both rank all policies alike."
            ),
        ),
        "val": (
            _("STARC-VAL"),
            _(
                "Steps of an answer: what each changes in the reward to expect when the policy goes on. 0 as above, finer."
            ),
        ),
        "epic": (
            _("EPIC, as defined"),
            _(
                "Compares after steps from anywhere, which text never takes; it can be above 0 for equal rewards."
            ),
        ),
        "dard": (
            _("DARD, as defined"),
            _("Like EPIC with steps that can follow; it too can be above 0 for equal rewards."),
        ),
    }
    figures = []
    for form, (title, note) in forms.items():
        rows = [
            (pair_name(run, pair["between"]), *numbers)
            for pair in pairs
            if (numbers := interval(pair.get(form)))
        ]
        if rows:
            figures.append(
                plots.intervals(
                    rows,
                    title=title,
                    x_label=_("distance; 0 the same, 0.71 unrelated, 1 opposite"),
                    x_range=(0, 1),
                    reference=UNRELATED,
                    note=note,
                )
            )
    words = _("%(answers)s answers to %(prompts)s prompts. 95 %% intervals over prompts.") % {
        "answers": plots.short(metrics.get("answers")),
        "prompts": plots.short(metrics.get("prompts")),
    }
    found = [Section(_("How far apart the rewards are"), words, figures, [_correlations(run, pairs, forms)])]
    sources = [row for row in metrics.get("by_source") or [] if interval(row)]
    if sources:
        table = Table(
            _("Prompt-centred return, by who wrote the answers"),
            [_("Between"), _("written by"), _("distance"), _("from"), _("to")],
            [
                [
                    pair_name(run, row["between"]),
                    source_name(row["source"]),
                    *map(plots.short, (row["value"], row["low"], row["high"])),
                ]
                for row in sources
            ],
        )
        found.append(Section(_("Whose answers they part on"), tables=[table]))
    if metrics.get("furthest"):
        names = metrics["judges"][:2]
        found.append(
            Section(
                _("What they differ about most"),
                _("Rewards are less the mean of the prompt, in standard deviations."),
                tables=[
                    Table(
                        _("Answers"),
                        [_("Prompt"), _("Answer"), *(judge_name(run, n) for n in names)],
                        [
                            [row["prompt"], row["text"], *(f"{row['rewards'][n]:+.1f}" for n in names)]
                            for row in metrics["furthest"]
                        ],
                        is_text=True,
                    )
                ],
            )
        )
    return found


def _correlations(run: Run, pairs: list[dict[str, Any]], forms: dict[str, Any]) -> Table:
    def cell(value: Any) -> str:
        return f"{value:.2f}".replace("-", "−") if is_number(value) else "–"

    return Table(
        _("Correlations behind the distances"),
        [_("Between"), *(title for title, _note in forms.values())],
        [
            [pair_name(run, pair["between"]), *(cell(dig(pair, form, "correlation")) for form in forms)]
            for pair in pairs
        ],
    )


def pair_name(run: Run, between: list[str]) -> str:
    return " – ".join(judge_name(run, name) for name in between)


def judge_name(run: Run, name: str) -> str:
    """What a judge of the metrics is called on a page."""
    if name == "reward_model":
        return _("reward model")
    if name == "compared_with":
        return _("other model")
    if name == "stated_reward":
        return _("stated reward")
    return name.replace("_", " ")


def source_name(name: str) -> str:
    names = {"parent": _("policy"), "baseline": _("other policy"), "snapshot": _("snapshot")}
    return names.get(name, name)
