"""How to cite a snapshot: CITATION.cff (version 1.2.0) and BibTeX.

Both name the snapshot by its hash, which is the hash of its manifest; so they cannot be among the files that the manifest
covers, and are made whenever somebody asks: for the page, and beside the files of a download.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

SPDX = {
    "cc0-1.0": "CC0-1.0",
    "cc-by-4.0": "CC-BY-4.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "odc-by": "ODC-By-1.0",
}
TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip
FILES = ("CITATION.cff", "citation.bib")


def title(manifest: Mapping[str, Any], name: str) -> str:
    counts = manifest["counts"]
    return f"{name}: {counts['feedback']:,} answers by {counts['labelers']:,} labelers"


def cff(manifest: Mapping[str, Any], *, sha256: str, name: str, url: str = "") -> str:
    """Args: name: of the campaign, as people read it; url: of the snapshot's page, left out when empty."""
    day = (manifest["filters"]["submitted_until"] or "")[:10]
    license = SPDX.get(manifest["filters"].get("data_license", ""), "")
    lines = [
        "cff-version: 1.2.0",
        "message: Please cite the data by the hash that names them.",
        "type: dataset",
        f"title: {_quoted(title(manifest, name))}",
        "authors:",
        f"  - name: {_quoted(f'The labelers of {name}')}",
        f'version: "{sha256[:12]}"',
        *([f"date-released: {day}"] if day else []),
        *([f"url: {_quoted(url)}"] if url else []),
        *([f"license: {license}"] if license else []),
        "identifiers:",
        "  - type: other",
        f'    value: "sha256:{sha256}"',
        "    description: SHA-256 of manifest.json, which holds the SHA-256 of every file",
    ]
    return "\n".join(lines) + "\n"


def bibtex(manifest: Mapping[str, Any], *, sha256: str, name: str, slug: str, url: str = "") -> str:
    """A `@misc` entry, which every style knows."""
    day = (manifest["filters"]["submitted_until"] or "")[:10]
    fields = {
        "title": _tex(title(manifest, name)),
        "author": "{" + _tex(f"The labelers of {name}") + "}",
        "version": sha256[:12],
        **({"year": day[:4], "date": day} if day else {}),
        **({"url": url} if url else {}),
        "note": f"Whetstone snapshot, SHA-256 {sha256}",
    }
    inside = ",\n".join(f"  {key} = {{{value}}}" for key, value in fields.items())
    return f"@misc{{{slug}-{sha256[:12]},\n{inside}\n}}\n"


def files(manifest: Mapping[str, Any], *, sha256: str, name: str, url: str = "") -> dict[str, bytes]:
    """Both by file name, for a download."""
    slug = manifest["campaign"]["slug"]
    return {
        "CITATION.cff": cff(manifest, sha256=sha256, name=name, url=url).encode(),
        "citation.bib": bibtex(manifest, sha256=sha256, name=name, slug=slug, url=url).encode(),
    }


def _quoted(text: str) -> str:
    """A JSON string, which YAML reads."""
    return json.dumps(text, ensure_ascii=False)


def _tex(text: str) -> str:
    return re.sub(r"[\\{}&%$#_~^]", lambda found: TEX[found.group()], text)
