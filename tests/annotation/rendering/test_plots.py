"""Plots: the right place on the axis, the numbers in a table, nothing that the CSP would block."""

import re

import pytest

from annotation.rendering import plots
from annotation.rendering.plots import Point, Series

ALL = {
    "line": plots.line(
        [Series("a <b>", [(0, 0.0), (10, 1.0)])], title="T & t", x_label="steps", y_label="loss (nats)"
    ),
    "bars": plots.bars([("A", 3), ("B", 1)], title="T", y_label="answers"),
    "histogram": plots.histogram([0, 1, 1, 2], title="T", x_label="seconds", bins=2),
    "intervals": plots.intervals([("round 2", 0.6, 0.5, 0.7)], title="T", x_label="win rate", reference=0.5),
    "calibration": plots.calibration([(0.1, 0.2, 40), (0.9, 0.8, 10)], title="T"),
}


@pytest.mark.parametrize("figure", ALL.values(), ids=ALL)
def test_is_a_figure_with_a_table_and_no_inline_style(figure):
    assert figure.startswith('<figure class="plot">') and figure.endswith("</figure>")
    assert "style=" not in figure and "<script" not in figure and "<b>" not in figure
    assert 'role="img"' in figure and "<table>" in figure and "<details" in figure


def test_axes_carry_their_labels():
    assert ">steps</text>" in ALL["line"] and ">loss (nats)</text>" in ALL["line"]


def test_line_goes_from_corner_to_corner():
    figure = plots.line(
        [Series("a", [(0, 0.0), (10, 1.0)])], title="T", x_label="x", y_label="y", y_range=(0, 1)
    )
    # x: 64 … 640 - 16; y: 320 - 50 at the bottom, 14 at the top
    assert 'd="M64.0 270.0 L624.0 14.0"' in figure


def test_logarithmic_axis_puts_a_hundred_half_way_between_ten_and_a_thousand():
    figure = plots.line(
        [Series("a", [(10, 0), (100, 0), (1000, 0)])],
        title="T",
        x_label="n",
        y_label="y",
        y_range=(0, 1),
        log_x=True,
    )
    assert 'd="M64.0 270.0 L344.0 270.0 L624.0 270.0"' in figure


def test_interval_is_drawn_to_scale():
    figure = plots.intervals([("r", 0.5, 0.25, 0.75)], title="T", x_label="x", x_range=(0, 1))
    # from 190 to 624: a quarter is 108.5
    assert 'd="M298.5 29.0 L515.5 29.0"' in figure and 'cx="407.0"' in figure


def test_bar_of_the_largest_count_fills_the_axis():
    heights = [float(h) for h in re.findall(r'class="bar s0"[^>]*height="([\d.]+)"', ALL["bars"])]
    assert heights == [256.0, 85.3]  # 320 - 14 - 50, and a third of it


def test_histogram_counts():
    assert [
        row[-1]
        for row in re.findall(r"<td class=num>([^<]*)</td><td class=num>([^<]*)</td>", ALL["histogram"])
    ] == ["1", "3"]


def test_points_that_are_not_numbers_are_left_out():
    figure = plots.line(
        [Series("a", [(0, 1), (1, float("nan")), (2, 3)])], title="T", x_label="x", y_label="y"
    )
    assert figure.count("<circle") == 2 and "nan" not in figure


@pytest.mark.parametrize("empty", [[], [Series("a", [])], [Series("a", [(0, float("nan"))])]])
def test_nothing_to_show_says_so(empty):
    assert "Nothing to show yet." in plots.line(empty, title="T", x_label="x", y_label="y")


def test_interval_band_and_table_columns():
    figure = plots.line(
        [Series("a", [Point(0, 1, 0.5, 1.5), Point(1, 2, 1.5, 2.5)])], title="T", x_label="x", y_label="y"
    )
    assert 'class="band s0"' in figure and ">from</th>" in figure and ">to</th>" in figure


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234567, "1,234,567"), (0.73512, "0.735"), (12.345, "12.3"), (1234.5, "1,234"), (-3.2, "−3.2"),
     (0.0000123, "1.23e-05"), (None, "–"), (-2, "−2"), (100.26, "100.3")],
)  # fmt: skip
def test_sensible_digits(value, text):
    assert plots.short(value) == text


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (-3, 3, [-2, 0, 2]),
        (0.5, 0.9, [0.5, 0.6, 0.7, 0.8, 0.9]),
    ],
)
def test_ticks_are_round(low, high, expected):
    assert plots.ticks(low, high) == pytest.approx(expected)


def test_row_without_an_interval_is_a_dot_and_one_without_a_value_is_left_out():
    figure = plots.intervals(
        [("a", 0.5, None, None), ("b", None, None, None)], title="T", x_label="x", x_range=(0, 1)
    )
    assert figure.count("<circle") == 1 and "whisker" not in figure and "<td class=num>–</td>" in figure


def test_an_axis_that_counts_has_no_ticks_between_whole_numbers():
    figure = plots.line(
        [Series("a", [(1, 0.0), (2, 1.0)])], title="T", x_label="round", y_label="y", whole_x=True
    )
    assert re.findall(r'y="288.0"[^>]*>([^<]+)<', figure) == ["1", "2"]
