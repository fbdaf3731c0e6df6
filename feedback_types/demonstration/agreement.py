"""How unlike two texts are, and which demonstrations deserve a second look.

Two good responses to one prompt share few words, so this distance is no measure of quality: judge demonstrations blind, as
responses of a comparison campaign (docs/types/demonstration.md).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from rapidfuzz.distance import Levenshtein

from feedback_types import distances
from feedback_types.base import Event
from feedback_types.demonstration.schema import DemonstrationPayload

# A word, or one character of a script that is written without spaces, or a sign.
TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|\w+|[^\w\s]")
SHINGLE = 5  # words
ALIKE = 0.8  # share of shingles from which on two texts are the same in other words
PASTED = 0.5  # share of the characters
FEW_KEYS = 0.5  # keys for each character


def words(text: str) -> list[str]:
    return TOKEN.findall(text.casefold())


def distance(a: DemonstrationPayload, b: DemonstrationPayload) -> float:
    """Word edit distance over the longer length: 0 for the same words, 1 when none stays; spaces and case do not count."""
    return float(Levenshtein.normalized_distance(words(a.text), words(b.text)))


def consensus(payloads: Sequence[DemonstrationPayload]) -> DemonstrationPayload:
    """The text nearest to all others."""
    return distances.medoid(payloads, distance)


def suspicions(events: Iterable[Event]) -> dict[str, list[str]]:
    """Demonstrations that deserve a second look, and why; a reason is a question to ask, no proof.

    Args:
        events: demonstrations of one campaign, in any order; memory grows with their words.
    Returns: event id -> reasons, each once: "duplicate" (the words of another demonstration, or four of five runs of five
        words shared with it), "copied" (the same about a response of the item), "pasted" (half or more of the characters
        came by paste), "few keys" (less than one key for two characters that were not pasted; dictation does that too).
        Events without a reason are left out; what no script counted is no reason.
    """
    found: dict[str, list[str]] = defaultdict(list)
    by_shingle: dict[tuple[str, ...], list[str]] = defaultdict(list)
    known: dict[str, set[tuple[str, ...]]] = {}
    for event in events:
        payload = event.payload
        own = _shingles(payload.text)
        others = {other for shingle in own for other in by_shingle[shingle]}
        for other in sorted(others):
            if _are_alike(own, known[other]):
                for name in (other, event.id):
                    if "duplicate" not in found[name]:
                        found[name].append("duplicate")
        known[event.id] = own
        for shingle in own:
            by_shingle[shingle].append(event.id)
        # A draft and a given beginning are copied by design; what counts is what was written.
        written = _shingles(payload.written)
        if payload.written_from != "draft" and any(
            _are_alike(written, _shingles(response.text)) for response in event.screen.responses
        ):
            found[event.id].append("copied")
        n, pasted = max(len(payload.written), 1), payload.paste_chars
        if pasted is not None and pasted >= PASTED * n:
            found[event.id].append("pasted")
        typed = n - (pasted or 0)
        if (
            payload.written_from != "draft"
            and payload.keystrokes is not None
            and typed > 0
            and payload.keystrokes < FEW_KEYS * typed
        ):
            found[event.id].append("few keys")
    return {name: reasons for name, reasons in found.items() if reasons}


def _shingles(text: str) -> set[tuple[str, ...]]:
    """All runs of five words; of a shorter text all of it."""
    tokens = words(text)
    return {tuple(tokens[i : i + SHINGLE]) for i in range(max(1, len(tokens) - SHINGLE + 1))}


def _are_alike(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> bool:
    return 1 - distances.sets(a, b) >= ALIKE
