"""Plots as SVG made on the server: axes with units, intervals, and the same numbers in a table for all who want those.

Every function returns a complete `<figure>` that a template prints as it is. Shapes get their colours from classes of the
stylesheet, so that light, dark and print come for free and no inline style is needed (the CSP forbids it).

    line([Series("reward model", [Point(10, 0.61), Point(100, 0.74, 0.70, 0.78)])], title="Accuracy on held-out pairs",
         x_label="pairs", y_label="accuracy", log_x=True)
    bars([("A better", 31), ("equal", 4), ("B better", 12)], title="Answers", y_label="submissions")
    intervals([("round 2", 0.58, 0.51, 0.65)], title="Win rate against round 1", x_label="win rate", reference=0.5)
    calibration([(0.15, 0.18, 40), (0.5, 0.47, 112)], title="Calibration")
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 14, 50
COLOURS = 6  # classes s0 … s5, each with a dash of its own


class Point(NamedTuple):
    x: float
    y: float
    low: float | None = None  # of an interval around y
    high: float | None = None


@dataclass(frozen=True)
class Series:
    name: str
    points: Sequence[Point | tuple[float, ...]]


def line(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    note: str = "",
    log_x: bool = False,
    whole_x: bool = False,
    y_range: tuple[float, float] | None = None,
    reference: float | None = None,
) -> SafeString:
    """Lines with optional intervals (a band). Points that are not finite are left out; `reference` is a dashed level. With
    `whole_x` the axis counts something, such as rounds, and has no ticks between whole numbers."""
    clean = [
        (s.name, [p for p in (Point(*p) for p in s.points) if _finite(p) and (p.x > 0 or not log_x)])
        for s in series
    ]
    points = [p for _name, own in clean for p in own]
    if not points:
        return _nothing(title, note)
    ys = [v for p in points for v in (p.y, p.low, p.high) if v is not None] + (
        [reference] if reference is not None else []
    )
    y_low, y_high = y_range or _padded(min(ys), max(ys))
    x_low, x_high = min(p.x for p in points), max(p.x for p in points)
    axes = _Axes(x_low, x_high, y_low, y_high, log_x=log_x, whole_x=whole_x)
    parts = [axes.draw(x_label, y_label)]
    if reference is not None:
        parts.append(_path("reference", [(LEFT, axes.y(reference)), (WIDTH - RIGHT, axes.y(reference))]))
    for number, (_name, own) in enumerate(clean):
        colour = f"s{number % COLOURS}"
        banded = [p for p in own if p.low is not None and p.high is not None]
        if len(banded) > 1:
            upper = [(axes.x(p.x), axes.y(p.high)) for p in banded if p.high is not None]
            lower = [(axes.x(p.x), axes.y(p.low)) for p in reversed(banded) if p.low is not None]
            parts.append(_path(f"band {colour}", upper + lower, closed=True))
        parts.append(_path(f"curve {colour}", [(axes.x(p.x), axes.y(p.y)) for p in own]))
        if len(own) <= 30:
            parts.extend(_dot(axes.x(p.x), axes.y(p.y), colour) for p in own)
    with_interval = any(p.low is not None for p in points)
    head = [_("Series"), x_label, y_label, *([_("from"), _("to")] if with_interval else [])]
    rows = [
        [name, short(p.x), short(p.y), *([short(p.low), short(p.high)] if with_interval else [])]
        for name, own in clean
        for p in _thinned(own)
    ]
    legend = [name for name, _own in clean] if len(clean) > 1 else []
    return _figure(title, note, "".join(parts), head, rows, legend=legend)


def bars(
    counts: Sequence[tuple[str, float]], *, title: str, y_label: str, x_label: str = "", note: str = ""
) -> SafeString:
    """One bar for each name; the axis starts at 0."""
    values = [(name, value) for name, value in counts if math.isfinite(value)]
    if not values:
        return _nothing(title, note)
    axes = _Axes(0, len(values), min(0, min(v for _n, v in values)), max(1e-9, max(v for _n, v in values)))
    step = (WIDTH - LEFT - RIGHT) / len(values)
    parts = [axes.draw(x_label, y_label, x_ticks=False)]
    every = math.ceil(len(values) / 12)
    for i, (name, value) in enumerate(values):
        x, y0, y1 = LEFT + i * step + step * 0.14, axes.y(0), axes.y(value)
        parts.append(_bar(x, min(y0, y1), step * 0.72, abs(y0 - y1)))
        if i % every == 0:
            room = max(4, int(step * every / 7))
            parts.append(_text(x + step * 0.36, HEIGHT - BOTTOM + 18, _cut(name, room), "middle"))
        if len(values) <= 16:
            parts.append(_text(x + step * 0.36, min(y0, y1) - 5, short(value), "middle", "label"))
    return _figure(
        title, note, "".join(parts), [x_label or _("Name"), y_label], [[n, short(v)] for n, v in values]
    )


def histogram(
    values: Iterable[float], *, title: str, x_label: str, y_label: str = "", bins: int = 20, note: str = ""
) -> SafeString:
    """How often values fall into equally wide bins."""
    finite = sorted(v for v in values if math.isfinite(v))
    if not finite:
        return _nothing(title, note)
    low, high = finite[0], finite[-1]
    if low == high:
        return bars(
            [(short(low), len(finite))],
            title=title,
            x_label=x_label,
            y_label=y_label or _("count"),
            note=note,
        )
    counts = [0] * bins
    for value in finite:
        counts[min(bins - 1, int((value - low) / (high - low) * bins))] += 1
    axes = _Axes(low, high, 0, max(counts))
    parts = [axes.draw(x_label, y_label or _("count"))]
    edges = [low + (high - low) * i / bins for i in range(bins + 1)]
    for i, count in enumerate(counts):
        x0, x1 = axes.x(edges[i]), axes.x(edges[i + 1])
        parts.append(_bar(x0 + 0.5, axes.y(count), max(0.5, x1 - x0 - 1), axes.y(0) - axes.y(count)))
    rows = [[short(edges[i]), short(edges[i + 1]), short(count)] for i, count in enumerate(counts)]
    return _figure(title, note, "".join(parts), [_("from"), _("to"), y_label or _("count")], rows)


def intervals(
    rows: Sequence[tuple[str, float | None, float | None, float | None]],
    *,
    title: str,
    x_label: str,
    note: str = "",
    reference: float | None = None,
    x_range: tuple[float, float] | None = None,
) -> SafeString:
    """Dot and whisker, one row for each (name, value, low, high); `reference` is a dashed line (no effect, chance).

    A row without a value is left out; one without an interval (low and high None) is a dot.
    """
    shown = [
        (name, value, low, high)
        for name, value, low, high in rows
        if value is not None and all(v is None or math.isfinite(v) for v in (value, low, high))
    ]
    if not shown:
        return _nothing(title, note)
    numbers = [v for row in shown for v in row[1:] if v is not None]
    numbers += [reference] if reference is not None else []
    start, end = x_range or _padded(min(numbers), max(numbers))
    left, row_height = 190, 30
    height = TOP + row_height * len(shown) + BOTTOM
    axes = _Axes(start, end, 0, 1, left=left, height=height)
    parts = [axes.draw(x_label, "", y_ticks=False)]
    if reference is not None:
        parts.append(_path("reference", [(axes.x(reference), TOP), (axes.x(reference), height - BOTTOM)]))
    for i, (name, value, low, high) in enumerate(shown):
        y = TOP + row_height * (i + 0.5)
        if low is not None and high is not None:
            parts.append(_path("whisker s0", [(axes.x(low), y), (axes.x(high), y)]))
            parts += [_path("whisker s0", [(axes.x(v), y - 5), (axes.x(v), y + 5)]) for v in (low, high)]
        parts.append(_dot(axes.x(value), y, "s0", 5))
        parts.append(_text(left - 12, y + 4, _cut(name, 26), "end", "label"))
    head = [_("Name"), x_label, _("from"), _("to")]
    table = [[name, short(value), short(low), short(high)] for name, value, low, high in shown]
    return _figure(title, note, "".join(parts), head, table, height=height)


def calibration(
    bins: Sequence[tuple[float, float, int]],
    *,
    title: str,
    x_label: str = "",
    y_label: str = "",
    note: str = "",
) -> SafeString:
    """Predicted against observed frequency for (predicted, observed, n); the diagonal is perfect, dots grow with n."""
    bins = [b for b in bins if b[2] > 0 and math.isfinite(b[0]) and math.isfinite(b[1])]
    if not bins:
        return _nothing(title, note)
    x_label, y_label = x_label or _("predicted probability"), y_label or _("observed frequency")
    axes = _Axes(0, 1, 0, 1)
    parts = [
        axes.draw(x_label, y_label),
        _path("reference", [(axes.x(0), axes.y(0)), (axes.x(1), axes.y(1))]),
    ]
    most = max(b[2] for b in bins)
    parts.append(_path("curve s0", [(axes.x(p), axes.y(o)) for p, o, _n in bins]))
    parts += [_dot(axes.x(p), axes.y(o), "s0", 3 + 5 * math.sqrt(n / most)) for p, o, n in bins]
    return _figure(
        title,
        note,
        "".join(parts),
        [x_label, y_label, "n"],
        [[short(p), short(o), short(n)] for p, o, n in bins],
    )


def short(value: float | None) -> str:
    """A number in as many digits as a reader wants: 1234567 → 1,234,567; 0.73512 → 0.735; 0.0000123 → 1.23e-05."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}".replace("-", "−")
    size = abs(value)
    if size >= 1000:
        text = f"{value:,.0f}"
    elif size >= 100:
        text = f"{value:.1f}"
    elif size >= 0.001:
        text = f"{value:.3g}" if size >= 1 else f"{value:.3f}".rstrip("0")
    else:
        text = f"{value:.2e}"
    return text.replace("-", "−", 1) if text.startswith("-") else text


