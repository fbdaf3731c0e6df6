"""A limit for small requests that scripts send by themselves; beyond it 429 with the time to come back.

Counted in the memory of each web process, like the API's throttles: a brake for scripts gone wild, not a budget.
"""

from __future__ import annotations

import time

from django.core.cache import cache
from django.utils.translation import ngettext

from annotation.errors import TooMany

MINUTE_S = 60


def brake(act: str, who: int, *, most: int) -> None:
    """Counts one act of a person in this minute. Raises TooMany beyond `most`."""
    minute, second = divmod(int(time.time()), MINUTE_S)
    key = f"brake:{act}:{who}:{minute}"
    cache.add(key, 0, MINUTE_S)
    if cache.incr(key) > most:
        wait = MINUTE_S - second
        raise TooMany(
            ngettext(
                "That was asked for very often. Wait %(n)d second.",
                "That was asked for very often. Wait %(n)d seconds.",
                wait,
            )
            % {"n": wait},
            extra={"retry_after_s": wait},
        )
