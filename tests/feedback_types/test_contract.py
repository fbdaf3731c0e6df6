"""What every feedback type promises: one suite over all folders and their VALID and INVALID examples.

A new folder is found and tried without a change here.
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from gettext import NullTranslations
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from django.http import QueryDict
from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.translation import override, trans_real

from feedback_types import checks, protocol, registry
from feedback_types.base import (
    VIEWS,
    Attributes,
    Event,
    Example,
    FeedbackType,
    InvalidPayload,
    Key,
    Message,
    Question,
    Screen,
    ShownResponse,
    SyntheticLabeler,
    Target,
)

# The survey's table 3, which adopts Kaufmann et al. (arXiv 2312.14925); the last row is ours.
SURVEY = {
    "critique": ("primary", "-", "Observed", "Single", "-", "Evaluative", "Explicit"),
    "comparison": ("primary", "-", "Observed", "Multiple", "-", "Evaluative", "Explicit"),
    "inter_temporal": ("primary", "Segment", "Observed", "Single", "-", "Evaluative", "Explicit"),
    "proxy_reward": ("primary", "Episode", "Observed", "-", "Feature", "Descriptive", "Explicit"),
    "social_behavior": ("primary", "Segment", "Observed", "Single", "Instance", "Literal", "Implicit"),
    "improvement": ("primary", "Episode", "Co-generative", "Single", "Instance", "-", "-"),
    "natural_language": ("primary", "-", "Observed", "Single", "-", "Descriptive", "Explicit"),
    "e_stop": ("supplementary", "Episode", "Observed", "Single", "Instance", "Literal", "Implicit"),
    "importance": ("supplementary", "-", "Observed", "-", "-", "Descriptive", "Explicit"),
    "feature_trace": ("representation", "Segment", "Active", "Single", "Instance", "Descriptive", "Explicit"),
    "similarity_query": ("representation", "-", "Observed", "Ternary", "-", "Descriptive", "Explicit"),
    "demonstration": ("sft", "Episode", "Active", "Single", "Instance", "Instructive", "Explicit"),
}
COLUMNS = {view: set(columns) - {"margin"} for view, columns in VIEWS.items()}  # a margin may be missing
MOST_ALTERNATIVES = 20_000

TYPES = registry.all_types()
VALID = [(t, e) for t in TYPES for e in t.valid]
INVALID = [(t, e) for t in TYPES for e in t.invalid]
of_types = pytest.mark.parametrize("feedback_type", TYPES, ids=lambda t: t.slug)


def names(cases: list[tuple[FeedbackType, Example]]) -> list[str]:
    return [f"{t.slug}-{number}" for number, (t, _e) in enumerate(cases)]


of_valid = pytest.mark.parametrize(("feedback_type", "example"), VALID, ids=names(VALID))
of_invalid = pytest.mark.parametrize(("feedback_type", "example"), INVALID, ids=names(INVALID))


def read(feedback_type: FeedbackType, example: Example, payload: Any = None) -> Any:
    """By the way of the API: load, then the rules of screen and settings."""
    settings = feedback_type.settings(example.settings)
    loaded = feedback_type.load(example.payload if payload is None else payload)
    feedback_type.validate(loaded, example.screen, settings, example.target)
    return loaded


def event_of(feedback_type: FeedbackType, example: Example) -> Event:
    settings, payload = feedback_type.settings(example.settings), feedback_type.load(example.payload)
    offered = json.loads(json.dumps(feedback_type.choice_set(example.screen, settings, payload)))
    return Event(
        id="1",
        type=feedback_type.slug,
        labeler="l-1",
        question="q",
        screen=example.screen,
        target=example.target,
        payload=payload,
        settings=settings,
        choice_set=offered,
    )


def question_of(feedback_type: FeedbackType, example: Example, required: bool = True) -> Question:
    return Question("q", feedback_type, feedback_type.settings(example.settings), "", required)


# --- What a type declares --------------------------------------------------------------------------------------------


@of_types
def test_nothing_is_missing(feedback_type: FeedbackType) -> None:
    assert checks.examine(feedback_type.slug) == []


@of_types
def test_attributes_are_those_of_the_survey(feedback_type: FeedbackType) -> None:
    if feedback_type.slug in SURVEY:
        category, *attributes = SURVEY[feedback_type.slug]
        assert feedback_type.category == category
        assert feedback_type.attributes == Attributes(*attributes)
    assert feedback_type.reference


@of_types
def test_an_example_says_which_keys_give_it(feedback_type: FeedbackType) -> None:
    """tests/browser/test_every_type.py presses them."""
    pressed = [key for example in feedback_type.valid for key in example.pressed]
    assert pressed, "give one of VALID the keys that a practised person presses for it (Example.pressed)"
    for key in pressed:
        assert key.startswith("type:") or re.fullmatch(
            r"(?:(?:Control|Shift|Alt)\+)*(?:[A-Z][A-Za-z0-9]+|.)", key
        )


@of_types
def test_words_are_translated_when_shown(feedback_type: FeedbackType) -> None:
    assert isinstance(feedback_type.label, Promise)
    assert isinstance(feedback_type.description, Promise)
    for loss in feedback_type.views.values():
        assert isinstance(loss, Promise)
    for field in feedback_type.settings_class.model_fields.values():
        assert isinstance(field.title, Promise) and isinstance(field.description, Promise)
    # Two sentences: what a labeler does, and when an admin should choose it.
    assert len(re.findall(r"[.!?](?:\s|$)", str(feedback_type.description))) == 2


@of_types
def test_keys_do_not_collide(feedback_type: FeedbackType) -> None:
    for raw in [{}, *(example.settings for example in feedback_type.valid)]:
        keys = feedback_type.keys(feedback_type.settings(raw))
        assert keys and all(isinstance(k, Key) and k.key and str(k.label) for k in keys)
        pressed = [k.key for k in keys]
        assert len(set(pressed)) == len(pressed)
        # These belong to the page: undo, skip, report, guidelines, raw text, difference, help.
        assert not {"u", "s", "x", "g", "r", "d", "?", "Enter", "Tab"} & set(pressed)


@of_types
def test_settings_are_read_and_refused(feedback_type: FeedbackType) -> None:
    default = feedback_type.settings()
    assert feedback_type.settings(default.model_dump(mode="json")) == default
    with pytest.raises(InvalidPayload) as refused:
        feedback_type.settings({"no_such_setting": 1})
    assert "no_such_setting" in refused.value.errors


@of_valid
def test_seconds_and_targets_are_sensible(feedback_type: FeedbackType, example: Example) -> None:
    settings = feedback_type.settings(example.settings)
    assert 0 <= feedback_type.seconds(example.screen, settings) < 600
    targets = feedback_type.targets(example.screen, settings)
    assert len(set(targets)) == len(targets) > 0
    if feedback_type.target is Target.SET:
        assert list(targets) == [None]
    else:
        assert set(targets) <= {r.id for r in example.screen.responses}
    fewest, most = feedback_type.arity_under(settings)
    assert feedback_type.arity[0] <= fewest <= len(example.screen.responses) <= most <= feedback_type.arity[1]


# --- Form, payload, JSON ---------------------------------------------------------------------------------------------


@of_valid
def test_what_is_stored_is_what_was_said(feedback_type: FeedbackType, example: Example) -> None:
    payload = read(feedback_type, example)
    assert payload.dump() == example.payload
    stored = json.loads(json.dumps(payload.dump()))
    assert feedback_type.load(stored) == payload
    assert feedback_type.load(stored, feedback_type.version) == payload


@of_valid
def test_the_form_says_the_same_as_the_api(feedback_type: FeedbackType, example: Example) -> None:
    payload = read(feedback_type, example)
    question = question_of(feedback_type, example, required=False)
    prefix = protocol.prefix(question, example.target)
    posted = QueryDict(mutable=True)
    for name, value in feedback_type.to_form(payload, example.screen, question.settings).items():
        posted.setlist(
            f"{prefix}-{name}", [str(v) for v in value] if isinstance(value, list) else [str(value)]
        )
    answers = protocol.read_form([question], example.screen, posted)
    assert [(a.target, a.payload) for a in answers] == [(example.target, payload)]

    sent = [{"question": "q", "target": example.target, "payload": example.payload}]
    assert protocol.read_json([question], example.screen, sent) == answers


@of_valid
def test_a_field_sent_twice_is_refused(feedback_type: FeedbackType, example: Example) -> None:
    question = question_of(feedback_type, example, required=False)
    prefix = protocol.prefix(question, example.target)
    data = feedback_type.to_form(read(feedback_type, example), example.screen, question.settings)
    for twice in (name for name, value in data.items() if not isinstance(value, list)):
        posted = QueryDict(mutable=True)
        for name, value in data.items():
            posted.setlist(
                f"{prefix}-{name}", [str(v) for v in value] if isinstance(value, list) else [str(value)]
            )
        posted.appendlist(f"{prefix}-{twice}", str(data[twice]))
        with pytest.raises(InvalidPayload) as refused:
            protocol.read_form([question], example.screen, posted)
        assert f"{prefix}-{twice}" in refused.value.errors


@of_valid
def test_an_answer_holds_where_the_responses_have_other_ids(
    feedback_type: FeedbackType, example: Example
) -> None:
    ids = {r.id: 1000 + 7 * r.id for r in example.screen.responses}
    screen = replace(
        example.screen, responses=tuple(ShownResponse(ids[r.id], r.text) for r in example.screen.responses)
    )
    target = None if example.target is None else ids[example.target]
    payload = read(feedback_type, example)
    there = feedback_type.renumbered(payload, ids)
    settings = feedback_type.settings(example.settings)
    feedback_type.validate(feedback_type.load(there.dump()), screen, settings, target)
    assert feedback_type.summary(there, screen, settings) == feedback_type.summary(
        payload, example.screen, settings
    )
    assert feedback_type.renumbered(there, {new: old for old, new in ids.items()}) == payload
    if there != payload:  # a response that is not on the screen is never named
        with pytest.raises(InvalidPayload):
            feedback_type.validate(there, example.screen, settings, example.target)


@of_valid
def test_an_empty_form_is_no_answer(feedback_type: FeedbackType, example: Example) -> None:
    optional, required = (question_of(feedback_type, example, required) for required in (False, True))
    assert protocol.read_form([optional], example.screen, QueryDict()) == []
    with pytest.raises(InvalidPayload) as refused:
        protocol.read_form([required], example.screen, QueryDict())
    assert all(name.startswith("q") for name in refused.value.errors)


@of_invalid
def test_broken_answers_are_refused_at_their_field(feedback_type: FeedbackType, example: Example) -> None:
    assert example.at_fault, "say in the example which field is at fault"
    with pytest.raises(InvalidPayload) as refused:
        read(feedback_type, example)
    errors = refused.value.errors
    assert any(name == example.at_fault or name.startswith(f"{example.at_fault}.") for name in errors), errors
    assert all(text.strip() for texts in errors.values() for text in texts)


def corruptions(payload: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every way of breaking the type of one value: (what was done, the whole payload)."""
    value = payload
    for part in path:
        value = value[part]
    if isinstance(value, dict):
        yield f"unknown field in {path}", _with(payload, (*path, "no such field"), 1)
        for key in value:
            yield from corruptions(payload, (*path, key))
    elif isinstance(value, list):
        yield f"{path} is text", _with(payload, path, "".join(map(str, value)) or "x")
        yield f"{path} is an object", _with(payload, path, {"0": value})
        for index in range(len(value)):
            yield from corruptions(payload, (*path, index))
    else:
        yield from ((f"{path} = {wrong!r:.40}", _with(payload, path, wrong)) for wrong in _wrong(value))


