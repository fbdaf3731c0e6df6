"""What each evaluation program may have found, as its run keeps it: for the tests of the pages that show it."""

INTERVAL = {"value": 0.313, "low": 0.25, "high": 0.4, "correlation": 0.8, "prompts": 9, "numbers": 72}
UNKNOWN = {"value": None, "low": None, "high": None, "correlation": None, "prompts": 9, "numbers": 72}
DISTANCE = {
    "prompts": 9, "answers": 72, "judges": ["reward_model", "short"],
    "distances": [
        {"between": ["reward_model", "short"], "centred_return": INTERVAL, "val": INTERVAL, "epic": UNKNOWN, "dard": None}
    ],
    "by_source": [{"between": ["reward_model", "short"], "source": "parent", **INTERVAL}],
    "furthest": [
        {"prompt": "Why?", "text": "<b>Because</b>", "source": "parent", "rewards": {"reward_model": 1.25, "short": -2.0}}
    ],
}  # fmt: skip
GROUP = {"value": 0.7, "low": 0.6, "high": 0.8, "n": 1234, "ece": 0.031}
EMPTY = {"value": None, "low": None, "high": None, "n": 0}
BENCH = {
    "rows": 9, "left_out": 1, "version": 1, "score": 0.66, "sections": {"Chat": 0.66},
    "subsets": {"alpacaeval-easy": {**GROUP, "section": "Chat"}, "Ties": {"n": 2, "score": 0.4}},
}  # fmt: skip
POINTS = [{"value": v, "low": v - 0.1, "high": v + 0.1} for v in (0.0, 0.51, 0.72)]
CURVE = {
    "proxy": POINTS, "gold": POINTS, "fit": {"a": 0.9, "b": 0.3, "peak_kl": 2.25, "peak_n": 25.4},
    "peak": {"n": 4, "low": 2, "high": 4, "is_over": False},
}  # fmt: skip
OVER = {
    "gold": "warm", "prompts": 60, "answers_each": 4, "members": 8, "n": [1, 2, 4], "kl": [0.0, 0.193, 0.636],
    "curves": {"mean": CURVE, "member": {**CURVE, "peak": {**CURVE["peak"], "is_over": True}}},
    "against": {"mean": {"value": 0.02, "low": -0.01, "high": 0.05}},
}  # fmt: skip
SHARE = {"value": 0.12, "low": 0.08, "high": 0.17, "n": 40, "prompts": 20}
CONSISTENCY = {
    "pairs": 20, "keeping": {"typos": {"flips": SHARE, "shift": 0.31, "mean_change": -0.05}},
    "changing": {"negation": SHARE, "number": {"value": None, "low": None, "high": None, "n": 0}},
    "contrast": {"response": SHARE, "instruction": SHARE},
    "fusion": {"accuracy": {"plain": SHARE, "fused": SHARE}, "keeping": {"typos": {"flips": SHARE}}, "neighbours": 1.5},
}  # fmt: skip
INSPECTION = {
    "marked_texts": 12, "chance": 0.31,
    "overlap": {"raw": {"share": 0.4, "over_chance": {"value": 0.09, "low": -0.02, "high": 0.2}}},
    "objectives": {"raw": {"sparse": 0.5, "log": 0.4, "smooth": 0.6, "last_step": 0.123}},
    "texts": [{
        "prompt": "Why?", "text": "<i>one</i> two", "marks": [[11, 14]],
        "tokens": [
            {"start": 0, "end": 10, "raw": 1.0, "sparse": 0.0, "smooth": 0.2},
            {"start": 10, "end": 14, "raw": -0.5, "sparse": 1.0, "smooth": 0.2},
        ],
    }],
}  # fmt: skip

EVALUATIONS = {
    "distance": DISTANCE,
    "rewardbench": BENCH,
    "overoptimisation": OVER,
    "consistency": CONSISTENCY,
    "inspection": INSPECTION,
}
