"""Torrance test of creative writing: three experts judge three stories of one plot on fourteen yes/no criteria.

    judgements.jsonl    {"story": "ttcw-0_Claude", "test": 1, "labeler": "expert03", "verdict": false, "explanation": "…"}
    stories.jsonl       {"id": "ttcw-0_Claude", "prompt": [{"role": "user", …}], "response": {"content": "…", "source": "…"}}

The stories of one plot share a prompt and their experts, so they are one item, judged with a rubric whose criteria count one
each, as the test sums them. The explanations are not said here. Source: Chakrabarty et al. (2024), arXiv 2309.14556.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation.replay.sets.base import Case, RealSet, Said, question
from feedback_types.base import Question, Screen

# The names of the tests, by their number; the longest one is shortened to forty characters.
CRITERIA = (
    "Narrative Ending",
    "Understandability and Coherence",
    "Scene vs Summary",
    "Narrative Pacing",
    "Language and Literary Devices",
    "Emotional Flexibility",
    "Structural Flexibility",
    "Perspective and Voice Flexibility",
    "Originality in Thought",
    "Originality in Form and Structure",
    "Originality in Theme and Content",
    "Rhetorical Complexity",
    "World Building and Setting",
    "Character Development",
)

Verdicts = Mapping[tuple[str, int], bool]  # (story's text, number of the test) -> yes


def _rubric(verdicts: Verdicts) -> Callable[[Screen, Question], list[tuple[int | None, Any]]]:
    def payload(screen: Screen, question: Question) -> list[tuple[int | None, Any]]:
        rows = {
            name: [int(verdicts[r.text, number]) for r in screen.responses]
            for number, name in enumerate(CRITERIA, start=1)
        }
        totals = [sum(row[i] for row in rows.values()) for i in range(len(screen.responses))]
        places = sorted(set(totals), reverse=True)
        ones = dict.fromkeys(CRITERIA, 1)
        return [
            (
                None,
                {
                    "mode": "rubric",
                    "feature_set": 1,
                    "weights": ones,
                    "judgements": rows,
                    "program": None,
                    "program_sha": None,
                    "tried": [{"weights": ones, "program": None, "t_ms": None}],
                    "pool": [r.id for r in screen.responses],
                    "ranks": [places.index(total) + 1 for total in totals],
                },
            )
        ]

    return payload


def _plot(row: Mapping[str, Any]) -> Case:
    """The stories of one plot, with what each expert said about all of them."""
    texts = {story["id"]: story["response"]["content"] for story in row["stories"]}
    by_expert: dict[str, dict[tuple[str, int], bool]] = defaultdict(dict)
    for j in row["judgements"]:
        by_expert[j["labeler"]][texts[j["story"]], j["test"]] = j["verdict"]
    complete = len(texts) * len(CRITERIA)
    said = [Said(name, {"rubric": _rubric(v)}) for name, v in sorted(by_expert.items()) if len(v) == complete]
    refused = [
        "an expert did not judge every story of the plot on every criterion"
        for v in by_expert.values()
        if len(v) != complete
    ]
    return Case(row["id"], row["prompt"], [story["response"] for story in row["stories"]], said, refused)


@dataclass(frozen=True)
class Plots(RealSet):
    """A set whose item is made of rows of two files."""

    def cases(self, data: Path) -> Iterator[Case]:
        stories, judgements = (_lines(data / name) for name in self.files)
        plots: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for story in stories:
            plots[json.dumps(story["prompt"])].append(story)
        for told in plots.values():
            ids = {story["id"] for story in told}
            about = [j for j in judgements if j["story"] in ids]
            name = told[0]["id"].partition("_")[0]
            yield self.read({"id": name, "prompt": told[0]["prompt"], "stories": told, "judgements": about})


def _lines(path: Path) -> Sequence[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


SETS = [
    Plots(
        "ttcw_rubric",
        "TTCW: the whole test as a rubric",
        [
            question(
                "rubric",
                "proxy_reward",
                "Judge each story.",
                mode="rubric",
                criteria=list(CRITERIA),
                weigh=False,
            )
        ],
        ["ttcw/stories.jsonl", "ttcw/judgements.jsonl"],
        _plot,
    ),
]
