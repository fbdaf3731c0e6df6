"""Import of JSON lines: what is accepted, what is refused and in which words (rows B1-B29 of the catalogue)."""

import gzip
import io
import json
import random
import tracemalloc
import zlib

import pytest

from annotation.assignment.models import Slot
from annotation.assignment.services import lease_next
from annotation.errors import Conflict, Invalid, Refused, TooLarge
from annotation.items import jsonl
from annotation.items.models import Item, ItemResponse, Prompt, Response
from annotation.items.services import NewItem, NewResponse, add_items, import_items
from annotation.people.models import AuditEvent
from tests.cast import Cast, make_campaign, make_cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture
def campaign(cast):
    return make_campaign(cast, items=0, overlap=2)


def row(**changes) -> dict:
    return {"prompt": "Hello?", "responses": ["One.", "Two."], **changes}


def lines(*rows) -> bytes:
    return b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in rows)


def load(campaign, data: bytes, **options):
    return import_items(campaign, io.BytesIO(data), actor=campaign.created_by, **options)


def refusal(campaign, data: bytes, **options) -> Refused:
    with pytest.raises(Refused) as refused:
        load(campaign, data, **options)
    assert (
        Item.objects.count()
        == Prompt.objects.count()
        == Response.objects.count()
        == Slot.objects.count()
        == 0
    )
    assert not AuditEvent.objects.filter(action="items.import").exists()
    return refused.value


def test_rows_become_items_with_open_places(campaign):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": 'Hi 👋\t\\ "q"\r\nx'}]
    result = load(
        campaign,
        lines(
            row(id="a", metadata={"topic": "greetings", "n": 1.5}),
            row(
                id=7,
                prompt=messages,
                responses=[{"content": "多喝水。\n", "source": "policy-1"}, "Two\\N\t."],
            ),
        ),
    )
    assert (result.items, result.responses, result.slots, result.updated) == (2, 4, 4, 0)
    first, second = Item.objects.order_by("id")
    assert (first.external_id, first.overlap, first.metadata) == ("a", 2, {"topic": "greetings", "n": 1.5})
    assert second.external_id == "7" and second.prompt.messages == messages and second.metadata is None
    texts = [(r.text, r.n_codepoints, r.source, r.source_name) for r in second.responses.order_by("id")]
    assert texts == [("多喝水。\n", 5, "import", "policy-1"), ("Two\\N\t.", 7, "import", "")]
    assert list(ItemResponse.objects.filter(item=second).values_list("position", flat=True)) == [0, 1]
    audit = AuditEvent.objects.get(action="items.import")
    assert audit.after == {"items": 2, "updated": 0, "unchanged": 0} and audit.actor == campaign.created_by


@pytest.mark.parametrize(
    "pack",
    [gzip.compress, lambda d: gzip.compress(d[:40]) + gzip.compress(d[40:]), lambda d: b"\xef\xbb\xbf" + d],
)
def test_gzip_several_members_and_a_byte_order_mark_are_read(campaign, pack):
    assert load(campaign, pack(lines(row(), row()))).items == 2


def test_the_last_line_needs_no_break_and_blank_lines_do_not_count(campaign):
    assert load(campaign, b"\n\r\n" + lines(row()) + b"  \n" + json.dumps(row()).encode()).items == 2


