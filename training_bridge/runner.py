"""Runs one program for one attempt: prepares its directory, starts it, follows its status file, records the outcome.

    <RUN_DIR>/<run>/attempt-<n>/config.json   →   python -m <program> DIR   →   status.jsonl, result/, metrics.json

The program is a process of its own, in a session of its own, without our secrets. It dies with its worker. Every write to
the database names the attempt's token; when that is refused, the program is killed and nothing is recorded.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from training_bridge import endpoints, methods, programs
from training_bridge.exports.snapshot import faults
from training_bridge.models import Checkpoint, Run, Snapshot
from training_bridge.services import checkpoints, jobs, mirror, runs

log = logging.getLogger(__name__)

POLL_S = 0.25
WRITE_S = 1.0
CURVE_POINTS = 400
SAMPLE_ROWS, SAMPLE_CHARS = 240, 4_000  # kept with the run; the file in its directory has all of them
LOG_TAIL_BYTES = 16_000

# What a program may know of our environment. No secret key, no database, no broker, no tokens.
PASSED_ON = (
    "PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR",
    "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "MKL_NUM_THREADS", "TOKENIZERS_PARALLELISM",
    "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "LD_LIBRARY_PATH", "NCCL_DEBUG", "PYTHONHASHSEED", "VIRTUAL_ENV",
    "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "TORCH_HOME", "WHETSTONE_TYPES_PATH",
)  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


class Refused(Exception):
    """The run cannot begin with what it was given: error and advice for its page."""

    def __init__(self, error: str, advice: str):
        super().__init__(error)
        self.error, self.advice = error, advice


def execute(run_id: str) -> bool:
    """Run a queued run if nobody else does; False if somebody did. May be called any number of times."""
    claim = runs.claim_run(run_id)
    if claim is None:
        return False
    run = Run.objects.select_related(
        "snapshot", "parent", "baseline", "reward_model", "compared_with", "prompts_from", "endpoint"
    ).get(pk=run_id)
    try:
        with claim.beating():
            Attempt(run, claim).go()
    except jobs.LostClaim:
        log.warning(
            "Run %s, attempt %s was taken over; this worker wrote nothing more.", run_id, claim.attempt
        )
    return True


class Attempt:
    """One attempt at one run."""

    def __init__(self, run: Run, claim: jobs.Claim):
        self.run, self.claim = run, claim
        self.directory = run.directory / f"attempt-{claim.attempt}"
        self.follower = Follower(self.directory, run)
        self.asked_to_stop_at: float | None = None
        self.heard_at = 0.0
        self.is_hung = False

    def go(self) -> None:
        try:
            method = methods.get(self.run.method)
            self.prepare(method)
        except Refused as refused:
            runs.finish_run(self.claim, status=Run.Status.FAILED, error=refused.error, advice=refused.advice)
            return
        except Exception as error:
            log.exception("Run %s could not be prepared", self.run.pk)
            runs.finish_run(
                self.claim,
                status=Run.Status.FAILED,
                error=f"{type(error).__name__}: {error}",
                advice=_("See the worker's log."),
            )
            return
        code = self.follow(method)
        self.claim.write(**self.follower.fields())
        self.record(method, code)

    # Before

    def prepare(self, method: methods.Method) -> None:
        """Checks what the run is given against its hashes, and writes its directory."""
        self.check_inputs()
        self.directory.mkdir(parents=True, exist_ok=True)
        further = method.write_inputs(self.run, self.directory)
        programs.write_json(self.directory / "config.json", {**self.config(), **further})

    def check_inputs(self) -> None:
        snapshot = self.run.snapshot
        if snapshot is not None:
            try:
                mirror.bring_snapshot(snapshot)
            except mirror.Unreachable as error:
                raise Refused(
                    str(error),
                    _("Start it again when the storage of copies answers, or take the snapshot again."),
                ) from error
            for name, fault in faults(snapshot.path):
                raise Refused(
                    _("Snapshot %(hash)s is damaged: %(file)s, %(fault)s.")
                    % {"hash": snapshot.short, "file": name, "fault": fault},
                    _("Take the snapshot again, or bring the file back from a backup."),
                )
        run = self.run
        for checkpoint in (run.parent, run.baseline, run.reward_model, run.compared_with):
            if checkpoint is not None and (fault := checkpoints.damage(checkpoint)):
                raise Refused(fault, _("Bring the files back from a backup, or train it again."))
        if run.endpoint is not None and (fault := endpoints.fault(run.endpoint, run.endpoint_model)):
            raise Refused(fault, _("Let an admin mend it and resume the run, or clone it with another one."))

    def config(self) -> dict[str, Any]:
        run = self.run
        config: dict[str, Any] = {
            "method": run.method,
            "run": str(run.pk),
            "attempt": self.claim.attempt,
            "fencing_token": str(self.claim.token),
            "seed": run.seed,
            "code_revision": run.code_revision,
            "parameters": run.config,
            "snapshot": _place(run.snapshot),
            "parent": _place(run.parent),
            "baseline": _place(run.baseline),
            "reward_model": _place(run.reward_model),
            "compared_with": _place(run.compared_with),
            "endpoint": endpoints.place(run.endpoint) if run.endpoint else None,
        }
        if earlier := self.earlier():
            config["resume_from"] = str(earlier)
        return {name: value for name, value in config.items() if value is not None}

    def earlier(self) -> Path | None:
        """The newest earlier attempt that left a checkpoint."""
        for number in range(self.claim.attempt - 1, 0, -1):
            directory = self.run.directory / f"attempt-{number}"
            if any((directory / "checkpoints").glob("step-*")):
                return directory
        return None

    # During

    def follow(self, method: methods.Method) -> int:
        """Starts the program, follows it to its end, returns its exit code. Raises LostClaim, leaving no process behind."""
        with open(self.directory / "output.txt", "ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", method.program, str(self.directory)],
                cwd=settings.BASE_DIR,
                env={**environment(), **endpoints.environment(self.run.endpoint)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        try:
            written = 0.0
            self.heard_at = time.monotonic()
            while process.poll() is None:
                time.sleep(POLL_S)
                if self.claim.is_lost.is_set():
                    raise jobs.LostClaim(str(self.run.pk))
                now = time.monotonic()
                if now - written >= WRITE_S:
                    written = now
                    if self.follower.read():
                        self.heard_at = now
                        self.claim.write(**self.follower.fields())
                    self.stop_if_asked(process, now)
                    self.stop_if_silent(process, now)
            return process.wait()
        finally:
            _kill(process)
            self.follower.read()

    def stop_if_asked(self, process: subprocess.Popen[bytes], now: float) -> None:
        """Cancelled, or the worker shuts down: SIGTERM first, so that the program saves; SIGKILL when it does not leave."""
        row = self.claim.rows.values_list("cancel_requested_at", "release_requested_at").first()
        if row is None:
            raise jobs.LostClaim(str(self.run.pk))
        if not any(row):
            return
        if self.asked_to_stop_at is None:
            self.asked_to_stop_at = now
            process.send_signal(signal.SIGTERM)
        elif now - self.asked_to_stop_at > settings.RUN_STOP_GRACE_S:
            _kill(process)

    def stop_if_silent(self, process: subprocess.Popen[bytes], now: float) -> None:
        """A program that told and printed nothing for RUN_HANG_S is killed: it may be waiting for something for good."""
        silent = settings.RUN_HANG_S and now - self.heard_at > settings.RUN_HANG_S
        if silent and self.asked_to_stop_at is None:
            self.is_hung = True
            _kill(process)

    # After

    def record(self, method: methods.Method, code: int) -> None:
        row = Run.objects.values("cancel_requested_at", "release_requested_at").get(pk=self.run.pk)
        if code == programs.DONE and (self.directory / "metrics.json").is_file():
            self.record_success(method)
        elif row["cancel_requested_at"] is not None:
            runs.finish_run(self.claim, status=Run.Status.CANCELLED, error=_("Cancelled."))
        elif code == programs.PROBLEM:
            failure = _read_json(self.directory / "failure.json")
            runs.finish_run(
                self.claim,
                status=Run.Status.FAILED,
                error=str(failure.get("error") or _("The program refused, without a reason.")),
                advice=str(failure.get("advice") or ""),
            )
        elif row["release_requested_at"] is not None:
            # A shutdown costs no attempt: the next worker goes on from the checkpoint.
            self.claim.release(release_requested_at=None, max_attempts=self.run.max_attempts + 1)
        else:
            self.record_crash(code)

    def record_success(self, method: methods.Method) -> None:
        metrics = {
            **_read_json(self.directory / "metrics.json"),
            **method.collect(self.run, self.directory),
        }
        if (told := self.directory / "machine.json").is_file():
            metrics["machine"] = _read_json(told)
        checkpoint = None
        if method.makes:
            try:
                path, sha256 = checkpoints.store(self.directory / "result")
            except checkpoints.BadArtifact as error:
                runs.finish_run(
                    self.claim,
                    status=Run.Status.FAILED,
                    error=str(error),
                    advice=_("See the log of the run."),
                )
                return
            checkpoint = Checkpoint(
                kind=method.makes,
                name=f"{self.run.campaign.slug} {method.name} {self.run.short}",
                path=str(path),
                sha256=sha256,
                campaign=self.run.campaign,
                run=self.run,
                parent=self.run.parent,
                lineage=self.lineage(),
            )
        runs.finish_run(self.claim, status=Run.Status.SUCCEEDED, metrics=metrics, checkpoint=checkpoint)

    def lineage(self) -> dict[str, Any]:
        """From which exact inputs, by which code: enough to say years later what a model was trained on."""
        run = self.run
        return {
            "run": str(run.pk),
            "method": run.method,
            "seed": run.seed,
            "config": run.config,
            "attributes": methods.attributes_of(run).codes(),
            "code_revision": run.code_revision,
            "snapshot": run.snapshot.sha256 if run.snapshot else None,
            "parent": run.parent.sha256 or run.parent.path if run.parent else None,
            "reward_model": run.reward_model.sha256 if run.reward_model else None,
            "endpoint": endpoints.told(run.endpoint, run.endpoint_model),
        }

    def record_crash(self, code: int) -> None:
        how = _("killed by signal %(n)d") % {"n": -code} if code < 0 else _("exit code %(n)d") % {"n": code}
        if self.is_hung:
            how = _("it told nothing for %(n)d s and was killed") % {"n": settings.RUN_HANG_S}
        lines = self.follower.log_tail.strip().splitlines()
        error = _("The program ended unexpectedly: %(how)s.") % {"how": how} + (
            f" {lines[-1][:500]}" if lines else ""
        )
        if self.claim.attempt >= self.run.max_attempts:
            advice = _("It was tried %(n)d times; its log says more.") % {"n": self.claim.attempt}
            if self.is_hung:
                advice += " " + _("If its steps take longer than that, raise WHETSTONE_RUN_HANG_S.")
            elif code == -signal.SIGKILL:
                advice += " " + _("Signal 9 is what the system sends when memory runs out: make it smaller.")
            runs.finish_run(self.claim, status=Run.Status.FAILED, error=error, advice=advice)
        else:
            log.warning("Run %s, attempt %s: %s", self.run.pk, self.claim.attempt, error)
            self.claim.release(error=error)
            jobs.wake_on_commit(runs.send_run, self.run)


class Follower:
    """Reads what a program tells in status.jsonl and samples.jsonl and prints, from where it stopped reading."""

    def __init__(self, directory: Path, run: Run):
        self.directory = directory
        self.offsets: dict[str, int] = {}
        self.output_size = 0
        self.progress: dict[str, Any] | None = None
        # A resumed run goes on with the curve of its earlier attempts.
        self.curve: list[dict[str, Any]] = list(run.curve)
        self.samples: list[dict[str, Any]] = list(run.samples)
        self.log_tail = ""

    def read(self) -> bool:
        """Whether there was anything new."""
        told = self._lines("status.jsonl")
        for status in told:
            self._take(status)
        shown = self._lines("samples.jsonl")
        for sample in shown:
            self._show(sample)
        return bool(told) | bool(shown) | self._read_output()

    def fields(self) -> dict[str, Any]:
        return {
            "progress": self.progress,
            "curve": self.curve,
            "samples": self.samples,
            "log_tail": self.log_tail,
        }

    def _lines(self, name: str) -> list[dict[str, Any]]:
        """The objects that were added to a file since it was last read."""
        path = self.directory / name
        if not path.is_file():
            return []
        with path.open("rb") as file:
            file.seek(self.offsets.get(name, 0))
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]  # the last line may be half-written yet
        self.offsets[name] = self.offsets.get(name, 0) + len(whole)
        found = []
        for text in whole.splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                log.warning("%s holds a line that is no JSON; it is left out.", path)
                continue
            if isinstance(line, dict):
                found.append(line)
        return found

    def _show(self, sample: dict[str, Any]) -> None:
        """Keep an answer that the policy gave on the way; of too many the steps in between are thinned out."""
        step, prompt, text = sample.get("step"), sample.get("prompt"), sample.get("text")
        if not isinstance(step, int) or not isinstance(prompt, str) or not isinstance(text, str):
            log.warning("%s holds a sample without step, prompt or text; it is left out.", self.directory)
            return
        reward = sample.get("reward")
        row = {"step": step, "prompt": _stored(prompt), "text": _stored(text)}
        row["reward"] = reward if isinstance(reward, int | float) and not isinstance(reward, bool) else None
        self.samples = [s for s in self.samples if (s["step"], s["prompt"]) != (step, row["prompt"])]
        self.samples.append(row)
        if len(self.samples) > SAMPLE_ROWS:
            steps = sorted({s["step"] for s in self.samples})
            kept = {*steps[::2], steps[-1]}
            self.samples = [s for s in self.samples if s["step"] in kept][-SAMPLE_ROWS:]

    def _take(self, status: dict[str, Any]) -> None:
        self.progress = {name: status.get(name) for name in ("stage", "step", "steps", "metrics", "at")}
        step = status.get("step")
        numbers = {
            name: value
            for name, value in (status.get("metrics") or {}).items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        if not numbers or not isinstance(step, int):
            return
        stage = status.get("stage") or ""
        self.curve = [
            p for p in self.curve if p.get("stage", "") != stage or p["step"] < step
        ]  # steps done again after a resume
        self.curve.append({"step": step, "stage": stage, **numbers})
        if len(self.curve) > CURVE_POINTS:
            self.curve = self.curve[::2] + ([self.curve[-1]] if len(self.curve) % 2 == 0 else [])

    def _read_output(self) -> bool:
        path = self.directory / "output.txt"
        size = path.stat().st_size if path.is_file() else 0
        if size == self.output_size:
            return False
        self.output_size = size
        with path.open("rb") as file:
            file.seek(max(0, size - LOG_TAIL_BYTES))
            text = (
                file.read(LOG_TAIL_BYTES)
                .decode("utf-8", "replace")
                .replace("\x00", "\N{REPLACEMENT CHARACTER}")
            )
        self.log_tail = text if size <= LOG_TAIL_BYTES else text.partition("\n")[2]
        return True


def _stored(text: str) -> str:
    """As PostgreSQL's JSON can hold it: no NUL, no half of a surrogate pair, and of bounded length."""
    text = text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    return text if len(text) <= SAMPLE_CHARS else f"{text[:SAMPLE_CHARS]}…"


def environment() -> dict[str, str]:
    """What a program sees of our environment."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**programs.ENVIRONMENT, **passed, "PYTHONPATH": str(settings.BASE_DIR), "PYTHONUNBUFFERED": "1"}


def _die_with_parent() -> None:
    """Linux kills the program when its worker dies; elsewhere it goes on writing to a directory that nobody reads."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The program with all of its children (torchrun, data loaders)."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # all of them have left
    process.wait()


def _place(thing: Snapshot | Checkpoint | None) -> dict[str, str] | None:
    return None if thing is None else {"path": str(thing.path), "sha256": thing.sha256}


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        return programs.read_json(path)
    except programs.Problem as problem:
        return {"error": problem.error, "advice": problem.advice}
