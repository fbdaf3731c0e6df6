"""What a person agrees to before anything is observed. Change a word, and raise the version: everybody is asked again."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from feedback_types.base import Consent

CONSENT = Consent(
    slug="implicit_signals",
    version=1,
    title=_("Observing how you read"),
    purpose=_(
        "Some campaigns would like to know more about a response than you say: whether you read it again, copied from it, "
        "or put a reaction under it. This is recorded only if you agree, and only in campaigns that ask for it."
    ),
    signals=(
        _("Which reaction you choose under a response, if any, and when."),
        _("For how long each sentence of a response was in view, and whether it came back into view."),
        _("How often you copied or selected something in a response, and when first; not what."),
        _("Whether you asked for a new response."),
        _("That you read a response, even when nothing else happened."),
        _(
            "To stop the clock when nobody is there: whether the mouse or a key moved in the last minute; not stored."
        ),
    ),
    never=(
        _("No keys that you press and nothing that you type."),
        _("No paths of the mouse, no camera, no microphone, nothing on other sites."),
        _("Nothing while you have paused it, while the tab is hidden, or while a window lies over the text."),
    ),
    use=(
        _(
            "It helps to train a reward model, together with what people say outright. Nobody is paid or judged by it."
        ),
        _("After 30 days only totals remain: one time for the whole response, and counts."),
        _(
            "Saying no costs you nothing: the same work, the same pay, no question asked again on the labeling page."
        ),
        _("You may withdraw at any time, and have everything that was recorded deleted."),
    ),
)