FILES = {  # name: (bytes, status, words of the message)
    "B1 empty": (b"", 422, "no rows"),
    "B1 blank lines": (b"\n \n\r\n", 422, "no rows"),
    "B3 utf-16": (json.dumps(row()).encode("utf-16"), 422, "looks like UTF-16"),
    "B3 utf-16 without mark": (json.dumps(row()).encode("utf-16-le"), 422, "looks like UTF-16"),
    "B3 latin-1": ('{"prompt": "café", "responses": ["a", "b"]}'.encode("latin-1"), 422, "Latin-1"),
    "B15 zip": (b"PK\x03\x04" + b"x" * 50, 422, "zip archive"),
    "B17 csv": (b"prompt,responses\nHello,a\n", 422, "looks like CSV"),
    "B27 parquet": (b"PAR1" + b"\x00" * 8, 422, "Parquet"),
    "one list": (b'[{"prompt": "x"}]', 422, "one JSON list"),
    "broken gzip": (gzip.compress(lines(row()))[:-9], 422, "broken or cut off"),
    "not json": (b"{'prompt': 1}\n", 422, "Line 1, not valid JSON"),
    "cut line": (b'{"prompt": "x", "resp', 422, "not valid JSON"),
    "not an object": (lines(row()) + b'"text"\n', 422, "Line 2, not an object"),
    "deep": (b'{"metadata": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 422, "nested too deeply"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_cannot_be_read(campaign, name):
    data, status, words = FILES[name]
    refused = refusal(campaign, data)
    assert refused.status == status and words in refused.message


def raw(value: bytes) -> bytes:
    """A line whose metadata holds JSON that `json.dumps` would not write."""
    return b'{"prompt": "p", "responses": ["a", "b"], "metadata": {"x": ' + value + b"}}"


ROWS = {  # name: (row, field, words of the rule)
    "B5 NUL in prompt": (row(prompt="a\x00b"), "prompt", "NUL character"),
    "B5 NUL in response": (row(responses=["a", "b\x00"]), "responses[1]", "NUL character"),
    "B5 NUL in metadata": (row(metadata={"deep": [{"x": "\x00"}]}), "metadata.deep[0].x", "NUL character"),
    "half a surrogate": (row(prompt="\ud83d"), "prompt", "surrogate"),
    "half a surrogate in metadata": (raw(b'"\\ud83d"'), "metadata", "stored"),
    "B7 NaN": (raw(b'NaN'), "", "not a valid JSON number"),
    "B7 Infinity": (raw(b'-Infinity'), "", "not a valid JSON number"),
    "B7 1e999": (raw(b'1e999'), "", "number too large"),
    "B9 digits": (raw(b"9" * 5000), "", "number too long"),
    "B11 duplicate key": (b'{"prompt": "a", "prompt": "b", "responses": ["a", "b"]}', "prompt", "duplicate key"),
    "B11 duplicate key inside": (raw(b'{"k": 1, "k": 2}'), "k", "duplicate key"),
    "B19 no prompt": ({"responses": ["a", "b"]}, "prompt", "missing"),
    "B21 no response": (row(responses=[]), "responses", "needs 2 to 9 (0 given)"),
    "B21 one response": (row(responses=["a"]), "responses", "needs 2 to 9 (1 given)"),
    "B21 1,000 responses": (row(responses=["a"] * 1000), "responses", "needs 2 to 9 (1000 given)"),
    "responses missing": ({"prompt": "x"}, "responses", "needs 2 to 9"),
    "unknown field": (row(chosen="a"), "chosen", "unknown field"),
    "prompt number": (row(prompt=5), "prompt", "neither a text nor"),
    "prompt empty list": (row(prompt=[]), "prompt", "neither a text nor"),
    "prompt blank": (row(prompt=" \n"), "prompt", "empty"),
    "message without role": (row(prompt=[{"content": "x"}]), "prompt", "not a message"),
    "message extra": (row(prompt=[{"role": "user", "content": "x", "name": "y"}]), "prompt", "not a message"),
    "unknown role": (row(prompt=[{"role": "tool", "content": "x"}]), "prompt", "not a message"),
    "ends with assistant": (row(prompt=[{"role": "assistant", "content": "x"}]), "prompt", "does not end with the user"),
    "response number": (row(responses=["a", 5]), "responses[1]", "not a text"),
    "response null": (row(responses=["a", None]), "responses[1]", "not a text"),
    "response without content": (row(responses=["a", {"source": "x"}]), "responses[1]", "not a response"),
    "response extra": (row(responses=["a", {"content": "x", "score": 1}]), "responses[1]", "not a response"),
    "response empty": (row(responses=["a", ""]), "responses[1]", "empty"),
    "response too long": (row(responses=["a", "x" * 500_001]), "responses[1]", "longer than"),
    "source number": (row(responses=["a", {"content": "x", "source": 5}]), "responses[1].source", "not a text"),
    "id true": (row(id=True), "id", "not a text"),
    "id long": (row(id="x" * 201), "id", "not a text"),
    "id blank": (row(id=" "), "id", "not a text"),
    "metadata list": (row(metadata=[]), "metadata", "not an object"),
    "metadata large": (row(metadata={"x": "y" * 70_000}), "metadata", "larger than"),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_rows_that_are_refused_name_line_field_rule_and_remedy(campaign, name):
    bad, field, words = ROWS[name]
    refused = refusal(campaign, lines(row(), bad, row()))
    assert refused.status == 422 and refused.extra["total"] == 1 and refused.extra["rows"] == 3
    (error,) = refused.extra["errors"]
    assert (error["line"], error["field"]) == (2, field)
    assert words in error["rule"] and error["remedy"]


def test_many_errors_are_counted_and_the_first_hundred_listed(campaign):  # B19, B25
    rows = [row(id=n) if n % 4 else {"responses": ["a", "b"]} for n in range(1, 1001)]
    refused = refusal(campaign, lines(*rows))
    assert refused.extra["total"] == 250 and len(refused.extra["errors"]) == 100
    assert [e["line"] for e in refused.extra["errors"][:3]] == [4, 8, 12]


def test_a_bad_row_after_many_good_ones_imports_nothing(campaign, monkeypatch):  # B25
    monkeypatch.setattr("annotation.items.services.BATCH", 10)
    refused = refusal(campaign, lines(*[row(id=n) for n in range(95)], row(prompt="")))
    assert refused.extra["errors"][0]["line"] == 96


def test_ids_twice_in_the_file_or_in_the_campaign(campaign):  # B23
    refused = refusal(campaign, lines(row(id="a"), row(id="b"), row(id="a")))
    assert refused.status == 409 and refused.code == "duplicate_ids"
    assert [(e["line"], e["field"]) for e in refused.extra["errors"]] == [(3, "id")]
    load(campaign, lines(row(id="a")))
    with pytest.raises(Conflict) as again:
        load(campaign, lines(row(id="a"), row(id="c")))
    assert again.value.extra["total"] == 1 and "has an item a already" in again.value.message
    with pytest.raises(Invalid):  # with another error besides it is not just a conflict
        load(campaign, lines(row(id="a"), row(prompt="")))
    assert Item.objects.count() == 1


def test_an_explicit_update_changes_what_nobody_was_given(cast, campaign):  # B23
    load(campaign, lines(row(id="a"), row(id="b"), row(id="c")))
    given = lease_next(labeler=cast.lena, campaign=campaign)
    ids = {"a", "b", "c"} - {given.item.external_id}
    same, other = sorted(ids)
    result = load(
        campaign,
        lines(
            row(id=same),
            row(id=other, prompt="New?", responses=["X", "Y"]),
            row(id=given.item.external_id, metadata={"k": 1}),
        ),
        update=True,
    )
    assert (result.items, result.updated, result.unchanged) == (0, 2, 1)
    changed = Item.objects.get(external_id=other)
    assert changed.prompt.messages[0]["content"] == "New?"
    assert [r.text for r in changed.responses.order_by("itemresponse__position")] == ["X", "Y"]
    assert Item.objects.get(pk=given.item_id).metadata == {"k": 1}
    assert Slot.objects.count() == 5  # three items of two places, one of them leased
    with pytest.raises(Invalid, match="was given item"):
        load(campaign, lines(row(id=given.item.external_id, prompt="Other?")), update=True)
    given.refresh_from_db()
    assert given.item.prompt.messages[0]["content"] == "Hello?"


def test_prompts_that_read_the_same_are_kept_and_counted(campaign):  # B29
    result = load(
        campaign,
        lines(
            row(prompt="Caf\u00e9?"), row(prompt="Cafe\u0301?"), row(prompt="  CAFÉ? "), row(prompt="Tea?")
        ),
    )
    assert result.items == 4 and result.duplicate_prompts == 2
    assert Prompt.objects.values("sha256").distinct().count() == 2
    assert {p.messages[0]["content"] for p in Prompt.objects.all()} == {
        "Caf\u00e9?",
        "Cafe\u0301?",
        "  CAFÉ? ",
        "Tea?",
    }


class Bomb(io.RawIOBase):
    """A gzip stream without end, made as it is read: a good row, then line breaks that pack a thousand times."""

    def __init__(self) -> None:
        self.packer, self.begun, self.handed_out = zlib.compressobj(wbits=31), False, 0

    def read(self, size: int = -1) -> bytes:
        block = b"" if self.begun else lines(row())
        self.begun = True
        chunk = self.packer.compress(block + b"\n" * 2_000_000) + self.packer.flush(zlib.Z_SYNC_FLUSH)
        self.handed_out += len(chunk)
        return chunk


@pytest.mark.parametrize(("limit", "words"), [(10_000_000, "9 MB when unpacked"), (10**12, "200 times")])
def test_a_gzip_bomb_ends_in_bounded_memory(campaign, limit, words):  # B13
    bomb = Bomb()
    tracemalloc.start()
    with pytest.raises(TooLarge) as refused:
        import_items(campaign, bomb, actor=None, max_bytes=limit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.status == 413 and words in refused.value.message
    assert peak < 20_000_000 and bomb.handed_out < 100_000
    assert Item.objects.count() == 0


def test_an_endless_line_ends_at_its_limit(campaign):
    refused = refusal(campaign, b'{"prompt": "' + b"x" * (jsonl.MAX_LINE_BYTES + 10))
    assert refused.status == 413 and "Line 1 is longer" in refused.message


def test_progress_is_told(campaign, monkeypatch):
    monkeypatch.setattr("annotation.items.services.BATCH", 4)
    told: list[int] = []
    load(campaign, lines(*[row() for _n in range(10)]), progress=lambda n, seconds: told.append(n))
    assert told == [4, 8, 10]


def test_a_closed_campaign_takes_no_items(cast, campaign):
    from annotation.campaigns.services import close_campaign

    close_campaign(actor=cast.adam, campaign=campaign)
    campaign.refresh_from_db()
    assert refusal(campaign, lines(row())).code == "campaign_closed"


def test_any_bytes_get_an_answer_in_words(campaign):
    """Random damage to a good file: accepted or refused, never another exception."""
    rng = random.Random(7)
    good = lines(
        row(id="x", metadata={"a": [1, 2.5, None, "é"]}), row(prompt=[{"role": "user", "content": "?"}])
    )
    for _attempt in range(300):
        data = bytearray(good)
        for _hit in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            data[at : at + rng.randint(0, 3)] = rng.choice(
                [b"", b"\x00", b"\xff", b"{", b'"', b"\\", b"1e9999", b"\n", b"\\u0000"]
            )
        try:
            parsed = [jsonl.parse_line(n, raw, (2, 2)) for n, raw in jsonl.lines(io.BytesIO(bytes(data)))]
        except (jsonl.RowError, Refused):
            continue
        assert all(len(p.responses) == 2 for p in parsed)


def test_items_from_a_policy_keep_their_sampling(cast, campaign):
    campaign.round_number = 3
    ids = add_items(
        campaign=campaign,
        actor=cast.adam,
        items=[
            NewItem(
                "Q?",
                [
                    NewResponse("A", source_name="p-1", checkpoint_id=5, sampling={"seed": 1}),
                    NewResponse("B"),
                ],
                metadata={"k": 2},
            )
        ],
    )
    item = Item.objects.get()
    assert ids == [item.pk] and item.round_number == 3
    first = item.responses.order_by("id").first()
    assert (first.source, first.source_name, first.checkpoint_id, first.sampling) == (
        "policy",
        "p-1",
        5,
        {"seed": 1},
    )
    add_items(
        campaign=campaign, items=[NewItem(item.prompt, [NewResponse("C"), NewResponse("D")])], round_number=4
    )
    assert Prompt.objects.count() == 1 and Item.objects.filter(round_number=4).count() == 1
    with pytest.raises(Invalid) as refused:
        add_items(campaign=campaign, items=[NewItem("Q?", [NewResponse("only one")])])
    assert "items.0.responses" in refused.value.fields
    with pytest.raises(Invalid, match="NUL"):
        add_items(campaign=campaign, items=[NewItem("Q?", [NewResponse("a\x00"), NewResponse("b")])])
