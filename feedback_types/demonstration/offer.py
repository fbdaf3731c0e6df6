"""What a demonstration was chosen from: everything that could be written, of which the responses are a sample.

{"written_from": "scratch", "own": "Own words", "samples": [4, 9], "prefix": null, "are_shown": false, "size": 3}

`samples` are the responses that the labeler could have written too: with a given beginning only those that begin with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from feedback_types.base import Screen
from feedback_types.demonstration.schema import DemonstrationSettings, WrittenFrom, prefix_end

FROM: Mapping[str, WrittenFrom] = {
    "scratch": "scratch",
    "draft": "draft",
    "choose": "draft",
    "prefix": "prefix",
}


def shows_responses(settings: DemonstrationSettings) -> bool:
    return settings.start == "choose" or not settings.hide_responses


def given_prefix(screen: Screen, settings: DemonstrationSettings) -> str:
    """The beginning to continue: of the response shown first."""
    text = screen.responses[0].text
    return text[: prefix_end(text, settings.prefix_sentences)]


def choice_set(screen: Screen, settings: DemonstrationSettings) -> dict[str, Any]:
    prefix = given_prefix(screen, settings) if settings.start == "prefix" else ""
    samples = [r.id for r in screen.responses if r.text.startswith(prefix)]
    source = {"source": screen.responses[0].id, "end": len(prefix)}
    return {
        "written_from": FROM[settings.start],
        "own": _("Own words"),
        "samples": samples,
        "prefix": source if settings.start == "prefix" else None,
        "are_shown": shows_responses(settings),
        "size": len(samples) + 1,
    }
