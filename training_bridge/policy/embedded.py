"""The embedded default policy from a cache: trained once for each corpus, configuration and program.

    python -m training_bridge.policy.embedded CACHE_DIR        prints how far it is, then where the policy is

Imports no torch: the training is a process of its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from training_bridge.policy import corpus
from training_bridge.policy.config import PretrainParameters
from training_bridge.programs import ENVIRONMENT, RunDirectory, read_json, write_json

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ("pretrain.py", "muon.py")  # what decides the result beside the corpus and the configuration


class PretrainingFailed(RuntimeError):
    """The program that trains the embedded policy did not succeed; the message says why."""


def ensure_default_policy(cache: Path, parameters: PretrainParameters | None = None) -> Path:
    """The directory of the embedded policy, trained first if the cache has none (about two minutes on two cores).

    May be called by several processes at once; one of them trains. Raises PretrainingFailed.
    """
    parameters = parameters or PretrainParameters()
    folder = cache / f"embedded-{cache_key(parameters)}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not RunDirectory(folder).is_done:
            config = {"method": "pretrain", "seed": 0, "parameters": parameters.model_dump(mode="json")}
            write_json(folder / "config.json", config)
            done = subprocess.run(
                [sys.executable, "-m", "training_bridge.policy.pretrain", str(folder)],
                env={**ENVIRONMENT, **os.environ, "PYTHONPATH": str(ROOT)},
                cwd=ROOT,
            )
            if done.returncode:
                failure = folder / "failure.json"
                said = read_json(failure)["error"] if failure.is_file() else f"see {folder / 'log.txt'}"
                raise PretrainingFailed(f"The embedded policy could not be trained: {said}")
    return folder / "result"


def cache_key(parameters: PretrainParameters) -> str:
    """Changes with anything that changes what is trained, so that a stale policy is never taken for a new one."""
    here = Path(__file__).parent
    parts = [
        corpus.content_hash(),
        json.dumps(parameters.model_dump(mode="json"), sort_keys=True),
        *((here / name).read_text(encoding="utf-8") for name in PROGRAM),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python -m training_bridge.policy.embedded CACHE_DIR", file=sys.stderr)
        return 2
    print(ensure_default_policy(Path(sys.argv[1])))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
