"""Comments in TRL's columns. The words, their language and the aspects go along as extra columns, which TRL ignores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext_lazy

from feedback_types.base import Event, chat, completion
from feedback_types.natural_language.offer import verdict_head

VIEWS = {
    "preference": gettext_lazy(
        "A revision over the original, only if the labeler found it better: lost are the revisions that "
        "were not, and that a "
        "model's revision is judged less surely than two answers would be. The comment goes along as an extra column."
    ),
    "prompt_completion": gettext_lazy(
        "A revision that was found better: lost are the original and what was said about it, but for the comment as an "
        "extra column."
    ),
    "unpaired": gettext_lazy(
        "True or False by an overall verdict on the whole response; neutral ones, verdicts on words, on "
        "earlier turns and on "
        "other criteria are left out, aspects and the comment are extra columns."
    ),
}


def records(events: Sequence[Event]) -> Iterator[tuple[str, dict[str, Any]]]:
    for event in events:
        payload, prompt = event.payload, chat(event.screen.prompt)
        text = completion(event.screen.response(event.target).text)
        words = {
            "comment": payload.text,
            "language": payload.language,
            "aspects": [aspect.dump() for aspect in payload.aspects],
        }
        for shown in payload.refinements_shown:
            if shown.accepted:
                better = completion(shown.text)
                source = {**words, "revised_by": shown.source}
                yield "preference", {"prompt": prompt, "chosen": better, "rejected": text, **source}
                yield "prompt_completion", {"prompt": prompt, "completion": better, **source}
        is_about_all = payload.turn is None and payload.start is None
        if payload.verdict and is_about_all and verdict_head(event.settings.criterion) == "reward":
            yield "unpaired", {"prompt": prompt, "completion": text, "label": payload.verdict > 0, **words}
