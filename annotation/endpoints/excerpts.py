"""What may be repeated of what a server said. No models: programs without a database quote by this rule too."""

from __future__ import annotations

import html
import json
import unicodedata

EXCERPT_CHARACTERS = 200
EXCERPT_BYTES = 4096


def safe_excerpt(said: str, *, key: str, is_public: bool) -> str:
    """The first 200 characters without control characters; nothing if they repeat what we sent, or are a page of a
    private host and not an error in the usual form."""
    readable = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in said[:EXCERPT_BYTES])
    plain = html.unescape(readable)
    flat = "".join(plain.split()).lower()
    pieces = {key[i : i + 6].lower() for i in range(max(1, len(key) - 5))} if key else set()
    if "authorization" in flat or "bearer" in flat or any(piece in flat for piece in pieces):
        return ""
    if not is_public and not _is_usual_error(said):
        return ""
    return " ".join(readable.split())[:EXCERPT_CHARACTERS]


def _is_usual_error(said: str) -> bool:
    try:
        told = json.loads(said)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and bool({"error", "object", "message", "detail"} & told.keys())
