"""Cells of CSV files that people open in spreadsheets.

cell("=1+1") == ("'=1+1", False)
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

MOST_CHARACTERS = 32_767  # of a cell in a spreadsheet
DANGEROUS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\x00",
)  # a spreadsheet may take what begins with these for a formula
LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")


def cell(value: Any) -> tuple[Any, bool]:
    """(what stands in the cell, whether something was cut off).

    Texts get `'` in front when a spreadsheet would take them for a formula; every line end becomes LF, so that each reader
    finds the same rows; what is longer than a cell may be is cut. None is empty, numbers stay numbers.
    """
    if not isinstance(value, str):
        return ("" if value is None else value), False
    text = LINE_ENDS.sub("\n", value.replace("\x00", ""))
    if value.startswith(DANGEROUS):
        text = "'" + text
    is_long = len(text) > MOST_CHARACTERS
    return (text[: MOST_CHARACTERS - 1] + "…" if is_long else text), is_long


def csv_row(values: Iterable[Any]) -> bytes:
    """A row of a CSV (RFC 4180, UTF-8) of such cells."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerow([cell(value)[0] for value in values])
    return out.getvalue().encode()
