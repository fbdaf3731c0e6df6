"""Payload, agreement, calibration and the law of reactions and reading, with numbers worked out by hand."""

import hashlib
import math
from dataclasses import replace

import krippendorff
import numpy as np
import pytest
import torch

from feedback_types import distances, registry, science
from feedback_types.base import Event, Message, Screen, ShownResponse, SyntheticLabeler
from feedback_types.social_behavior import agreement, export, simulate
from feedback_types.social_behavior.examples import COPIED, GOOD, QUIET, SCREEN
from feedback_types.social_behavior.schema import SocialSettings
from feedback_types.social_behavior.simulate import EVENTS, INITIAL

SOCIAL = registry.get("social_behavior")
LAW = SOCIAL.likelihood


def payload(**changes):
    return SOCIAL.load(QUIET | changes)


def event(said, settings=None, labeler="a", **extra):
    return Event(
        "1", "social_behavior", labeler, "q", SCREEN, 7, said, settings or SocialSettings(), extra=extra
    )


# --- What is stored --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exposed_ms", "pace"),
    # 68 code points: 8, 24 and 60 ms each are 544, 1632 and 4080 ms.
    [(0, 0), (543, 0), (544, 1), (1631, 1), (1632, 2), (4079, 2), (4080, 3), (90_000, 3)],
)
def test_the_pace_is_time_for_each_code_point(exposed_ms, pace):
    assert payload(exposed_ms=exposed_ms).pace == pace


def test_condensing_keeps_totals_and_can_be_done_again():
    said = SOCIAL.load(COPIED | {"revisits": [2, 0, 1]})
    once = SOCIAL.condense(said)
    assert once.dump() == {
        "recorder": "page", "reaction": "up", "reaction_ms": None, "exposed_ms": 9100, "segments": [68],
        "visible_ms": [9100], "revisits": [3], "condensed": True,
        "events": [{"event": "copy", "count": 2, "t_ms": None}, {"event": "select", "count": 1, "t_ms": None}],
    }  # fmt: skip
    assert SOCIAL.condense(once) == once
    assert SOCIAL.load(once.dump()) == once
    assert float(likelihood(once)) == pytest.approx(float(likelihood(said)))  # the law reads the same


def test_the_summary_names_what_happened():
    assert SOCIAL.summary(SOCIAL.load(COPIED), SCREEN, SocialSettings()) == (
        "👍 Good · copied × 2 · selected × 1 · in view for 9 s"
    )
    assert (
        SOCIAL.summary(payload(recorder="plain", exposed_ms=0, revisits=[]), SCREEN, None)
        == "Nothing happened"
    )


def test_the_text_of_a_consent_does_not_change_under_its_version():
    """Change a word, raise the version, and write down its hash: whoever agreed, agreed to these words."""
    known = {("implicit_signals", 1): KNOWN_TEXT}
    for consent in SOCIAL.consents:
        found = hashlib.sha256(consent.text().encode()).hexdigest()
        assert found == known[consent.slug, consent.version]


KNOWN_TEXT = "3d6c77fdcb1e1033dc91e9ec786a0f01b3595cd6253d8f25ce261caca03c2923"


# --- Agreement -------------------------------------------------------------------------------------------------------


def test_distance_is_jaccard_on_what_happened():
    quiet = payload(revisits=[0, 0, 0])
    copied = SOCIAL.load(COPIED)  # up, copy, select
    thumb = payload(revisits=[0, 0, 0], reaction="up")
    again = payload(reaction="up")  # up, reread
    assert agreement.distance(quiet, quiet) == 0
    assert agreement.distance(quiet, copied) == 1
    assert agreement.distance(copied, thumb) == pytest.approx(2 / 3)
    assert agreement.distance(thumb, again) == pytest.approx(1 / 2)
    assert agreement.consensus([copied, thumb, again]) == thumb  # 2/3 + 1/2 is the least


def test_alpha_of_reactions_alone_is_the_nominal_alpha():
    """With at most one sign each, Jaccard's distance is 0 or 1: the package's nominal alpha on the same table."""
    table = [
        ["up", "up", "down"],
        ["down", "down", "up"],
        ["heart", "heart", "heart"],
        ["up", "down", "down"],
    ]
    units = [[payload(revisits=[0, 0, 0], reaction=name) for name in row] for row in table]
    codes = {"up": 0, "down": 1, "heart": 2}
    expected = krippendorff.alpha(
        np.array([[codes[name] for name in row] for row in table]).T, level_of_measurement="nominal"
    )
    assert distances.krippendorff_alpha(units, agreement.distance).alpha == pytest.approx(expected)


