"""A bucket of S3, or of a server that speaks like it, as a storage for copies (django-storages).

Keys come from where boto3 looks for them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, the role of the machine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files import File
from storages.backends.s3 import S3Storage
from urllib3.exceptions import HTTPError

from annotation.project.artifacts import PIECE, Missing, Unavailable

NOT_THERE = ("404", "NoSuchKey", "NotFound")
NOT_KNOWN = ("NotImplemented", "MethodNotAllowed", "501", "405")
# Of a large file, two parts of 8 MiB are on their way at once and two wait: the same memory, whatever its size.
TRANSFER = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, max_concurrency=2)
TRANSFER.max_in_memory_upload_chunks = 2


@contextmanager
def _told() -> Iterator[None]:
    """What boto3 says, as Unavailable. Its messages name the bucket and the reason, and no secret key."""
    try:
        yield
    except ClientError as error:
        about = error.response.get("Error", {})
        said = f"{about.get('Code')}: {about.get('Message')} ({error.operation_name})"
        raise (Missing if about.get("Code") in NOT_THERE else Unavailable)(said) from error
    except (BotoCoreError, Boto3Error, HTTPError) as error:
        raise Unavailable(str(error)) from error


class S3(S3Storage):
    """Objects below `location` of a bucket; nothing is public, and addresses of objects are given to nobody."""

    def __init__(self, **options: Any):
        # Names of buckets are no host names where a server has one name only.
        style = options.pop("addressing_style", "path" if "endpoint_url" in options else "auto")
        # A server that is not Amazon's may not know the newer checksums.
        checksums = {
            f"{name}_checksum_{what}": "when_required"
            for name, what in (("request", "calculation"), ("response", "validation"))
            if "endpoint_url" in options
        }
        super().__init__(
            **options,
            default_acl=None,
            file_overwrite=True,
            client_config=Config(
                signature_version="s3v4",
                connect_timeout=5,
                read_timeout=60,
                retries={"total_max_attempts": 3, "mode": "standard"},
                s3={"addressing_style": style},
                **checksums,
            ),
        )
        self.transfer_config = TRANSFER

    def _at(self, name: str) -> str:
        return self._normalize_name(name)

    def put(self, name: str, file: Any) -> None:
        with _told():
            self.save(name, File(file))

    def read(self, name: str, first: int = 0, size: int | None = None) -> Iterator[bytes]:
        if size == 0:
            return iter(())
        asked = (
            {"Range": f"bytes={first}-{'' if size is None else first + size - 1}"} if first or size else {}
        )
        with _told():
            body = self.bucket.Object(self._at(name)).get(**asked)["Body"]
        return _pieces(body)

    def sizes(self, folder: str) -> dict[str, int]:
        prefix = f"{self._at(folder)}/"
        with _told():
            return {o.key.removeprefix(prefix): o.size for o in self.bucket.objects.filter(Prefix=prefix)}

    def forget(self, folder: str, but: Collection[str] = ()) -> int:
        prefix = f"{self._at(folder)}/"
        kept = {prefix + name for name in but}
        with _told():
            self._drop_unfinished(prefix)
            if self._keeps_versions():
                found = self.bucket.object_versions.filter(Prefix=prefix)
                gone = [{"Key": v.object_key, "VersionId": v.id} for v in found if v.object_key not in kept]
            else:
                gone = [
                    {"Key": o.key} for o in self.bucket.objects.filter(Prefix=prefix) if o.key not in kept
                ]
            for start in range(0, len(gone), 1000):
                some = gone[start : start + 1000]
                answer = self.bucket.delete_objects(Delete={"Objects": some, "Quiet": True})
                for error in answer.get("Errors", []):
                    raise Unavailable(f"{error.get('Code')}: {error.get('Key')} is not deleted.")
        return len({entry["Key"] for entry in gone})

    def _keeps_versions(self) -> bool:
        try:
            return self.bucket.Versioning().status is not None
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in NOT_KNOWN:
                return False
            raise

    def _drop_unfinished(self, prefix: str) -> None:
        """Parts of an upload that died are kept, and cost, until somebody says that it is over."""
        try:
            for upload in self.bucket.multipart_uploads.filter(Prefix=prefix):
                upload.abort()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in NOT_KNOWN:
                raise


def _pieces(body: Any) -> Iterator[bytes]:
    with _told():
        try:
            while piece := body.read(PIECE):
                yield piece
        finally:
            body.close()
