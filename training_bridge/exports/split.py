"""Which prompts are held out for testing: a hash of the normalised prompt decides, so no prompt is on both sides."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any


def normalised(messages: Iterable[Mapping[str, Any]]) -> str:
    """A prompt without differences that do not make it another prompt: case, spacing, composed or decomposed letters."""
    return "\x1e".join(
        f"{m.get('role', '')}\x1f{' '.join(unicodedata.normalize('NFKC', str(m.get('content', ''))).casefold().split())}"
        for m in messages
    )


def split_of(messages: Iterable[Mapping[str, Any]], test_percent: int, group: str = "") -> str:
    """`train` or `test`; raising the percentage only ever moves prompts from train to test.

    Args: group: prompts of one split group are on one side together; without one, a prompt stands for itself.
    """
    said = (
        b"whetstone split group\0" + group.encode()
        if group
        else b"whetstone split\0" + normalised(messages).encode()
    )
    digest = hashlib.sha256(said).digest()
    return "test" if int.from_bytes(digest[:8], "big") % 10_000 < test_percent * 100 else "train"
