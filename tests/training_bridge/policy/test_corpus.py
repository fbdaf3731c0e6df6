"""The corpus: what it says is about the prompt, its traits are what they are called, and independent of each other."""

import itertools
import random
from collections import Counter

import pytest

from training_bridge.policy import corpus, tastes
from training_bridge.policy.corpus import Style, compose, examples, is_well_formed, prompts, subjects
from training_bridge.policy.tastes import TASTES

N = 4000


@pytest.fixture(scope="module")
def many():
    return list(itertools.islice(examples(seed=0), N))


def test_there_is_enough_to_ask_and_nothing_twice():
    assert len({s.topic.name for s in subjects()}) >= 30
    everything = prompts("train") + prompts("held_out")
    assert len(everything) == len(set(everything)) >= 400
    assert len(prompts("starter")) >= 120
    assert set(prompts("starter")) <= set(prompts("train"))


def test_held_out_prompts_are_never_in_the_corpus(many):
    assert len(prompts("held_out")) == len(subjects())
    assert {e.prompt for e in many}.isdisjoint(prompts("held_out"))
    assert {e.prompt for e in many} == set(prompts("train"))  # 4,000 answers ask every prompt


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="held_out"):
        prompts("validation")


def test_the_detectors_agree_with_the_grammar(many):
    """Every label of 4,000 answers is read back from the text alone."""
    for example in many:
        text, style = example.answer, example.style
        assert TASTES["warm"].score(text) == {"warm": 1.0, "neutral": 0.5, "curt": 0.0}[style.tone], text
        assert TASTES["concrete"].score(text) == float(style.concrete), text
        assert TASTES["gives_reason"].score(text) == float(style.reason), text
        assert TASTES["offers_more"].score(text) == float(style.offer), text
        assert TASTES["to_the_point"].score(text) == float(not style.rambling), text


def test_the_traits_are_independent_of_each_other_and_as_frequent_as_they_should_be(many):
    """Correlations of independent draws have a standard error of 1/sqrt(4000) = 0.016; 4 of those is 0.064."""
    columns = {
        "warm": [e.style.tone == "warm" for e in many],
        "curt": [e.style.tone == "curt" for e in many],
        "concrete": [e.style.concrete for e in many],
        "reason": [e.style.reason for e in many],
        "rambling": [e.style.rambling for e in many],
        "offer": [e.style.offer for e in many],
    }
    shares = {name: sum(column) / N for name, column in columns.items()}
    expected = {"warm": 1 / 3, "curt": 1 / 3, "concrete": 0.6, "reason": 0.5, "rambling": 0.4, "offer": 0.5}
    assert shares == pytest.approx(expected, abs=0.03)
    for (a, x), (b, y) in itertools.combinations(columns.items(), 2):
        if {a, b} == {"warm", "curt"}:
            continue  # two values of one die
        both = sum(i and j for i, j in zip(x, y, strict=True)) / N
        spread = (shares[a] * (1 - shares[a]) * shares[b] * (1 - shares[b])) ** 0.5
        assert abs(both - shares[a] * shares[b]) / spread < 0.064, (a, b)


def test_answers_are_short_english_sentences(many):
    for example in many:
        assert example.answer[0].isupper() and example.answer[-1] in ".!?", example.answer
        assert not any(mark in example.answer for mark in "{}|<>~"), example.answer
        assert "  " not in example.answer and ".." not in example.answer, example.answer
        assert 3 <= len(example.answer.split()) <= 64, example.answer


def test_candidates_of_one_prompt_differ():
    rng = random.Random(1)
    subject = subjects()[0]
    answers = {compose(subject, corpus.draw_style(rng), rng) for _ in range(50)}
    assert len(answers) >= 45


def test_every_answer_belongs_to_its_prompt_and_to_no_prompt_of_another_topic(many):
    assert all(is_well_formed(e.prompt, e.answer) for e in many)
    topic = {s.name: s.topic.name for s in subjects()}
    by_topic = {s.topic.name: s for s in subjects()}
    for example in many[:400]:
        other = by_topic[
            random.Random(example.answer).choice(sorted(set(by_topic) - {topic[example.subject]}))
        ]
        assert not is_well_formed(other.held_out, example.answer), (other.name, example.answer)


@pytest.mark.parametrize(
    "broken",
    [
        "Fry 2 eggs and put them on toast with soap.",  # not one of the alternatives
        "Fry 2 eggs and put them on toast with beans",  # no stop
        "Fry 2 eggs and put them on toast with beans, because tins need no planning.",  # another answer's reason
        "Otters eat fish.",
        "",
    ],
)
def test_a_slip_is_noticed(broken):
    assert is_well_formed("What should I cook tonight?", "Fry 2 eggs and put them on toast with beans.")
    assert not is_well_formed("What should I cook tonight?", broken)


def test_the_same_seed_gives_the_same_corpus_and_another_seed_another():
    first = list(itertools.islice(examples(5), 40))
    assert first == list(itertools.islice(examples(5), 40))
    assert first != list(itertools.islice(examples(6), 40))


def test_words_that_carry_a_trait_appear_nowhere_else():
    carrying = tastes.WARM + tastes.CURT + tastes.REASON + tastes.RAMBLING
    for subject in subjects():
        topic = subject.topic
        for fact in subject.facts:
            both = f"{fact.sentence} {fact.reason}"
            assert not tastes.finds(both, carrying + tastes.VAGUE) and not set("?!") & set(both), both
            assert not any(c.isdigit() for c in fact.reason), both
        for fact in topic.vague:
            both = f"{fact.sentence} {fact.reason}"
            assert tastes.finds(fact.sentence, tastes.VAGUE), both
            assert not tastes.finds(both, carrying) and not any(c.isdigit() for c in both), both
        for text in topic.asides + topic.offers:
            assert not tastes.finds(text, carrying + tastes.VAGUE) and not any(c.isdigit() for c in text), (
                text
            )
        assert all(text.endswith("?") for text in topic.offers)


def test_topics_have_what_the_grammar_needs():
    for subject in subjects():
        assert len(subject.facts) >= 3 and len(subject.topic.vague) >= 3, subject.name
        assert len(subject.topic.asides) >= 3 and len(subject.topic.offers) >= 2, subject.name
    openers = Counter(opener for group in corpus.OPENERS.values() for opener in group)
    assert max(openers.values()) == 1


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("# a\nkind do\n## b\n= no reason\n", "No reason"),
        ("# a\nkind do\n## b\n* what < is this\n", "begins with none"),
    ],
)
def test_a_line_that_is_not_understood_is_named(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        list(corpus.read(text))


def test_composition_by_hand():
    text = """
# a topic
kind about
~ Something < it depends
+ an aside
? Shall I?
## otters
@ Are otters nice?
= They have {4} paws < that is how they are
"""
    (subject,) = corpus.read(text)
    assert subject.held_out == "Tell me about otters."
    assert subject.train[0] == "Are otters nice?" and len(subject.train) == 6
    rng = random.Random(0)
    plain = Style("neutral", concrete=True, reason=False, rambling=False, offer=True)
    assert compose(subject, plain, rng) == "They have 4 paws. Shall I?"
    vague = Style("neutral", concrete=False, reason=True, rambling=False, offer=False)
    assert compose(subject, vague, rng) in (
        "Something, because it depends.",
        "Something. The reason: it depends.",
    )
