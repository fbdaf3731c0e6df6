"""The download: a tar that tar reads, always the same bytes, any range of them."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from training_bridge.exports.archive import PIECE, Archive, parse_range


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    root = tmp_path / "d"
    (root / "native").mkdir(parents=True)
    (root / "native" / "a.jsonl").write_bytes(b"x" * 1000)
    (root / "big").write_bytes(bytes(range(256)) * (PIECE // 256 + 3))
    (root / "empty").write_bytes(b"")
    return root


def test_tar_reads_it_and_the_size_was_known(directory: Path) -> None:
    archive = Archive(directory, "whetstone-abc")
    data = b"".join(archive.read())
    assert len(data) == archive.size
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}  # type: ignore[union-attr]
    assert found == {
        f"whetstone-abc/{n}": (directory / n).read_bytes() for n in ("big", "empty", "native/a.jsonl")
    }


def test_same_bytes_whoever_owns_the_files_and_whenever_they_were_written(directory: Path) -> None:
    before = b"".join(Archive(directory, "s").read())
    for path in directory.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    assert b"".join(Archive(directory, "s").read()) == before


@pytest.mark.parametrize(
    "first, last", [(0, 0), (511, 513), (0, 99_999), (1_000, 270_000), (262_000, 264_000)]
)
def test_a_range_is_that_part_of_the_whole(directory: Path, first: int, last: int) -> None:
    archive = Archive(directory, "s")
    whole = b"".join(archive.read())
    assert b"".join(archive.read(first, last)) == whole[first : last + 1]


@pytest.mark.parametrize(
    "header, expected",
    [
        ("bytes=0-9", (0, 9)),
        ("bytes=90-", (90, 99)),
        ("bytes=-5", (95, 99)),
        ("bytes=50-500", (50, 99)),
        ("bytes=-500", (0, 99)),
    ],
)
def test_ranges_are_read(header: str, expected: tuple[int, int]) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize(
    "header", ["bytes=0-1,4-5", "items=0-1", "bytes=a-b", "bytes=-", "", "bytes=--5", "bytes=٣-"]
)
def test_what_is_no_single_range_is_ignored(header: str) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=9-5", "bytes=-0"])
def test_ranges_outside_are_refused(header: str) -> None:
    with pytest.raises(ValueError):
        parse_range(header, 100)
