"""Files of every format: what becomes of good ones, and in which words bad ones are refused (rows B1-B37)."""

import csv
import gzip
import io
import json
import os
import stat
import tracemalloc
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation.errors import Refused
from annotation.items import archive, readers
from annotation.items.mapping import Mapping, guess, read
from annotation.items.readers import columns, parquet
from annotation.items.unpacking import MAX_UNPACKED_BYTES

ROWS = [
    {
        "question": "Was ist α?",
        "answer_a": 'Ein "Buchstabe"; gut,\n ja.',
        "answer_b": "Weiß nicht 🦆",
        "n": 1,
    },
    {"question": "Two?", "answer_a": "Yes.", "answer_b": "No.", "n": 2},
]
SHORT = [{k: v for k, v in row.items() if k != "n"} for row in ROWS]


def saved(folder: Path, rows, *, splits=("train",)) -> Path:
    """As `datasets.Dataset.save_to_disk` lays it out; test_a_real_saved_data_set holds it against the library."""
    folder.mkdir()
    for split in splits:
        home = folder / split if len(splits) > 1 else folder
        home.mkdir(exist_ok=True)
        table = pa.Table.from_pylist(rows)
        with (
            pa.OSFile(str(home / "data-00000-of-00001.arrow"), "wb") as file,
            pa.ipc.new_stream(file, table.schema) as out,
        ):
            out.write_table(table)
        (home / "state.json").write_text(
            json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]})
        )
    if len(splits) > 1:
        (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
    return folder


def table(rows, delimiter=",") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def written(path: Path, rows) -> bytes:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path.read_bytes()


def values(path: Path, after: int = 0, **options):
    reader = readers.recognise(path)
    source = reader.open(path, options)
    try:
        return reader.slug, [(row.number, row.values) for row in source.rows(after)], source
    finally:
        source.close()


# --- Good files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda d: b"\xef\xbb\xbf" + d])
def test_csv_of_any_separator(tmp_path, delimiter, pack):
    (tmp_path / "x").write_bytes(pack(table(SHORT, delimiter)))
    slug, found, _source = values(tmp_path / "x")
    assert slug == "csv" and found == [(2, SHORT[0]), (4, SHORT[1])]  # the first row goes over two lines


def test_parquet_keeps_types_and_goes_on_after_a_row(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "BATCH_ROWS", 3)
    monkeypatch.setattr(columns, "SMALL", 2)
    many = [{"prompt": f"P{n}", "tags": ["a", "b"], "n": n} for n in range(10)]
    written(tmp_path / "x", many)
    slug, found, source = values(tmp_path / "x")
    assert slug == "parquet" and found == list(enumerate(many, 1)) and source.total_rows == 10
    for after in (1, 3, 4, 9, 10):
        assert values(tmp_path / "x", after)[1] == list(enumerate(many, 1))[after:]


def test_a_saved_data_set_with_splits(tmp_path):
    path = saved(tmp_path / "set", ROWS, splits=("train", "test"))
    slug, found, source = values(path)
    assert slug == "hf" and source.columns == ["question", "answer_a", "answer_b", "n", "split"]
    assert [(n, row["n"], row["split"]) for n, row in found] == [
        (1, 1, "train"), (2, 2, "train"), (3, 1, "test"), (4, 2, "test"),
    ]  # fmt: skip
    assert values(path, 3)[1] == found[3:]


def test_a_real_saved_data_set(tmp_path):
    datasets = pytest.importorskip("datasets")  # of the training extra
    made = datasets.Dataset.from_list(ROWS)
    made.save_to_disk(str(tmp_path / "one"), num_shards=2)
    assert values(tmp_path / "one")[:2] == ("hf", list(enumerate(ROWS, 1)))
    datasets.DatasetDict({"train": made, "test": made.select([1])}).save_to_disk(str(tmp_path / "two"))
    assert [row["n"] for _n, row in values(tmp_path / "two")[1]] == [1, 2, 2]


def test_label_studio_tasks(tmp_path):
    tasks = [
        {"id": 7, "data": {"prompt": "Q?", "answer1": "A", "answer2": "B"}, "predictions": [{}],
         "annotations": [{"result": [{"type": "pairwise", "value": {"selected": "left"}}]}, {"result": []}]},
        {"id": 8, "data": {"prompt": "R?", "answer1": "C", "answer2": "D"}, "annotations": []},
    ]  # fmt: skip
    (tmp_path / "x").write_text(json.dumps(tasks, indent=2))
    slug, found, source = values(tmp_path / "x")
    assert slug == "label_studio" and dict(source.ignored) == {"annotations": 2, "predictions": 1}
    assert found[1] == (2, {"prompt": "R?", "answer1": "C", "answer2": "D", "task_id": 8})
    mapping = guess(list(found[0][1]), [row for _n, row in found])
    assert (mapping.prompt, mapping.responses, mapping.id) == ("prompt", ("answer1", "answer2"), "task_id")
    assert "not imported as answers" in readers.get(slug).notes([])[0]


@pytest.mark.parametrize("in_folder", [False, True])
def test_argilla_records(tmp_path, in_folder):
    records = [
        {"id": "r-1", "fields": {"instruction": "Q?", "response-1": "A", "response-2": "B"}, "metadata": {"k": 1},
         "suggestions": {"better": {"value": "1", "score": 0.9}}, "responses": {"better": [{"value": "2"}]}, "vectors": {}},
        {"id": "r-2", "fields": {"instruction": "R?", "response-1": "C", "response-2": "D"}, "metadata": {},
         "suggestions": {}, "responses": {}, "vectors": {}},
    ]  # fmt: skip
    path = tmp_path / "records.json"
    path.write_text(json.dumps(records))
    slug, found, source = values(tmp_path if in_folder else path)
    assert slug == "argilla" and source.ignored == {"suggestions": 1, "responses": 1, "vectors": 0}
    mapping = guess(list(found[0][1]), [row for _n, row in found])
    assert mapping.fields(found[0][1]) == {
        "prompt": "Q?", "responses": ["A", "B"], "id": "r-1", "metadata": {"k": 1},
    }  # fmt: skip


def test_a_list_is_read_one_object_at_a_time(tmp_path):
    """Objects longer than a piece of the file, and everything that may stand inside a text."""
    rows = [{"prompt": f'{n} "]}},[ \\ 🦆' + "x" * (300_000 if n % 50 == 0 else 5)} for n in range(120)]
    (tmp_path / "x").write_text("\n " + json.dumps(rows, ensure_ascii=False, indent=1))
    slug, found, _source = values(tmp_path / "x", after=100)
    assert slug == "json" and [n for n, _row in found] == list(range(101, 121)) and found[0][1] == rows[100]


def test_memory_does_not_grow_with_a_csv(tmp_path):
    with (tmp_path / "x").open("w") as file:
        file.write("prompt,answer\n")
        for n in range(40_000):
            file.write(f'"Question {n}? {"x" * 200}","An answer"\n')
    source = readers.get("csv").open(tmp_path / "x", {})
    tracemalloc.start()
    assert sum(1 for _row in source.rows()) == 40_000
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


# --- Files that are refused ------------------------------------------------------------------------------------------


def extension(path: Path) -> bytes:
    kind = pa.field("x", pa.string(), metadata={"ARROW:extension:name": "some.program"})
    pq.write_table(pa.table([pa.array(["a"])], schema=pa.schema([kind])), path, store_schema=True)
    return path.read_bytes()


def claims(path: Path) -> bytes:
    """A footer that says 10^9 rows. The count stands there as a zigzag number of Thrift."""
    data = bytearray(written(path, [{"prompt": "x"}] * 50_000))
    low, high = _varint(50_000), _varint(1_000_000_000)
    length = int.from_bytes(data[-8:-4], "little")
    footer = bytes(data[-8 - length : -8]).replace(low, high)
    assert footer != bytes(data[-8 - length : -8])
    return bytes(data[: -8 - length]) + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def _varint(n: int) -> bytes:
    n, out = n << 1, bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes([*out, n])


BAD = {  # name: (bytes or how to write them, status, words of the message)
    "B1 empty": (b"", 422, "no rows"),
    "B1 blank lines": (b" \n\n", 422, "no rows"),
    "B1 csv of a header": (b"prompt,answer\n", 422, "no rows"),
    "B1 empty list": (b"[]", 422, "no rows"),
    "B1 parquet": (lambda p: written(p, [{"prompt": "x"}][:0] or []), 422, "no"),
    "B3 utf-16": (table(SHORT).decode().encode("utf-16"), 422, "looks like UTF-16"),
    "B3 latin-1 csv": ("prompt,a\nKäse,b\n".encode("latin-1"), 422, "Line 2 is not UTF-8; it looks like Latin-1"),
    "B3 latin-1 list": ('[{"prompt": "Käse"}]'.encode("latin-1"), 422, "looks like Latin-1"),
    "B5 NUL in csv": (b"prompt,a\n" + b"x,y\n" * 50 + b"x\x00,y\n", 422, "Line 52 holds a NUL character"),
    "B13 gzip cut off": (gzip.compress(table(SHORT) * 50)[:-9], 422, "broken or cut off"),
    "B17 open quote": (b'prompt,a\n"x,y\n' + b"z,w\n" * 2_000_000, 422, "Line 2: a quote is opened and never closed"),
    "B17 open quote at the end": (b'prompt,a\nx,"y\n', 422, "Line 2: a quote is opened and never closed"),
    "B17 stray quote": (b'prompt,a\n"x"y,z\n', 422, "not valid CSV"),
    "B17 too many columns": (b",".join(b"c%d" % n for n in range(300_000)) + b"\n1\n", 422, "columns; at most 1000"),
    "B17 a long field": (b"prompt,a\n" + b"x" * 5_000_000 + b",y\n", 422, "longer than 4 MB"),
    "csv names twice": (b"prompt,a,a\n1,2,3\n", 422, "called a"),
    "csv without a name": (b"prompt,,a\n1,2,3\n", 422, "Column 2 has no usable name"),
    "B27 parquet footer": (lambda p: written(p, ROWS)[:-20] + b"\x00" * 20, 422, "Parquet file is broken"),
    "B27 parquet cut off": (lambda p: written(p, ROWS)[:60], 422, "Parquet file is broken"),
    "B27 parquet page": (lambda p: _damaged(written(p, ROWS * 500)), 422, "Parquet file is broken"),
    "B27 parquet claims": (claims, 422, "claims to hold 1000000000 rows"),
    "B27 extension type": (extension, 422, "Column x has a type that only the program"),
    "list breaks off": (b'[{"a": 1}, {"a": 2}', 422, "breaks off after row 2"),
    "list with junk": (b'[{"a": 1}, {"a": }]', 422, "Row 2 is not valid JSON"),
    "deep list": (b'[{"a": 1}, ' + b"[" * 100_000, 422, "nested too deeply"),
    "picture": (b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, 422, "none of the formats"),
}  # fmt: skip


def _damaged(data: bytes) -> bytes:
    return data[:100] + b"\xff" * 60 + data[160:]


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_words(tmp_path, name):
    data, status, words = BAD[name]
    path = tmp_path / "file"
    path.write_bytes(data if isinstance(data, bytes) else data(tmp_path / "made"))
    with pytest.raises(Refused) as refused:
        _slug, found, _source = values(path)
        if not found:
            from annotation.items.services import empty_file

            raise empty_file()
    assert refused.value.status == status and words in refused.value.message, refused.value.message


def test_a_hint_when_another_separator_is_asked_for(tmp_path):  # B17
    (tmp_path / "x").write_bytes(table(SHORT, ";"))
    with pytest.raises(Refused, match="separated by a semicolon"):
        values(tmp_path / "x", delimiter=",")


def test_rows_of_another_width_are_errors_of_their_own(tmp_path):  # B17
    (tmp_path / "x").write_bytes(b"prompt,a\n1,2\n1,2,3\n\n1\n")
    source = readers.get("csv").open(tmp_path / "x", {})
    found = [(row.number, row.error and row.error.rule) for row in source.rows()]
    assert found == [(2, None), (3, "3 cells, the header has 2"), (5, "1 cells, the header has 2")]


def test_numbers_and_keys_of_a_list_are_strict(tmp_path):  # B7, B9, B11
    (tmp_path / "x").write_text('[{"a": NaN}, {"a": 1, "a": 2}, {"a": ' + "9" * 30 + '}, 5, {"a": 1}]')
    rules = [row.error and row.error.rule for row in readers.get("json").open(tmp_path / "x", {}).rows()]
    assert rules == [
        "NaN is not a valid JSON number", "duplicate key", "number too long: 30 digits", "not an object", None,
    ]  # fmt: skip


def test_a_data_set_names_only_files_of_its_own(tmp_path):
    path = saved(tmp_path / "set", ROWS)
    for name in ("../../etc/passwd", "/etc/passwd", "missing.arrow", ".."):
        (path / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
        with pytest.raises(Refused, match=r"is named in state\.json"):
            values(path)


def test_parquet_that_unpacks_without_end(tmp_path, monkeypatch):  # B27
    monkeypatch.setattr(columns, "MAX_UNPACKED_BYTES", 1_000_000)
    written(tmp_path / "x", [{"prompt": "x" * 1000}] * 5000)
    with pytest.raises(Refused) as refused:
        values(tmp_path / "x")
    assert refused.value.status == 413


# --- Zip archives ----------------------------------------------------------------------------------------------------


def entry(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


ENTRIES = {  # B15: (entries, words)
    "parent": ([entry("../x.csv")], "leads out of its folder"),
    "parent inside": ([entry("a/../../x.csv")], "leads out of its folder"),
    "absolute": ([entry("/etc/x.csv")], "leads out of its folder"),
    "backslash": ([entry("..\\x.csv")], "leads out of its folder"),
    "drive": ([entry("C:/x.csv")], "leads out of its folder"),
    "long name": ([entry("x" * 300)], "leads out of its folder"),
    "symlink": ([entry("x.csv", stat.S_IFLNK | 0o777)], "a link or a device"),
    "device": ([entry("x.csv", stat.S_IFCHR | 0o666)], "a link or a device"),
    "fifo": ([entry("x.csv", stat.S_IFIFO | 0o666)], "a link or a device"),
    "twice": ([entry("x.csv"), entry("x.csv")], "in it twice"),
    "too many": ([entry(f"{n}.csv") for n in range(10_001)], "entries; at most 10000"),
    "several files": ([entry("a.csv"), entry("b.csv")], "holds 2 files"),
    "nothing": ([], "holds 0 files"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ENTRIES)
def test_archives_name_the_entry_that_is_refused(tmp_path, name):
    entries, words = ENTRIES[name]
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as out:
        for info in entries:
            out.writestr(info, "prompt,a\n1,2\n")
    with pytest.raises(Refused) as refused:
        archive.unpack(tmp_path / "x.zip", tmp_path / "out")
    assert refused.value.status == 422 and words in refused.value.message
    assert sorted(os.listdir(tmp_path)) == ["x.zip"]  # nothing was unpacked anywhere


@pytest.mark.parametrize(("limit", "words"), [(10_000_000, "9 MB"), (MAX_UNPACKED_BYTES, "200 times")])
def test_a_zip_bomb_ends_at_its_limit(tmp_path, limit, words):  # B13
    with (
        zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as out,
        out.open("x.csv", "w") as file,
    ):
        for _n in range(60):
            file.write(b"x" * 1_000_000)
    with pytest.raises(Refused) as refused:
        archive.unpack(tmp_path / "x.zip", tmp_path / "out", max_bytes=limit)
    assert refused.value.status == 413 and words in refused.value.message
    assert not (tmp_path / "out").exists()


def test_a_zip_of_a_saved_data_set_or_of_one_file(tmp_path):
    path = saved(tmp_path / "set", ROWS, splits=("train", "test"))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as out:
        for file in sorted(path.rglob("*")):
            out.write(file, f"my set/{file.relative_to(path)}")
        out.writestr("__MACOSX/._x", "junk")
    assert len(values(archive.unpack(tmp_path / "x.zip", tmp_path / "a"))[1]) == 4
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as out:
        out.writestr("deep/answers.csv", table(SHORT))
    assert values(archive.unpack(tmp_path / "y.zip", tmp_path / "b"))[0] == "csv"
    (tmp_path / "z.zip").write_bytes((tmp_path / "y.zip").read_bytes()[:-30])
    with pytest.raises(Refused, match="broken or cut off"):
        archive.unpack(tmp_path / "z.zip", tmp_path / "c")


# --- Mappings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "first", "expected"),
    [
        (["prompt", "chosen", "rejected"], {}, Mapping("prompt", responses=("chosen", "rejected"))),
        (
            ["id", "Question", "response_10", "response_2", "Lang"],
            {},
            Mapping("Question", responses=("response_2", "response_10"), id="id", language="Lang"),
        ),
        (["instruction", "output"], {}, Mapping("instruction", responses=("output",))),
        (["prompt", "responses"], {"responses": ["a"]}, Mapping("prompt", response_list="responses")),
        (["x", "y"], {}, Mapping("x")),
    ],
)
def test_what_columns_are_is_guessed_by_their_names(columns, first, expected):
    assert guess(columns, [first]) == expected


def test_a_mapping_makes_the_fields_of_an_item():
    mapping = Mapping(
        "q",
        system="s",
        responses=("a", "b", "c"),
        priority="p",
        metadata=("t",),
        split_group="g",
        names_sources=True,
    )
    row = {"q": "Q?", "s": "Be kind.", "a": "A", "b": "", "p": " 3", "t": 1.5, "g": "x"}
    row["c"] = [{"role": "assistant", "content": "C"}]
    assert mapping.fields(row) == {
        "prompt": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Q?"}],
        "responses": [{"content": "A", "source": "a"}, {"content": "C", "source": "c"}],
        "priority": 3,
        "metadata": {"t": 1.5},
        "split_group": "x",
    }


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "prompt"), ({"prompt": "no"}, "prompt"), ({"prompt": "q", "responses": ["a", "no"]}, "responses"),
        ({"prompt": "q", "responses": "a"}, "responses"), ({"prompt": "q", "who": "a"}, "who"), ([], "mapping"),
        ({"prompt": "q", "responses": ["a"], "response_list": "b"}, "response_list"),
        ({"prompt": ["q"]}, "prompt"), ({"prompt": "q", "names_sources": 1}, "names_sources"),
    ],
)  # fmt: skip
def test_odd_mappings_are_refused(given, field):
    with pytest.raises(Refused) as refused:
        read(given, ["q", "a", "b"])
    assert field in refused.value.fields
