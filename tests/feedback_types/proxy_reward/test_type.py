"""Proxy rewards beyond the contract: features by hand, orders by hand, what a browser may send, what is exported."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest

from feedback_types import distances, segments
from feedback_types.base import Event, InvalidPayload, Screen
from feedback_types.proxy_reward import features, offer
from feedback_types.proxy_reward import feedback_type as proxy
from feedback_types.proxy_reward.examples import (
    FEATURES,
    FIXED,
    LISTS,
    PROGRAM,
    RUBRIC,
    SCREEN,
    SHORTER,
    VALID,
    YES,
)
from feedback_types.proxy_reward.features import FEATURES as KNOWN
from feedback_types.proxy_reward.features import counts, syllables, values
from feedback_types.proxy_reward.order import kendall_w, ranks, tau_b, top


def read(payload, **changes):
    return proxy.load(payload | changes)


def parse(data, settings, screen=SCREEN):
    asked = proxy.settings(settings)
    form = proxy.form_class(data, screen=screen, settings=asked, target=None)
    assert form.is_valid(), form.errors
    payload = proxy.parse(form.cleaned_data, screen, asked, None)
    if payload is not None:
        proxy.validate(payload, screen, asked, None)
    return payload


# --- Features --------------------------------------------------------------------------------------------------------


def test_features_by_hand():
    text = "Could you boil it? Thanks!!\n\n- Water, 2 litres\n- 1 egg\n\nMaybe it's `hot`. It's hot, maybe it's `hot`."
    # Could you boil it / Thanks / Water 2 litres / 1 egg / Maybe it's hot / It's hot maybe it's hot
    found = counts(text)
    assert found["words"] == 4 + 1 + 3 + 2 + 3 + 5 == 18
    assert found["sentences"] == 6
    assert found["sentence_length"] == 3
    assert (found["questions"], found["exclamations"], found["lists"], found["numbers"]) == (1, 1, 2, 2)
    assert found["hedges"] == 3  # could, maybe, maybe
    assert found["politeness"] == 1
    assert found["code"] == pytest.approx(100 * 6 / len(text))
    # 16 runs of three words; "maybe it's hot" comes twice.
    assert found["repetition"] == pytest.approx(100 / 16)


def test_reading_ease_is_that_of_flesch():
    # 6 words in 1 sentence, syllables: The 1, cat 1, sat 1, on 1, the 1, mat 1 -> 206.835 - 6.09 - 84.6 = 116.1, cut to 100.
    assert counts("The cat sat on the mat.")["reading_ease"] == 100
    # Runs of vowels: u-i-e-i-ie, e-a-ua without the silent e, o-e, y-o-e-e: 14 in 4 words.
    assert [syllables(w) for w in ("universities", "evaluate", "complex", "hypotheses")] == [5, 3, 2, 4]
    assert counts("Universities evaluate complex hypotheses.")["reading_ease"] == 0  # 206.8 - 4.1 - 296.1
    # 4 words, 5 syllables: 206.835 - 1.015 * 4 - 84.6 * 5 / 4 = 97.025.
    assert counts("Boil the egg over.")["reading_ease"] == pytest.approx(97.025)
    assert [syllables(w) for w in ("a", "the", "table", "make", "tree", "rhythm", "psst")] == [
        1,
        1,
        2,
        1,
        1,
        1,
        1,
    ]


def test_chinese_counts_characters_and_its_own_words():
    found = counts("也许可以煮八分钟。谢谢！")
    assert (found["words"], found["sentences"], found["hedges"], found["politeness"]) == (10, 2, 1, 1)
    assert found["reading_ease"] == 0
    assert counts("你好 world 3")["words"] == 4


def test_code_in_fences():
    text = "Do:\n```python\nx = 1\n```\nDone."
    assert counts(text)["code"] == pytest.approx(100 * len("x = 1\n") / len(text))
    assert counts("```\nnever closed")["code"] == pytest.approx(
        100 * len("never closed") / len("```\nnever closed")
    )


def test_empty_and_hostile_texts_have_features():
    for text in (
        "",
        " ",
        "\n" * 5000,
        "`" * 5000,
        "-" * 5000,
        "9" * 5000,
        "?!" * 3000,
        "a'" * 5000,
        "\U0001f95a" * 99,
    ):
        assert all(np.isfinite(v) for v in counts(text).values())


def test_values_are_whole_thousandths_of_a_unit():
    assert values("Why? " * 3, ["questions", "words"]) == [3000, 60]  # 3 of 1, and 3 of 50 words
    assert all(feature.unit > 0 for feature in KNOWN.values())


def test_the_version_is_pinned():
    """What version 1 computes must not change: a new rule, list or cut of sentences is a new version."""
    assert (features.VERSION, segments.VERSION) == (1, 1)
    text = "Please boil it, maybe for 8 minutes. Is that all? Yes!"
    assert list(counts(text).values()) == pytest.approx([11, 3, 11 / 3, 100, 1, 1, 0, 0, 1, 1, 1, 0])


# --- Orders ----------------------------------------------------------------------------------------------------------


def test_ranks_and_top():
    assert ranks([5, 7, 5]) == [2, 1, 2]
    assert top([3, 9, 9]) == [1, 2]


def test_tau_b_by_hand():
    assert tau_b([1, 2, 3], [1, 2, 3]) == 1 and tau_b([1, 2, 3], [3, 2, 1]) == -1
    # Of six pairs five agree and one does not: 4 / 6.
    assert tau_b([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)
    # A tie in the first: pairs (1,2) tied there, (1,3) and (2,3) agree: 2 / sqrt(2 * 3).
    assert tau_b([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / np.sqrt(6))
    assert tau_b([1, 1, 1], [1, 2, 3]) == 0 and tau_b([1, 1, 1], [1, 1, 1]) == 1
    with pytest.raises(ValueError, match="cannot be compared"):
        tau_b([1, 2], [1, 2, 3])


def test_tau_b_is_the_correlation_of_signs():
    """An independent form: Daniels (1944), the correlation coefficient of sign matrices."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = rng.integers(1, 4, size=(2, 6))
        x, y = (np.sign(np.subtract.outer(v, v)).ravel() for v in (a, b))
        if x.any() and y.any():
            assert tau_b(a.tolist(), b.tolist()) == pytest.approx(x @ y / np.sqrt((x @ x) * (y @ y)))