# --- Axes ------------------------------------------------------------------------------------------------------------


@dataclass
class _Axes:
    x_low: float
    x_high: float
    y_low: float
    y_high: float
    log_x: bool = False
    whole_x: bool = False
    left: int = LEFT
    height: int = HEIGHT
    _x_ends: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        if self.x_high == self.x_low:
            self.x_low, self.x_high = (
                (self.x_low / 2, self.x_high * 2) if self.log_x else (self.x_low - 0.5, self.x_high + 0.5)
            )
        if self.y_high == self.y_low:
            self.y_high = self.y_low + 1
        self._x_ends = (
            (math.log10(self.x_low), math.log10(self.x_high)) if self.log_x else (self.x_low, self.x_high)
        )

    def x(self, value: float) -> float:
        position = math.log10(value) if self.log_x else value
        low, high = self._x_ends
        return self.left + (position - low) / (high - low) * (WIDTH - self.left - RIGHT)

    def y(self, value: float) -> float:
        share = (min(max(value, self.y_low), self.y_high) - self.y_low) / (self.y_high - self.y_low)
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)

    def draw(self, x_label: str, y_label: str, *, x_ticks: bool = True, y_ticks: bool = True) -> str:
        floor = self.height - BOTTOM
        parts = []
        if y_ticks:
            for tick in ticks(self.y_low, self.y_high):
                parts.append(_path("grid", [(self.left, self.y(tick)), (WIDTH - RIGHT, self.y(tick))]))
                parts.append(_text(self.left - 8, self.y(tick) + 4, short(tick), "end"))
        if x_ticks:
            marks = _decades(self.x_low, self.x_high) if self.log_x else ticks(self.x_low, self.x_high, 7)
            for tick in marks:
                if self.whole_x and tick != round(tick):
                    continue
                parts.append(_path("axis", [(self.x(tick), floor), (self.x(tick), floor + 4)]))
                parts.append(_text(self.x(tick), floor + 18, short(tick), "middle"))
        parts.append(_path("axis", [(self.left, floor), (WIDTH - RIGHT, floor)]))
        parts.append(_text((self.left + WIDTH - RIGHT) / 2, self.height - 8, x_label, "middle", "label"))
        if y_label:
            middle = (TOP + floor) / 2
            turned = f'transform="rotate(-90 14 {middle:.1f})" x="14" y="{middle:.1f}"'
            parts.append(f'<text class="label" text-anchor="middle" {turned}>{escape(y_label)}</text>')
        return "".join(parts)


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) between low and high, about `count` of them.

    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / max(1, count - 1)
    power = 10 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = (1,) if len(exponents) > 3 else (1, 2, 5)
    return [m * 10.0**e for e in exponents for m in marks if low * 0.999 <= m * 10.0**e <= high * 1.001]


