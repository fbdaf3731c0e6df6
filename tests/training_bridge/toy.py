"""A program that learns nothing, for tests of everything around programs; and the methods that run it.

Counts to `steps` with a checkpoint at each, and writes which attempt did which step into the run's directory. `fault` says
what goes wrong.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class ToyParameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(3, ge=1, le=1000, title="Steps", description="How far to count.")
    step_s: float = Field(0.0, ge=0, le=60, title="Seconds a step", description="How long each takes.")
    fault: Literal["none", "kill", "exit", "raise", "problem", "deaf", "pickle", "hang"] = Field(
        "none", title="Fault", description="What goes wrong."
    )
    need: int = Field(0, ge=0, title="Answers needed", description="Refused with fewer.")


def count(run: Any) -> dict[str, Any]:
    from training_bridge.programs import Problem

    parameters = run.config["parameters"]
    done = 0
    if checkpoint := run.newest_checkpoint():
        done = json.loads((checkpoint / "state.json").read_text())["step"]
    fault = parameters["fault"]
    if fault == "deaf":
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (run.path / "environment.json").write_text(json.dumps(dict(os.environ)))
    for step in range(done + 1, parameters["steps"] + 1):
        time.sleep(parameters["step_s"])
        with open(run.path.parent / "effects.txt", "a") as file:
            file.write(f"{run.path.name} {step}\n")
        run.report(step=step, steps=parameters["steps"], stage="counting", metrics={"loss": 1 / step})
        with open(run.path / "samples.jsonl", "a") as file:
            file.write(
                json.dumps({"step": step, "prompt": "Count.", "text": f"{step}!", "reward": step}) + "\n"
            )
        with run.checkpoint(step) as folder:
            (folder / "state.json").write_text(json.dumps({"step": step}))
        run.stop_if_asked(lambda: None)
        if fault == "kill":
            os.kill(os.getpid(), 9)
        elif fault == "exit":
            os._exit(7)
        elif fault == "hang":
            time.sleep(600)
        elif fault == "raise":
            raise RuntimeError("the toy broke")
        elif fault == "problem":
            raise Problem("The toy has no batteries.", "Buy some.")
    with run.result() as folder:
        (folder / ("model.pt" if fault == "pickle" else "model.safetensors")).write_bytes(b"weights")
        (folder / "config.json").write_text(json.dumps({"seed": run.config["seed"]}))
    return {"counted": parameters["steps"], "resumed_at": done}


def effects(directory: Path) -> list[tuple[str, int]]:
    """(attempt, step) in the order in which they were done."""
    path = directory / "effects.txt"
    return (
        [(a, int(s)) for a, s in (line.split() for line in path.read_text().splitlines())]
        if path.exists()
        else []
    )


def __getattr__(name: str) -> Any:
    """METHODS, made only where Django is at hand: the program itself runs without."""
    if name != "METHODS":
        raise AttributeError(name)
    from training_bridge.methods import Method

    def check(parameters: Any, inputs: Any) -> list[str]:
        have = (
            inputs.snapshot.manifest["counts"]["feedback"]
            if inputs.snapshot and inputs.snapshot.manifest
            else 0
        )
        return (
            [f"Not enough data: need {parameters.need} answers, have {have}."]
            if have < parameters.need
            else []
        )

    common: dict[str, Any] = {
        "program": "tests.training_bridge.toy",
        "parameters": ToyParameters,
        "purpose": "Counts.",
    }
    return [
        Method(name="toy", label="Toy", may_take=("snapshot", "parent"), check=check, **common),
        Method(
            name="toy_policy", label="Toy policy", may_take=("snapshot", "parent"), makes="policy", **common
        ),
        Method(name="toy_reward", label="Toy reward", needs=("snapshot",), makes="reward_model", **common),
    ]


if __name__ == "__main__":
    from training_bridge.programs import main

    raise SystemExit(main(count))
