"""What the browser sends for a comparison; radio buttons all the way, so it works without scripts.

A pair has one field `choice` ("-3" … "3" or "none"), the best of several one field `choice` (a response id or "none"), a
ranking one field `rank_<response id>` for each response and a box `none`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from feedback_types.base import AnswerForm, InvalidPayload, Screen
from feedback_types.comparison import offer
from feedback_types.comparison.schema import ComparisonPayload, ComparisonSettings, pair_ranks


class ComparisonForm(AnswerForm):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        offered = offer.choice_set(self.screen, self.settings)
        self.kind = offered["kind"]
        if self.kind == "ranking":
            places = [(str(rank), str(rank)) for rank in range(1, len(self.screen.responses) + 1)]
            for option in offered["options"]:
                if option["value"] == offer.NONE:
                    self.fields["none"] = forms.BooleanField(required=False, label=option["label"])
                else:
                    self.fields[f"rank_{option['value']}"] = forms.ChoiceField(
                        label=_("Place of %(response)s") % {"response": option["label"]},
                        choices=places,
                        required=False,
                        widget=forms.RadioSelect,
                    )
        else:
            self.fields["choice"] = forms.ChoiceField(
                label=_("Which is better?") if self.kind == "pair" else _("Which is the best?"),
                choices=[(str(option["value"]), option["label"]) for option in offered["options"]],
                required=False,
                widget=forms.RadioSelect,
            )

    def places(self) -> Iterator[tuple[str, forms.BoundField]]:
        """For the template: the letter and the field of each response in a ranking."""
        for response in self.screen.responses:
            yield self.screen.letter(response.id), self[f"rank_{response.id}"]


def parse(
    cleaned: Mapping[str, Any], screen: Screen, settings: ComparisonSettings
) -> ComparisonPayload | None:
    items = [response.id for response in screen.responses]
    which, aspect = offer.kind(screen, settings), settings.aspect or None
    if which == "ranking":
        return _parse_ranking(cleaned, items, settings, aspect)
    choice = cleaned.get("choice") or ""
    if not choice:
        return None
    if choice == offer.NONE:
        return offer.none_good(items, which, aspect)
    if which == "pair":
        strength = int(choice)
        return ComparisonPayload(
            items=tuple(items), ranks=tuple(pair_ranks(strength)), strength=strength, aspect=aspect
        )
    return ComparisonPayload(
        items=tuple(items), ranks=tuple(1 if i == int(choice) else None for i in items), aspect=aspect
    )


def _parse_ranking(
    cleaned: Mapping[str, Any], items: list[int], settings: ComparisonSettings, aspect: str | None
) -> ComparisonPayload | None:
    given = {i: int(cleaned[f"rank_{i}"]) for i in items if cleaned.get(f"rank_{i}")}
    if cleaned.get("none"):
        if given:
            raise InvalidPayload(
                {"none": [_("Either rank the responses or say that none is good, not both.")]}
            )
        return offer.none_good(items, "ranking", aspect)
    if not given:
        return None
    missing = [i for i in items if i not in given]
    if missing:
        raise InvalidPayload({f"rank_{i}": [_("Give this response a place too.")] for i in missing})
    places = sorted(set(given.values()))  # 1, 1, 3 is the same order as 1, 1, 2
    return ComparisonPayload(
        items=tuple(items), ranks=tuple(places.index(given[i]) + 1 for i in items), aspect=aspect
    )


def to_form(payload: ComparisonPayload, screen: Screen, settings: ComparisonSettings) -> dict[str, Any]:
    which = offer.kind(screen, settings)
    if which == "ranking":
        if payload.both_bad:
            return {"none": "on"}
        return {f"rank_{i}": str(rank) for i, rank in zip(payload.items, payload.ranks, strict=True)}
    if payload.both_bad:
        return {"choice": offer.NONE}
    if which == "pair":
        return {"choice": str(payload.strength_from(screen.responses[0].id))}
    return {"choice": str(payload.items[payload.ranks.index(1)])}


def validate(payload: ComparisonPayload, screen: Screen, settings: ComparisonSettings) -> None:
    """Rules that need the screen or the settings. Raises InvalidPayload."""
    which = offer.kind(screen, settings)
    shown = tuple(response.id for response in screen.responses)
    if payload.items != shown:
        raise InvalidPayload(
            {"items": [_("Name the responses as shown: %(ids)s.") % {"ids": ", ".join(map(str, shown))}]}
        )
    if payload.aspect != (settings.aspect or None):
        wanted = settings.aspect or "null"
        raise InvalidPayload(
            {"aspect": [_("This question asks about %(aspect)s; send that.") % {"aspect": wanted}]}
        )
    if payload.both_bad:
        if not settings.both_bad:
            raise InvalidPayload(
                {"both_bad": [_("“None is good” is not on offer here; say which is better.")]}
            )
        if (payload.strength is not None) != (which == "pair"):
            raise InvalidPayload(
                {"strength": [_("Give strength 0 for a pair, and none for more responses.")]}
            )
        return
    if payload.kind != which:
        needed = {
            "pair": _("Send a strength: this question compares two responses."),
            "ranking": _("Rank every response, without a strength."),
            "best": _("Give rank 1 to the best response and null to the others."),
        }
        raise InvalidPayload({"strength" if which == "pair" else "ranks": [needed[which]]})
    if which == "pair" and payload.strength not in offer.strengths(settings):
        raise InvalidPayload(
            {
                "strength": [
                    _("Choose one of: %(offered)s.")
                    % {"offered": ", ".join(map(str, offer.strengths(settings)))}
                ]
            }
        )
    if which == "ranking" and not settings.ties and len(set(payload.ranks)) < len(payload.ranks):
        raise InvalidPayload(
            {"ranks": [_("Ties are not on offer here; give every response a place of its own.")]}
        )
