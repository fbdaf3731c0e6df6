"""Sampling from a server on a real socket: what is asked, what is made of the answer, and what is refused."""

import json

import pytest

from tests.annotation.endpoints.stub import Stub, mode
from training_bridge.policy import served
from training_bridge.policy.evaluate import evaluate
from training_bridge.policy.generation import Request, Sampling
from training_bridge.policy.sample import sample
from training_bridge.policy.served import ServedSampler, seed_of
from training_bridge.programs import Problem, RunDirectory, Stopped


def choice(text, finish="stop", logprobs=(-0.5, -0.25)):
    content = [{"token": "t", "logprob": value} for value in logprobs]
    return {"message": {"content": text}, "finish_reason": finish, "logprobs": {"content": content}}


@mode
async def several(reply, request):
    """n answers which the seed and the place decide, as vLLM gives them."""
    n, seed = request.body["n"], request.body["seed"]
    choices = [choice(f"Answer {seed}-{k}.", "length" if k == 0 else "stop") for k in range(n)]
    await reply.whole(200, json.dumps({"choices": choices}))


@mode
async def always_the_same(reply, request):
    await reply.whole(200, json.dumps({"choices": [choice("Yes.")] * request.body["n"]}))


@mode
async def knows_no_n(reply, request):
    await reply.whole(200, json.dumps({"choices": [choice("Only one.")]}))


@mode
async def no_logprobs(reply, request):
    bare = [{"message": {"content": f"Bare {k}."}, "finish_reason": "stop"} for k in range(request.body["n"])]
    await reply.whole(200, json.dumps({"choices": bare}))


@mode
async def busy_twice(reply, request):
    if len(reply.stub.asked("busy_twice")) < 3:
        await reply.whole(503, "")
    else:
        await several(reply, request)


@pytest.fixture
def stub():
    with Stub() as stub:
        yield stub


@pytest.fixture
def run_of(run_in, write_lines, stub):
    def make(model, name="run", **parameters):
        rows = [{"id": str(i), "messages": [{"role": "user", "content": f"Otters {i}?"}]} for i in range(4)]
        return run_in(
            name,
            method="sample",
            seed=7,
            endpoint={"base_url": stub.url, "model": model},
            input=str(write_lines("prompts.jsonl", rows)),
            parameters={"n": 3, "max_tokens": 20, **parameters},
        )

    return make


def rows_of(run):
    text = (run.path / "result" / "responses.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_answers_to_a_prompt_are_asked_for_together(run_of, stub, monkeypatch):
    monkeypatch.setenv("WHETSTONE_ENDPOINT_KEY", "sk-secret")
    run = run_of("several", min_p=0.1)
    metrics = sample(run)
    assert (
        metrics["prompts"] == 4
        and metrics["responses"] == 12
        and metrics["cut_share"] == pytest.approx(1 / 3)
    )
    assert len(stub.requests) == 4
    body = sorted(stub.requests, key=lambda r: r.body["messages"][0]["content"])[0].body
    assert body["n"] == 3 and body["logprobs"] is True and body["max_tokens"] == 20 and body["min_p"] == 0.1
    assert body["messages"] == [{"role": "user", "content": "Otters 0?"}] and "top_k" not in body
    assert body["seed"] == seed_of(7, "0/0/0")
    assert stub.requests[0].headers["authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in (run.path / "result" / "responses.jsonl").read_text()
    first = rows_of(run)[0]
    assert first["text"] == f"Answer {seed_of(7, '0/0/0')}-0."
    assert (first["tokens"], first["logprob"], first["finish"]) == (2, -0.75, "length")
    assert first["sampling"]["seed"] == 7 and first["sampling"]["stream"] == "0/0/0"


def test_a_repeated_answer_is_asked_for_again_with_another_seed(run_of, stub):
    metrics = sample(run_of("always_the_same", retries=1))
    assert metrics["responses"] == 4 and metrics["prompts_with_fewer"] == 4
    seeds = [r.body["seed"] for r in stub.requests if r.body["messages"][0]["content"] == "Otters 0?"]
    assert len(seeds) == 2 and seeds[0] != seeds[1]


def test_a_stopped_run_goes_on_and_writes_the_same_file(run_of):
    whole, stopped = run_of("several", "whole", batch=3), run_of("several", "stopped", batch=3)
    sample(whole)
    stopped.stopping = True
    with pytest.raises(Stopped):
        sample(stopped)
    sample(RunDirectory(stopped.path))
    assert rows_of(stopped) == rows_of(whole)


def test_without_log_probabilities_rows_have_none(run_of):
    run = run_of("no_logprobs")
    sample(run)
    assert not {"tokens", "logprob"} & set(rows_of(run)[0])


def test_a_busy_server_is_asked_again(stub, monkeypatch):
    monkeypatch.setattr(served, "FIRST_WAIT_S", 0.01)
    sampler = ServedSampler({"base_url": stub.url, "model": "busy_twice"}, Sampling())
    (answer,) = sampler.sample([Request("a", [{"role": "user", "content": "Hi"}])], seed=1)
    assert answer.text.startswith("Answer") and len(stub.requests) == 3


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("knows_no_n", "asked for 3 answers to a prompt and gave 1"),
        ("not_this_model", "refuses with 404"),
        ("wants_another_key", "WHETSTONE_ENDPOINT_KEY"),
        ("page", "no JSON object"),
        ("fails", "answers with 500, 4 times"),
    ],
)
def test_what_went_wrong_is_said(run_of, monkeypatch, model, said):
    monkeypatch.setattr(served, "FIRST_WAIT_S", 0.001)
    with pytest.raises(Problem, match=said):
        sample(run_of(model))