def test_auc_and_information_by_hand():
    # Good: 3, 2; bad: 2, 1. Pairs: 3>2, 3>1, 2=2 (half), 2>1: 3.5 of 4.
    assert agreement.auc([3, 2, 2, 1], [True, True, False, False]) == 0.875
    assert agreement.auc([1, 1, 1], [True, False, True]) == 0.5
    assert math.isnan(agreement.auc([1, 2], [True, True]))
    # 100 times each: the event is the label: 1 bit, and the correction (1 + 1 - 1) / 400 / ln 2.
    same = agreement.mutual_information([0, 1] * 100, [0, 1] * 100)
    assert same == pytest.approx(1 + 1 / 400 / math.log(2))
    # Independent: 0 bits, and (1 + 1 - 3) / 400 / ln 2 is below it.
    free = agreement.mutual_information([0, 0, 1, 1] * 50, [0, 1, 0, 1] * 50)
    assert free == pytest.approx(-1 / 400 / math.log(2))


# --- The law ---------------------------------------------------------------------------------------------------------


def own(**changes):
    return {
        p.name: torch.tensor([changes.get(p.name, p.initial)], dtype=torch.float64) for p in LAW.parameters
    }


def likelihood(said, score=0.0, settings=None, **changes):
    batch = LAW.collate([event(said, settings)])
    return LAW.log_likelihood(
        torch.tensor([[score]], dtype=torch.float64),
        batch,
        torch.ones(1, dtype=torch.float64),
        own(**changes),
    )[0]


def flat(**values):
    return tuple(values.get(name, 0.0) for name in EVENTS)


def test_the_law_by_hand():
    """Two reactions and copying: softmax(0, 1, -1) of R = 1 with slopes 1 and -1, and s(-2 + 0.5) for a copy."""
    settings = SocialSettings(reactions=("up", "down"), signals=("copy",))
    said = SOCIAL.load(
        COPIED
        | {
            "exposed_ms": 0,
            "visible_ms": [],
            "revisits": [],
            "events": [{"event": "copy", "count": 1, "t_ms": 1}],
        }
    )
    changes = {
        "base": flat(copy=-2.0),
        "slope": flat(up=1.0, down=-1.0, copy=0.5),
        "by_length": flat(),
    }
    expected = math.log(math.e / (1 + math.e + 1 / math.e)) + math.log(1 / (1 + math.exp(1.5)))
    assert float(likelihood(said, 1.0, settings, **changes)) == pytest.approx(expected)


@pytest.mark.parametrize(("recorder", "measured"), [("page", True), ("paused", False), ("plain", False)])
def test_what_was_not_measured_is_not_taken_for_nothing(recorder, measured):
    times = {} if recorder != "plain" else {"exposed_ms": 0, "visible_ms": [], "revisits": []}
    said = payload(recorder=recorder, **times)
    base = flat(copy=3.0, reread=3.0)
    changed = float(likelihood(said, base=base)) != pytest.approx(float(likelihood(said, base=flat())))
    assert changed == measured


def test_what_was_never_in_view_is_no_exposure():
    unseen = payload(exposed_ms=0, visible_ms=[0, 0, 0], revisits=[0, 0, 0])
    assert not LAW.usable(event(unseen))
    assert LAW.usable(event(unseen.model_copy(update={"reaction": "down"})))
    assert LAW.usable(event(unseen, SocialSettings(signals=("copy",))))


def exposures(n, slope, by_length, seed=0, follow_length=0.0):
    """n exposures of one reader whose copying follows the reward with `slope` and the length with `by_length`; the reward
    itself follows the length by `follow_length`, as it does where longer answers are better."""
    rng = np.random.default_rng(seed)
    settings = SocialSettings(reactions=("up",), signals=("copy",))
    found, rewards = [], []
    for n_words in rng.integers(10, 400, size=n):
        text = "word " * int(n_words)
        reward = float(rng.normal() + follow_length * math.log(len(text) / simulate.USUAL_LENGTH))
        screen = Screen((Message("user", "?"),), (ShownResponse(1, text),))
        reader = SyntheticLabeler(
            value=lambda prompt, text, at, head, reward=reward: reward,
            parameters={
                **INITIAL,
                "slope": flat(copy=slope),
                "by_length": flat(copy=by_length),
                "base": flat(copy=-0.5),
            },
        )
        said = simulate.exposure(screen, 0, settings, reader, rng)
        found.append(Event("1", "social_behavior", "a", "q", screen, 1, said, settings))
        rewards.append(reward)
    return found, torch.tensor(rewards, dtype=torch.float64).unsqueeze(1)


