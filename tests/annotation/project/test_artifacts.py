"""The storages of copies keep one contract: a bucket on loopback and a directory are asked the same."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages

from annotation.project.artifacts import PIECE, ArtifactStorage, Missing, Unavailable
from annotation.project.env import envstorage
from tests.bucket import Bucket, bucket, configured

__all__ = ["bucket"]
NAME = "WHETSTONE_ARTIFACT_STORAGE"


@pytest.fixture(params=["s3", "file"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArtifactStorage]:
    if request.param == "s3":
        request.getfixturevalue("bucket")
        yield storages["artifacts"]
    else:
        (tmp_path / "second disk").mkdir()
        with configured(f"file://{tmp_path}/second%20disk"):
            yield storages["artifacts"]


def test_what_is_put_is_read_listed_and_forgotten(storage: ArtifactStorage) -> None:
    data = bytes(range(256)) * 2000
    assert len(data) > PIECE
    for name in ("a/one", "a/deep/two", "ab/three"):
        storage.put(name, io.BytesIO(data))
    storage.put("a/one", io.BytesIO(b"another"))  # replaced
    storage.put("a/empty", io.BytesIO(b""))
    assert storage.sizes("a") == {"one": 7, "deep/two": len(data), "empty": 0}
    assert storage.sizes("nothing") == {}
    assert b"".join(storage.read("a/one")) == b"another"
    assert b"".join(storage.read("a/empty")) == b""
    pieces = list(storage.read("a/deep/two"))
    assert b"".join(pieces) == data and max(map(len, pieces)) <= PIECE
    assert b"".join(storage.read("a/deep/two", 300, 1000)) == data[300:1300]
    assert b"".join(storage.read("a/deep/two", len(data) - 5)) == data[-5:]
    assert list(storage.read("a/deep/two", 7, 0)) == []
    with pytest.raises(Missing):
        storage.read("a/none")
    assert storage.forget("a", but=["one"]) == 2
    assert storage.sizes("a") == {"one": 7} and storage.sizes("ab") == {"three": len(data)}
    assert storage.forget("a") == 1 and storage.forget("a") == 0


def test_a_large_file_goes_in_parts(bucket: Bucket) -> None:
    data = bytes(1 << 20) * 17 + b"end"
    storages["artifacts"].put("large/file", io.BytesIO(data))
    assert bucket.objects["large/file"] == data


def test_a_server_that_is_down_says_so_and_no_key(bucket: Bucket) -> None:
    storage = storages["artifacts"]
    storage.put("a/one", io.BytesIO(b"1"))
    bucket.stop()
    for act in (
        lambda: storage.put("a/one", io.BytesIO(b"2")),
        lambda: storage.read("a/one"),
        lambda: storage.sizes("a"),
        lambda: storage.forget("a"),
    ):
        with pytest.raises(Unavailable, match="Could not connect") as said:
            act()
        assert "CANARY" not in str(said.value).upper()
    bucket.start()
    assert b"".join(storage.read("a/one")) == b"1"


def test_a_bucket_that_keeps_versions_forgets_them_too(bucket: Bucket) -> None:
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    storage = storages["artifacts"]
    for text in (b"first canary", b"second canary"):
        storage.put("a/one", io.BytesIO(text))
    bucket.delete("a/one")
    storage.put("a/kept", io.BytesIO(b"kept"))
    assert bucket.objects["a/one"].count(b"canary") == 2
    assert storage.forget("a", but=["kept"]) == 1
    assert bucket.objects == {"a/kept": b"kept"}


def test_an_upload_that_died_leaves_nothing(bucket: Bucket) -> None:
    begun = bucket.client.create_multipart_upload(Bucket=bucket.name, Key="site/a/half")
    bucket.client.upload_part(
        Bucket=bucket.name, Key="site/a/half", PartNumber=1, UploadId=begun["UploadId"], Body=b"canary"
    )
    assert storages["artifacts"].sizes("a") == {}
    storages["artifacts"].forget("a")
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=bucket.name)


def test_a_disk_that_is_not_mounted_is_not_filled(tmp_path: Path) -> None:
    with configured(f"file://{tmp_path}/away"):
        for act in (
            lambda: storages["artifacts"].put("a/one", io.BytesIO(b"1")),
            lambda: storages["artifacts"].sizes("a"),
            lambda: storages["artifacts"].read("a/one"),
        ):
            with pytest.raises(Unavailable, match="is not there") as said:
                act()
            assert not isinstance(said.value, Missing)
    assert not (tmp_path / "away").exists()


@pytest.mark.parametrize(
    ("text", "place", "options"),
    [
        ("s3://bucket", "s3://bucket", {"bucket_name": "bucket", "location": ""}),
        (
            "s3://my.bucket-1/a/b/?endpoint_url=http://10.0.0.1:9000&region_name=eu-west-1&addressing_style=virtual",
            "s3://my.bucket-1/a/b",
            {
                "bucket_name": "my.bucket-1",
                "location": "a/b",
                "endpoint_url": "http://10.0.0.1:9000",
                "region_name": "eu-west-1",
                "addressing_style": "virtual",
            },
        ),
        ("file:///mnt/second%20disk", "file:///mnt/second disk", {"location": "/mnt/second disk"}),
    ],
)
def test_an_address_becomes_a_storage_of_django(
    monkeypatch: pytest.MonkeyPatch, text: str, place: str, options: dict[str, str]
) -> None:
    monkeypatch.setenv(NAME, text)
    chosen = envstorage(NAME)
    assert chosen is not None and (chosen.place, chosen.entry["OPTIONS"]) == (place, options)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bucket/prefix", "no address of a storage"),
        ("https://bucket.s3.amazonaws.com/", "no address of a storage"),
        ("s3:///prefix", "no place in S3"),
        ("s3://Bucket_1/prefix", "no place in S3"),
        ("s3://bucket/a/../b", "no place in S3"),
        ("s3://bucket/a//b", "no place in S3"),
        ("s3://bucket/a#b", "no place in S3"),
        ("s3://bucket?endpoint=http://x", "has the option 'endpoint'"),
        ("s3://bucket?aws_secret_access_key=hunter2hunter2", "has the option 'aws_secret_access_key'"),
        ("s3://bucket?endpoint_url=minio:9000", "is not http"),
        ("s3://bucket?endpoint_url=http://x/path", "is not http"),
        ("s3://bucket?addressing_style=no", "none of auto, path, virtual"),
        ("s3://key:hunter2hunter2@bucket/prefix", "holds a user name or password"),
        ("s3://bucket?endpoint_url=http://key:hunter2hunter2@x:1", "holds a user name or password"),
        ("s3://[bucket?x=hunter2hunter2", "is no address"),
        ("file://host/path", "no address of a storage"),
        ("file:///", "no address of a storage"),
        ("file:path?key=hunter2hunter2", "no address of a storage"),
    ],
)
def test_a_bad_address_names_the_variable_the_shape_and_no_password(
    monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setenv(NAME, text)
    with pytest.raises(ImproperlyConfigured, match=said) as refused:
        envstorage(NAME)
    message = str(refused.value)
    assert message.startswith(NAME) and "hunter2" not in message
    assert "Write s3://bucket/prefix" in message or "none of" in message


def test_without_the_packages_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "s3://bucket")
    monkeypatch.setattr("annotation.project.env.find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match="EXTRAS=s3"):
        envstorage(NAME)


def test_none_by_default_and_the_web_process_waits_for_boto3() -> None:
    """The site starts without boto3 even where a bucket is named; it is imported by the first copy that is asked for."""
    assert "artifacts" not in settings.STORAGES and settings.ARTIFACT_PLACE == ""
    code = (
        "import sys, django; django.setup(); import annotation.project.urls, training_bridge.tasks\n"
        "from django.conf import settings\n"
        "assert settings.ARTIFACT_PLACE == 's3://b-1/x', settings.ARTIFACT_PLACE\n"
        "assert settings.STORAGES['artifacts']['OPTIONS']['location'] == 'x'\n"
        "assert not {'boto3', 'storages.backends.s3', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin:/bin", "DJANGO_SETTINGS_MODULE": "tests.settings", NAME: "s3://b-1/x"},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
