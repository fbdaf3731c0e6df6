"""The plumbing every training program shares: a run directory in, a result out, nothing half-written.

A program is `python -m training_bridge.<package>.<module> DIR`, or with `--config FILE [DIR]` to begin from a file that is
anywhere, and it is one function from a `RunDirectory` to its metrics:

    def train(run: RunDirectory) -> dict[str, Any]: ...

    if __name__ == "__main__":
        execute(train)

It finds `config.json` in DIR and leaves behind

    status.jsonl         one object a line: {"at", "metrics", "stage", "step", "steps"}     log.txt
    checkpoints/step-12/ written under a temporary name, synced, renamed; `manifest.json` holds the sha256 of each file
    result/              renamed into place when complete          metrics.json    written last: its existence means done
    failure.json         {"error", "advice"} beside exit code 2

Exit codes: 0 done; 2 a problem with the data, the config or the machine that a person can mend; 143 asked to stop
(SIGTERM) after saving; 1 a fault of ours, with its traceback in log.txt. Starting a program again resumes it from its
newest whole checkpoint.

Nothing here imports torch. Of Django there is the translator only, without settings or database.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import json
import logging
import math
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from training_bridge.machine import Meter

log = logging.getLogger("whetstone")

DONE, FAULT, PROBLEM, STOPPED = 0, 1, 2, 143

KEPT_CHECKPOINTS = (
    2  # the newest may be cut short by a full disk or a power cut; the one before it is the way back
)

# How the end of a disk, of a quota, or of what one file may hold is told: by the system, by safetensors (its number) and by
# torch (without); and how torch tells the end of a CPU's memory.
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_WRITTEN, NO_MEMORY = "PytorchStreamWriter failed", "can't allocate memory"

ENDPOINT_KEY = "WHETSTONE_ENDPOINT_KEY"  # in a program's environment, and in no file
FIRST_PROCESS_S = 60  # that the others wait for the first one's config.json

# Set before the libraries that read them are imported. A variable that is already set wins.
ENVIRONMENT = {
    "OMP_WAIT_POLICY": "passive",  # spinning threads on a shared machine cost 6 to 10 times the work they do
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "warning",
}

# Set whatever was set before, for models that accelerate spreads over processes (FSDP): every process reads the weights,
# which are needed for what is measured before the training; and checkpoints are of whole weights, not of parts.
OVERRIDDEN = {"FSDP_CPU_RAM_EFFICIENT_LOADING": "false", "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT"}


class Problem(Exception):
    """Something a person can mend: ends the program with exit code 2, `error` and `advice` in failure.json."""

    def __init__(self, error: str, advice: str = ""):
        self.error, self.advice = error, advice
        super().__init__(f"{error} {advice}".strip())


class Stopped(Exception):
    """The program was asked to stop and has saved what it had."""


class RunDirectory:
    """One attempt at one run. Under torchrun every process reads, and only the first writes."""

    def __init__(self, path: str | Path):
        self.path = Path(path).resolve()
        self.stopping = False

    @cached_property
    def config(self) -> dict[str, Any]:
        """What to do. Raises Problem when it cannot be read."""
        return read_json(self.path / "config.json")

    @property
    def writes(self) -> bool:
        return int(os.environ.get("RANK", "0")) == 0

    # Telling how far we are

    def report(self, *, step: int, steps: int, stage: str, metrics: Mapping[str, Any] | None = None) -> None:
        """Append one line to status.jsonl; whoever follows the run sees it at once."""
        if not self.writes:
            return
        line = {"step": step, "steps": steps, "stage": stage, "metrics": plain(metrics or {}), "at": now()}
        with (self.path / "status.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")

    def statuses(self) -> list[dict[str, Any]]:
        """The lines of status.jsonl so far; a last line cut short by a crash is left out."""
        path = self.path / "status.jsonl"
        if not path.is_file():
            return []
        lines = []
        for text in filter(None, path.read_text(encoding="utf-8").split("\n")):
            try:
                lines.append(json.loads(text))
            except ValueError:
                log.warning("status.jsonl holds a line that was cut short; it is left out.")
        return lines

    def stop_if_asked(self, save: Callable[[], None]) -> None:
        """Call between steps: after SIGTERM, save and leave the program (exit code 143)."""
        if self.stopping:
            save()
            raise Stopped

    # Checkpoints

    @contextmanager
    def checkpoint(self, step: int, *, need_bytes: int = 0) -> Iterator[Path]:
        """A directory to write into, which becomes `checkpoints/step-<step>` when the block ends without an error.

        A crash, a full disk or an exception leaves the earlier checkpoints as they were. `need_bytes` is checked first.
        """
        root = self.path / "checkpoints"
        with self._into(root / f"step-{step}", need_bytes=need_bytes, manifest={"step": step}) as folder:
            yield folder
        if self.writes:
            for old in step_folders(root)[KEPT_CHECKPOINTS:]:
                shutil.rmtree(old)

    def newest_checkpoint(self) -> Path | None:
        """The newest checkpoint that is whole: each file as its manifest says, and no other file. None when there is none.

        Our own come first, then `resume_from` of the config: a checkpoint, or the directory of an earlier attempt.
        """
        candidates = step_folders(self.path / "checkpoints")
        if resume_from := self.config.get("resume_from"):
            earlier = Path(resume_from)
            whole = (earlier / "manifest.json").is_file()
            candidates += [earlier] if whole else step_folders(earlier / "checkpoints")
        for folder in candidates:
            if fault := damage(folder):
                log.warning("Checkpoint %s is passed over: %s", folder.name, fault)
            else:
                return folder
        return None

    # Results

    @contextmanager
    def result(self, *, need_bytes: int = 0) -> Iterator[Path]:
        """A directory to write into, which becomes `result/` when the block ends without an error."""
        with self._into(self.path / "result", need_bytes=need_bytes) as folder:
            yield folder

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """Write metrics.json: the run is done."""
        if self.writes:
            write_json(self.path / "metrics.json", plain(metrics))

    @property
    def is_done(self) -> bool:
        return (self.path / "metrics.json").is_file()

    @contextmanager
    def _into(
        self, target: Path, *, need_bytes: int, manifest: Mapping[str, Any] | None = None
    ) -> Iterator[Path]:
        if not self.writes:
            scratch = target.parent / f".rank-{os.environ['RANK']}-{target.name}"
            yield scratch  # what the other processes would write is not wanted; they are expected to write nothing
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        check_space(target.parent, need_bytes)
        temporary = target.parent / f".tmp-{target.name}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            yield temporary
            if manifest is not None:
                write_json(temporary / "manifest.json", {**manifest, "files": hashes(temporary)})
            sync_tree(temporary)
        except Exception as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if problem := mendable(error, target.parent):
                raise problem from error
            raise
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
        sync_directory(target.parent)


def main(program: Callable[[RunDirectory], Mapping[str, Any]], argv: list[str] | None = None) -> int:
    """Run one program in the directory named on the command line; returns the exit code."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ.update(OVERRIDDEN)
    try:
        run = RunDirectory(directory_of(program, argv))
    except Problem as problem:
        print(problem, file=sys.stderr)
        return PROBLEM
    if run.is_done:
        print(f"{run.path} is done already.")
        return DONE
    (run.path / "failure.json").unlink(missing_ok=True)

    def stop(number: int, frame: FrameType | None) -> None:
        run.stopping = True

    speak_plainly()

    meter = Meter()
    before = signal.signal(signal.SIGTERM, stop)
    handlers = log_to(run.path / "log.txt")
    try:
        run.finish(program(run))
        return DONE
    except Stopped:
        log.info("Stopped as asked; start again to go on from the last checkpoint.")
        return STOPPED
    except Problem as problem:
        return fail(run, problem)
    except Exception as error:  # the last line of defence: written to the log, told by the exit code
        if cause := mendable(error, run.path):
            return fail(run, cause)
        log.error("%s", traceback.format_exc())
        return FAULT
    finally:
        signal.signal(signal.SIGTERM, before)
        if run.writes:
            leave(run.path / "machine.json", meter.read())
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()


