"""What is particular to demonstrations: the law by hand, planted wrong samples, beginnings, second looks, views."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from feedback_types import protocol, registry, science
from feedback_types.base import Event, InvalidPayload, Message, Screen, ShownResponse, SyntheticLabeler
from feedback_types.demonstration import agreement, form, offer
from feedback_types.demonstration.schema import DemonstrationPayload, prefix_end

demonstration = registry.get("demonstration")
SCREEN = Screen(
    (Message("user", "When does water boil?"),),
    (ShownResponse(7, "At 90 °C. At height sooner."), ShownResponse(4, "At 90 °C. I think."), ShownResponse(5, "Never.")),
)  # fmt: skip


def written(text: str, written_from: str = "scratch", **fields: object) -> DemonstrationPayload:
    return DemonstrationPayload(text=text, written_from=written_from, **fields)  # type: ignore[arg-type]


def event(payload: DemonstrationPayload, screen: Screen = SCREEN, name: str = "1", **asked: object) -> Event:
    settings = demonstration.settings(asked)
    offered = demonstration.choice_set(screen, settings, payload)
    return Event(name, "demonstration", "0", "q", screen, None, payload, settings, offered)


def probability(e: Event, scores: dict[str, float], beta: float) -> float:
    law = demonstration.likelihood
    assert law is not None
    values = torch.tensor([[scores[p.text] for p in law.points(e)]]).double()
    return math.exp(float(law.log_likelihood(values, law.collate([e]), torch.tensor([beta]).double(), {})[0]))


def test_one_of_k_plus_one_texts_by_hand() -> None:
    scores = {
        "At 100 °C.": 1.0,
        "At 90 °C. At height sooner.": 0.5,
        "At 90 °C. I think.": 0.0,
        "Never.": -1.0,
    }
    e = event(written("At 100 °C."))
    weights = [math.exp(2 * scores[text]) for text in scores]
    assert probability(e, scores, beta=2) == pytest.approx(weights[0] / sum(weights))
    assert e.choice_set["samples"] == [7, 4, 5] and e.choice_set["size"] == 4


def test_a_beginning_is_compared_with_what_begins_alike() -> None:
    e = event(written("At 90 °C. No, at 100.", "prefix", source=7, kept=10), start="prefix")
    assert e.choice_set["samples"] == [7, 4] and e.choice_set["prefix"] == {"source": 7, "end": 10}
    scores = {"At 90 °C. No, at 100.": 1.0, "At 90 °C. At height sooner.": 0.0, "At 90 °C. I think.": 0.0}
    assert probability(e, scores, beta=1) == pytest.approx(math.e / (math.e + 2))


def test_a_beginning_is_never_all_of_a_response() -> None:
    assert prefix_end("One. Two. Three.", 2) == 10
    assert prefix_end("One. Two. Three.", 5) == 10
    assert prefix_end("One.", 1) == prefix_end("", 1) == 0


def test_a_draft_teaches_no_reward() -> None:
    law = demonstration.likelihood
    assert law is not None
    assert not law.usable(event(written("At 100 °C.", "draft", source=7), start="draft"))
    assert law.usable(event(written("At 100 °C.")))
    assert [case.settings.start for case in science.cases(demonstration)].count("draft") == 0


# --- Planted mistakes ------------------------------------------------------------------------------------------------


def trial(n: int, writes=None) -> science.Trial:
    """Demonstrations of sharp labelers beside eight samples; `writes` replaces the way in which they write."""
    case = science.Case(demonstration, demonstration.settings(), 8)
    world, rng = science.World(3), np.random.default_rng([3, 2])
    law = demonstration.likelihood
    assert law is not None
    crew = science.crew(world, law, 2.5 * science.rationalities(rng, 10), rng)
    if writes is not None:
        crew = [replace(who, write=writes(world)) for who in crew]
    return science.Trial(case, world, crew, science.gather(world, case, crew, rng, n))


def best_of_64(world: science.World):
    """The labeler thought of 64 texts and took one of them: not a draw from everything that could be written."""
    rng = np.random.default_rng(64)
    pool = [world.text(rng) for _ in range(5000)]
    counts = np.zeros((len(pool), len(world.vocabulary)))
    for row, text in enumerate(pool):
        for word in text.lower().replace(".", "").split():
            counts[row, world.numbers[word]] += 1

    def write(prompt, beginning: str, beta: float, rng: np.random.Generator) -> str:
        words = (
            np.tanh(world.word_features + 0.7 * world.topic(prompt[-1].content)) @ world.truth("reward") / 4
        )
        seen = rng.choice(len(pool), size=64, replace=False)
        values = beta * counts[seen] @ words
        weights = np.exp(values - values.max())
        return pool[seen[rng.choice(64, p=weights / weights.sum())]]

    return write


def samples_of_another_policy(e: Event) -> Event:
    """Short samples, as an older policy would have written them."""
    responses = tuple(replace(r, text=r.text.partition(". ")[0] + ".") for r in e.screen.responses)
    return replace(e, screen=Screen(e.screen.prompt, responses))


def test_samples_of_the_policy_pass() -> None:
    right = trial(1500).score()
    assert right.passes, right


def test_a_labeler_who_saw_only_64_candidates_fails() -> None:
    wrong = trial(1500, writes=best_of_64).score()
    assert not wrong.passes, wrong


def test_samples_of_another_policy_fail() -> None:
    case = science.Case(demonstration, demonstration.settings(), 4)
    right = science.Trial.run(case, 1500, seed=3)
    wrong = right.changed(samples_of_another_policy)
    assert right.score().passes, right.score()
    assert not wrong.score().passes, wrong.score()


# --- Rules -----------------------------------------------------------------------------------------------------------


def test_texts_that_are_too_short_say_how_long_they_are() -> None:
    settings = demonstration.settings({"min_characters": 20})
    with pytest.raises(InvalidPayload) as refused:
        demonstration.validate(written("At 100 °C.  "), SCREEN, settings, None)
    assert refused.value.errors["text"] == ["Write at least 20 characters; so far it is 10."]


def test_a_form_keeps_line_feeds_and_puts_the_beginning_back() -> None:
    settings = demonstration.settings({"start": "prefix"})
    payload = form.parse({"text": "No:\r\n100."}, SCREEN, settings)
    assert payload is not None
    assert (payload.text, payload.kept, payload.written) == ("At 90 °C. No:\n100.", 10, "No:\n100.")
    assert form.parse({"text": " "}, SCREEN, settings) is None
    draft = demonstration.settings({"start": "draft"})
    assert form.parse({"text": SCREEN.responses[0].text}, SCREEN, draft) is None
    choose = demonstration.settings({"start": "choose"})
    with pytest.raises(InvalidPayload) as refused:
        form.parse({"text": "At 100."}, SCREEN, choose)
    assert set(refused.value.errors) == {"source"}


def test_who_sees_no_responses_can_write_from_scratch() -> None:
    """A client of the API gets a screen without responses."""
    empty, settings = Screen(SCREEN.prompt, ()), demonstration.settings()
    [question] = protocol.load_protocol([{"key": "q", "type": "demonstration"}])
    assert "text" in protocol.forms(question, empty)[0].fields
    payload = form.parse({"text": "At 100 °C."}, empty, settings)
    assert payload is not None
    demonstration.validate(payload, empty, settings, None)


def test_hidden_responses_stand_alone() -> None:
    """Beside a question that shows the responses nothing can be hidden; the protocol says so."""
    ask = {"key": "write", "type": "demonstration"}
    beside = [{"key": "grade", "type": "critique"}, ask]
    with pytest.raises(InvalidPayload) as refused:
        protocol.load_protocol(beside)
    [sentence] = refused.value.errors["questions.2"]
    assert "without seeing the responses" in sentence
    shown = [{"key": "grade", "type": "critique"}, {**ask, "settings": {"hide_responses": False}}]
    assert protocol.shows_responses(protocol.load_protocol(shown))
    assert not protocol.shows_responses(protocol.load_protocol([ask]))


# --- Agreement, second looks, views ----------------------------------------------------------------------------------


def test_word_edit_distance_by_hand() -> None:
    a, b = written("Water boils at 100 °C."), written("water boils at 90 °C.")
    # Seven tokens (Water boils at 100 ° C .), one exchanged.
    assert agreement.words(a.text) == ["water", "boils", "at", "100", "°", "c", "."]
    assert demonstration.distance(a, b) == pytest.approx(1 / 7)
    assert demonstration.distance(a, written("Nie")) == 1
    assert demonstration.distance(written("水沸腾"), written("水不沸腾")) == pytest.approx(1 / 4)
    assert demonstration.consensus([a, b, b, written("Nie")]) == b


def test_second_looks_by_hand() -> None:
    long = "Water boils at one hundred degrees at sea level, and at ninety on a high mountain."
    events = [
        event(written(long, keystrokes=90, paste_events=0, paste_chars=0), name="typed"),
        event(written(long.upper(), keystrokes=90), name="again"),
        event(written("at 90 °c.  i THINK.", keystrokes=20), name="taken"),
        event(written("It depends on the pressure of the air.", keystrokes=2, paste_chars=38), name="pasted"),
        event(written("It boils when it is hot enough to boil.", keystrokes=5, paste_chars=0), name="dictated"),
        event(written("It boils sooner on a hill, later in a pot.", keystrokes=None), name="uncounted"),
        event(written("At 90 °C. At height sooner!", "draft", source=7, keystrokes=1), name="draft", start="draft"),
    ]  # fmt: skip
    assert agreement.suspicions(events) == {
        "typed": ["duplicate"], "again": ["duplicate"], "taken": ["copied"], "pasted": ["pasted"],
        "dictated": ["few keys"],
    }  # fmt: skip
    assert agreement.suspicions(events[:1]) == {}


def test_views() -> None:
    payload = written("At 100 °C.")
    [(view, row)] = demonstration.records([event(payload)])
    assert view == "prompt_completion"
    assert row == {
        "prompt": [{"role": "user", "content": "When does water boil?"}],
        "completion": [{"role": "assistant", "content": "At 100 °C."}],
    }
    asked = [(v, r.get("rejected")) for v, r in demonstration.records([event(payload, pairs=True)])]
    assert [view for view, _row in asked] == ["prompt_completion", *["preference"] * 3]
    assert [r[0]["content"] for _v, r in asked[1:] if r] == [r.text for r in SCREEN.responses]


def test_a_labeler_without_a_world_still_writes() -> None:
    who = SyntheticLabeler(value=lambda *_: 0.0)
    for start in ("scratch", "draft", "choose", "prefix"):
        settings = demonstration.settings({"start": start, "min_characters": 40})
        [(_target, payload)] = demonstration.simulate(SCREEN, settings, who, np.random.default_rng(1))
        demonstration.validate(payload, SCREEN, settings, None)
    assert offer.choice_set(SCREEN, demonstration.settings())["are_shown"] is False
