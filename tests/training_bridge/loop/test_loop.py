"""The parts of the loop that need no site: the browser without scripts, the people, and the figures of the report."""

import http.server
import threading
import urllib.parse

import numpy as np
import pytest

from training_bridge.loop.arms import _affordable
from training_bridge.loop.browser import Browser, PageError
from training_bridge.loop.figures import against_truth, bootstrap, difference, ranks, spearman, truth_of
from training_bridge.loop.people import crowd, rewriter, taste_reward

PAGE = """
<form action="/send" method="post" data-assignment="17" id="answer">
  <input type="hidden" name="csrf" value="t&amp;k"><input name="note" value="old">
  <input type="radio" name="pick" value="1"><input type="radio" name="pick" value="2" checked>
  <input type="checkbox" name="tag" value="a" checked><input type="checkbox" name="tag" value="b" checked>
  <select name="of"><option value="x">X</option><option value="y" selected>Y</option></select>
  <textarea name="text">
 two
lines</textarea><button name="reason" value="other">Skip</button><input disabled name="off" value="1">
</form><input form="answer" name="outside" value="o">
"""


@pytest.fixture
def echo():
    """A server with one page, which remembers what its form sent."""
    sent = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(PAGE if self.path == "/" else "", 200 if self.path == "/" else 404)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            sent.append(urllib.parse.parse_qs(body, keep_blank_values=True))
            self.answer("thanks", 200)

        def answer(self, text, status):
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", sent
    server.shutdown()


def test_a_form_is_sent_as_a_browser_would(echo):
    url, sent = echo
    with Browser(url) as browser:
        form = browser.get("/").form("data-assignment")
        assert form.submit({"note": "new", "tag": None, "pick": 1}).html == "thanks"
    assert sent == [
        {
            "csrf": ["t&k"],
            "note": ["new"],
            "pick": ["1"],
            "of": ["y"],
            "text": [" two\nlines"],
            "outside": ["o"],
        }
    ]


def test_a_field_that_is_not_there_and_a_page_that_is_not_there(echo):
    url, _sent = echo
    with Browser(url) as browser:
        page = browser.get("/")
        with pytest.raises(PageError, match="no field off"):
            page.form("data-assignment").submit({"off": "2"})
        with pytest.raises(PageError, match="no form with data-other"):
            page.form("data-other")
        with pytest.raises(PageError, match="404"):
            browser.get("/nothing")


def test_the_truth_is_a_score_of_every_prefix():
    value = taste_reward("warm", scale=6.0)
    text = "Obviously. What a lovely day!"
    assert value((), text, None, "reward") == 0.0  # curt and warm: in the middle
    assert value((), text, len("Obviously."), "reward") == -3.0
    assert value((), "What a lovely day!", None, "attribute/tone") == 3.0


def test_a_crowd_is_the_same_for_the_same_seed_and_ends_with_the_careless():
    one, two = (crowd("warm", 4, seed=3, password="p", careless=1) for _ in range(2))
    assert [p.law.beta for p in one] == [p.law.beta for p in two]
    assert [p.is_careless for p in one] == [False, False, False, True]
    assert one[0].rng.random() == two[0].rng.random() != one[1].rng.random()


def test_rewrites_differ_from_the_text_and_from_nothing():
    text = "Boil it. Wait."
    found = rewriter("warm")((), text)
    assert "I am so glad you asked! Boil it. Wait." in found and "Wait." in found
    assert all(candidate.strip() and candidate != text for candidate in found)


def test_the_budget_pays_for_whole_screens():
    log = [
        {"reading": 10.0, "better": 5.0, "grade": 10.0}
    ] * 6  # comparisons alone: 15 s a screen, 90 s in all
    assert _affordable(log, ("better",), 90.0) == 6
    assert _affordable(log, ("better", "grade"), 90.0) == 3  # 25 s a screen
    assert _affordable(log, ("better",), 1.0) == 1


def test_ranks_and_rank_correlation_by_hand():
    assert ranks(np.array([3.0, 1.0, 3.0, 0.0])).tolist() == [2.5, 1.0, 2.5, 0.0]
    assert spearman(np.array([1.0, 2, 3]), np.array([10.0, 20, 99])) == pytest.approx(1.0)
    assert spearman(np.array([1.0, 2, 3]), np.array([9.0, 5, 1])) == pytest.approx(-1.0)
    # d = (0, 1, -1): 1 - 6·2 / (3·8) = 0.5
    assert spearman(np.array([1.0, 2, 3]), np.array([1.0, 3, 2])) == pytest.approx(0.5)


def test_intervals_hold_the_mean_and_shrink():
    rng = np.random.default_rng(5)
    few, many = bootstrap(rng.normal(2, 1, 50)), bootstrap(rng.normal(2, 1, 5000))
    assert few["low"] < few["value"] < few["high"] and many["high"] - many["low"] < few["high"] - few["low"]
    # 5,000 draws of sd 1: half-width 1.96 / sqrt(5000) = 0.028
    assert many["high"] - many["low"] == pytest.approx(2 * 0.0277, rel=0.15)
    assert bootstrap(np.array([])) == {"value": None, "low": None, "high": None, "n": 0}
    assert difference(np.zeros(40), np.ones(40)) == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_a_gain_over_another_model_is_taken_on_the_same_prompts():
    """Truth of a warm, a plain and a curt answer: 3, 0, -3 (scale 6); four prompts with the same three answers."""
    said = ["What a lovely question!", "Boil it.", "Obviously."]
    texts = [(prompt, [], text) for prompt in range(4) for text in said]
    assert truth_of(texts[:3], "warm").tolist() == [3.0, 0.0, -3.0]
    right, wrong = np.array([2.0, 1.0, 0.0] * 4), np.array([0.0, 1.0, 2.0] * 4)
    figures = against_truth(texts, right, "warm", wrong)
    assert figures["spearman"] == {
        "value": pytest.approx(1),
        "low": pytest.approx(1),
        "high": pytest.approx(1),
    }
    assert figures["gain"]["value"] == pytest.approx(2) and figures["accuracy"]["value"] == 1
    assert "gain" not in against_truth(texts, right, "warm")