def execute(program: Callable[[RunDirectory], Mapping[str, Any]]) -> NoReturn:
    """`main` as a process of its own, which ends with the exit code.

    One of several processes ends without taking Python apart: threads of gloo may hold a tensor a moment longer than the
    process group lives, and to let go of it while Python goes away aborts a process that had done all its work ("terminate
    called without an active exception"; pytorch pull request 179291).
    """
    code = main(program)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        raise SystemExit(code)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def directory_of(program: Callable[..., Any], argv: list[str] | None) -> Path:
    """The run directory that the command line names: one that holds config.json, or a new one for `--config FILE`.

    Going on with a run is naming its directory. Raises Problem when there is no such directory, or when a config is given
    for a directory that was made with another.
    """
    module = program.__module__
    if module == "__main__" and (spec := sys.modules[module].__spec__) is not None:
        module = spec.name
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=program.__doc__)
    parser.add_argument(
        "directory", nargs="?", type=Path, help="of the run; without --config it holds config.json"
    )
    parser.add_argument("--config", type=Path, help="a JSON file that becomes the run's config.json")
    given = parser.parse_args(argv)
    if given.config is None:
        if given.directory is None or not given.directory.is_dir():
            raise Problem(
                f"There is no directory {given.directory}." if given.directory else parser.format_usage(),
                "Name the directory of a run, or a config with --config FILE.",
            )
        return given.directory
    config = read_json(given.config)
    directory = given.directory or given.config.with_suffix("")
    stored = directory / "config.json"
    if int(os.environ.get("RANK", "0")) == 0 and not stored.is_file():
        directory.mkdir(parents=True, exist_ok=True)
        write_json(stored, config)
    deadline = time.monotonic() + FIRST_PROCESS_S
    while not stored.is_file():  # under torchrun the first process writes it
        if time.monotonic() > deadline:
            raise Problem(f"The first process wrote no {stored} within {FIRST_PROCESS_S} s.")
        time.sleep(0.05)
    if read_json(stored) != config:
        raise Problem(
            f"{directory} was made with another config.",
            "Name another directory, or leave --config out to go on with it.",
        )
    return directory


