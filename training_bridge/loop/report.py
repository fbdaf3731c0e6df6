"""The report of a loop, for the terminal and as one HTML page that needs nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.template.loader import render_to_string

from annotation.rendering import plots

if TYPE_CHECKING:
    from training_bridge.loop.run import Result

STYLES = settings.BASE_DIR / "annotation" / "static" / "whetstone" / "whetstone.css"


def interval(figure: dict[str, Any] | None, digits: int = 2) -> str:
    """`0.73 [0.66, 0.80]`; a dash where there is nothing."""
    if not figure or figure.get("value") is None:
        return "–"
    return f"{figure['value']:.{digits}f} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"


def as_text(result: Result) -> str:
    """A page for the terminal: what moved, whether people prefer it, what more types are worth."""
    lines = ["", "The closed loop", "═" * 60]
    lines += [f"  {s['stage']:<48}{s['seconds']:>8.1f} s" for s in result.stages]
    lines += ["", "What the labelers gave"]
    for row in result.rounds:
        said = ", ".join(f"{kind} {n}" for kind, n in row["answers"].items())
        accuracy = interval((row.get("reward_model") or {}).get("accuracy"))
        lines.append(
            f"  round {row['round']}: {row['screens']} screens, {row['labeler_seconds']} labeler-seconds; {said}"
        )
        lines.append(
            f"           reward model, held-out pairs: {accuracy}; by length alone: {interval(length(row))}"
        )
    lines += ["", "Did the policy follow the taste?"]
    for figures in result.tastes.values():
        mark = "←" if figures["wanted"] else " "
        moved = interval(figures["moved"])
        lines.append(
            f"  {figures['label']:<16}{interval(figures['before'])}  →  {interval(figures['after'])}   moved {moved} {mark}"
        )
    if result.judged:
        lines.append(
            f"  people prefer the new policy, blind: {interval(dict(result.judged))} of {result.judged['answers']} answers"
        )
    evidence = result.evidence or {}
    for judge, figure in (evidence.get("win_rate") or {}).items():
        lines.append(f"  win rate by {judge}, held-out prompts: {interval(figure)}")
    if evidence.get("kl"):
        lines.append(f"  KL(new || old) per token: {interval(evidence['kl'].get('per_token'), 3)}")
    if result.arms:
        lines += ["", "Reward models at equal labeler-seconds, against the known truth"]
        for arm in result.arms:
            lines.append(
                f"  {arm['arm']:<24}{arm['screens']:>4} screens {arm['labeler_seconds']:>6} s   "
                f"rank correlation {interval(arm['spearman'])}   pairs {interval(arm['accuracy'])}"
                + (f"   gain {interval(arm['gain'])}" if arm.get("gain") else "")
            )
    if result.reliability:
        lines += ["", "Labelers: true rationality, estimate, lapse"]
        for row in result.reliability:
            name = f"{row['labeler']}{' (careless)' if row['careless'] else ''}"
            lines.append(f"  {name:<26}{row['true_beta']:>6}  {_short(row['beta'])}  {_short(row['lapse'])}")
    return "\n".join(lines) + "\n"


def as_html(result: Result) -> str:
    """One page with plots, styles inside."""
    taste = next((f for f in result.tastes.values() if f["wanted"]), None)
    evidence = result.evidence or {}
    win = [
        (name, f["value"], f["low"], f["high"]) for name, f in (evidence.get("win_rate") or {}).items() if f
    ]
    if result.judged and result.judged["value"] is not None:
        win.insert(0, ("people, blind", result.judged["value"], result.judged["low"], result.judged["high"]))
    context = {
        "result": result,
        "taste": taste,
        "styles": STYLES.read_text(encoding="utf-8"),
        "moved": plots.intervals(
            [
                (f["label"], f["moved"]["value"], f["moved"]["low"], f["moved"]["high"])
                for f in result.tastes.values()
                if f["moved"]["value"] is not None
            ],
            title="How far each trait of the answers moved",
            x_label="after − before",
            reference=0.0,
        ),
        "win": plots.intervals(
            win,
            title="Win rate of the new policy over the old",
            x_label="win rate",
            reference=0.5,
            x_range=(0.0, 1.0),
        ),
        "arms": plots.intervals(
            [
                (a["arm"], a["spearman"]["value"], a["spearman"]["low"], a["spearman"]["high"])
                for a in result.arms
            ],
            title="Reward models at equal labeler-seconds",
            x_label="rank correlation with the truth on held-out prompts",
        ),
        "rounds": [
            {
                **r,
                "accuracy": interval((r.get("reward_model") or {}).get("accuracy")),
                "length": interval(length(r)),
            }
            for r in result.rounds
        ],
        "arm_rows": [
            {
                **a,
                "spearman": interval(a["spearman"]),
                "accuracy": interval(a["accuracy"]),
                "gain": interval(a["gain"]) if a.get("gain") else "",
            }
            for a in result.arms
        ],
        "judged": interval(dict(result.judged)) if result.judged else "",
        "kl": interval((evidence.get("kl") or {}).get("per_token"), 3),
    }
    return render_to_string("training_bridge/loop_report.html", context)


def length(row: dict[str, Any]) -> dict[str, Any] | None:
    """The length-only baseline, wherever the metrics keep its figure."""
    found = (row.get("reward_model") or {}).get("length")
    return found if found and "value" in found else None


def _short(value: float | None) -> str:
    return f"{value:6.2f}" if value is not None else "     –"
