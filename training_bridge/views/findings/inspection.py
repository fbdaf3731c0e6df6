"""Step rewards after shaping, as heat maps beside what people marked, and how far the two agree."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from annotation.rendering import plots
from training_bridge.models import Run
from training_bridge.views.common import dig, interval
from training_bridge.views.findings import Section, Table, in_order
from training_bridge.views.models import spans


def sections(run: Run) -> list[Section]:
    metrics: Any = run.metrics
    names = {
        "raw": _("as it is"),
        "sparse": _("sparsest"),
        "log": _("sparsest, logarithmic"),
        "smooth": _("smoothest"),
    }
    found = []
    overlap = metrics.get("overlap") or {}
    rows = [
        (names.get(name, name), *numbers)
        for name, entry in in_order(overlap, names)
        if (numbers := interval(dig(entry, "over_chance")))
    ]
    if rows:
        plot = plots.intervals(
            rows,
            title=_("Places that people marked among those with the most reward"),
            x_label=_("share, less chance"),
            reference=0.0,
            note=_(
                "Right of the dashed line the model looks where people look. 95 percent intervals over prompts."
            ),
        )
        words = _("%(n)s held-out texts with marks; by lot %(chance)s of the places would be shared.") % {
            "n": plots.short(metrics.get("marked_texts")),
            "chance": plots.short(metrics.get("chance")),
        }
        found.append(Section(_("Does it look where people look?"), words, [plot]))
    objectives = metrics.get("objectives") or {}
    if objectives:
        head = [
            _("Shaping"),
            _("mean |x|"),
            _("mean log(1 + |x|)"),
            _("mean change"),
            _("share in the last step"),
        ]
        cells = [
            [
                names.get(name, name),
                *(plots.short(entry.get(k)) for k in ("sparse", "log", "smooth", "last_step")),
            ]
            for name, entry in in_order(objectives, names)
        ]
        words = _(
            "Shaping moves reward along a text and changes no preference between texts. It was found on training texts and "
            "is read on held-out ones. Where nearly all is in the last step, shaping explains nothing."
        )
        found.append(Section(_("What shaping does"), words, tables=[Table(_("Held-out texts"), head, cells)]))
    texts = [
        render_to_string(
            "training_bridge/_shaped.html",
            {
                "prompt": text["prompt"],
                "marked": marked(text["text"], text["marks"]),
                "maps": [
                    {
                        "name": names.get(name, name),
                        "spans": spans(text["text"], rewards(text["tokens"], name)),
                    }
                    for name in ("raw", "sparse", "smooth")
                ],
            },
        )
        for text in metrics.get("texts") or []
    ]
    if texts:
        words = _(
            "Underlined adds reward, dotted takes it away; highlighted is what people marked. The last step is left out."
        )
        found.append(Section(_("Held-out texts"), words, texts))
    return found


def rewards(tokens: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Without the last, the end of the text, which would outshine the words."""
    return [
        {"start": t["start"], "end": t["end"], "reward": t.get(name)} for t in tokens if t["end"] > t["start"]
    ]


def marked(text: str, marks: list[list[int]]) -> list[dict[str, Any]]:
    """The text cut at the ends of its marks.

    >>> marked("one two", [[4, 7]])
    [{'text': 'one ', 'is_marked': False}, {'text': 'two', 'is_marked': True}]
    """
    edges = sorted({0, len(text), *(min(e, len(text)) for mark in marks for e in mark)})
    return [
        {"text": text[a:b], "is_marked": any(start < b and a < end for start, end in marks)}
        for a, b in pairwise(edges)
    ]
