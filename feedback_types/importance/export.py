"""Marks in training formats: none. No trainer of TRL's reads which words decided a judgement, and a mark on a sentence is no
preference between texts; the marks are in the snapshot's native rows, whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VIEWS: Mapping[str, Any] = {}
