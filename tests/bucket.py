"""A bucket of an S3 server on loopback (moto), which a test may stop and start again.

from tests.bucket import bucket    # the fixture: WHETSTONE_ARTIFACT_STORAGE leads there
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.exceptions import ClientError
from django.conf import settings
from django.test import override_settings
from moto.server import ThreadedMotoServer

from annotation.project.env import Storage, envstorage

logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request
KEYS = {"AWS_ACCESS_KEY_ID": "CANARYKEYID0123456789", "AWS_SECRET_ACCESS_KEY": "canary/secret/of/the/bucket"}


class Bucket:
    """The server keeps what it has while it is stopped: a storage that is down, not one that is new."""

    def __init__(self) -> None:
        self.name, self.port = f"copies-{uuid.uuid4().hex[:8]}", 0
        self.start()
        self.address = (
            f"s3://{self.name}/site?endpoint_url=http://127.0.0.1:{self.port}&region_name=us-east-1"
        )
        self.client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
        self.client.create_bucket(Bucket=self.name)

    def start(self) -> None:
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self.server.start()
        self.port = self.server.get_host_and_port()[1]

    def stop(self) -> None:
        self.server.stop()

    @property
    def objects(self) -> dict[str, bytes]:
        """Everything in the bucket, earlier versions too, by name without the prefix."""
        found: dict[str, bytes] = {}
        for version in self.client.list_object_versions(Bucket=self.name).get("Versions", []):
            name = version["Key"].removeprefix("site/")
            try:
                got = self.client.get_object(
                    Bucket=self.name, Key=version["Key"], VersionId=version["VersionId"]
                )
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("NoSuchVersion", "NoSuchKey"):
                    raise
                continue  # a worker removed it while this looked
            found[name] = found.get(name, b"") + got["Body"].read()
        return found

    def put(self, name: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=f"site/{name}", Body=data)

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=f"site/{name}")


@contextmanager
def configured(address: str) -> Iterator[Storage]:
    """The setting has this value, and the keys are in the environment, as for a process that was started so."""
    with mock.patch.dict(os.environ, {**KEYS, "WHETSTONE_ARTIFACT_STORAGE": address}):
        chosen = envstorage("WHETSTONE_ARTIFACT_STORAGE")
        assert chosen is not None
        storages: dict[str, Any] = {**settings.STORAGES, "artifacts": chosen.entry}
        with override_settings(STORAGES=storages, ARTIFACT_PLACE=chosen.place):
            yield chosen


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    made = Bucket()
    with configured(made.address):
        yield made
    made.stop()
