"""HH-RLHF, helpful: one decision a pair, by people who are not named."""

from __future__ import annotations

from annotation.replay.sets.base import RealSet, comparison_only, question

SETS = [
    RealSet(
        "hh_helpful",
        "HH-RLHF, helpful (test part)",
        [
            question(
                "better",
                "comparison",
                "Which answer is more helpful?",
                strengths=1,
                ties=False,
                both_bad=False,
            )
        ],
        [
            "hh_helpful/comparisons_base.jsonl.gz",
            "hh_helpful/comparisons_online.jsonl.gz",
            "hh_helpful/comparisons_rejection_sampled.jsonl.gz",
        ],
        comparison_only,
    ),
]
