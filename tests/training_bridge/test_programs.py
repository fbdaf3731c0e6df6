"""The run directory: nothing half-written, nothing foreign read, every end told by its exit code."""

import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from training_bridge.programs import (
    DONE,
    FAULT,
    PROBLEM,
    STOPPED,
    Problem,
    RunDirectory,
    damage,
    main,
    plain,
)


@pytest.fixture
def run(tmp_path):
    (tmp_path / "config.json").write_text('{"method": "none", "seed": 1}')
    return RunDirectory(tmp_path)


def save(run, step, text="weights"):
    with run.checkpoint(step) as folder:
        (folder / "model.bin").write_text(text)


def test_the_newest_whole_checkpoint_is_found_and_two_are_kept(run):
    for step in (2, 9, 10):
        save(run, step)
    assert run.newest_checkpoint().name == "step-10"
    assert sorted(p.name for p in (run.path / "checkpoints").iterdir()) == ["step-10", "step-9"]


def test_a_truncated_checkpoint_gives_way_to_the_one_before(run):
    save(run, 1)
    save(run, 2)
    (run.path / "checkpoints/step-2/model.bin").write_text("weig")
    assert run.newest_checkpoint().name == "step-1"


def test_a_checkpoint_with_a_file_that_is_not_ours_is_refused(run):
    save(run, 1)
    folder = run.path / "checkpoints/step-1"
    (folder / "optimizer.pt").write_bytes(b"\x80\x04")
    assert damage(folder) == "optimizer.pt is not ours."
    assert run.newest_checkpoint() is None


def test_a_checkpoint_that_fails_half_way_leaves_nothing_and_the_earlier_one(run):
    save(run, 1)
    with pytest.raises(Problem, match="No space left"), run.checkpoint(2) as folder:
        (folder / "model.bin").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert [p.name for p in (run.path / "checkpoints").iterdir()] == ["step-1"]
    with (
        pytest.raises(Problem, match="need 1,000,000,000,000 MB, have"),
        run.checkpoint(3, need_bytes=10**18),
    ):
        pytest.fail("the block must not start without room")


def test_an_attempt_goes_on_from_the_one_before(run, tmp_path):
    save(run, 4)
    later = tmp_path / "attempt-2"
    later.mkdir()
    (later / "config.json").write_text(json.dumps({"resume_from": str(run.path)}))
    assert RunDirectory(later).newest_checkpoint() == run.path / "checkpoints/step-4"
    save(RunDirectory(later), 6)
    assert RunDirectory(later).newest_checkpoint() == later / "checkpoints/step-6"
    (later / "checkpoints/step-6/model.bin").write_text("cut")
    assert RunDirectory(later).newest_checkpoint() == run.path / "checkpoints/step-4"


def test_status_lines_are_plain_json_and_a_cut_line_is_left_out(run):
    run.report(step=1, steps=4, stage="train", metrics={"loss": float("nan"), "lr": 0.5})
    with (run.path / "status.jsonl").open("a") as file:
        file.write('{"step": 2, "ste')
    [line] = run.statuses()
    assert line["metrics"] == {"loss": None, "lr": 0.5}
    assert (line["step"], line["steps"], line["stage"]) == (1, 4, "train")
    assert line["at"].endswith("Z")


def finish(run):
    with run.result() as folder:
        (folder / "answer.txt").write_text("42")
    return {"accuracy": 0.75}


def mistake(run):
    raise Problem("Not enough data: need 20 pairs, have 3.", "Collect more.")


def bug(run):
    raise ZeroDivisionError("oops")


def greedy(run):
    raise MemoryError


def stopped(run):
    os.kill(os.getpid(), signal.SIGTERM)
    run.stop_if_asked(lambda: save(run, 7))


def test_done_means_result_and_metrics_and_a_second_start_does_nothing(run):
    assert main(finish, [str(run.path)]) == DONE
    assert json.loads((run.path / "metrics.json").read_text()) == {"accuracy": 0.75}
    assert (run.path / "result/answer.txt").read_text() == "42"
    assert main(bug, [str(run.path)]) == DONE