def _wrong(value: Any) -> list[Any]:
    anything = [[], {}, [value], math.nan, math.inf]
    if isinstance(value, bool):
        return [*anything, int(value), str(value).lower(), "on"]
    if isinstance(value, int):
        return [*anything, str(value), float(value), True, value + 0.5, 10**400, -(10**400), "５"]
    if isinstance(value, float):
        return [*anything, str(value), True, -math.inf, 10**400]
    if isinstance(value, str):
        return [*anything, 5, True, value + "\x00", value + "\ud83d", "x" * 300_000]
    return [[], math.nan]  # null: what may stand in its place is the type's business


def _with(payload: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(payload)
    place = changed
    for part in path[:-1]:
        place = place[part]
    if not path:
        return value
    place[path[-1]] = value
    return changed


@of_valid
def test_types_are_strict(feedback_type: FeedbackType, example: Example) -> None:
    for what, payload in corruptions(dict(example.payload)):
        try:
            read(feedback_type, example, payload)
        except InvalidPayload:
            continue
        pytest.fail(f"{feedback_type.slug} took a payload with {what}")


@of_valid
def test_a_list_takes_nothing_twice(feedback_type: FeedbackType, example: Example) -> None:
    """A repeated id, tag or mark is refused; equal values may only stand where the type has them already (ranks, say)."""
    for name, value in example.payload.items():
        if isinstance(value, list) and value and len({json.dumps(v) for v in value}) == len(value) > 1:
            doubled = {**example.payload, name: [*value[:-1], value[0]]}
            try:
                accepted = read(feedback_type, example, doubled)
            except InvalidPayload:
                continue
            assert accepted.dump() == doubled
            assert any(
                other.payload.get(name)
                and len({json.dumps(v) for v in other.payload[name]}) < len(other.payload[name])
                for other in feedback_type.valid
            ), f"{name} takes {value[0]!r} twice"


@of_types
def test_rubbish_is_refused_and_never_crashes(feedback_type: FeedbackType) -> None:
    example = feedback_type.valid[0]
    for rubbish in ({}, {"": None}, {"a": {"b": [1] * 100}}, dict.fromkeys(example.payload)):
        with pytest.raises(InvalidPayload):
            read(feedback_type, example, rubbish)


# --- Words and pages -------------------------------------------------------------------------------------------------


class Pseudo(NullTranslations):
    """A language in which every translated message is marked."""

    def gettext(self, message: str) -> str:
        return f"«{message}»"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"«{msgid1 if n == 1 else msgid2}»"


@pytest.fixture
def pseudo(monkeypatch: pytest.MonkeyPatch) -> str:
    """Activates a language that nobody has translated, with the marks of `Pseudo`."""
    translation = copy.copy(trans_real.translation("sv"))
    translation.gettext, translation.ngettext = Pseudo().gettext, Pseudo().ngettext  # type: ignore[method-assign]
    monkeypatch.setitem(trans_real._translations, "sv", translation)
    return "sv"


@of_valid
def test_summaries_say_something_in_the_reader_s_language(
    feedback_type: FeedbackType, example: Example, pseudo: str
) -> None:
    payload, settings = read(feedback_type, example), feedback_type.settings(example.settings)
    plain = feedback_type.summary(payload, example.screen, settings)
    assert plain.strip() and "\n" not in plain
    with override(pseudo):
        assert "«" in feedback_type.summary(payload, example.screen, settings)


@of_valid
def test_the_widget_renders_with_labels_and_without_inline_code(
    feedback_type: FeedbackType, example: Example
) -> None:
    question = question_of(feedback_type, example, required=False)
    answer = protocol.Answer("q", example.target, read(feedback_type, example))
    filled = QueryDict(mutable=True)
    for name, value in protocol.to_form_data([question], example.screen, [answer]).items():
        filled.setlist(name, [str(v) for v in value] if isinstance(value, list) else [str(value)])
    for data in (None, filled):
        html = render_to_string(
            feedback_type.template_name,
            {
                "question": question,
                "forms": protocol.forms(question, example.screen, data),
                "screen": example.screen,
                "settings": question.settings,
                "labels": {r.id: example.screen.letter(r.id) for r in example.screen.responses},
                "keys": feedback_type.keys(question.settings),
            },
        )
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", html)
        ids = re.findall(r'\sid="([^"]+)"', html)
        assert len(set(ids)) == len(ids)
        outside = re.sub(r"<template.*?</template>", "", html, flags=re.DOTALL)
        assert outside.count("<fieldset") == outside.count("<legend") > 0
        for control in re.findall(r"<(?:input|select|textarea)\b[^>]*>", outside):
            if 'type="hidden"' not in control:
                identity = re.search(r'\sid="([^"]+)"', control)
                named = "aria-label" in control or (identity and f'for="{identity[1]}"' in outside)
                assert named or re.search(rf"<label[^>]*>\s*{re.escape(control)}", outside), control


@of_valid
def test_hostile_text_is_escaped(feedback_type: FeedbackType, example: Example) -> None:
    """Responses and settings are other people's text."""
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    responses = tuple(ShownResponse(r.id, f"{evil} {r.text}") for r in example.screen.responses)
    screen = Screen((Message("user", evil),), responses)
    question = question_of(feedback_type, example)
    html = render_to_string(
        feedback_type.template_name,
        {
            "question": question,
            "forms": protocol.forms(question, screen),
            "screen": screen,
            "settings": question.settings,
        },
    )
    assert "<script" not in html and "<img" not in html


@of_valid
def test_a_stated_reward_is_a_number_for_any_text(feedback_type: FeedbackType, example: Example) -> None:
    stated = feedback_type.reward(read(feedback_type, example))
    if stated is not None:
        for text in ("", "Yes.", "歌德。👍🏽", "word " * 2000, example.screen.responses[0].text):
            assert math.isfinite(stated(text)) and stated(text) == stated(text)


@of_types
def test_a_preview_is_words_or_json(feedback_type: FeedbackType) -> None:
    """Nobody knows what a browser asks: rubbish is refused in words, never a crash."""
    example = feedback_type.valid[0]
    settings = feedback_type.settings(example.settings)
    for asked in ({}, {"program": "9**9**9"}, {"x": "y" * 10_000}, {"choice": "\u0000"}):
        try:
            shown = feedback_type.preview(asked, example.screen, settings)
        except InvalidPayload as error:
            assert all(text.strip() for texts in error.errors.values() for text in texts)
        else:
            assert json.loads(json.dumps(shown)) == shown


# --- Agreement and choice set ----------------------------------------------------------------------------------------


def same_screen(feedback_type: FeedbackType) -> list[list[Any]]:
    """Payloads of the examples that answer the same question about the same thing."""
    groups: dict[str, list[Any]] = {}
    for e in feedback_type.valid:
        key = repr((e.screen, e.target, feedback_type.settings(e.settings)))
        groups.setdefault(key, []).append((e, read(feedback_type, e)))
    return list(groups.values())


@of_types
def test_distance_is_a_distance(feedback_type: FeedbackType) -> None:
    farthest = 0.0
    for group in same_screen(feedback_type):
        payloads = [payload for _e, payload in group]
        for a in payloads:
            assert feedback_type.distance(a, a) == 0
            for b in payloads:
                assert 0 <= feedback_type.distance(a, b) <= 1
                assert feedback_type.distance(a, b) == pytest.approx(feedback_type.distance(b, a), abs=1e-12)
                farthest = max(farthest, feedback_type.distance(a, b))
    assert farthest > 0, "give VALID two answers to one question that differ"
    # Alpha pools answers about different things, so these too must be comparable.
    everything = [payload for group in same_screen(feedback_type) for _e, payload in group]
    for a, b in pairwise(everything):
        assert 0 <= feedback_type.distance(a, b) <= 1


@of_types
def test_consensus_is_an_answer(feedback_type: FeedbackType) -> None:
    for group in same_screen(feedback_type):
        example, payloads = group[0][0], [payload for _e, payload in group]
        for some in (payloads[:1], payloads, payloads[::-1], payloads * 3):
            agreed = feedback_type.consensus(some)
            read(feedback_type, example, json.loads(json.dumps(agreed.dump())))
        assert feedback_type.consensus(payloads) == feedback_type.consensus(payloads[::-1])
        assert feedback_type.distance(feedback_type.consensus(payloads[:1] * 3), payloads[0]) == 0


@of_valid
def test_the_choice_set_is_stored_with_the_choice_in_it(
    feedback_type: FeedbackType, example: Example
) -> None:
    event = event_of(feedback_type, example)
    offered = feedback_type.choice_set(example.screen, event.settings, event.payload)
    assert offered and event.choice_set == offered  # survives JSON
    assert feedback_type.choice_set(example.screen, event.settings)  # before the answer is known, too
    law = feedback_type.likelihood
    if law is None or not law.usable(event):
        return
    options = 1 / math.exp(float(law.log_uniform(law.collate([event]))[0]))
    if options < MOST_ALTERNATIVES:
        assert event.payload in [alternative.payload for alternative in law.alternatives(event)]


# --- Learning and export ---------------------------------------------------------------------------------------------


@of_types
def test_records_are_rows_that_trl_reads(feedback_type: FeedbackType) -> None:
    assert set(feedback_type.views) <= set(COLUMNS)
    # As many labelers as the type wants to see, and where it is calibrated on explicit answers, these say "good".
    events = [
        replace(event_of(feedback_type, example), labeler=f"l-{n}", extra={"explicit": (1, 0)})
        for n in range(feedback_type.fewest_people)
        for example in feedback_type.valid
    ]
    statistics = feedback_type.statistics(events)
    seen = set()
    for event in events:
        for view, row in feedback_type.records([event], statistics):
            seen.add(view)
            assert view in feedback_type.views
            assert COLUMNS[view] <= set(row)
            assert json.loads(json.dumps(row)) == row
            for column in COLUMNS[view] & {"prompt", "chosen", "rejected", "completion"}:
                assert row[column] and all(set(m) == {"role", "content"} for m in row[column])
            for column in COLUMNS[view] & {"anchor", "positive", "negative", "feature"}:
                assert row[column] and type(row[column]) is str
            if "completions" in row:
                assert row["completions"] and all(type(step) is str for step in row["completions"])
                assert [type(label) for label in row["labels"]] == [bool] * len(row["completions"])
            assert type(row.get("label", True)) is bool
            assert type(row.get("margin", 1.0)) is float
            if "prompt" in COLUMNS[view]:  # all of it, or up to an earlier turn
                said = [{"role": m.role, "content": m.content} for m in event.screen.prompt]
                assert row["prompt"] == said[: len(row["prompt"])]
    assert seen == set(feedback_type.views) or _needs_several(feedback_type, events, seen)


def _needs_several(feedback_type: FeedbackType, events: list[Event], seen: set[str]) -> bool:
    """A view may need the answers about several responses of one screen together."""
    rows = {
        view
        for seed in range(30)
        for event in events
        for view, _row in feedback_type.records(_answers(feedback_type, event, seed), None)
    }
    return rows | seen == set(feedback_type.views)


def labeler(beta: float = 1.0) -> SyntheticLabeler:
    def value(prompt: tuple[Message, ...], text: str, offset: int | None, head: str) -> float:
        read_so_far = text if offset is None else text[:offset]
        return (sum(map(ord, read_so_far + head)) % 97) / 20 - 2

    def rewrite(prompt: tuple[Message, ...], text: str) -> list[str]:
        return [f"{text} (1)", f"{text} (2)", f"Better: {text}"]

    return SyntheticLabeler(value=value, beta=beta, lapse=0.1, rewrite=rewrite)


def _answers(feedback_type: FeedbackType, event: Event, seed: int) -> list[Event]:
    drawn = feedback_type.simulate(event.screen, event.settings, labeler(), np.random.default_rng(seed))
    return [
        Event("1", feedback_type.slug, "l-1", "q", event.screen, target, payload, event.settings)
        for target, payload in drawn
    ]


@of_valid
@pytest.mark.parametrize("beta", [0.0, 2.0])
def test_a_synthetic_labeler_gives_answers_that_pass(
    feedback_type: FeedbackType, example: Example, beta: float
) -> None:
    settings = feedback_type.settings(example.settings)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        drawn = feedback_type.simulate(example.screen, settings, labeler(beta), rng)
        assert drawn
        targets = [target for target, _payload in drawn]
        assert len(set(targets)) == len(targets)
        if feedback_type.target is not Target.ONE:
            assert targets == list(feedback_type.targets(example.screen, settings))
        for target, payload in drawn:
            assert target in feedback_type.targets(example.screen, settings)
            loaded = feedback_type.load(json.loads(json.dumps(payload.dump())))
            feedback_type.validate(loaded, example.screen, settings, target)
            assert loaded == payload
        again = feedback_type.simulate(example.screen, settings, labeler(beta), np.random.default_rng(seed))
        assert again == drawn  # the same seed, the same answers
        answers = [protocol.Answer("q", target, payload) for target, payload in drawn]
        question = Question("q", feedback_type, settings)
        posted = QueryDict(mutable=True)
        for name, value in protocol.to_form_data([question], example.screen, answers).items():
            posted.setlist(name, [str(v) for v in value] if isinstance(value, list) else [str(value)])
        assert protocol.read_form([question], example.screen, posted) == answers


# --- Statistics ------------------------------------------------------------------------------------------------------


@of_types
def test_labels_are_parts_of_an_answer(feedback_type: FeedbackType) -> None:
    """Each has a name that people read; the same answer is at no distance, whatever the label; classes say so."""
    for example in feedback_type.valid:
        settings, payload = feedback_type.settings(example.settings), feedback_type.load(example.payload)
        for name, label in feedback_type.labels(payload, settings).items():
            assert str(feedback_type.label_name(name)).strip()
            assert label.distance(label.value, label.value) == 0
            json.dumps(label.value)
            assert hash(label.value) is not None
            assert label.is_class == isinstance(label.value, (bool, int, str))


@of_types
def test_preferences_are_about_what_was_shown(feedback_type: FeedbackType) -> None:
    for example in feedback_type.valid:
        shown = [response.id for response in example.screen.responses]
        payload = feedback_type.load(example.payload)
        found = list(feedback_type.preferences([(example.target, payload)], shown))
        pairs = [frozenset((p.first, p.second)) for p in found]
        assert len(set(pairs)) == len(pairs) and all(pair <= set(shown) and len(pair) == 2 for pair in pairs)
        for p in found:
            assert p.outcome in (0, 0.5, 1) and shown.index(p.first) < shown.index(p.second)
