"""Editing in a real browser: in the place of the text, with the difference shown, and a verdict; and without scripts."""

import pytest
from playwright.sync_api import expect

from annotation.items.services import NewItem, NewResponse, add_items
from annotation.submissions.models import Feedback, Submission
from tests.browsers import axe_finds_in_both_themes
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.browser

TEXT = "很好👍🏽. Water boils at 90 °C.\r\nAt height it boils sooner."
OTHER = "It boils. Now and then."


@pytest.fixture
def cast(site):
    return make_cast()


def make(cast, *texts, settings=None, more=()):
    protocol = [{"key": "better", "type": "improvement", "settings": settings or {}}, *more]
    campaign = make_campaign(cast, items=0, protocol=protocol)
    add_items(campaign=campaign, items=[NewItem("When?", [NewResponse(t, source_name="p") for t in texts])])
    return campaign


def show(page, site, cast, *texts, **how):
    campaign = make(cast, *texts, **how)
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")
    page.wait_for_timeout(300)  # the page takes an Enter at once for the second half of a double press


def replace_in_editor(page, old, new):
    editor = page.locator(".improvement-editor")
    editor.evaluate(
        "(e, old) => { const at = e.value.indexOf(old); e.setSelectionRange(at, at + old.length); }", old
    )
    page.keyboard.insert_text(new)


def stored(page, expected=1):
    for _ in range(160):
        if Submission.objects.count() == expected:
            break
        page.wait_for_timeout(50)
    expect(
        page.get_by_text("Nothing is waiting for you here.")
    ).to_be_visible()  # no request is under way any more
    return list(Feedback.objects.order_by("pk").values_list("target_id", "payload"))


def test_edit_look_confirm(page, site, cast):
    show(page, site, cast, TEXT)
    page.keyboard.press("e")
    editor = page.locator(".improvement-editor")
    expect(editor).to_be_focused()
    expect(page.locator("article .rendered")).to_be_hidden()
    editor.press("End")
    editor.evaluate("e => { const at = e.value.indexOf('90'); e.setSelectionRange(at, at + 2); }")
    page.keyboard.type("100")
    expect(page.locator(".improvement-diff ins")).to_have_text("100")
    expect(page.locator(".improvement-diff del")).to_have_text("90")
    page.keyboard.press("Control+Enter")
    expect(editor).to_have_count(0)
    expect(page.locator("article .improvement-diff")).to_be_visible()
    page.keyboard.press("y")
    page.keyboard.press("Enter")
    [(target, payload)] = stored(page)
    assert target
    assert payload["edited_text"] == TEXT.replace("90", "100")  # its line end is as it was
    assert payload["ops"] == [
        {"op": "replace", "start": 21, "end": 24, "text": "100 "}
    ]  # code points: 👍🏽 are two
    assert payload["intervened_at"] == 21
    assert payload["confirm_better"] is True and payload["refused"] == [] and payload["picked"] is None
    assert payload["keystrokes"] == 4  # End, 1, 0, 0
    assert payload["edit_ms"] > 0


def test_a_refused_draft_is_told_when_the_labeler_goes_on(page, site, cast):
    show(page, site, cast, TEXT)
    page.keyboard.press("e")
    replace_in_editor(page, "90", "95")
    page.keyboard.press("Control+Enter")
    page.keyboard.press("n")
    page.keyboard.press("e")
    replace_in_editor(page, "95", "100")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")  # not without a verdict
    page.wait_for_timeout(300)
    assert Submission.objects.count() == 0
    page.keyboard.press("y")
    page.keyboard.press("Enter")
    [(_target, payload)] = stored(page)
    assert "100 °C" in payload["edited_text"] and payload["confirm_better"] is True
    assert [draft["edited_text"] for draft in payload["refused"]] == [TEXT.replace("90", "95")]


def test_one_of_several_is_improved_and_kept_over_a_reload(page, site, cast):
    show(page, site, cast, TEXT, OTHER)
    labels = page.locator("article.response").evaluate_all(
        "all => all.map(a => [a.dataset.response, a.querySelector('.response-source').textContent])"
    )
    second = next(n for n, (_id, source) in enumerate(labels) if "Now and then" in source)
    page.keyboard.press(str(second + 1))
    replace_in_editor(page, "Now and then", "Often")
    page.keyboard.press("Control+Enter")
    page.wait_for_timeout(1200)  # the draft is sent
    page.reload()
    expect(page.locator(".improvement-diff ins")).to_have_text("Often")
    expect(page.get_by_role("button", name=f"Edit {'AB'[1 - second]}")).to_be_hidden()
    page.wait_for_timeout(300)
    page.get_by_role("radio", name="No, not better").check()
    page.keyboard.press("Enter")
    [(target, payload)] = stored(page)
    assert str(target) == labels[second][0]
    assert payload["edited_text"] == "It boils. Often." and payload["confirm_better"] is False


def test_back_to_the_original_is_no_answer(page, site, cast):
    show(page, site, cast, TEXT)
    page.keyboard.press("e")
    replace_in_editor(page, "90", "95")
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Back to the original").click()
    expect(page.locator("article .rendered")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert Submission.objects.count() == 0


def test_a_sentence_is_taken_out_with_one_touch(page, site, cast):
    show(page, site, cast, "One thing. A wrong thing. Another.", settings={"suggestions": "cuts"})
    page.get_by_label("A wrong thing.").check()
    expect(page.locator(".improvement-diff del")).to_contain_text("A wrong thing.")
    page.keyboard.press("y")
    page.keyboard.press("Enter")
    [(_target, payload)] = stored(page)
    assert payload["edited_text"] == "One thing. Another." and payload["picked"] == 1
    assert payload["suggestions_shown"] == [
        "A wrong thing. Another.",
        "One thing. Another.",
        "One thing. A wrong thing. ",
    ]


def test_without_scripts(browser, site, cast):
    campaign = make(cast, TEXT)
    with browser.page(site.url, java_script_enabled=False) as page:
        site.sign_in(page, cast.lena)
        page.goto(f"/campaigns/{campaign.slug}/label/")
        area = page.get_by_label("Improve the text of A")
        area.fill(area.input_value().replace("90", "100"))
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_text("Say whether your version is better").first).to_be_visible()
        assert "100" in page.get_by_label("Improve the text of A").input_value()  # nothing typed is lost
        page.get_by_label("Yes, better").check()
        page.get_by_role("button", name="Send").click()
        [(_target, payload)] = stored(page)
        assert payload["edited_text"] == TEXT.replace("90", "100") and payload["keystrokes"] is None


def test_axe_finds_nothing_in_any_state(browser, site, cast):
    with browser.page(site.url, bypass_csp=True) as page:
        show(page, site, cast, TEXT, OTHER, settings={"suggestions": "cuts"})
        found = axe_finds_in_both_themes(page)
        page.keyboard.press("1")
        replace_in_editor(page, "boils", "cooks")
        expect(page.locator(".improvement-diff ins").first).to_be_visible()
        found += axe_finds_in_both_themes(page)
        page.keyboard.press("Control+Enter")
        found += axe_finds_in_both_themes(page)
        page.keyboard.press("y")
        found += axe_finds_in_both_themes(page)
    assert found == []