def test_kendall_w_by_hand():
    # Three judges, three things, all alike: rank sums 3, 6, 9; S = 18; W = 12 * 18 / (9 * 24) = 1.
    assert kendall_w([[1, 2, 3]] * 3) == pytest.approx(1)
    # 123, 132, 213: sums 4, 6, 8; S = 8; W = 96 / 216 = .444.
    assert kendall_w([[1, 2, 3], [1, 3, 2], [2, 1, 3]]) == pytest.approx(4 / 9)
    # Ties 1 1 2 are the places 1.5 1.5 3, beside 1 2 3: sums 2.5, 3.5, 6; S = 6.5; T = 6; W = 78 / (96 - 12) = .929.
    assert kendall_w([[1, 1, 2], [1, 2, 3]]) == pytest.approx(6.5 * 12 / 84)
    assert np.isnan(kendall_w([[1, 1, 1], [1, 1, 1]]))


def test_distance_is_between_orders_whatever_the_weights_and_the_order_shown():
    # CURT PLAIN LIST against LIST CURT PLAIN: of three pairs one agrees, so tau is -1/3.
    assert proxy.distance(read(SHORTER), read(LISTS)) == pytest.approx(2 / 3)
    turned = read(SHORTER, pool=[17, 15, 12], ranks=[1, 3, 2])
    assert proxy.distance(read(SHORTER), turned) == 0
    assert proxy.distance(read(SHORTER), read(SHORTER, ranks=[2, 1, 3])) == 1
    assert proxy.distance(read(SHORTER), read(SHORTER, ranks=[1, 1, 1])) == 0.5
    assert proxy.consensus([read(LISTS), read(SHORTER), turned]) in (read(SHORTER), turned)