def speak_plainly() -> None:
    """Feedback types word errors through Django's translator, which wants settings; the web's are not needed here."""
    from django.conf import settings

    if not settings.configured:
        settings.configure(USE_I18N=False)


def fail(run: RunDirectory, problem: Problem) -> int:
    log.error("%s %s", problem.error, problem.advice)
    if run.writes:
        leave(run.path / "failure.json", {"error": problem.error, "advice": problem.advice})
    return PROBLEM


def leave(path: Path, value: Mapping[str, Any]) -> None:
    """Write a last word; where not even that fits on the disk, the log has it."""
    try:
        write_json(path, value)
    except OSError as error:
        log.error("%s could not be written: %s", path.name, error)


def mendable(error: Exception, folder: Path) -> Problem | None:
    """What a person can do about an error of the machine, however a library words it; None for a fault of ours.

    torch says by a RuntimeError that the memory of a CPU, or the disk below a checkpoint, is used up; safetensors has an
    error of its own. Nothing here imports either.
    """
    said = str(error)
    if type(error).__name__ == "OutOfMemoryError":
        return out_of_memory("memory on the GPU")
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and NO_MEMORY in said):
        return out_of_memory("memory")
    if isinstance(error, OSError):
        return no_space(folder, 0) if error.errno in NO_SPACE else None
    if any(f"(os error {number})" in said for number in NO_SPACE) or NOT_WRITTEN in said:
        return no_space(folder, 0)
    return None


def out_of_memory(what: str) -> Problem:
    return Problem(
        f"The program ran out of {what}.",
        "Lower pack_tokens (or batch_size where nothing is packed), which changes nothing learned, or train with LoRA.",
    )


def no_space(folder: Path, need_bytes: int) -> Problem:
    have = shutil.disk_usage(folder).free
    need = f"need {need_bytes / 1e6:,.0f} MB, have" if need_bytes else "have"
    return Problem(
        f"No space left on the disk: {need} {have / 1e6:,.0f} MB.",
        "Free some space and start the run again; it goes on from its last checkpoint.",
    )


def check_space(folder: Path, need_bytes: int) -> None:
    if need_bytes and shutil.disk_usage(folder).free < need_bytes:
        raise no_space(folder, need_bytes)


def log_to(path: Path) -> list[logging.Handler]:
    log.setLevel(logging.INFO)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if int(os.environ.get("RANK", "0")) == 0:
        handlers.append(logging.FileHandler(path, encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)
    return handlers


# --- Files -----------------------------------------------------------------------------------------------------------


def read_json(path: Path) -> dict[str, Any]:
    """An object from a JSON file. Raises Problem naming the file when it is missing or is something else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Problem(
            f"There is no {path.name} in {path.parent}.",
            "Start the run from its page, or write the file by hand.",
        ) from error
    except ValueError as error:
        raise Problem(f"{path} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise Problem(f"{path} should hold a JSON object.")
    return value


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file so that a reader sees all of it or none of it, also after a power cut."""
    temporary = path.with_name(f".tmp-{path.name}")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_directory(path.parent)


def plain(value: Any) -> Any:
    """A value as JSON knows it: NaN and infinity become null, numpy and torch scalars plain numbers."""
    if isinstance(value, Mapping):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def directory_sha256(folder: Path) -> str:
    """One hash for a directory: of its files' names and hashes, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\n".encode())
    return digest.hexdigest()


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder, by its path in it; a manifest at the top is left out."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return {name: sha256_of(folder / name) for name in names if name != "manifest.json"}


def damage(folder: Path) -> str:
    """What is wrong with a checkpoint, in a sentence; empty when it is whole."""
    try:
        expected = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return "it has no readable manifest."
    found = hashes(folder)
    if missing := sorted(set(expected) - set(found)):
        return f"{', '.join(missing)} is missing."
    if foreign := sorted(set(found) - set(expected)):
        return f"{', '.join(foreign)} is not ours."
    if changed := sorted(name for name in expected if expected[name] != found[name]):
        return f"{', '.join(changed)} is not as it was written."
    return ""


def step_folders(root: Path) -> list[Path]:
    """`step-<n>` folders, newest first."""
    found = [(int(p.name[5:]), p) for p in root.glob("step-*") if p.is_dir() and p.name[5:].isdigit()]
    return [p for _, p in sorted(found, reverse=True)]


def sync_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        elif path.is_dir():
            sync_directory(path)
    sync_directory(folder)


def sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
