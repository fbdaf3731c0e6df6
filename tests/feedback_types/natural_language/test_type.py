"""What is particular to comments: likely aspects, forms as people fill them, distances, views, planted mistakes."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace

import krippendorff
import numpy as np
import pytest
import torch

from feedback_types import registry, science
from feedback_types.base import Event, InvalidPayload, Message, Screen, ShownResponse, SyntheticLabeler
from feedback_types.distances import krippendorff_alpha
from feedback_types.natural_language import aspects, offer
from feedback_types.natural_language.likelihood import NaturalLanguageLikelihood
from feedback_types.natural_language.schema import Aspect, NaturalLanguagePayload, Refinement
from feedback_types.natural_language.simulate import INITIAL

language = registry.get("natural_language")
TEXT = "Faust 🎭 is by Goethe. He wrote it in 1990."
BETTER, WORSE = "Its first part appeared in 1808.", "Schiller wrote it."
SCREEN = Screen(
    (Message("user", "?"),), (ShownResponse(5, TEXT), ShownResponse(6, BETTER), ShownResponse(7, WORSE))
)
ASKED = {"aspects": ["accuracy", "completeness", "clarity", "tone", "relevance", "length", "wit"]}


def said(
    verdict: int | None = None, named: dict[str, int] | None = None, **fields: object
) -> NaturalLanguagePayload:
    found = tuple(Aspect(name=name, polarity=sign) for name, sign in (named or {}).items())
    return NaturalLanguagePayload.model_validate(
        {"text": "So.", "language": "en", "verdict": verdict, "aspects": found, **fields}
    )


def shown(text: str, accepted: bool, source: str = "model") -> Refinement:
    return Refinement(text=text, source=source, accepted=accepted)  # type: ignore[arg-type]


def event(payload: NaturalLanguagePayload, screen: Screen = SCREEN, **asked: object) -> Event:
    settings = language.settings(asked)
    offered = json.loads(json.dumps(language.choice_set(screen, settings, payload)))
    return Event("1", "natural_language", "0", "q", screen, 5, payload, settings, offered)


# --- Likely aspects --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "verdict", "expected"),
    [
        ("The year is wrong.", None, {"accuracy": -1}),
        ("Not wrong at all!", None, {"accuracy": 1}),
        ("incorrect, though correct in part", None, {"accuracy": -1}),  # -1 + 1 = 0, and no verdict
        ("incorrect, though correct in part", 1, {"accuracy": 1}),
        ("It is not very clear.", None, {"clarity": -1}),
        (
            "Clear; nobody has ever been rude.",
            None,
            {"clarity": 1, "tone": -1},
        ),  # "nobody" is no negation of ours
        ("The tone!", 1, {"tone": 1}),
        ("The tone!", 0, {"tone": -1}),
        ("TOO LONG; off-topic.", None, {"relevance": -1, "length": -1}),
        ("It wasn’t friendly", 1, {"tone": -1}),
        ("Clearance and wrongly are other words.", None, {}),
        ("写得很清楚，但有错误。", None, {"accuracy": -1, "clarity": 1}),
        ("不正确", 1, {"accuracy": -1}),  # one keyword, not a negated 正确
        ("语气没有礼貌", None, {"tone": -1}),
        ("Hallucinations everywhere", None, {"accuracy": -1}),
        ("How dull, no puns.", None, {"wit": -1}),
        ("Full of puns.", None, {"wit": 1}),
        ("", None, {}),
    ],
)
def test_likely_aspects(text: str, verdict: int | None, expected: dict[str, int]) -> None:
    settings = language.settings({**ASKED, "keywords": ["wit: -dull, +puns"]})
    assert {a.name: a.polarity for a in offer.suggest(text, verdict, settings)} == expected


@pytest.mark.parametrize(
    ("text", "offered", "expected"),
    [
        ("Fine.", ("en", "zh"), "en"),
        ("很好。", ("en", "zh-Hans"), "zh-Hans"),
        ("The word 好 is right here in the text", ("en", "zh"), "en"),
        ("これは正しい答えです", ("en", "ja", "zh"), "ja"),
        ("좋아요", ("en", "ko"), "ko"),
        ("Хорошо", ("en", "zh"), "en"),  # a language that is not on offer
        ("42", ("zh", "de"), "de"),
    ],
)
def test_the_language_of_a_comment(text: str, offered: tuple[str, ...], expected: str) -> None:
    assert aspects.language_of(text, offered) == expected


def test_a_long_comment_is_read_quickly() -> None:
    settings = language.settings(ASKED)
    assert offer.suggest("not wrong " * 1000, None, settings) == [Aspect(name="accuracy", polarity=1)]


# --- Forms -----------------------------------------------------------------------------------------------------------


def test_settings_say_what_is_wrong_with_keywords() -> None:
    for lines, words in ((["wit dull"], "a colon"), (["puns: +fun"], "not one of the aspects")):
        with pytest.raises(InvalidPayload) as refused:
            language.settings({**ASKED, "keywords": lines})
        assert words in str(refused.value)
    with pytest.raises(InvalidPayload):
        language.settings({"about": "turn", "refinements": "policy"})


def fill(asked: dict, **fields: str) -> NaturalLanguagePayload | None:
    settings = language.settings(asked)
    form = language.form_class(data=fields, screen=SCREEN, settings=settings, target=5)
    assert form.is_valid(), form.errors
    return language.parse(form.cleaned_data, SCREEN, settings, 5)


def test_only_the_first_import_is_asked_about_and_the_rest_revise_it() -> None:
    settings = language.settings({"refinements": "responses"})
    shuffled = replace(SCREEN, responses=SCREEN.responses[::-1])
    assert list(language.targets(shuffled, settings)) == [5]
    assert [r.id for r in offer.revisions(shuffled, settings)] == [6, 7]


def test_an_accepted_revision_ends_the_showing() -> None:
    asked = {"aspects": [], "refinements": "responses"}
    payload = fill(asked, verdict="-1", text="No.\r\nReally.", better_0="yes")
    assert payload is not None and payload.text == "No.\nReally."
    assert payload.refinement_accepted == BETTER and len(payload.refinements_shown) == 1
    with pytest.raises(InvalidPayload) as refused:
        fill(asked, verdict="-1", text="No.", better_0="no")
    assert set(refused.value.errors) == {"better_1"}


@pytest.mark.parametrize(
    "written", ["{", "3", "[3]", '[{"text": ""}]', '[{"text": "x", "accepted": 1}]', "[" * 9000]
)
def test_rubbish_for_revisions_is_refused_in_words(written: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        fill({"aspects": [], "refinements": "policy"}, verdict="1", text="Yes.", written=written)
    assert set(refused.value.errors) == {"written"}


# --- The law ---------------------------------------------------------------------------------------------------------


def s(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def probabilities(
    first: Event, values: list[float], beta: float = 1.0, law: dict | None = None
) -> list[float]:
    """Of every answer; the same scores at the same points."""
    likelihood = language.likelihood
    assert likelihood is not None
    every = likelihood.alternatives(first)
    n = len(every)
    own = {
        p.name: torch.tensor([{**INITIAL, **(law or {})}[p.name]] * n, dtype=torch.float64)
        for p in likelihood.parameters
    }
    scores = torch.tensor([values] * n, dtype=torch.float64)
    batch = likelihood.collate(every)
    return likelihood.log_likelihood(scores, batch, torch.full((n,), beta).double(), own).exp().tolist()


def test_a_refinement_by_hand() -> None:
    """R' - R = .5, beta 2: s(1) = .731059. eps of a model is s(-1.5) = .182426, of a person s(-3) = .047426."""
    asked = {"verdict": "off", "aspects": [], "refinements": "responses"}
    by_model = probabilities(
        event(said(refinements_shown=(shown(BETTER, True),)), **asked), [1.5, 1.0], beta=2
    )
    assert by_model == pytest.approx([1 - 0.688908, 0.688908], abs=1e-6)  # .817574 * .731059 + .091213
    person = event(said(refinements_shown=(shown(BETTER, True, "person"),)), revised_by="person", **asked)
    assert probabilities(person, [1.5, 1.0], beta=2)[1] == pytest.approx(0.720101, abs=1e-6)