def _padded(low: float, high: float) -> tuple[float, float]:
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    bottom = 0.0 if 0 <= low < (high - low) else low - room
    return bottom, high + room


def _thinned(points: Sequence[Point], most: int = 60) -> Sequence[Point]:
    """A table of at most `most` rows that keeps the last one."""
    if len(points) <= most:
        return points
    step = len(points) / most
    return [points[min(len(points) - 1, round((i + 1) * step) - 1)] for i in range(most)]


def _finite(p: Point) -> bool:
    return math.isfinite(p.x) and math.isfinite(p.y)


# --- Marks -----------------------------------------------------------------------------------------------------------


def _path(css: str, points: Sequence[tuple[float, float]], closed: bool = False) -> str:
    if not points:
        return ""
    return f'<path class="{css}" d="M{" L".join(f"{x:.1f} {y:.1f}" for x, y in points)}{"Z" if closed else ""}"/>'


def _bar(x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="bar s0" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2"/>'


def _dot(x: float, y: float, css: str, radius: float = 3.5) -> str:
    return f'<circle class="dot {css}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str, css: str = "") -> str:
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _nothing(title: str, note: str) -> SafeString:
    words = escape(note or _("Nothing to show yet."))
    return mark_safe(
        f'<figure class="plot"><figcaption>{escape(title)}</figcaption><p class="soft small">{words}</p></figure>'
    )


def _figure(
    title: str,
    note: str,
    shapes: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    legend: Sequence[str] = (),
    height: int = HEIGHT,
) -> SafeString:
    caption = f"{escape(title)} <small>{escape(note)}</small>" if note else escape(title)
    keys = "".join(_key(i, name) for i, name in enumerate(legend))
    # Not within the f-string: makemessages does not look there.
    numbers = escape(_("The same numbers in a table"))
    return mark_safe(
        f'<figure class="plot"><figcaption>{caption}</figcaption>'
        f"{f'<ul class=legend>{keys}</ul>' if keys else ''}"
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">{shapes}</svg>'
        f'<details class="more"><summary>{numbers}</summary>'
        f"{_table(title, head, rows)}</details></figure>"
    )


def _key(number: int, name: str) -> str:
    swatch = f'<path class="curve s{number % COLOURS}" d="M1 5 L25 5"/>'
    return f'<li><svg viewBox="0 0 26 10" aria-hidden="true">{swatch}</svg>{escape(name)}</li>'


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    first, *others = head
    headings = f'<th scope="col">{escape(first)}</th>' + "".join(
        f'<th scope="col" class="num">{escape(name)}</th>' for name in others
    )
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td class=num>{escape(cell)}</td>" for cell in cells)}</tr>'
        for name, *cells in rows
    )
    return (
        f'<div class="table-scroll" tabindex="0" role="group" aria-label="{escape(title)}">'
        f"<table><thead><tr>{headings}</tr></thead><tbody>{body}</tbody></table></div>"
    )
