"""E-stop beyond the contract: what a browser may send, how far apart two stops are, what is exported."""

import pytest

from feedback_types.base import Event, InvalidPayload
from feedback_types.e_stop import feedback_type as e_stop
from feedback_types.e_stop.examples import FINISHED, GOOD, HINDSIGHT, SCREEN, STOPPED


def read(payload, **changes):
    return e_stop.load(payload | changes)


def parse(data, settings=None):
    settings = e_stop.settings(settings)
    form = e_stop.form_class(data, screen=SCREEN, settings=settings, target=7)
    assert form.is_valid(), form.errors
    payload = e_stop.parse(form.cleaned_data, SCREEN, settings, 7)
    if payload is not None:
        e_stop.validate(payload, SCREEN, settings, 7)
    return payload


def test_distance_by_hand():
    at = lambda share, **changes: read(STOPPED, rendered_char=round(68 * share), stop_char=68, **changes)  # noqa: E731
    # Both stopped: half of the squared difference of the fractions.
    assert e_stop.distance(at(0.25), at(0.75)) == pytest.approx(0.5**2 / 2)
    # One stopped at a quarter, one ran to the end: 1/2 nominal + (3/4)²/2.
    assert e_stop.distance(at(0.25), read(FINISHED)) == pytest.approx((1 + 0.75**2) / 2)
    assert e_stop.distance(read(STOPPED, rendered_char=0), read(FINISHED)) == 1
    assert e_stop.distance(read(FINISHED), read(FINISHED, t_ms=9)) == 0
    # Left half way and run to the end: neither was stopped.
    assert e_stop.distance(read(FINISHED, outcome="left", rendered_char=34), read(FINISHED)) == pytest.approx(
        0.5**2 / 2
    )
    # In hindsight it is the sentence that was chosen, though all was on the screen.
    assert e_stop.distance(read(HINDSIGHT), read(STOPPED, rendered_char=23)) == 0


def test_consensus_is_in_the_middle():
    early, middle, late = (read(STOPPED, rendered_char=n, stop_char=n) for n in (5, 30, 60))
    assert e_stop.consensus([late, early, middle]) == middle
    assert e_stop.consensus([read(FINISHED), early, read(FINISHED)]).outcome == "finished"


def test_only_stops_for_something_bad_are_exported():
    rows = []
    for payload in (
        read(STOPPED),
        read(STOPPED, reason="unsafe"),
        read(HINDSIGHT),
        *(read(STOPPED, reason=reason) for reason in ("enough", "already_know", "slip")),
        read(FINISHED),
        read(FINISHED, outcome="left", rendered_char=30),
        read(HINDSIGHT, reason=None),
    ):
        rows += e_stop.records([Event("1", "e_stop", "l", "q", SCREEN, 7, payload, None)])
    assert [view for view, _row in rows] == ["unpaired"] * 3
    assert rows[0][1] == {
        "prompt": [{"role": "user", "content": "When does water boil?"}],
        "completion": [{"role": "assistant", "content": GOOD}],
        "label": False,
    }


def test_words_for_a_reviewer():
    say = lambda payload: e_stop.summary(payload, SCREEN, e_stop.settings())  # noqa: E731
    assert say(read(STOPPED)) == "Stopped at 44 %, after sentence 1 of 3: It goes wrong"
    assert say(read(FINISHED)) == "Read to the end"
    assert say(read(FINISHED, outcome="left", rendered_char=34)) == "Left at 50 %, not stopped"
    assert (
        say(read(HINDSIGHT))
        == "Should have stopped at 34 %, after sentence 1 of 3 (in hindsight): It goes wrong"
    )


def test_what_a_browser_sends():
    stream = {
        "mode": "stream",
        "outcome": "stopped",
        "reason": "bad",
        "stop_char": "31",
        "rendered_char": "30",
        "stream_cps": "40",
    }
    assert parse(stream | {"t_ms": "775"}) == read(STOPPED)
    assert parse({"mode": "stream", "outcome": "", "rendered_char": "30"}) is None  # still running
    assert parse({"mode": "", "stop_after": "1", "reason": "bad"}) == read(HINDSIGHT)
    assert parse({"stop_after": "3"}).outcome == "finished"
    for broken, field in (
        ({"reason": "bad"}, "stop_after"),
        ({"stop_after": "3", "reason": "bad"}, "reason"),
        (stream | {"t_ms": "5", "stop_char": ""}, "stop_char"),
        (stream | {"t_ms": "5", "rendered_char": "900"}, "rendered_char"),
        (stream, "t_ms"),
    ):
        with pytest.raises(InvalidPayload) as refused:
            parse(broken)
        assert field in refused.value.errors
    for unreadable in (
        {"stop_after": "4"},
        {"reason": "boring"},
        {"mode": "live"},
        {"mode": "stream", "t_ms": "x"},
    ):
        assert not e_stop.form_class(
            unreadable, screen=SCREEN, settings=e_stop.settings(), target=7
        ).is_valid()


@pytest.mark.parametrize("reasons", [["bad", "boring"], ["bad", "bad"], ["enough"], []])
def test_reasons_are_known_and_bad_is_among_them(reasons):
    with pytest.raises(InvalidPayload) as refused:
        e_stop.settings({"reasons": reasons})
    assert "reasons" in refused.value.errors


def test_keys_follow_the_settings():
    pressed = [key.key for key in e_stop.keys(e_stop.settings({"start": "key", "reasons": ["bad", "slip"]}))]
    assert pressed == ["Space", "Esc", "1", "2"]