def test_alpha_equals_the_krippendorff_package():
    """The package with our distance as a metric of its own over the thirteen orders of three."""
    rng = np.random.default_rng(4)
    orders = sorted({tuple(ranks(scores)) for scores in rng.integers(0, 3, size=(200, 3)).tolist()})
    assert len(orders) == 13
    table = rng.integers(0, 13, size=(4, 30)).astype(float)
    table[1] = np.where(rng.random(30) < 0.6, table[0], table[1])
    table[rng.random(table.shape) < 0.2] = np.nan

    def metric(v1, v2, i1=None, i2=None, n_v=None, dtype=np.float64):
        one, two = np.broadcast_arrays(v1, v2)
        gaps = [
            (1 - tau_b(orders[int(a)], orders[int(b)])) / 2
            for a, b in zip(one.ravel(), two.ravel(), strict=True)
        ]
        return np.array(gaps, dtype=dtype).reshape(one.shape)

    expected = krippendorff.alpha(
        table, level_of_measurement=metric, value_domain=list(map(float, range(13)))
    )
    units = [
        [read(SHORTER, ranks=list(orders[int(v)])) for v in column if not np.isnan(v)] for column in table.T
    ]
    assert distances.krippendorff_alpha(units, proxy.distance).alpha == pytest.approx(expected, abs=1e-9)


# --- From the browser ------------------------------------------------------------------------------------------------


def test_what_a_browser_sends():
    sent = {"w_0": "-1", "w_1": "0", "w_2": "2", "tried": "[[0,[0,0,0]],[900,[-1,0,0]],[4100,[-1,0,2]]]"}
    payload = parse(sent, FEATURES)
    assert payload.ranks == (3, 1, 2) and payload.top == (15,)
    assert [t.t_ms for t in payload.tried] == [0, 900, 4100]
    # A page whose script lost the last step: what was sent was on the screen, at a time nobody knows.
    late = parse(sent | {"tried": "[[0,[0,0,0]]]"}, FEATURES)
    assert [t.t_ms for t in late.tried] == [0, None] and late.tried[-1].weights == late.weights


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"tried": "[[0,[0,0]]]"}, "tried"),
        ({"tried": "{"}, "tried"),
        ({"tried": "[1]"}, "tried"),
        ({"tried": '[[0,["1",0,0]]]'}, "tried"),
        ({"tried": "[[0,[0,0,99]]]"}, "tried"),
        ({"tried": "[" * 5000}, "tried"),
        ({"w_0": "0", "w_2": "0", "tried": "[[0,[0,0,0]],[5,[1,0,0]],[9,[0,0,0]]]"}, "w_0"),
    ],
)
def test_nonsense_is_refused_at_its_field(changed, field):
    with pytest.raises(InvalidPayload) as refused:
        parse({"w_0": "-1", "w_1": "0", "w_2": "2", "tried": ""} | changed, FEATURES)
    assert field in refused.value.errors


def test_a_rubric_wants_every_cell():
    cells = {f"j_{i}_{r}": "1" for i in (0, 1) for r in (12, 15, 17)}
    assert parse(cells | {"j_1_17": "0"}, RUBRIC).ranks == (1, 1, 2)
    assert parse({}, RUBRIC) is None
    with pytest.raises(InvalidPayload) as refused:
        parse({k: v for k, v in cells.items() if k != "j_1_15"}, RUBRIC)
    assert set(refused.value.errors) == {"j_1_15"}


def test_settings_say_what_they_lack():
    for wrong in (
        {"mode": "rubric"},
        {"features": []},
        {"features": ["words", "words"]},
        {"features": ["charm"]},
        {"features": ["words", "lists", "code", "numbers", "hedges", "questions"]},
        {"mode": "rubric", "criteria": ["Kind", "kind"]},
        {"mode": "rubric", "criteria": ["<b>"]},
    ):
        with pytest.raises(InvalidPayload):
            proxy.settings(wrong)


def test_a_preview_ranks_a_program_and_words_its_mistakes():
    asked = proxy.settings(PROGRAM)
    shown = proxy.preview({"program": "-words"}, SCREEN, asked)
    assert shown["ranking"] == [
        {"id": 12, "score": -8.0, "rank": 2},
        {"id": 15, "score": -18.0, "rank": 3},
        {"id": 17, "score": -4.0, "rank": 1},
    ]
    assert proxy.preview({"program": "wrods"}, SCREEN, asked)["problem"].startswith(
        "“wrods” is not a feature"
    )
    assert proxy.preview({}, SCREEN, asked) == {"problem": "Write a program.", "ranking": []}
    with pytest.raises(InvalidPayload):
        proxy.preview({"program": "words"}, SCREEN, proxy.settings(FEATURES))


