"""TTCW: three experts take fourteen tests of creativity on each story, yes or no, and explain every answer.

Fourteen questions are too many for one screen, so the set is two: fluency and flexibility, originality and elaboration.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation.replay.sets.base import Case, RealSet, Said, question
from annotation.replay.sets.comments import comment

# Number of the test -> criterion of its verdict, and what it asks (rubric.jsonl).
TESTS = {
    1: ("narrative ending", "Does the end of the story feel natural and earned, as opposed to arbitrary or abrupt?"),
    2: ("coherence", "Do the elements of the story work together to form a unified, engaging, and satisfying whole?"),
    3: ("scene and summary", "Does the story have an appropriate balance between scene and summary/exposition?"),
    4: ("narrative pacing", "Does the manipulation of time (compression, stretching) feel appropriate and balanced?"),
    5: ("literary devices", "Does the story make sophisticated use of idiom or metaphor or literary allusion?"),
    6: ("emotional flexibility", "Does the story achieve a good balance between interiority and exteriority?"),
    7: ("structural flexibility", "Does the story contain turns that are both surprising and appropriate?"),
    8: ("perspective", "Does the story provide diverse perspectives, also those of unlikeable characters, convincingly?"),
    9: ("original thought", "Is the story an original piece of writing without any cliches?"),
    10: ("original form", "Does the story show originality in its form and/or structure?"),
    11: ("original theme", "Will an average reader of this story obtain a unique and original idea from reading it?"),
    12: ("rhetorical complexity", "Does the story involve subtext that enriches its setting and does not feel forced?"),
    13: ("world building", "Does the writer make the fictional world believable at the sensory level?"),
    14: ("character development", "Does each character in the story feel developed at the appropriate complexity level?"),
}  # fmt: skip


@dataclass(frozen=True)
class Stories(RealSet):
    """Judgements stand in a file of their own: one case is a story with what its three experts said."""

    tests: tuple[int, ...] = ()

    def cases(self, data: Path) -> Iterator[Case]:
        stories, judgements = (
            [json.loads(line) for line in (data / name).read_text(encoding="utf-8").splitlines()]
            for name in self.files
        )
        said: dict[str, dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
        for row in judgements:
            if row["test"] in self.tests:
                answer = comment(row["explanation"], verdict=1 if row["verdict"] else -1)
                said[row["story"]][row["labeler"]][_key(row["test"])] = answer
        for row in stories:
            people = [Said(labeler, answers) for labeler, answers in said[row["id"]].items()]
            yield Case(row["id"], row["prompt"], [row["response"]], people)


def _key(test: int) -> str:
    return f"t{test:02}"


def _unread(row: Mapping[str, Any]) -> Case:
    raise NotImplementedError("A row of this set is half a case; read it by `cases`.")


def _set(name: str, title: str, tests: range) -> Stories:
    asked = [
        question(
            _key(n), "natural_language", TESTS[n][1], criterion=TESTS[n][0], aspects=[], languages=["en"]
        )
        for n in tests
    ]
    return Stories(
        name, f"TTCW: {title}", asked, ["ttcw/stories.jsonl", "ttcw/judgements.jsonl"], _unread, tuple(tests)
    )


SETS = [
    _set("ttcw_fluency_flexibility", "fluency and flexibility of stories", range(1, 9)),
    _set("ttcw_originality_elaboration", "originality and elaboration of stories", range(9, 15)),
]
