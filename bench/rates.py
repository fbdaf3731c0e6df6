"""Which learning rate fits what is trained of a small policy: held-out losses of SFT and DPO, rate by rate.

    python -m bench rates            the embedded policy, about fifteen minutes on one core; a line as each is done
    python -m bench rates --small    a tiny policy, to see that it runs

The comparisons are those of `policy_refresh.py` (200 of warm answers against others), the methods have their defaults but
for the rate, the seed is fixed, one run each. Held-out: 40 comparisons of prompts that nobody trained on. Reported for each:

    sft    change of the nats per token of preferred answers, with a 95 % interval over prompts; lower is better
    dpo    loss and accuracy on preferences (0.693 and 0.5 before), and that change of the preferred answers too: where it is
           above 0 the policy prefers the right answers, and is less likely to write them. And what it says then, on 60
           prompts: change of the taste, KL from the old policy in nats a response, share of answers that are well formed
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.policy_refresh import TINY, compared, well_formed

GRID: Mapping[str, tuple[float, ...]] = {
    "full": (1e-4, 3e-4, 1e-3),
    "lora": (3e-4, 1e-3, 2e-3, 3e-3),
    "dora": (3e-4, 1e-3, 3e-3),
    "prompt": (1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
}


def run(small: bool) -> dict[str, Any]:
    from training_bridge.policy.config import PretrainParameters
    from training_bridge.policy.embedded import ensure_default_policy

    cache = Path(os.environ.get("WHETSTONE_DATA_DIR") or Path.home() / ".cache" / "whetstone")
    policy = ensure_default_policy(cache, PretrainParameters(**TINY) if small else None)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        given = {"parent": str(policy), "snapshot": str(compared(policy, work, "warm", small)), "seed": 1}
        for adapter, rates in GRID.items():
            for rate in rates[:1] if small else rates:
                for method in ("sft", "dpo"):
                    name = f"{method}, {adapter}, {rate:g}"
                    settings = {"adapter": adapter, "learning_rate": rate, "checkpoint_steps": 10_000}
                    settings |= {"chosen": "always"} if method == "sft" else {}
                    settings |= {"epochs": 1} if small else {}
                    results[name] = trained(method, work / name.replace(", ", "-"), given, settings)
                    print(json.dumps({name: results[name]}), file=sys.stderr, flush=True)
    return results


def trained(method: str, folder: Path, given: Mapping[str, Any], settings: Mapping[str, Any]) -> Any:
    """In this process: importing torch anew would take longer than the training."""
    from training_bridge.policy.dpo import dpo
    from training_bridge.policy.sft import sft
    from training_bridge.programs import RunDirectory

    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**given, "parameters": settings}))
    began = time.process_time()
    found = (sft if method == "sft" else dpo)(RunDirectory(folder))["held_out"]
    cost = {"cpu_s": round(time.process_time() - began, 1)}
    if method == "sft":
        return {"change": found["nats_per_token"]["difference"], **cost}
    return {
        "loss": found["loss"],
        "accuracy": found["accuracy"],
        "change": found["chosen"]["nats_per_token"]["difference"],
        **cost,
        **answering(folder, given),
    }


def answering(folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the trained policy says, beside its parent: a loss on texts of others does not tell."""
    from training_bridge.policy.evaluate import evaluate
    from training_bridge.programs import RunDirectory

    place = folder / "compared"
    place.mkdir()
    config = {
        "parent": str(folder / "result"),
        "baseline": given["parent"],
        "input": str(Path(given["snapshot"]) / "held-out.jsonl"),
        "seed": 1,
        "parameters": {"prompts": 60, "n": 1, "max_tokens": 128},
    }
    (place / "config.json").write_text(json.dumps(config))
    found = evaluate(RunDirectory(place))
    return {
        "taste": found["tastes"]["warm"]["difference"],
        "kl_per_response": found["kl"]["per_response"],
        "well_formed": {side: well_formed(found["samples"], side) for side in ("old", "new")},
    }