# --- The choice set --------------------------------------------------------------------------------------------------


def test_the_sample_is_the_same_for_everybody_and_whatever_they_choose():
    asked = proxy.settings(FEATURES)
    turned = Screen(SCREEN.prompt, SCREEN.responses[::-1])
    sample = offer.sampled(SCREEN, asked)
    assert sample == offer.sampled(turned, asked) and len(sample) == asked.sample
    assert len(set(sample)) == len(sample) and all(any(w) and max(map(abs, w)) <= 3 for w in sample)
    for payload in (SHORTER, LISTS):
        stored = proxy.choice_set(SCREEN, asked, read(payload))["candidates"]
        assert {tuple(c["weights"]) for c in stored} >= set(sample)
        assert tuple(read(payload).weights.values()) in {tuple(c["weights"]) for c in stored if c["seen"]}
    small = proxy.settings({"features": ["words"], "widest": 1})
    assert sorted(offer.sampled(SCREEN, small)) == [(-1,), (1,)]  # all there are


def test_the_sample_covers_the_grid_evenly():
    asked, found = proxy.settings(FEATURES | {"sample": 100}), []
    for n in range(60):
        screen = Screen(
            SCREEN.prompt, (*SCREEN.responses[:2], SCREEN.responses[2].__class__(n, f"Text {n}."))
        )
        found += offer.sampled(screen, asked)
    drawn = np.array(found)
    counted = np.stack([(drawn == level).mean(axis=0) for level in range(-3, 4)])
    assert np.abs(counted - 1 / 7).max() < 0.02  # 6,000 draws: a standard error of .0045


# --- Export and the stated reward ------------------------------------------------------------------------------------


def event(payload, settings):
    asked = proxy.settings(settings)
    loaded = read(payload)
    return Event(
        "1", "proxy_reward", "l", "q", SCREEN, None, loaded, asked, proxy.choice_set(SCREEN, asked, loaded)
    )


def test_records_say_what_was_stated_and_every_pair():
    rows = list(proxy.records([event(LISTS, FEATURES)]))
    (only,) = [row for view, row in rows if view == "prompt_only"]
    assert only["weights"] == {"words": -1, "sentences": 0, "lists": 2}
    assert only["units"] == {"words": 50, "sentences": 3, "lists": 2} and only["source"] == "proxy"
    pairs = [row for view, row in rows if view == "preference"]
    # Words 8, 18, 4 of 50; lists 0, 3, 0 of 2: scores -.16, -.36 + 3, -.08.
    text = {r.id: r.text for r in SCREEN.responses}
    found = {(p["chosen"][0]["content"], p["rejected"][0]["content"]): p["margin"] for p in pairs}
    assert found == {
        (text[15], text[12]): pytest.approx(2.8),
        (text[15], text[17]): pytest.approx(2.72),
        (text[17], text[12]): pytest.approx(0.08),
    }
    assert {p["source"] for p in pairs} == {"proxy"}


def test_the_stated_reward_is_a_function_of_any_text():
    stated = proxy.reward(read(LISTS))
    assert stated(SCREEN.responses[1].text) == pytest.approx(2.64) and stated("") == 0
    program = next(e for e in VALID if e.settings == PROGRAM)
    assert proxy.reward(read(program.payload))("- a\n- b") == pytest.approx(2 * 2 - 2 / 10)
    assert proxy.reward(read(YES)) is None  # nobody is there who would judge


def test_rubrics_of_fixed_weights_count_one_each():
    assert FIXED["weigh"] is False
    payload = parse({f"j_{i}_{r}": "2" if r == 12 else "0" for i in (0, 1) for r in (12, 15, 17)}, FIXED)
    assert payload.weights == {"Correct": 1, "Well put": 1} and payload.ranks == (1, 2, 2)
