"""The program that asks a policy: complete, in order, without repeats, and the same whether it was stopped or not."""

import json

import pytest

from tests.training_bridge.policy.known import TwoTokens
from training_bridge.policy.config import SampleParameters
from training_bridge.policy.generation import Sampler, Sampling
from training_bridge.policy.prompts import Prompt, of_snapshot, read_prompts
from training_bridge.policy.sample import candidates_for, normalised, sample
from training_bridge.programs import Problem, RunDirectory, Stopped

PROMPTS = [
    {"id": str(i), "messages": [{"role": "user", "content": text}]}
    for i, text in enumerate(["Otters?", "Bread needs what?", "Grüße 👋🏽", "Why, and how, and when?", "A"])
]
SETTINGS = {"n": 3, "max_tokens": 12, "batch": 6}


@pytest.fixture
def asked(run_in, policy_dir, write_lines):
    def make(name, prompts=PROMPTS, **parameters):
        run = run_in(
            name, method="sample", parent={"path": policy_dir}, seed=4, parameters={**SETTINGS, **parameters}
        )
        write_lines(f"{name}/prompts.jsonl", prompts)
        return run

    return make


def rows_of(run):
    lines = (run.path / "result" / "responses.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_every_prompt_is_answered_in_order_with_different_candidates(asked):
    run = asked("whole")
    metrics = sample(run)
    rows = rows_of(run)
    assert [(row["id"], row["candidate"]) for row in rows] == [
        (str(i), k) for i in range(5) for k in range(3)
    ]
    for i in range(5):
        texts = [normalised(row["text"]) for row in rows if row["id"] == str(i)]
        assert len(set(texts)) == 3 and all(texts)
    assert metrics["prompts"] == 5 and metrics["responses"] == 15
    assert metrics["prompts_with_fewer"] == metrics["prompts_without_response"] == 0
    first = rows[0]
    assert first["sampling"] == {
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "min_p": 0.04,
        "max_tokens": 12,
        "seed": 4,
        "stream": first["sampling"]["stream"],
    }
    assert first["logprob"] < 0 and first["finish"] in ("stop", "length") and 1 <= first["tokens"] <= 12
    assert run.statuses()[-1]["step"] == run.statuses()[-1]["steps"] == 5


def test_the_batch_size_changes_nothing(asked):
    runs = [asked(f"batch-{size}", batch=size) for size in (3, 15, 64)]
    for run in runs:
        sample(run)
    first, *others = [[(r["id"], r["candidate"], r["text"]) for r in rows_of(run)] for run in runs]
    assert all(other == first for other in others)


def test_a_stopped_run_goes_on_and_writes_the_same(asked):
    whole, stopped = asked("whole"), asked("stopped")
    sample(whole)
    for expected in (2, 4):  # batch 6 holds two prompts of three candidates
        stopped = RunDirectory(stopped.path)
        stopped.stopping = True
        with pytest.raises(Stopped):
            sample(stopped)
        assert stopped.newest_checkpoint().name == f"step-{expected}"
    # What a kill leaves behind after the checkpoint is written again, not twice.
    with (stopped.path / "responses.jsonl").open("a") as file:
        file.write('{"id": "4", "cut short')
    sample(RunDirectory(stopped.path))
    assert rows_of(stopped) == rows_of(whole)


def test_a_later_attempt_goes_on_from_an_earlier_one(asked):
    first = asked("attempt-1")
    first.stopping = True
    with pytest.raises(Stopped):
        sample(first)
    second = asked("attempt-2")
    config = {**json.loads((second.path / "config.json").read_text()), "resume_from": str(first.path)}
    (second.path / "config.json").write_text(json.dumps(config))
    sample(RunDirectory(second.path))
    assert second.statuses()[0]["step"] == 4  # the first two were there
    assert len(rows_of(second)) == 15


def test_a_repeated_or_empty_answer_is_asked_for_again_and_then_left_out():
    """The policy says "", "a", "aa", …: with few tokens there are only three texts, "" being none."""
    model, tokenizer = TwoTokens.with_tokenizer(end=0.5)
    sampler = Sampler(model, tokenizer, Sampling(max_tokens=2))
    prompt = Prompt("p", ({"role": "user", "content": "a"},))
    (found,) = candidates_for(sampler, [prompt], SampleParameters(n=5, retries=30), seed=0)
    assert sorted(c.answer.text for c in found) == ["a", "aa"]
    (once,) = candidates_for(sampler, [prompt], SampleParameters(n=5, retries=0), seed=0)
    assert {c.answer.text for c in once} <= {"a", "aa"}
    retried = {c.stream.rpartition("/")[2] for c in found}
    assert all(int(attempt) <= 30 for attempt in retried)


def test_without_chance_there_is_one_candidate():
    sampler = Sampler(*TwoTokens.with_tokenizer(end=0.2), Sampling(temperature=0.0, max_tokens=6))
    prompt = Prompt("p", ({"role": "user", "content": "a"},))
    (found,) = candidates_for(sampler, [prompt], SampleParameters(n=4), seed=0)
    assert [c.answer.text for c in found] == ["aaaaaa"]


def test_a_prompt_without_room_gets_no_answer_and_is_counted(asked):
    long = {"id": "long", "messages": [{"role": "user", "content": "a " * 600}]}
    run = asked("long", prompts=[PROMPTS[0], long])
    metrics = sample(run)
    assert metrics["prompts_without_response"] == 1
    assert {row["id"] for row in rows_of(run)} == {"0"}


@pytest.mark.parametrize(
    "line, complaint",
    [
        ("no json", "line 2 is no prompt"),
        ('{"id": 1}', "line 2 is no prompt"),
        ('{"id": 1, "messages": "Hi"}', "line 2 is no prompt"),
        ('{"id": 1, "messages": []}', "empty"),
        ('{"id": "0", "messages": [{"role": "user", "content": "again"}]}', "its id was there before"),
    ],
)
def test_a_line_that_is_no_prompt_is_named(tmp_path, line, complaint):
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps(PROMPTS[0]) + "\n" + line + "\n")
    with pytest.raises(Problem, match=complaint):
        list(read_prompts(path))


def test_no_prompts_is_a_problem(asked, tmp_path):
    with pytest.raises(Problem, match="no prompts"):
        sample(asked("none", prompts=[]))
    with pytest.raises(Problem, match="no input file"):
        list(read_prompts(tmp_path / "nothing.jsonl"))


def test_wrong_settings_are_named(asked):
    with pytest.raises(Problem, match="temperature"):
        sample(asked("hot", temperature=-1))
    with pytest.raises(Problem, match="colour"):
        sample(asked("odd", colour="red"))


def test_prompts_of_a_snapshot_come_by_split(snapshot):
    train, test = list(of_snapshot(snapshot, "train")), list(of_snapshot(snapshot, "test"))
    assert (len(train), len(test)) == (24, 6)
    assert {p.id for p in train}.isdisjoint(p.id for p in test)