def fitted_slope(events, rewards, with_length=True):
    """The slope of copying by the law, with the reward given (the explicit overlap); prior N(0, 0.3^2)."""
    batch = LAW.collate(events)
    if not with_length:
        batch = batch | {"seen": torch.zeros_like(batch["seen"])}
    free = {p.name: torch.tensor(p.initial, dtype=torch.float64) for p in LAW.parameters}
    free["slope"] = torch.zeros(len(EVENTS), dtype=torch.float64)
    for values in free.values():
        values.requires_grad_()
    optimiser = torch.optim.LBFGS(list(free.values()), max_iter=60, line_search_fn="strong_wolfe")
    n = len(events)

    def loss():
        optimiser.zero_grad()
        given = {name: values.unsqueeze(0).expand(n, -1) for name, values in free.items()}
        total = -LAW.log_likelihood(rewards, batch, torch.ones(n, dtype=torch.float64), given).sum()
        total = total + (free["slope"] ** 2).sum() / (2 * 0.3**2) + (free["by_length"] ** 2).sum() / 8
        total.backward()
        return total

    optimiser.step(loss)
    return float(free["slope"][EVENTS.index("copy")])


def test_length_does_not_pass_for_reward():
    """Planted: copying follows the length and not the reward, and longer answers are better. The law is not fooled; one
    that leaves the length out is."""
    events, rewards = exposures(2500, slope=0.0, by_length=1.0, follow_length=0.8)
    assert abs(fitted_slope(events, rewards)) < 0.12
    assert fitted_slope(events, rewards, with_length=False) > 0.25


def test_a_true_slope_is_found_beside_the_length():
    events, rewards = exposures(2500, slope=0.3, by_length=1.0, follow_length=0.8)
    assert fitted_slope(events, rewards) == pytest.approx(0.3, abs=0.12)


def test_the_score_test_sees_a_confounder_that_is_left_out():
    """Slope 0.3 and a length confounder in the simulator; dropping the exposures without an event breaks the law too."""
    case = science.Case(SOCIAL, SocialSettings(reactions=("up", "down"), signals=("copy", "select")), 1)
    right = science.Trial.run(case, 1500, seed=3)
    assert right.score().passes
    only_events = right.changed(lambda e: e if e.payload.signs else None)
    assert not only_events.score().passes


# --- The view --------------------------------------------------------------------------------------------------------


def calibrated(people, n=40):
    """Everybody copies what was called good and never what was called bad."""
    copied, quiet = SOCIAL.load(COPIED), payload(revisits=[0, 0, 0])
    events = []
    for person in range(people):
        for _ in range(n):
            events.append(event(copied, labeler=f"l{person}", explicit=(3, 0)))
            events.append(event(quiet, labeler=f"l{person}", explicit=(0, 2)))
    return export.calibrate(events)


@pytest.mark.parametrize(("people", "rows"), [(19, 0), (20, 1)])
def test_no_row_before_twenty_people_stand_behind_the_calibration(people, rows):
    calibration = calibrated(people)
    assert calibration.people == people
    found = list(SOCIAL.records([event(SOCIAL.load(COPIED))], calibration))
    assert len(found) == rows
    for view, row in found:
        assert view == "unpaired" and row["label"] is True and row["source"] == "implicit"
        assert row["probability"] > 0.8 and row["completion"][0]["content"] == GOOD


def test_only_what_is_almost_sure_and_only_where_something_happened():
    calibration = calibrated(20)
    quiet = payload(revisits=[0, 0, 0])
    assert calibration.probability(event(quiet)) < 0.2
    assert list(SOCIAL.records([event(quiet)], calibration)) == []  # nothing happened
    paused = SOCIAL.load(COPIED | {"recorder": "paused"})
    assert list(SOCIAL.records([event(paused)], calibration)) == []
    unsure = replace(calibration, weights=calibration.weights * 0)
    assert list(SOCIAL.records([event(SOCIAL.load(COPIED))], unsure)) == []
    assert list(SOCIAL.records([event(SOCIAL.load(COPIED))], None)) == []


def test_responses_judged_as_often_good_as_bad_calibrate_nothing():
    assert export.calibrate([event(payload(), explicit=(2, 2)), event(payload())]) is None


def test_the_calibration_is_a_penalised_logistic_regression():
    """One feature, by hand: 30 of 40 copied ones are good, 10 of 40 others; the weight is shrunk below log 9."""
    rows = np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    weights = export._fit(rows, np.array([1.0, 0, 1, 0]), np.array([30.0, 10, 10, 30]))
    assert 1.6 < weights[1] < math.log(9)
    chance = 1 / (1 + np.exp(-(rows @ weights)))
    slope = rows.T @ (np.array([30.0, 10, 10, 30]) * (np.array([1.0, 0, 1, 0]) - chance))
    assert slope == pytest.approx(
        np.array([0.01, 1.0]) * weights, abs=1e-6
    )  # the gradient is the prior's pull
