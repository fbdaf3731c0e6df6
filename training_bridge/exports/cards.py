"""The data set card: README.md of a snapshot. Its front matter names the configs, so that

    datasets.load_dataset("<snapshot directory>", "preference")

works without a script. English, like the files it describes; the same manifest always gives the same card.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def configs(manifest: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """(config, [(split, file)]) for each view that has rows; a card names files of one kind only, so not `native/`."""
    files = manifest["files"]
    found = []
    for view in manifest["views"]:
        splits = [
            (split, f"{view}/{split}.jsonl")
            for split in ("train", "test")
            if f"{view}/{split}.jsonl" in files
        ]
        if splits:
            found.append((view, splits))
    return found


def front_matter(manifest: Mapping[str, Any]) -> str:
    lines = ["---", "configs:"]
    for name, splits in configs(manifest):
        lines += [f"- config_name: {name}", "  data_files:"]
        for split, file in splits:
            lines += [f"  - split: {split}", f"    path: {file}"]
    if lines[-1] == "configs:":
        lines[-1] = "configs: []"
    return "\n".join([*lines, "tags:", "- human-feedback", "- preference", "- rlhf", "---"])


def card(manifest: Mapping[str, Any]) -> str:
    """The card's markdown."""
    counts = manifest["counts"]
    out = [
        front_matter(manifest),
        f"# Feedback from the campaign `{manifest['campaign']['slug']}`",
        "",
        f"{counts['feedback']:,} answers in {counts['submissions']:,} submissions by {counts['labelers']:,} labelers, on "
        f"{counts['items']:,} items with {counts['prompts']:,} prompts and {counts['responses']:,} responses; "
        f"the last one at {manifest['filters']['submitted_until'] or 'no time'}.",
        "",
        "Labelers appear under pseudonyms only. Superseded answers and answers about gold items are left out "
        f"({manifest['left_out']['superseded']:,} and {manifest['left_out']['gold']:,} submissions).",
        "",
        "## Events",
        "",
        "`native/` is lossless: one event a line, with what was shown, in which order, and what was on offer.",
        "The Parquet files hold the same rows, nested values as JSON text:",
        '`datasets.load_dataset("parquet", data_files="native/feedback.parquet")`.',
        "",
        "| type | versions | answers | train | test |",
        "|---|---|---:|---:|---:|",
    ]
    for slug, row in counts["types"].items():
        versions = ", ".join(map(str, row["versions"]))
        out.append(f"| {slug} | {versions} | {row['rows']:,} | {row['train']:,} | {row['test']:,} |")
    out += ["", "| answers from | number |", "|---|---:|"]
    out += [f"| {kind} | {number:,} |" for kind, number in counts["labeler_kinds"].items()]
    out += ["", "## Views", "", "In TRL's columns. Each loses something; the events above lose nothing.", ""]
    for view, about in manifest["views"].items():
        out += [
            f"### {view}",
            "",
            f"{about['rows']['train']:,} rows for training, {about['rows']['test']:,} for testing.",
            "",
            "| from | rows | answers | answers without a row | what is lost |",
            "|---|---:|---:|---:|---|",
        ]
        for slug, row in about["types"].items():
            loses = " ".join(row["loses"].split()).replace("|", "\\|")
            out.append(
                f"| {slug} | {row['rows']:,} | {row['answers']:,} | {row['answers_without_row']:,} | {loses} |"
            )
        out.append("")
    if not manifest["views"]:
        out += ["None: no answer here has a form that training libraries read.", ""]
    out += [
        "## Split",
        "",
        f"A hash of the normalised prompt holds out {manifest['filters']['test_percent']} % of prompts; "
        "no prompt is on both sides.",
        "",
        "## Checking and citing",
        "",
        "`manifest.json` holds the SHA-256 of every file here. The SHA-256 of `manifest.json` is the snapshot's name; "
        "give it when you cite the data.",
        "",
    ]
    return "\n".join(out)
