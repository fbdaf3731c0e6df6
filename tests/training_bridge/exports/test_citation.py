"""Citations: valid YAML with what CFF 1.2.0 requires, BibTeX whose braces match, and names that cannot break out."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.training_bridge.exports.test_snapshot import snap
from tests.training_bridge.world import World
from training_bridge.exports import citation
from training_bridge.exports.archive import Archive
from training_bridge.exports.snapshot import faults

SHA = "3f9a" * 16
MANIFEST = {
    "campaign": {"slug": "kettles"},
    "counts": {"feedback": 1234, "labelers": 7},
    "filters": {"submitted_until": "2026-03-04T05:06:07.000000Z", "data_license": "cc-by-4.0"},
}


@pytest.mark.parametrize("name", ["Kettles", 'A "quoted": name\\', "50% of {all} $ & _ # ~ ^", "水壶 😀"])
def test_both_hold_title_version_date_and_address(name: str) -> None:
    found = yaml.safe_load(citation.cff(MANIFEST, sha256=SHA, name=name, url="https://w.example/data/1/"))
    assert found["cff-version"] == "1.2.0" and found["type"] == "dataset" and found["message"]
    assert found["title"] == f"{name}: 1,234 answers by 7 labelers"
    assert found["authors"] == [{"name": f"The labelers of {name}"}]
    assert found["version"] == SHA[:12] and str(found["date-released"]) == "2026-03-04"
    assert found["url"] == "https://w.example/data/1/" and found["license"] == "CC-BY-4.0"
    assert found["identifiers"][0]["value"] == f"sha256:{SHA}"
    entry = citation.bibtex(MANIFEST, sha256=SHA, name=name, slug="kettles", url="https://w.example/data/1/")
    assert entry.startswith(f"@misc{{kettles-{SHA[:12]},\n") and "year = {2026}" in entry and SHA in entry
    plain = re.sub(r"\\[{}\\&%$#_]", "", entry)
    assert plain.count("{") == plain.count("}")


def test_nothing_is_invented() -> None:
    bare = {**MANIFEST, "filters": {"submitted_until": None, "data_license": ""}}
    found = yaml.safe_load(citation.cff(bare, sha256=SHA, name="Kettles"))
    assert not {"url", "license", "date-released"} & found.keys()
    assert "year" not in citation.bibtex(bare, sha256=SHA, name="Kettles", slug="kettles")


@pytest.mark.django_db(transaction=True)
def test_an_unpacked_download_is_whole(tmp_path: Path) -> None:
    world = World(n_prompts=2)
    world.answer_all()
    built = snap(world, tmp_path / "a")
    cited = citation.files(built.manifest, sha256=built.sha256, name="World")
    data = b"".join(Archive(built.path, built.sha256, cited).read())
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        tar.extractall(tmp_path / "b", filter="data")
    unpacked = tmp_path / "b" / built.sha256
    assert yaml.safe_load((unpacked / "CITATION.cff").read_text())["version"] == built.sha256[:12]
    assert list(faults(unpacked)) == []
    front = (unpacked / "README.md").read_text().split("---\n")[1]
    assert yaml.safe_load(front)["size_categories"] == ["n<1K"]