def test_an_aspect_by_hand() -> None:
    """Not said, bad, good; silence 1, the suggestion adds 2; score .5."""
    likely = said(1, suggested=(Aspect(name="tone", polarity=1),))
    said_so, score = s(2 - 1), s(0.5)
    expected = [1 - said_so, said_so * (1 - score), said_so * score]
    found = probabilities(event(likely, verdict="off", aspects=["tone"]), [0.5, 9.0])
    assert found == pytest.approx(expected)
    found = probabilities(event(said(1), verdict="off", aspects=["tone"]), [0.5, 9.0])
    assert found == pytest.approx([1 - s(-1), s(-1) * (1 - score), s(-1) * score])


def test_what_the_comment_is_about_decides_what_is_read() -> None:
    likelihood = language.likelihood
    assert likelihood is not None
    points = likelihood.points(event(said(1, start=22, end=len(TEXT)), about="span", aspects=[]))
    assert [(p.offset, p.head) for p in points] == [(None, "reward"), (22, "reward")]
    # A span's verdict is about its step: 2 - .5 = 1.5.
    found = probabilities(event(said(1, start=22, end=len(TEXT)), about="span", aspects=[]), [2.0, 0.5])
    assert found == pytest.approx([1 - s(1.5), s(1.5)])
    chat = Screen(
        (Message("user", "?"), Message("assistant", "Yes."), Message("user", "!")), SCREEN.responses
    )
    (first, _second) = likelihood.points(event(said(1, turn=1), screen=chat, about="turn", aspects=[]))
    assert (first.text, first.turn, len(first.prompt(chat))) == ("Yes.", 1, 1)
    points = likelihood.points(event(said(1, {"tone": 1}), criterion="ending", aspects=["tone"]))
    assert [p.head for p in points[::2]] == ["attribute/ending", "aspect/tone"]
    assert not likelihood.usable(event(said(), verdict="off", aspects=[]))


