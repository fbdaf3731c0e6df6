"""Which code is running: the git commit, with "+" when files differ from it, or the version of the package."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from django.conf import settings


@cache
def code_revision() -> str:
    """`WHETSTONE_REVISION` if an image was built with it, else from git, else the version."""
    if stated := os.environ.get("WHETSTONE_REVISION", ""):
        return stated[:64]
    if (settings.BASE_DIR / ".git").exists():
        try:
            commit = _git("rev-parse", "HEAD")
            return f"{commit[:40]}{'+' if _git('status', '--porcelain', '--untracked-files=no') else ''}"
        except (OSError, subprocess.SubprocessError):
            pass  # no git program, or not ours to read: the version has to do
    try:
        return f"v{version('whetstone')}"
    except PackageNotFoundError:
        return "unknown: neither a repository nor an installed package"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(settings.BASE_DIR), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
