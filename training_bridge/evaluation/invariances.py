"""Which distances see that a reward and its shaped, scaled copy are the same? The table, on an exact token tree.

    python -m training_bridge.evaluation.invariances

The tree has 3 tokens and texts of 3 tokens; R is random, its copy is 2.5 x (R + shaping) with a random potential that is 0
where a text ends. They rank all policies alike, so a distance that is right for language models is 0.
"""

from __future__ import annotations

import numpy as np

from training_bridge.evaluation.tabular import Tree, tree_distances

NAMES = {
    "raw": "raw token rewards",
    "val": "STARC-VAL (token advantages)",
    "minimal_l2": "STARC, minimal L2",
    "centred_return": "prompt-centred return",
    "dard": "DARD, contexts that can follow",
    "epic": "EPIC, all contexts",
}
WORLDS = 100


def table(gamma: float, *, worlds: int = WORLDS, scale: float = 2.5, seed: int = 0) -> dict[str, list[float]]:
    """Distances in so many random worlds, by name."""
    rng = np.random.default_rng(seed)
    tree = Tree()
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    for _ in range(worlds):
        reward, policy = tree.random_reward(rng), tree.random_policy(rng)
        shaped = scale * tree.shaped(reward, 2 * rng.normal(size=len(tree.states)), gamma)
        for name, distance in tree_distances(tree, reward, shaped, policy, gamma).items():
            found[name].append(distance)
    return found


def main() -> int:
    columns = {gamma: table(gamma) for gamma in (1.0, 0.95)}
    print(
        "| distance between R and 2.5 x (R + shaping) | gamma 1: median | largest | gamma 0.95: median | largest |"
    )
    print("|---|---|---|---|---|")
    for name, title in NAMES.items():
        cells = [f"{f(columns[g][name]):.2g}" for g in columns for f in (np.median, np.max)]
        print(f"| {title} | {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