@pytest.mark.parametrize("beta", [0.0, 1.5])
def test_labelers_draw_by_the_law(beta: float) -> None:
    asked = {"aspects": [], "refinements": "responses", "verdict": "three"}
    settings = language.settings(asked)
    scores = {TEXT: 0.4, BETTER: 1.0, WORSE: -0.5}
    law = {"shift": 0.3, "verdict_middle": -0.2}
    who = SyntheticLabeler(value=lambda _p, text, _o, _h: scores[text], beta=beta, parameters=law)
    rng = np.random.default_rng(1)
    drawn: Counter[tuple] = Counter()
    for _ in range(3000):
        [(_target, payload)] = language.simulate(SCREEN, settings, who, rng)
        drawn[payload.verdict, *(r.accepted for r in payload.refinements_shown)] += 1
    first = event(said(1, refinements_shown=(shown(BETTER, True), shown(WORSE, True))), **asked)
    likelihood = language.likelihood
    assert likelihood is not None
    every = [
        (e.payload.verdict, *(r.accepted for r in e.payload.refinements_shown))
        for e in likelihood.alternatives(first)
    ]
    values = [0.4, 0.4, 1.0, 0.4, -0.5, 0.4]
    expected = probabilities(first, values, beta, law) if beta else [1 / len(every)] * len(every)
    chi2 = sum((drawn[key] - 3000 * p) ** 2 / (3000 * p) for key, p in zip(every, expected, strict=True))
    assert chi2 < science.Score(3000, chi2, len(every) - 1).bound(3.0902)


class PlainPair(NaturalLanguageLikelihood):
    """What is usually done: the revision is a comparison like any other, won when it was accepted; nothing is blurred."""

    def log_likelihood(self, values, batch, beta, parameters):
        sharp = {"blur_model": torch.full_like(beta, -30.0), "blur_person": torch.full_like(beta, -30.0)}
        return super().log_likelihood(values, batch, beta, {**parameters, **sharp})


def accepted_only(e: Event) -> Event | None:
    """Revisions that were not better are thrown away, as in a file of (refined, original) pairs."""
    return e if all(r.accepted for r in e.payload.refinements_shown) else None


def always_better(e: Event) -> Event:
    """A revision was made, so it is taken to be better."""
    better = tuple(r.model_copy(update={"accepted": True}) for r in e.payload.refinements_shown)
    return replace(e, payload=e.payload.model_copy(update={"refinements_shown": better}))


