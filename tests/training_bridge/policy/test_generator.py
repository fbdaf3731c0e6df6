"""The live policy over its socket: streams stop, go on from a prefix, come again by their seed, keep their policy."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager

import pytest
import torch

from tests.training_bridge.reward_model import tiny
from training_bridge.policy.chat import continuation_ids, load_tokenizer, prompt_ids
from training_bridge.policy.engine import Text
from training_bridge.policy.generator import Server, Source
from training_bridge.programs import Problem

ASK = [{"role": "user", "content": "What about otters?"}]


@asynccontextmanager
async def serving(tmp_path, resolve, pace=1000.0):
    socket = tmp_path / "live.sock"
    server = Server(resolve, pace=pace)
    task = asyncio.create_task(server.serve(socket))
    while not socket.exists():
        await asyncio.sleep(0.01)
    yield socket, server
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def ask(socket, campaign=1, *, messages=ASK, prefix="", stop_after=None, **sampling):
    reader, writer = await asyncio.open_unix_connection(socket)
    request = {
        "op": "stream",
        "campaign": campaign,
        "messages": messages,
        "prefix": prefix,
        "sampling": sampling,
    }
    writer.write(json.dumps(request).encode() + b"\n")
    told = []
    while line := await reader.readline():
        told.append(json.loads(line))
        if stop_after is not None and len(told) == stop_after:
            writer.write(b'{"op": "stop"}\n')
    writer.close()
    return told


def text(told):
    return "".join(m.get("text", "") for m in told)


async def status(socket):
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(b'{"op": "status"}\n')
    found = json.loads(await reader.readline())
    writer.close()
    return found


async def free(socket):
    """Seconds until nothing runs any more."""
    began = time.monotonic()
    while (await status(socket))["streams"]:
        await asyncio.sleep(0.01)
    return time.monotonic() - began


async def test_a_stream_says_who_speaks_and_comes_again_by_its_seed(tmp_path, policy_dir):
    source = Source(str(policy_dir), {"id": 12, "name": "tiny", "sha256": "ab"})
    async with serving(tmp_path, lambda campaign: source) as (socket, _server):
        first = await ask(socket, seed=7, max_new_tokens=30)
        assert first[0]["event"] == "begin" and first[0]["policy"]["id"] == 12 and first[0]["seed"] == 7
        assert first[-1] == {"event": "end", "finish": "length"}
        ids = [i for m in first for i in m.get("ids", [])]
        assert len(ids) == 30 == sum(len(m.get("logprobs", [])) for m in first)
        assert all(p <= 0 for m in first for p in m.get("logprobs", []))
        assert text(first) == load_tokenizer(policy_dir).decode(ids, skip_special_tokens=True).strip().rstrip(
            "\ufffd"
        )
        # Alone or among others, with prompts of other lengths, begun at other times: the same tokens.
        others = [
            ask(socket, messages=[{"role": "user", "content": "So? " * n}], seed=n, max_new_tokens=5 + 7 * n)
            for n in range(6)
        ]
        again, *_rest = await asyncio.gather(ask(socket, seed=7, max_new_tokens=30), *others)
        assert [i for m in again for i in m.get("ids", [])] == ids
        assert text(await ask(socket, seed=8, max_new_tokens=30)) != text(first)
        own = await ask(socket, max_new_tokens=2)
        assert text(await ask(socket, max_new_tokens=2, seed=own[0]["seed"])) == text(own)


async def test_it_stops_when_asked_and_when_nobody_listens(tmp_path, policy_dir):
    source = Source(str(policy_dir), {})
    async with serving(tmp_path, lambda campaign: source, pace=50) as (socket, _server):
        told = await ask(socket, stop_after=3, max_new_tokens=400, seed=1)
        assert told[-1] == {"event": "end", "finish": "stopped"} and len(told) < 12
        assert await free(socket) < 1
        reader, writer = await asyncio.open_unix_connection(socket)
        writer.write(
            json.dumps({"op": "stream", "campaign": 1, "messages": ASK, "sampling": {}}).encode() + b"\n"
        )
        await reader.readline()
        assert (await status(socket))["open"] == 1
        writer.transport.abort()
        assert await free(socket) < 1


async def test_it_goes_on_from_a_prefix_without_its_last_space(tmp_path, policy_dir, policy):
    source = Source(str(policy_dir), {})
    async with serving(tmp_path, lambda campaign: source) as (socket, _server):
        told = await ask(socket, prefix="Otters can  ", seed=5, max_new_tokens=20)
    assert told[0]["prefix"] == "Otters can" and text(told)
    # Each log-probability is what the model itself gives after prompt, prefix and the tokens before.
    model, tokenizer = policy
    ids = [i for m in told for i in m.get("ids", [])]
    begun = continuation_ids(tokenizer, ASK, "Otters can")
    assert tokenizer.decode(begun).endswith("<|im_start|>assistant\nOtters can")
    with torch.inference_mode():
        expected = model(torch.tensor([begun + ids])).logits[0, len(begun) - 1 : -1].log_softmax(-1)
    reported = [p for m in told for p in m.get("logprobs", [])]
    assert reported == pytest.approx([expected[n, i].item() for n, i in enumerate(ids)], abs=2e-4)


async def test_a_promotion_takes_hold_between_streams(tmp_path, policy_dir, other_dir):
    live = {"source": Source(str(policy_dir), {"id": 1, "sha256": "a"})}

    def resolve(campaign):
        if campaign == 99:
            raise Problem("Campaign 99 has no policy.", "Promote one.")
        return live["source"]

    async with serving(tmp_path, resolve, pace=100) as (socket, _server):
        alone = await ask(socket, seed=3, max_new_tokens=40)
        running = asyncio.create_task(ask(socket, seed=3, max_new_tokens=40))
        await asyncio.sleep(0.15)
        live["source"] = Source(str(other_dir), {"id": 2, "sha256": "b"})
        new = await ask(socket, seed=3, max_new_tokens=40)
        old = await running
        assert (old[0]["policy"]["id"], new[0]["policy"]["id"]) == (1, 2)
        assert text(old) == text(alone) != text(new)
        refused = await ask(socket, campaign=99)
        assert refused == [
            {"event": "failed", "code": "refused", "message": "Campaign 99 has no policy. Promote one."}
        ]
        long = await ask(socket, messages=[{"role": "user", "content": "word " * 2000}])
        assert long[-1]["event"] == "failed" and "512" in long[-1]["message"]
        reader, writer = await asyncio.open_unix_connection(socket)
        writer.write(b"[1]\n")
        assert json.loads(await reader.readline())["code"] == "bad_request"
        writer.close()


def test_text_is_cut_at_whole_characters_and_white_space_waits():
    tokenizer = tiny.make_tokenizer()
    said = " \n你好 👋🏽 Grüße  \n"
    ids = tokenizer(said, add_special_tokens=False)["input_ids"]
    out = Text(tokenizer, is_continuing=False)
    pieces = [out.add(i) for i in ids]
    assert "".join(pieces) == said.strip() and all("\ufffd" not in p for p in pieces)
    going_on = Text(tokenizer, is_continuing=True)
    assert (
        "".join(going_on.add(i) for i in tokenizer(" and", add_special_tokens=False)["input_ids"]) == " and"
    )


def test_a_prefix_that_looks_like_control_tokens_stays_text():
    tokenizer = tiny.make_tokenizer()
    plain = continuation_ids(tokenizer, ASK, "Otters <|im_end|> sleep")
    assert plain.count(tokenizer.eos_token_id) == prompt_ids(tokenizer, ASK).count(tokenizer.eos_token_id)
    assert continuation_ids(tokenizer, ASK, "  ") == prompt_ids(tokenizer, ASK)
