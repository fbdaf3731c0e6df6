"""The policy that a new installation begins with, and its first answers. Run in the foreground by two commands."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from annotation.campaigns.models import Campaign
from annotation.errors import Refused
from annotation.items.services import NewItem, NewResponse, add_items
from training_bridge import programs
from training_bridge.models import Checkpoint
from training_bridge.policy import corpus
from training_bridge.policy.config import PretrainParameters, SampleParameters
from training_bridge.policy.embedded import cache_key
from training_bridge.revision import code_revision
from training_bridge.runner import environment
from training_bridge.services import checkpoints
from training_bridge.services.rounds import new_response, open_round

Say = Callable[[str], None]
EMBEDDED = "embedded"
PROMPTS = 150


class ProgramFailed(Refused):
    """A program that was run in the foreground did not succeed; the message says why."""


def prepare_default_policy(*, say: Say) -> Checkpoint:
    """The checkpoint of WHETSTONE_POLICY; the embedded one is trained once for each corpus and configuration."""
    if settings.DEFAULT_POLICY == EMBEDDED:
        return _embedded(say)
    path = Path(settings.DEFAULT_POLICY).expanduser()
    is_local = path.is_dir()
    where = str(path.resolve()) if is_local else settings.DEFAULT_POLICY
    sha256 = checkpoints.directory_sha256(path) if is_local else ""
    found, made = Checkpoint.objects.get_or_create(
        kind=Checkpoint.Kind.POLICY,
        campaign=None,
        path=where,
        sha256=sha256,
        defaults={"name": path.name if is_local else settings.DEFAULT_POLICY, "lineage": {"from": where}},
    )
    say(f"The policy is {where}." if made else f"The policy {where} is known already.")
    return found


def _embedded(say: Say) -> Checkpoint:
    config: dict[str, Any] = {
        "method": "pretrain",
        "seed": 0,
        "code_revision": code_revision(),
        "parameters": {},
    }
    known = {
        "corpus": corpus.content_hash(),
        "parameters": PretrainParameters().model_dump(mode="json"),
        "seed": 0,
    }
    directory = settings.RUN_DIR / f"default-policy-{cache_key(PretrainParameters())}"
    metrics = run_here("training_bridge.policy.pretrain", directory, config, say)
    path, sha256 = checkpoints.store(directory / "result")
    found, _made = Checkpoint.objects.get_or_create(
        kind=Checkpoint.Kind.POLICY,
        campaign=None,
        sha256=sha256,
        defaults={
            "name": "embedded default",
            "path": str(path),
            "lineage": {
                **known,
                "method": "pretrain",
                "code_revision": config["code_revision"],
                "metrics": metrics,
            },
        },
    )
    return found


def fill_with_answers(*, campaign: Campaign, policy: Checkpoint, say: Say, seed: int = 1) -> int:
    """Items for a campaign that has none: two answers of the policy to each starter prompt. Returns how many."""
    if campaign.items.exists():
        return 0
    directory = settings.RUN_DIR / f"starter-{campaign.pk}-{policy.sha256[:12] or policy.pk}"
    directory.mkdir(parents=True, exist_ok=True)
    asked = corpus.prompts("starter")
    random.Random(seed).shuffle(asked)
    with open(directory / "prompts.jsonl", "w", encoding="utf-8") as file:
        for number, text in enumerate(asked[:PROMPTS]):
            row = {"id": str(number), "messages": [{"role": "user", "content": text}]}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    parent = {"path": policy.path, "sha256": policy.sha256}
    parameters = SampleParameters(n=2).model_dump(mode="json")
    config = {
        "method": "sample",
        "seed": seed,
        "parent": parent,
        "input": "prompts.jsonl",
        "parameters": parameters,
    }
    run_here("training_bridge.policy.sample", directory, config, say)
    answers: dict[int, list[NewResponse]] = {}
    with open(directory / "result" / "responses.jsonl", encoding="utf-8") as file:
        for line in file:
            answers.setdefault(int(json.loads(line)["id"]), []).append(new_response(json.loads(line), policy))
    items = [NewItem(asked[number], said) for number, said in answers.items() if len(said) == 2]
    with transaction.atomic():
        first = open_round(campaign=campaign, actor=None, policy=policy)
        add_items(campaign=first.campaign, items=items, round_number=first.number)
    return len(items)


def run_here(program: str, directory: Path, config: dict[str, Any], say: Say) -> dict[str, Any]:
    """Runs a program in the foreground and says how far it is; one that is done already is not run again."""
    directory.mkdir(parents=True, exist_ok=True)
    metrics = directory / "metrics.json"
    if not metrics.is_file():
        programs.write_json(directory / "config.json", config)
        with open(directory / "output.txt", "ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", program, str(directory)],
                cwd=settings.BASE_DIR,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            told = 0
            while process.poll() is None:
                time.sleep(0.5)
                lines = programs.RunDirectory(directory).statuses()
                if len(lines) > told:
                    told = len(lines)
                    last = lines[-1]
                    say(f"{last['stage']}: {last['step']} of {last['steps']}")
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait()
        if process.returncode != programs.DONE:
            failure = directory / "failure.json"
            said = programs.read_json(failure) if failure.is_file() else {}
            tail = (
                (directory / "output.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            )
            raise ProgramFailed(
                f"{said.get('error') or (tail[-1] if tail else program)} {said.get('advice', '')}".strip()
            )
    return programs.read_json(metrics)