REFINE = {"verdict": "off", "aspects": [], "refinements": "responses"}


@pytest.mark.parametrize("mistake", [accepted_only, always_better])
def test_a_refinement_as_a_plain_pair_fails_the_score_test(mistake) -> None:
    case = science.Case(language, language.settings(REFINE), 2)
    right = science.Trial.run(case, 4000, seed=3)
    wrong = right.changed(mistake)
    assert right.score().passes, right.score()
    assert not wrong.score(PlainPair()).passes, wrong.score(PlainPair())


def test_what_is_not_told_apart_must_be_in_the_law() -> None:
    """The same answers, all of them kept, under s(beta (R' - R)) without the blur of a model's revisions."""
    case = science.Case(language, language.settings(REFINE), 2)
    trial = science.Trial.run(case, 4000, seed=3)
    assert trial.score().passes, trial.score()
    assert not trial.score(PlainPair()).passes, trial.score(PlainPair())


# --- Agreement and views ---------------------------------------------------------------------------------------------


def test_distance_by_hand() -> None:
    a = said(-1, {"accuracy": -1, "tone": 1})
    assert language.distance(a, said(-1, {"accuracy": -1, "tone": 1}, text="Other words.")) == 0
    # Verdict 1; of accuracy, tone and clarity only accuracy is the same: 2/3.
    assert language.distance(a, said(1, {"accuracy": -1, "clarity": 1})) == pytest.approx((1 + 2 / 3) / 2)
    assert language.distance(a, said(-1, {"accuracy": 1, "tone": -1})) == pytest.approx(0.5)
    first = said(-1, refinements_shown=(shown(BETTER, True), shown(WORSE, False)))
    second = said(-1, refinements_shown=(shown(BETTER, False), shown("Else.", True)))
    assert language.distance(first, second) == pytest.approx((0 + 1) / 2)  # only BETTER was seen by both


def test_alpha_of_verdicts_is_the_nominal_one() -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(-1, 2, size=(3, 30))
    table[:, :15] = table[0, :15]
    ours = krippendorff_alpha([[said(int(v)) for v in column] for column in table.T], language.distance)
    theirs = krippendorff.alpha(reliability_data=table, level_of_measurement="nominal")
    assert ours.alpha == pytest.approx(theirs, abs=1e-9)


def test_consensus_by_hand() -> None:
    a = said(1, {"tone": 1}, refinements_shown=(shown(BETTER, True),))
    b = said(-1, {"tone": -1}, refinements_shown=(shown(BETTER, False),))
    c = said(-1, {"tone": 1}, text="Mine.", refinements_shown=(shown(BETTER, True),))
    agreed = language.consensus([a, b, c])
    assert (agreed.verdict, agreed.text) == (-1, "Mine.")  # c is nearest: .5 to a, .67 to b
    assert agreed.aspects == (Aspect(name="tone", polarity=1),)
    assert agreed.refinement_accepted == BETTER


def rows(payload: NaturalLanguagePayload, **asked: object) -> list[tuple[str, dict]]:
    return list(language.records([event(payload, **asked)]))


def test_views_hold_the_comment_and_leave_out_what_they_cannot_say() -> None:
    payload = said(-1, {"tone": -1}, refinements_shown=(shown(WORSE, False), shown(BETTER, True)))
    found = dict(rows(payload, refinements="responses"))
    assert found["preference"]["chosen"][0]["content"] == BETTER
    assert found["preference"]["rejected"][0]["content"] == TEXT
    assert found["prompt_completion"]["completion"][0]["content"] == BETTER
    assert found["unpaired"]["label"] is False
    extra = {"comment": "So.", "language": "en", "aspects": [{"name": "tone", "polarity": -1}]}
    assert all(extra.items() <= row.items() for row in found.values())
    assert rows(said(0), verdict="three") == []
    assert rows(said(1, start=0, end=3), about="span") == []
    assert rows(said(1), criterion="ending") == []
    assert (
        rows(said(1, refinements_shown=(shown(BETTER, False),)), refinements="responses")[0][0] == "unpaired"
    )