@pytest.mark.parametrize(
    ("program", "code", "failure"),
    [
        (mistake, PROBLEM, {"error": "Not enough data: need 20 pairs, have 3.", "advice": "Collect more."}),
        (greedy, PROBLEM, None),
        (bug, FAULT, None),
        (stopped, STOPPED, None),
    ],
)
def test_exit_codes(run, program, code, failure):
    assert main(program, [str(run.path)]) == code
    assert not run.is_done
    if failure:
        assert json.loads((run.path / "failure.json").read_text()) == failure


def test_a_fault_leaves_its_traceback_and_a_stop_its_checkpoint(run):
    main(bug, [str(run.path)])
    assert "ZeroDivisionError: oops" in (run.path / "log.txt").read_text()
    main(stopped, [str(run.path)])
    assert run.newest_checkpoint().name == "step-7"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


ABORTS_AT_ITS_END = """
import atexit, os, sys
from training_bridge.programs import Problem, execute
def program(run):
    print("said")
    atexit.register(os.abort)
    if run.config["method"] == "none":
        return {"accuracy": 0.75}
    raise Problem("No.", "Yes.")
execute(program)
"""


@pytest.mark.parametrize(
    ("method", "processes", "code"),
    [("none", "2", DONE), ("some", "2", PROBLEM), ("none", "1", -signal.SIGABRT)],
)
def test_one_of_several_processes_ends_with_its_code_whatever_python_would_do_then(
    run, method, processes, code
):
    """Nothing is lost by it: what was said, the result, the log."""
    (run.path / "config.json").write_text(json.dumps({"method": method, "seed": 1}))
    command = [sys.executable, "-c", ABORTS_AT_ITS_END, str(run.path)]
    done = subprocess.run(
        command, env={**os.environ, "WORLD_SIZE": processes}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code
    assert done.stdout == "said\n"
    assert (run.path / ("metrics.json" if method == "none" else "failure.json")).is_file()


def test_a_directory_without_a_config_is_a_problem(tmp_path):
    assert main(lambda run: run.config, [str(tmp_path)]) == PROBLEM
    assert json.loads((tmp_path / "failure.json").read_text())["error"].startswith("There is no config.json")
    assert main(finish, []) == PROBLEM


def test_plain_numbers():
    numpy = pytest.importorskip("numpy")
    assert plain({1: (numpy.float32(0.5), float("inf"), numpy.arange(2))}) == {"1": [0.5, None, [0, 1]]}


def test_a_run_begins_from_a_config_anywhere_and_goes_on_by_its_directory(tmp_path):
    config = tmp_path / "warm.json"
    config.write_text('{"seed": 3}')
    assert main(seed_of, ["--config", str(config)]) == DONE
    assert json.loads((tmp_path / "warm" / "metrics.json").read_text()) == {"seed": 3}
    assert main(seed_of, ["--config", str(config), str(tmp_path / "other")]) == DONE
    assert main(bug, [str(tmp_path / "other")]) == DONE  # it is done: nothing is run again


def test_a_directory_that_was_made_with_another_config_is_left_alone(tmp_path, capsys):
    config = tmp_path / "warm.json"
    config.write_text('{"seed": 3}')
    main(seed_of, ["--config", str(config)])
    config.write_text('{"seed": 4}')
    assert main(seed_of, ["--config", str(config)]) == PROBLEM
    assert "made with another config" in capsys.readouterr().err
    assert json.loads((tmp_path / "warm" / "config.json").read_text()) == {"seed": 3}


def test_a_config_that_is_missing_is_named(tmp_path, capsys):
    assert main(seed_of, ["--config", str(tmp_path / "none.json")]) == PROBLEM
    assert "none.json" in capsys.readouterr().err


def seed_of(run):
    return {"seed": run.config["seed"]}
