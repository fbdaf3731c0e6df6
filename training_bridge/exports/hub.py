"""A snapshot as a data set repository of a Hugging Face hub, or of any server that speaks its API.

    push(snapshot, more, repository="otters/feedback", endpoint="https://huggingface.co", token="hf_…")

`huggingface_hub` does it, on an HTTP client of ours that goes to the endpoint and to the hosts that are allowed beside it,
where large files are stored, and nowhere else: not where a redirect or an answer of the hub sends it. The token goes to the
endpoint alone and into no message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
TIMEOUT_S = 60.0


class NotPushed(RuntimeError):
    """Why nothing arrived, in a sentence without the token."""


@dataclass(frozen=True)
class Pushed:
    """Where it is now."""

    url: str
    commit: str
    files: int


def push(
    snapshot: Path,
    more: Mapping[str, bytes],
    *,
    repository: str,
    endpoint: str,
    token: str,
    private: bool = True,
    hosts: Collection[str] = (),
) -> Pushed:
    """Uploads the files of a snapshot, and `more` beside them, in one commit; makes the repository if it is not there.

    Args:
        repository: `owner/name`.
        private: of a repository that is made now; one that exists stays as it is, and is refused if it is public.
        hosts: names of hosts besides the endpoint's that may be sent to.
    Raises NotPushed.
    """
    if not REPOSITORY.fullmatch(repository):
        raise NotPushed(f"{repository[:80]!r} names no repository; write owner/name.")
    parts = urlsplit(endpoint)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise NotPushed(f"The endpoint {endpoint[:120]} is not https; the token would be read on the way.")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # a log is no place for them
    try:
        from huggingface_hub import CommitOperationAdd, HfApi
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise NotPushed("huggingface_hub is not installed; it comes with the extra `train`.") from error
    files = {p.relative_to(snapshot).as_posix(): p for p in sorted(snapshot.rglob("*")) if p.is_file()}
    operations = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(path)) for name, path in files.items()
    ]
    operations += [CommitOperationAdd(path_in_repo=name, path_or_fileobj=data) for name, data in more.items()]
    with _client(endpoint, {str(parts.hostname), *hosts}):
        api = HfApi(endpoint=endpoint, token=token, library_name="whetstone")
        try:
            made = api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
            if private and api.repo_info(repository, repo_type="dataset").private is False:
                raise NotPushed(
                    f"{repository} exists and is public; nothing was sent. Publish it knowingly, or name another repository."
                )
            commit = api.create_commit(
                repository, operations, commit_message=f"Snapshot {snapshot.name[:12]}", repo_type="dataset"
            )
        except NotPushed:
            raise
        except (HfHubHTTPError, OSError, ValueError) as error:
            raise NotPushed(_plain(error, token)) from None
        except Exception as error:
            if isinstance(error.__cause__, NotPushed):
                raise error.__cause__ from None
            raise NotPushed(_plain(error, token)) from None
    return Pushed(str(made), commit.oid, len(operations))


@contextmanager
def _client(endpoint: str, hosts: Collection[str]) -> Iterator[None]:
    """The hub library's HTTP client for this push: no redirects, no proxy from the environment, no host but those given."""
    import httpx2
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.utils._http import default_client_factory

    def check(request: Any) -> None:
        if request.url.host not in hosts:
            raise NotPushed(
                f"The hub sends the upload to {request.url.host}, which is not allowed; if large files are stored there, "
                "add it to WHETSTONE_HF_HOSTS."
            )

    def made() -> Any:
        return httpx2.Client(
            event_hooks={"request": [check]}, follow_redirects=False, timeout=TIMEOUT_S, trust_env=False
        )

    had = constants.HF_HUB_DISABLE_XET
    constants.HF_HUB_DISABLE_XET = True  # the other way of uploading has a client of its own
    huggingface_hub.set_client_factory(made)
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = had
        huggingface_hub.set_client_factory(default_client_factory)


def _plain(error: BaseException, token: str) -> str:
    text = " ".join(str(error).split())[:400]
    return f"The hub refused or did not answer: {text.replace(token, '…') if token else text}"
