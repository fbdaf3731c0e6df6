"""The data set card: README.md of a snapshot. Its front matter names the configs, so that

    datasets.load_dataset("<snapshot directory>", "preference")

works without a script. English, like the files it describes; the same manifest always gives the same card.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils import translation

from annotation.campaigns.models import DataLicense, LegalBasis
from feedback_types import registry

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
# What the hub calls the tasks that a view serves.
TASKS = {
    "preference": ("text-generation", "reinforcement-learning"),
    "unpaired": ("text-generation", "reinforcement-learning"),
    "prompt_completion": ("text-generation",),
    "prompt_only": ("text-generation", "reinforcement-learning"),
    "stepwise": ("reinforcement-learning",),
    "feature": ("text-classification",),
    "triplet": ("sentence-similarity",),
}
FEW_PEOPLE = 5
LOW_ALPHA = 0.667  # Krippendorff (2004): below it, not even tentative conclusions


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
    """The YAML that the hub and `datasets` read; texts are written as JSON strings, which YAML reads too."""
    rows = manifest["counts"]["feedback"]
    languages = sorted({code.split("-")[0] for code in manifest["counts"]["languages"] if code})
    tasks = sorted({task for view, _ in configs(manifest) for task in TASKS[view]})
    lines = [
        "---",
        f"pretty_name: {json.dumps('Feedback of ' + manifest['campaign']['slug'])}",
        f"license: {json.dumps(manifest['filters']['data_license'] or 'unknown')}",
        *_list("language", languages),
        "size_categories:",
        f"- {next((name for most, name in SIZES if rows < most), '1M<n<10M')}",
        *_list("task_categories", tasks),
        "configs:",
    ]
    for name, splits in configs(manifest):
        lines += [f"- config_name: {name}", "  data_files:"]
        for split, file in splits:
            lines += [f"  - split: {split}", f"    path: {file}"]
    if lines[-1] == "configs:":
        lines[-1] = "configs: []"
    return "\n".join([*lines, "tags:", "- human-feedback", "- preference", "- rlhf", "---"])


def _list(name: str, values: list[str]) -> list[str]:
    return [f"{name}:", *(f"- {value}" for value in values)] if values else []


def card(manifest: Mapping[str, Any], guidelines: Mapping[int, str]) -> str:
    """The card's markdown; `guidelines` are the texts of the versions under which answers were given."""
    with translation.override("en"):
        parts = [front_matter(manifest), *_summary(manifest), *_events(manifest), *_agreement(manifest)]
        parts += [
            *_views(manifest),
            *_guidelines(guidelines),
            *_terms(manifest),
            *_limits(manifest),
            *_end(manifest),
        ]
    return "\n".join(parts)


def _summary(manifest: Mapping[str, Any]) -> Iterator[str]:
    counts = manifest["counts"]
    yield f"# Feedback from the campaign `{manifest['campaign']['slug']}`"
    yield ""
    yield (
        f"{counts['feedback']:,} answers in {counts['submissions']:,} submissions by {counts['labelers']:,} labelers, on "
        f"{counts['items']:,} items with {counts['prompts']:,} prompts and {counts['responses']:,} responses; "
        f"the last one at {manifest['filters']['submitted_until'] or 'no time'}."
    )
    yield ""
    yield (
        "Labelers appear under pseudonyms only. Superseded answers and answers about gold items are left out "
        f"({manifest['left_out']['superseded']:,} and {manifest['left_out']['gold']:,} submissions)."
    )
    yield ""
    if settled := counts.get("settled_items"):
        yield (
            f"A reviewer has settled {settled:,} of these items: the reviewer's answers, marked by `adjudication`, take the "
            f"place of what labelers said about them ({manifest['left_out']['overruled']:,} submissions left out)."
        )
        yield ""
    if "supersedes" in manifest:
        yield (
            f"It supersedes the snapshot `{manifest['supersedes']}` (reason: {manifest['reason']}): a person who was in it "
            "has had their answers erased. Please use this one."
        )
        yield ""
    if chosen := chosen_filters(manifest["filters"]):
        yield "Filters: " + "; ".join(f"`{name}` {plain(value)}" for name, value in chosen.items()) + "."
        yield ""


