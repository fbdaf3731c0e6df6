"""The methods of the loop under their real names, with programs that learn nothing and take no time."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict

# As policy/evaluate.py writes it.
EVIDENCE: dict[str, Any] = {
    "win_rate": {
        "reward_model": {"value": 0.7, "low": 0.6, "high": 0.8, "ties": 0.0},
        "warm": {"value": 0.9, "low": 0.8, "high": 1.0},
    },
    "rewards": {
        "reward_model": {"histogram": {"edges": [-1, 0, 1], "counts": {"old": [4, 1], "new": [1, 4]}}}
    },
    "kl": {"per_token": {"value": 0.123, "low": 0.1, "high": 0.2}},
}


class Nothing(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def program(run: Any) -> dict[str, Any]:
    method = run.config["method"]
    with run.result() as folder:
        if method == "sample":
            writer = run.config["parent"]["sha256"][:6]
            with open(folder / "responses.jsonl", "w") as file:
                for line in (run.path / "prompts.jsonl").read_text().splitlines():
                    prompt = json.loads(line)["id"]
                    for candidate in range(2):
                        text = f"{writer} answers {prompt}" if candidate else "The same for both."
                        row = {
                            "id": prompt,
                            "candidate": candidate,
                            "text": text,
                            "tokens": 3,
                            "logprob": -2.5,
                            "finish": "stop",
                        }
                        file.write(json.dumps({**row, "sampling": {"seed": run.config["seed"]}}) + "\n")
        else:
            (folder / "model.safetensors").write_bytes(f"{method} {run.config['seed']}".encode())
    return EVIDENCE if method == "evaluate_policy" else {"done": 1}


def __getattr__(name: str) -> Any:
    """METHODS, made only where Django is at hand."""
    if name != "METHODS":
        raise AttributeError(name)
    from training_bridge.methods import Method
    from training_bridge.services.rounds import write_prompts

    common: dict[str, Any] = {
        "program": "tests.training_bridge.toy_loop",
        "parameters": Nothing,
        "purpose": "Nothing.",
    }
    return [
        Method(
            name="reward_model",
            label="Reward model",
            needs=("snapshot", "parent"),
            makes="reward_model",
            **common,
        ),
        Method(name="dpo", label="DPO", needs=("snapshot", "parent"), makes="policy", **common),
        Method(
            name="rloo", label="RLOO", needs=("snapshot", "parent", "reward_model"), makes="policy", **common
        ),
        Method(
            name="sample",
            label="Answers",
            needs=("parent", "prompts_from"),
            write_inputs=write_prompts,
            **common,
        ),
        Method(
            name="evaluate_policy",
            label="Comparison",
            needs=("parent", "baseline", "snapshot"),
            may_take=("reward_model",),
            **common,
        ),
    ]


if __name__ == "__main__":
    from training_bridge.programs import main

    raise SystemExit(main(program))
