"""A protocol while an admin is making it: drafts of questions, as they travel in a form and are stored nowhere.

The same fields go to the page of questions and to the page of types and back, so that nothing typed is lost on the way:

    count=2  q0-type=comparison  q0-key=better  q0-title=…  q0-required=on  q0-settings-ties=on  q1-type=…
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from annotation.campaigns.models import Campaign
from annotation.items.models import Item
from feedback_types import registry
from feedback_types.base import FeedbackType, InvalidPayload, Message, Question, Screen, ShownResponse
from feedback_types.protocol import MAX_QUESTIONS, arity, load_protocol
from feedback_types.settings_form import SettingsForm, settings_form, to_data


@dataclass
class Draft:
    """One question as it stands in the form."""

    key: str
    type: FeedbackType
    title: str
    required: bool
    data: Mapping[str, Any]  # settings as posted, without prefix
    number: int = 0
    errors: Sequence[str] = ()  # why it cannot be asked like this, or beside the others

    def renumbered(self, number: int) -> Draft:
        return Draft(self.key, self.type, self.title, self.required, self.data, number)

    @property
    def form(self) -> SettingsForm[Any]:
        name = f"q{self.number}-settings"
        return settings_form(
            self.type.settings_class, {f"{name}-{k}": v for k, v in self.data.items()}, prefix=name
        )

    def fields(self) -> Iterator[tuple[str, str]]:
        """Names and values as a browser posts them, to be carried through another page."""
        start = f"q{self.number}-"
        yield f"{start}type", self.type.slug
        yield f"{start}key", self.key
        yield f"{start}title", self.title
        if self.required:
            yield f"{start}required", "on"
        for name, value in self.data.items():
            for each in value if isinstance(value, list) else [value]:
                yield f"{start}settings-{name}", each

    def as_json(self) -> dict[str, Any]:
        form = self.form
        chosen = form.settings if form.is_valid() else None
        return {
            "key": self.key,
            "type": self.type.slug,
            "title": self.title,
            "required": self.required,
            "settings": chosen.model_dump(mode="json") if chosen else {},
        }


def drafts_of(request: HttpRequest, campaign: Campaign) -> list[Draft]:
    """What was posted, after the act that was asked for (`act` is add:<slug>, remove:<n>, up:<n> or down:<n>); else what the
    campaign asks now."""
    if request.method == "POST":
        posted = [_posted(request.POST, n) for n in range(_count(request.POST))]
        drafts = [d for d in posted if d is not None]
    else:
        drafts = [_draft(q) for q in campaign.protocol.questions] if campaign.protocol else _first_drafts()
    act, _colon, which = request.POST.get("act", "").partition(":")
    _edit(drafts, act, which)
    return [d.renumbered(n) for n, d in enumerate(drafts)]


def read(drafts: Sequence[Draft]) -> tuple[tuple[Question, ...], list[str]]:
    """The questions, or none and what is wrong with the whole; what is wrong with one of them is put on its draft."""
    try:
        return load_protocol([d.as_json() for d in drafts]), []
    except InvalidPayload as error:
        general: list[str] = []
        for name, sentences in error.errors.items():
            parts = name.split(".")
            if parts[0] != "questions" or len(parts) < 2:
                general += sentences
                continue
            draft = drafts[int(parts[1]) - 1]
            about = "" if len(parts) < 3 else f"{parts[-1]}: "
            draft.errors = [*draft.errors, *(f"{about}{sentence}" for sentence in sentences)]
        return (), general


def why_not(drafts: Sequence[Draft], feedback_type: FeedbackType) -> str:
    """Why the type, as it is before anything is set, cannot be asked after these questions; "" when it can."""
    if len(drafts) >= MAX_QUESTIONS:
        return _("Ask at most %(n)d questions on one screen.") % {"n": MAX_QUESTIONS}
    asked = [d.as_json() for d in drafts]
    try:
        load_protocol(asked)
    except InvalidPayload:
        return ""  # the questions themselves have to be mended first; their page says how
    try:
        load_protocol([*asked, _fresh(feedback_type, [d.key for d in drafts]).as_json()])
    except InvalidPayload as error:
        return " ".join(sentence for sentences in error.errors.values() for sentence in sentences)
    return ""


def _draft(question: Question) -> Draft:
    return Draft(question.key, question.type, question.title, question.required, to_data(question.settings))


def _first_drafts() -> list[Draft]:
    """A new campaign begins with the first type there is for a set of responses; reading is the cost, so more may follow."""
    types = sorted(registry.all_types(), key=lambda t: (t.category != "primary", t.target != "set", t.slug))
    return [_fresh(types[0], ())]


def _fresh(feedback_type: FeedbackType, taken: Sequence[str]) -> Draft:
    key = feedback_type.slug
    number = 2
    while key in taken:
        key, number = f"{feedback_type.slug}_{number}", number + 1
    return Draft(key, feedback_type, "", True, to_data(feedback_type.settings()))


def _count(data: Mapping[str, Any]) -> int:
    text = str(data.get("count", ""))
    return min(int(text), MAX_QUESTIONS) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def _posted(data: Any, number: int) -> Draft | None:
    """What was posted for one question; None when its type is not there (any more)."""
    try:
        feedback_type = registry.get(data.get(f"q{number}-type", ""))
    except registry.UnknownType:
        return None
    start = f"q{number}-settings-"
    chosen: dict[str, Any] = {}
    for name in data:
        if name.startswith(start):
            values = data.getlist(name)
            chosen[name.removeprefix(start)] = values if len(values) > 1 else values[0]
    return Draft(
        data.get(f"q{number}-key", ""),
        feedback_type,
        data.get(f"q{number}-title", ""),
        data.get(f"q{number}-required") == "on",
        chosen,
    )


def _edit(drafts: list[Draft], act: str, which: str) -> None:
    """Add, remove or move a question."""
    if act == "add" and len(drafts) < MAX_QUESTIONS and which in registry.folders():
        drafts.append(_fresh(registry.get(which), [d.key for d in drafts]))
        return
    if not (which.isascii() and which.isdigit() and len(which) < 4 and int(which) < len(drafts)):
        return
    number = int(which)
    if act == "remove":
        del drafts[number]
    elif act == "up" and number > 0:
        drafts[number - 1], drafts[number] = drafts[number], drafts[number - 1]
    elif act == "down" and number + 1 < len(drafts):
        drafts[number + 1], drafts[number] = drafts[number], drafts[number + 1]


def sample(campaign: Campaign, asked: Sequence[Question]) -> Screen:
    """What to show these questions on: the campaign's first item that fits them, or one made up."""
    fewest, most = arity(asked)
    items = Item.objects.filter(campaign=campaign, withdrawn_at=None).select_related("prompt").order_by("pk")
    for item in items[:5]:
        found = list(item.responses.order_by("itemresponse__position"))
        if fewest <= len(found) <= most:
            return Screen(
                tuple(Message(m["role"], m["content"]) for m in item.prompt.messages),
                tuple(ShownResponse(r.pk, r.text) for r in found),
            )
    texts = [
        _("Put the pan on a low flame, and wait until the butter foams. Then add the eggs and stir slowly."),
        _("Just fry them."),
        _("Eggs are best when they are soft: take them off the heat before they look done."),
    ]
    shown = min(max(fewest, 2), most)
    responses = tuple(ShownResponse(n + 1, texts[n % len(texts)]) for n in range(shown))
    return Screen((Message("user", _("How do I make good scrambled eggs?")),), responses)
