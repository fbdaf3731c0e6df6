"""Best-of-n: proxy and gold reward against the distance from the policy, and where gold peaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from annotation.rendering import plots
from training_bridge.models import Run
from training_bridge.views.common import dig, interval, is_number
from training_bridge.views.findings import Section, Table, in_order


def sections(run: Run) -> list[Section]:
    metrics: Any = run.metrics
    curves, ns, kl = metrics.get("curves") or {}, metrics.get("n") or [], metrics.get("kl") or []
    names = {
        "mean": _("mean") if len(curves) > 1 else _("reward model"),
        "member": _("one member alone"),
        "pessimistic": _("pessimistic"),
        "minimum": _("minimum"),
    }
    curves = dict(in_order(curves, names))
    mean = curves.get("mean")
    if not mean or len(ns) != len(kl):
        return []
    words = _(
        "Best of n of %(answers)s answers to %(prompts)s prompts, chosen by the reward model. When gold falls while the "
        "proxy rises, the reward model is being exploited."
    ) % {"answers": plots.short(metrics.get("answers_each")), "prompts": plots.short(metrics.get("prompts"))}
    figures = [
        _plot({_("proxy"): mean["proxy"], _("gold"): mean["gold"]}, kl, _("Proxy and gold reward")),
    ]
    if len(curves) > 1:
        golds = {names.get(way, way): curve["gold"] for way, curve in curves.items()}
        figures.append(_plot(golds, kl, _("Gold reward by how the ensemble is read")))
    head = [
        _("chosen by"),
        _("gold peaks at n"),
        _("from"),
        _("to"),
        _("gold at the peak"),
        _("at the largest n"),
        _("too far"),
    ]
    rows = [
        [
            names.get(way, way),
            *(plots.short(dig(curve, "peak", k)) for k in ("n", "low", "high")),
            plots.short(_at(curve, ns, dig(curve, "peak", "n"))),
            plots.short(_at(curve, ns, ns[-1])),
            _("yes") if dig(curve, "peak", "is_over") else _("not shown"),
        ]
        for way, curve in curves.items()
    ]
    tables = [Table(_("Where gold peaks"), head, rows)]
    fitted = dig(mean, "fit") or {}
    if is_number(fitted.get("a")):
        tables.append(
            Table(
                _("Fit of the gold reward: d (a − b d), d the root of the divergence"),
                ["a", "b", _("peak at n")],
                [[plots.short(fitted["a"]), plots.short(fitted["b"]), _peak_n(fitted)]],
            )
        )
    numbers = [
        [
            n,
            plots.short(x),
            *(plots.short(dig(mean[k][i], v)) for k in ("proxy", "gold") for v in ("value", "low", "high")),
        ]
        for i, (n, x) in enumerate(zip(ns, kl, strict=True))
    ]
    tables.append(
        Table(
            _("Every n"),
            ["n", _("nats"), _("proxy"), _("from"), _("to"), _("gold"), _("from"), _("to")],
            numbers,
        )
    )
    found = [Section(_("How far it can be optimised"), words, figures, tables)]
    gains = [
        (names.get(way, way), *numbers_)
        for way, entry in (metrics.get("against") or {}).items()
        if (numbers_ := interval(entry))
    ]
    if gains:
        plot = plots.intervals(
            gains,
            title=_("Gold gained over one member alone"),
            x_label=_("gold reward, sd, at the largest n"),
            reference=0.0,
            note=_("Right of the dashed line the ensemble helps."),
        )
        found.append(Section(_("What the ensemble is worth"), figures=[plot]))
    return found


def _plot(series: dict[Any, Sequence[Any]], kl: Sequence[float], title: Any) -> Any:
    return plots.line(
        [
            plots.Series(
                str(name),
                [plots.Point(x, p["value"], p["low"], p["high"]) for x, p in zip(kl, points, strict=True)],
            )
            for name, points in series.items()
        ],
        title=title,
        x_label=_("divergence from the policy, nats (upper bound)"),
        y_label=_("reward, sd of the policy's answers"),
        note=_("Bands are 95 percent intervals over prompts."),
    )


def _at(curve: Any, ns: Sequence[int], n: Any) -> float | None:
    if n not in ns:
        return None
    value = dig(curve["gold"][list(ns).index(n)], "value")
    return float(value) if is_number(value) else None


def _peak_n(fitted: dict[str, Any]) -> str:
    n: Any = fitted.get("peak_n")
    return plots.short(round(n)) if is_number(n) else _("none")