def chosen_filters(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The filters that leave something out, by name."""
    usual = {"labeler_kinds": ["human", "simulated"], "include_late": True}
    silent = ("submitted_until", "test_percent", "data_license", "legal_basis")
    return {
        name: value
        for name, value in filters.items()
        if name not in silent and value not in (None, [], ()) and value != usual.get(name)
    }


def plain(value: Any) -> str:
    """A filter's value as people read it."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _events(manifest: Mapping[str, Any]) -> Iterator[str]:
    counts = manifest["counts"]
    yield from (
        "## Events",
        "",
        "`native/` is lossless: one event a line, with what was shown, in which order, and what was on offer.",
        "The Parquet files hold the same rows, nested values as JSON text:",
        '`datasets.load_dataset("parquet", data_files="native/feedback.parquet")`.',
        "",
        "| type | versions | answers | train | test |",
        "|---|---|---:|---:|---:|",
    )
    for slug, row in counts["types"].items():
        versions = ", ".join(map(str, row["versions"]))
        yield f"| {slug} | {versions} | {row['rows']:,} | {row['train']:,} | {row['test']:,} |"
    yield from ("", "| answers from | number |", "|---|---:|")
    for kind, number in counts["labeler_kinds"].items():
        yield f"| {kind} | {number:,} |"
    yield ""


def _agreement(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield from (
        "## Agreement",
        "",
        "Krippendorff's alpha by each type's own distance (1 perfect, 0 chance), with a 95 % bootstrap interval over what "
        "was judged; of 2,000 items at most, drawn by a hash.",
        "",
    )
    if not manifest["agreement"]:
        yield from ("Nothing was answered by two people, so it cannot be told.", "")
        return
    yield from (
        "| question | type | alpha | 95 % interval | things judged | answers |",
        "|---|---|---:|---:|---:|---:|",
    )
    for question, row in manifest["agreement"].items():
        alpha = "–" if row["alpha"] is None else f"{row['alpha']:.2f}"
        between = "–" if row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}"
        yield f"| {question} | {row['type']} | {alpha} | {between} | {row['units']:,} | {row['answers']:,} |"
    yield ""


def _views(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Views", "", "In TRL's columns. Each loses something; the events above lose nothing.", "")
    for view, about in manifest["views"].items():
        yield from (
            f"### {view}",
            "",
            f"{about['rows']['train']:,} rows for training, {about['rows']['test']:,} for testing.",
            "",
            "| from | rows | answers | answers without a row | what is lost |",
            "|---|---:|---:|---:|---|",
        )
        for slug, row in about["types"].items():
            loses = " ".join(row["loses"].split()).replace("|", "\\|")
            yield f"| {slug} | {row['rows']:,} | {row['answers']:,} | {row['answers_without_row']:,} | {loses} |"
        yield ""
    if not manifest["views"]:
        yield from ("None: no answer here has a form that training libraries read.", "")


def _guidelines(guidelines: Mapping[int, str]) -> Iterator[str]:
    yield from ("## What labelers were told", "")
    for number, text in sorted(guidelines.items()):
        fence = "~" * max(
            3, 1 + max((len(line) - len(line.lstrip("~")) for line in text.splitlines()), default=0)
        )
        yield from (
            f"Version {number} of the guidelines:",
            "",
            f"{fence}markdown",
            text.rstrip("\n"),
            fence,
            "",
        )


def _terms(manifest: Mapping[str, Any]) -> Iterator[str]:
    filters = manifest["filters"]
    known, bases = dict(DataLicense.choices), dict(LegalBasis.choices)
    yield from ("## Licence and consent", "")
    yield f"- Licence: {known.get(filters['data_license'], 'none was chosen; ask before you pass the data on')}."
    yield f"- Legal basis of the processing: {bases.get(filters['legal_basis'], 'not stated by the campaign')}."
    consents = registry.consents()
    needed = sorted({kind.needs_consent for kind in _types(manifest) if kind.needs_consent})
    for slug in needed:
        consent = consents[slug]
        yield f"- Recorded only of people who had agreed: {consent.title} (version {consent.version}). {consent.purpose}"
    if not needed:
        yield "- Nothing here was observed: every answer was given knowingly, on the question's own screen."
    yield "- A person may have their answers erased; a snapshot that held them then names its successor."
    yield ""


def _types(manifest: Mapping[str, Any]) -> list[Any]:
    return [registry.get(slug) for slug in manifest["counts"]["types"] if slug in registry.folders()]


def _limits(manifest: Mapping[str, Any]) -> Iterator[str]:
    counts = manifest["counts"]
    kinds = counts["labeler_kinds"]
    yield from ("## Known limits", "")
    if simulated := counts["feedback"] and kinds.get("simulated", 0):
        yield f"- {simulated:,} of {counts['feedback']:,} answers come from simulated labelers, not from people."
    if verdicts := kinds.get("ai", 0) + kinds.get("proxy", 0):
        yield f"- {verdicts:,} answers come from AI judges or stated rewards."
    if counts["labelers"] < FEW_PEOPLE:
        yield f"- {counts['labelers']} labelers: what they share as persons cannot be told from what is true."
    weak = [
        q for q, row in manifest["agreement"].items() if row["alpha"] is not None and row["alpha"] < LOW_ALPHA
    ]
    if weak:
        yield f"- Agreement is below {LOW_ALPHA} on: {', '.join(weak)}."
    if manifest["filters"]["agreement_at_least"] is not None:
        yield "- Items on which labelers differ were left out, so agreement and accuracy on it look better than they are."
    if counts.get("settled_items"):
        yield (
            "- On settled items one reviewer speaks for everybody, and what labelers disputed there is not in the agreement "
            "told above, which looks better for it."
        )
    if len([code for code in counts["languages"] if code]) == 1:
        yield f"- One language: {next(code for code in counts['languages'] if code)}."
    if counts["late_submissions"]:
        yield f"- {counts['late_submissions']:,} late submissions are in the events, marked, and in no view."
    yield "- Who the labelers are (age, country, profession) is not recorded."
    yield ""


def _end(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield from (
        "## Split",
        "",
        f"A hash of the normalised prompt holds out {manifest['filters']['test_percent']} % of prompts; "
        "no prompt is on both sides.",
        "",
        "## Checking and citing",
        "",
        "`manifest.json` holds the SHA-256 of every file here. The SHA-256 of `manifest.json` is the snapshot's name; "
        "give it when you cite the data. A download also brings `CITATION.cff` and `citation.bib`, which name it.",
        "",
    )
