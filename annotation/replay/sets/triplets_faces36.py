"""Triplets of 36 portraits: which of two is more like the first. For the method only: the pictures are not in the set.

What stands on the screen is what the set tells about a picture, its person and expression. One answer in eighteen is an
attention check, in which one of the two is the first picture itself; a screen of texts cannot ask that, but
`attention_checks` counts who passed.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from annotation.replay.sets.base import Case, RealSet, Said, question
from feedback_types.base import InvalidPayload, Question, Screen

CHECK = "an attention check: two of the three pictures are the same"
ITEMS, TRIPLETS = "triplets_faces36/items.jsonl", "triplets_faces36/triplets.jsonl.gz"


class Triplets(RealSet):
    """One item for each three pictures; the twelve that everybody saw come first."""

    def cases(self, data: Path) -> Iterator[Case]:
        with (data / ITEMS).open("rb") as stream:
            pictures = {row["item"]: row for row in map(json.loads, stream)}
        groups: dict[tuple[str, ...], list[Any]] = defaultdict(list)
        checks = 0
        with gzip.open(data / TRIPLETS, "rb") as stream:
            for row in map(json.loads, stream):
                if row["trial"] == "attention_check":
                    checks += 1
                else:
                    groups[row["anchor"], *sorted((row["left"], row["right"]))].append(row)
        by_trial = sorted(groups.values(), key=lambda rows: rows[0]["trial"] != "shared")
        for number, rows in enumerate(by_trial):
            case = self.read({"rows": rows, "pictures": pictures})
            yield case if number else replace(case, refused=[*case.refused, *[CHECK] * checks])


def _triple(row: Mapping[str, Any]) -> Case:
    """All answers about one anchor and two others."""
    first = row["rows"][0]
    names = [first["anchor"], *sorted((first["left"], first["right"]))]
    texts = {name: _described(row["pictures"][name]) for name in names}
    prompt = [{"role": "user", "content": "Portraits of faces, described by person and expression."}]
    responses = [{"content": texts[name], "source": name} for name in names]
    said: dict[str, Said] = {}
    refused = []
    for answer in row["rows"]:
        if answer["labeler"] in said:
            refused.append("the same person answered the same triple twice; the first answer was taken")
            continue
        like = texts[answer[answer["chosen"]]]
        said[answer["labeler"]] = Said(answer["labeler"], {"alike": _like(texts[first["anchor"]], like)})
    return Case("-".join(names), prompt, responses, list(said.values()), refused)


def _described(picture: Mapping[str, str]) -> str:
    return f"{picture['person']}, {picture['expression']}"


def _like(anchor: str, chosen: str) -> Callable[[Screen, Question], list[tuple[int | None, Any]]]:
    def payload(screen: Screen, question: Question) -> list[tuple[int | None, Any]]:
        ids = {r.text: r.id for r in screen.responses}
        if anchor not in ids or chosen not in ids:
            raise InvalidPayload("The screen shows other responses than the set's.")
        return [
            (
                None,
                {
                    "items": [r.id for r in screen.responses],
                    "pair": sorted((ids[anchor], ids[chosen])),
                    "reference": ids[anchor],
                    "instruction_version": question.settings.instruction_version,
                },
            )
        ]

    return payload


def attention_checks(rows: Iterable[Mapping[str, Any]]) -> dict[str, tuple[int, int]]:
    """Labeler -> (passed, asked): a check is passed by choosing the picture that is the anchor itself."""
    found: dict[str, tuple[int, int]] = {}
    for row in rows:
        if row["trial"] == "attention_check":
            passed, asked = found.get(row["labeler"], (0, 0))
            found[row["labeler"]] = (passed + (row[row["chosen"]] == row["anchor"]), asked + 1)
    return found


SETS = [
    Triplets(
        "triplets_faces36",
        "Triplets of faces (described)",
        [
            question(
                "alike",
                "similarity_query",
                "Which is more like the first?",
                mode="reference",
                instruction="Which face is more like the first one?",
            )
        ],
        [ITEMS, TRIPLETS],
        _triple,
    ),
]