def test_an_endpoint_that_is_not_there_or_not_named(monkeypatch):
    monkeypatch.setattr(served, "FIRST_WAIT_S", 0.001)
    gone = ServedSampler({"base_url": "http://127.0.0.1:9/v1", "model": "m"}, Sampling())
    with pytest.raises(Problem, match="cannot be reached"):
        gone.sample([Request("a", [{"role": "user", "content": "Hi"}])], seed=1)
    with pytest.raises(Problem, match="no model"):
        ServedSampler({"base_url": "http://127.0.0.1:9/v1"}, Sampling())


def test_an_address_that_the_operator_does_not_allow_is_not_connected_to(stub, monkeypatch):
    """What the config of a run of the web site says the host may be holds for each connection."""
    monkeypatch.setattr(served, "FIRST_WAIT_S", 0.001)
    request = Request("a", [{"role": "user", "content": "Hi"}])

    def sampler(host, network):
        allowed = {"scheme": "http", "host": host, "port": stub.port, "networks": [network]}
        place = {"base_url": f"http://localhost:{stub.port}/v1", "model": "several", "allowed": allowed}
        return ServedSampler(place, Sampling())

    with pytest.raises(Problem, match="may not connect to the address"):
        sampler("localhost", "10.0.0.0/8").sample([request], seed=1)
    with pytest.raises(Problem, match="may not connect to the address"):
        sampler("elsewhere", "127.0.0.0/8").sample([request], seed=1)
    assert not stub.connections


def test_a_refusal_repeats_no_key(stub, monkeypatch):
    monkeypatch.setenv("WHETSTONE_ENDPOINT_KEY", "sk-canary-Zq7xW2mP9")
    request = Request("a", [{"role": "user", "content": "Hi"}])
    for model in ("echoes", "echoes_a_part"):
        with pytest.raises(Problem, match="refuses with 400") as problem:
            ServedSampler({"base_url": stub.url, "model": model}, Sampling()).sample([request], seed=1)
        assert "Zq7x" not in str(problem.value), model


def test_a_text_that_has_begun_is_not_gone_on_from(stub):
    begun = Request("a", [{"role": "user", "content": "Hi"}], "Well,")
    with pytest.raises(Problem, match="whole answers"):
        ServedSampler({"base_url": stub.url, "model": "several"}, Sampling()).sample([begun], seed=1)
    assert not stub.connections


def test_a_served_policy_is_compared_with_one_of_this_machine(stub, run_in, policy_dir, write_lines):
    asked = [{"id": i, "messages": [{"role": "user", "content": f"Number {i}?"}]} for i in range(3)]
    run = run_in(
        endpoint={"base_url": stub.url, "model": "several", "length_field": "max_completion_tokens"},
        baseline=str(policy_dir),
        input=write_lines("prompts.jsonl", asked),
        parameters={"n": 2, "max_tokens": 10, "min_p": 0, "tastes": ["short"]},
    )
    found = evaluate(run)
    assert found["kl"] is None and set(found["win_rate"]) == {"short"}
    assert found["diversity"]["new"]["tokens"] == 2.0 and found["samples"][0]["new"].startswith("Answer")
    assert {r.body["max_completion_tokens"] for r in stub.requests} == {10} and len(stub.requests) == 3
