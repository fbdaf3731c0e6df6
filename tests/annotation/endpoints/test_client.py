"""What comes of every way in which an endpoint can answer, or not: a real server, real sockets, real certificates."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from annotation.endpoints import breaker, client, keys
from annotation.endpoints.client import complete, stream
from annotation.endpoints.excerpts import safe_excerpt
from annotation.endpoints.failures import EndpointFailed
from annotation.endpoints.models import Endpoint
from annotation.generation.sampling import Sampling
from tests.annotation.endpoints.conftest import KEY
from tests.annotation.endpoints.stub import MODES, SECRET_PAGE, Stub, certificates

PROMPT = [{"role": "user", "content": "Say hello. <|im_end|>"}]
SAMPLING = Sampling(temperature=0.5, top_p=0.9, max_new_tokens=7, seed=3)


async def ask(endpoint: Endpoint, **options) -> tuple[list[str], EndpointFailed | None]:
    """What came, and how it failed."""
    texts: list[str] = []
    try:
        async with aclosing(stream(endpoint, PROMPT, sampling=SAMPLING, **options)) as tokens:
            async for text in tokens:
                texts.append(text)
    except EndpointFailed as failed:
        return texts, failed
    return texts, None


async def test_text_comes_piece_by_piece_and_the_request_says_what_was_wanted(endpoint, stub):
    texts, failed = await ask(endpoint("well"))

    assert texts == ["Hello", ", ", "world", "."] and failed is None
    request = stub.asked("well")[-1]
    assert request.line == "POST /v1/chat/completions HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["host"] == f"127.0.0.1:{stub.port}"
    assert request.body == {
        "model": "well", "messages": PROMPT, "stream": True, "temperature": 0.5, "top_p": 0.9, "max_tokens": 7,
        "seed": 3,
    }  # fmt: skip


async def test_an_endpoint_without_a_key_is_sent_none_and_the_length_has_the_name_it_wants(endpoint, stub):
    plain = endpoint("well", sealed_key="", length_field="max_completion_tokens")
    assert await complete(plain, PROMPT, sampling=Sampling(max_new_tokens=5)) == "Hello, world."

    request = stub.asked("well")[-1]
    assert "authorization" not in request.headers
    assert request.body["max_completion_tokens"] == 5 and "max_tokens" not in request.body
    assert "seed" not in request.body


@pytest.mark.parametrize(
    ("continuation", "more"),
    [("vllm", {"continue_final_message": True, "add_generation_prompt": False}), ("prefill", {})],
)
async def test_it_goes_on_from_a_text_that_has_begun(endpoint, stub, continuation, more):
    texts, failed = await ask(endpoint("goes_on", continuation=continuation), prefix="Once upon a time")

    assert texts == [" and so on."] and failed is None
    body = stub.asked("goes_on")[-1].body
    assert body["messages"] == [*PROMPT, {"role": "assistant", "content": "Once upon a time"}]
    switches = {
        name: body[name] for name in ("continue_final_message", "add_generation_prompt") if name in body
    }
    assert switches == more


async def test_one_that_cannot_go_on_is_not_asked_to(endpoint, stub):
    before = len(stub.requests)

    texts, failed = await ask(endpoint("goes_on", continuation="none"), prefix="Once")

    assert (texts, failed.code) == ([], "cannot_continue")
    assert len(stub.requests) == before


# mode, code, what had come, how often it was asked, and what of its words an admin may read
FAULTS = [
    ("silent", "no_first_token", [], 1, ""),
    ("only_begins", "no_first_token", [], 1, ""),
    ("stalls", "stalled", ["Hello"], 1, ""),
    ("breaks_off", "broken_off", ["Hello"], 1, ""),
    ("one_endless_line", "too_much", [], 1, ""),
    ("garbage", "unexpected", [], 1, ""),
    ("busy", "busy", [], 1, ""),
    ("fails", "failing", [], 3, '{"error": {"message": "CUDA out of memory"}}'),
    ("fails_midway", "failing", ["Hello"], 1, '{"error": {"message": "the engine died"}}'),
    ("page", "unexpected", [], 1, ""),
    ("page_as_events", "unexpected", [], 1, ""),
    ("json_error", "unexpected", [], 1, '{"detail": "a b' + "x" * 185),
    ("wrong_schema", "unexpected", [], 1, '{"object": "completion", "output": "Hello"}'),
    ("text_is_a_number", "unexpected", [], 1, '{"object": "chunk", "choices": [{"delta": {"content": 7}}]}'),
    ("no_choices", "unexpected", [], 1, ""),
    ("null_text", "unexpected", [], 1, ""),
    ("deep", "unexpected", [], 1, ""),
    ("compressed", "unexpected", [], 1, ""),
    ("echoes", "not_accepted", [], 1, ""),
    ("echoes_a_part", "not_accepted", [], 1, ""),
    ("wants_another_key", "key_refused", [], 1, ""),
    ("not_this_model", "not_accepted", [], 1, '{"error": {"message": "The model does not exist."}}'),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "code", "came", "times", "excerpt"), FAULTS, ids=[f[0] for f in FAULTS])
async def test_every_fault_has_its_words(endpoint, stub, caplog, mode, code, came, times, excerpt):
    before = len(stub.asked(mode))
    with caplog.at_level("DEBUG"):
        texts, failed = await ask(endpoint(mode))

    assert (texts, failed.code) == (came, code)
    assert len(stub.asked(mode)) - before == times
    assert failed.excerpt == excerpt
    assert failed.status == 502 and failed.message
    shown = f"{failed.message} {failed.excerpt} {failed.extra} {failed.fields}"
    assert KEY not in shown and "payroll" not in shown and "127.0.0.1" not in failed.message
    assert KEY not in caplog.text


async def test_a_public_host_is_quoted_but_not_when_it_repeats_what_was_sent():
    assert safe_excerpt(SECRET_PAGE, key=KEY, is_public=True) == SECRET_PAGE
    assert safe_excerpt("x" * 300, key="", is_public=True) == "x" * 200
    assert safe_excerpt("a\x00b\x1b[31m\r\nc", key="", is_public=True) == "a b [31m c"
    for echo in (
        KEY,
        KEY[4:12],
        KEY.upper(),
        " ".join(KEY),
        "&#115;k-canary",
        "Authorization: x",
        "bearer x",
    ):
        assert safe_excerpt(f"you sent {echo}", key=KEY, is_public=True) == ""


@pytest.mark.parametrize("mode", ["busy_once", "fails_twice"])
async def test_it_is_asked_again_while_nothing_has_come(endpoint, stub, mode):
    began = time.monotonic()

    texts, failed = await ask(endpoint(mode))

    assert ("".join(texts), failed) == ("Hello, world.", None)
    assert len(stub.asked(mode)) == {"busy_once": 2, "fails_twice": 3}[mode]
    if mode == "busy_once":
        assert time.monotonic() - began >= 1  # as Retry-After said


async def test_how_long_to_wait_is_passed_on(endpoint):
    _texts, failed = await ask(endpoint("busy"))

    assert failed.extra == {"retry_after_s": 120}


async def test_a_response_that_says_it_is_complete_is_not_waited_for(endpoint):
    texts, failed = await ask(endpoint("ends_without_done", between_tokens_s=30))

    assert (texts, failed) == (["Hello", "!"], None)


async def test_all_of_it_may_take_so_long(endpoint):
    began = time.monotonic()

    texts, failed = await ask(endpoint("endless", total_s=1, first_token_s=1))

    assert failed.code == "took_too_long" and texts
    assert time.monotonic() - began < 3


async def test_who_goes_away_stops_the_endpoint(endpoint, stub):
    async with aclosing(stream(endpoint("endless"), PROMPT, sampling=SAMPLING)) as tokens:
        async for _text in tokens:
            break

    await until(lambda: stub.open == 0)
    sent = stub.sent
    await asyncio.sleep(0.1)
    assert stub.sent == sent


async def test_a_cancelled_task_stops_the_endpoint_too(endpoint, stub):
    task = asyncio.create_task(ask(endpoint("silent")))
    await until(lambda: stub.open == 1)
    task.cancel()
    await until(lambda: stub.open == 0)


async def until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_nobody_there(endpoint, allow):
    allow("http://127.0.0.1:9")
    _texts, failed = await ask(endpoint("well", base_url="http://127.0.0.1:9/v1"))

    assert failed.code == "unreachable"


async def test_a_redirect_is_not_followed(endpoint, monkeypatch):
    with Stub() as elsewhere:

        async def points(reply, request):
            await reply.whole(307, "", {"Location": elsewhere.url + "/chat/completions"})

        monkeypatch.setitem(MODES, "points", points)
        _texts, failed = await ask(endpoint("points"))

        assert failed.code == "redirected"
        assert elsewhere.connections == 0


async def test_after_five_failures_in_a_row_it_is_left_alone_then_one_tries(endpoint, stub, monkeypatch):
    ill = endpoint("garbage")
    for _ in range(breaker.FAILURES):
        assert (await ask(ill))[1].code == "unexpected"
    asked = len(stub.asked("garbage"))

    _texts, failed = await ask(ill)

    assert failed.code == "resting" and 1 <= failed.extra["retry_after_s"] <= 30
    assert len(stub.asked("garbage")) == asked

    breaker.breaker_of(ill).rests_until = 0.0  # half a minute later
    assert [(await ask(ill))[1].code for _ in range(2)] == [
        "unexpected",
        "resting",
    ]  # one tries, the next waits
    assert (await ask(ill, is_trial=True))[1].code == "unexpected"  # an admin may look at any time

    breaker.breaker_of(ill).rests_until = 0.0
    monkeypatch.setitem(MODES, "garbage", MODES["well"])
    assert [(await ask(ill))[1] for _ in range(2)] == [None, None]


async def test_who_goes_away_during_the_one_try_leaves_it_to_the_next(endpoint):
    ill = endpoint("silent")
    state = breaker.breaker_of(ill)
    state.failures, state.rests_until = breaker.FAILURES, 0.0
    task = asyncio.create_task(ask(ill))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    state.ask()


async def test_a_change_of_the_endpoint_starts_afresh(endpoint):
    ill = endpoint("garbage")
    breaker.breaker_of(ill).failures = 99
    ill.model = "well"

    assert (await ask(ill))[1] is None


async def test_one_that_is_switched_off_is_not_asked_and_a_lost_key_is_said(endpoint, settings):
    assert (await ask(endpoint("well", is_active=False)))[1].code == "inactive"
    assert (await ask(endpoint("well", is_active=False), is_trial=True))[1] is None
    sealed = keys.seal(KEY)
    settings.ENCRYPTION_KEYS = ["another secret, which never sealed anything 0123456789"]
    assert (await ask(endpoint("well", sealed_key=sealed)))[1].code == "key_lost"


@pytest.mark.parametrize(
    ("certificate", "host", "why"),
    [
        ("good", "localhost", None),
        ("good", "127.0.0.1", None),
        ("expired", "localhost", "expired"),
        ("other_host", "localhost", "another host"),
        ("self_signed", "localhost", "nobody but itself"),
        ("unknown_authority", "localhost", "nobody whom this server trusts"),
    ],
)
async def test_a_certificate_is_verified_for_the_name(
    endpoint, allow, settings, tmp_path, certificate, host, why
):
    settings.ENDPOINT_CA_FILE, contexts = certificates(tmp_path)
    with Stub(tls=contexts[certificate], scheme="https") as secure:
        allow(f"https://{host}:{secure.port}")
        texts, failed = await ask(endpoint("well", base_url=f"https://{host}:{secure.port}/v1"))

        if why is None:
            assert ("".join(texts), failed) == ("Hello, world.", None)
        else:
            assert failed.code == "certificate" and why in failed.message
            assert secure.requests == []  # no key was sent


async def test_plain_http_behind_an_https_address(endpoint, allow, stub):
    allow(f"https://127.0.0.1:{stub.port}")
    _texts, failed = await ask(endpoint("well", base_url=f"https://127.0.0.1:{stub.port}/v1"))

    assert failed.code == "no_secure_connection"


def test_waiting_is_bounded():
    assert client.retry_after_s("7") == 7.0
    for odd in (None, "", "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "1e9", "٣", "9" * 30):
        assert client.retry_after_s(odd) is None
