"""Forms of the researchers' pages. Rules live in the pydantic classes and services; a form only asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from annotation.campaigns.models import Campaign
from annotation.endpoints.models import Endpoint
from annotation.errors import Refused
from training_bridge import methods
from training_bridge.methods.attributes import LABELS, NOT_ASKED, WORDS
from training_bridge.models import Checkpoint, Round, Run, Snapshot


def show_refusal(form: forms.Form, refused: Refused) -> None:
    """What a service refused, beside the fields that it names."""
    rest = True
    for field, errors in refused.fields.items():
        name = field if field in form.fields else methods.STANDS_IN.get(field, field)
        for error in errors:
            if name in form.fields:
                form.add_error(name, error)
                rest = False
            else:
                form.add_error(None, f"{name}: {error}")
                rest = False
    if rest:
        form.add_error(None, refused.message)


class _Instant(forms.DateTimeInput):
    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M:%S", attrs={"step": "1"})


class Pseudonyms(forms.CharField):
    """Names of labelers with white space or commas between them."""

    def to_python(self, value: Any) -> Any:
        return str(value or "").replace(",", " ").split()

    def prepare_value(self, value: Any) -> Any:
        return " ".join(value) if isinstance(value, list) else value


class SnapshotForm(forms.Form):
    """Filters of a snapshot; empty means everything."""

    rounds = forms.MultipleChoiceField(label=_("Rounds"), required=False, widget=forms.CheckboxSelectMultiple)
    questions = forms.MultipleChoiceField(
        label=_("Questions"), required=False, widget=forms.CheckboxSelectMultiple
    )
    types = forms.MultipleChoiceField(
        label=_("Feedback types"), required=False, widget=forms.CheckboxSelectMultiple
    )
    labeler_kinds = forms.MultipleChoiceField(
        label=_("Answers from"),
        choices=[
            ("human", _("people")),
            ("simulated", _("simulated labelers")),
            ("ai", _("AI judges")),
            ("proxy", _("stated rewards")),
        ],
        initial=["human", "simulated"],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("They are told apart in every row."),
    )
    submitted_from = forms.DateTimeField(label=_("Submitted from (UTC)"), required=False, widget=_Instant)
    submitted_until = forms.DateTimeField(
        label=_("Submitted until (UTC)"),
        required=False,
        widget=_Instant,
        help_text=_("Empty: until now. Later answers never enter the snapshot."),
    )
    agreement_at_least = forms.FloatField(
        label=_("Agreement of at least"),
        required=False,
        min_value=0,
        max_value=1,
        widget=forms.NumberInput(attrs={"step": "0.05"}),
        help_text=_(
            "Keeps the questions about an item on which labelers agree so well: 1 minus the mean distance of two answers, "
            "as the question's type measures it. 1 is unanimity. What only one person answered is then left out."
        ),
    )
    labelers = Pseudonyms(
        label=_("Only these labelers"), required=False, help_text=_("Pseudonyms, with spaces between them.")
    )
    labelers_excluded = Pseudonyms(label=_("Without these labelers"), required=False)
    include_late = forms.BooleanField(
        label=_("Keep late answers, marked"),
        required=False,
        initial=True,
        help_text=_("They never enter a training view."),
    )
    settled = forms.BooleanField(
        label=_("Take settled answers in the labelers' place"),
        required=False,
        help_text=_(
            "On items that a reviewer has settled, the reviewer's answers stand instead of what labelers said. A decision "
            "that the filters above leave out by its time or its reviewer settles nothing."
        ),
    )
    test_percent = forms.IntegerField(
        label=_("Prompts held out for testing, %"),
        min_value=1,
        max_value=50,
        initial=20,
        help_text=_(
            "A hash of the prompt decides, so no prompt is on both sides, in this snapshot or a later one."
        ),
    )

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any):
        super().__init__(*args, **kwargs)
        numbers = campaign.items.values_list("round_number", flat=True).distinct().order_by("round_number")
        self.fields["rounds"].choices = [(n, n) for n in numbers]  # type: ignore[attr-defined]
        questions = campaign.protocol.questions if campaign.protocol else ()
        self.fields["questions"].choices = [(q.key, q.heading) for q in questions]  # type: ignore[attr-defined]
        asked = {
            q.type.slug: q.type.label
            for version in campaign.protocol_versions.all()
            for q in version.questions
        }
        self.fields["types"].choices = sorted(asked.items())  # type: ignore[attr-defined]
        for name in ("rounds", "questions", "types"):
            if len(self.fields[name].choices) < 2:  # type: ignore[attr-defined]
                del self.fields[name]  # nothing to choose

    def filters(self) -> dict[str, Any]:
        data = dict(self.cleaned_data)
        for name in ("submitted_from", "submitted_until"):
            if data[name] is not None:
                data[name] = data[name].replace(tzinfo=UTC)
        data["rounds"] = [int(n) for n in data.get("rounds", [])]
        return data


class WhoAnswers(forms.ChoiceField):
    """A policy of this machine, by its number, or an endpoint, as `endpoint-3`: one choice, which cleans to the object."""

    def __init__(self, policies: Iterable[Checkpoint], endpoints: Iterable[Endpoint], *, required: bool):
        here = {str(policy.pk): policy for policy in policies}
        served = {f"endpoint-{endpoint.pk}": endpoint for endpoint in endpoints}
        self.offered: dict[str, Checkpoint | Endpoint] = {**here, **served}
        groups = [
            (_("On this machine"), [(key, label_of(policy)) for key, policy in here.items()]),
            (_("Endpoints"), [(key, f"{e.name} · {e.model}") for key, e in served.items()]),
        ]
        choices: list[Any] = [group for group in groups if group[1]]
        if not required or not choices:
            choices.insert(0, ("", _("none")))
        super().__init__(
            label=_("Who answers"),
            choices=choices,
            required=required,
            initial=next(iter(self.offered), None) if required else None,
            help_text=_("An endpoint is asked as it is; nothing is trained.")
            if served
            else _(
                "An endpoint can answer too, once an admin of the campaign lets one answer on its page “Live policy”."
            ),
        )

    def clean(self, value: Any) -> Checkpoint | Endpoint | None:
        return self.offered.get(super().clean(value))


class InputsForm(forms.Form):
    """What a run of a method is given, and its seed."""

    def __init__(
        self,
        *args: Any,
        method: methods.Method,
        campaign: Campaign,
        endpoints: QuerySet[Endpoint],
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        policies = Checkpoint.objects.filter(
            kind=Checkpoint.Kind.POLICY, campaign__in=[campaign]
        ) | Checkpoint.objects.filter(kind=Checkpoint.Kind.POLICY, campaign=None)
        choices: dict[str, Any] = {
            "snapshot": Snapshot.objects.filter(campaign=campaign)
            .exclude(status="failed")
            .filter(erased_at=None)
            .order_by("-created_at"),
            "parent": policies.order_by("-pk"),
            "baseline": policies.order_by("-pk"),
            "reward_model": campaign.checkpoints.filter(kind=Checkpoint.Kind.REWARD_MODEL).order_by("-pk"),
            "compared_with": campaign.checkpoints.filter(kind=Checkpoint.Kind.REWARD_MODEL).order_by("-pk"),
            "prompts_from": Round.objects.filter(campaign=campaign).order_by("-number"),
        }
        for name in method.inputs:
            if name == "parent" and "endpoint" in method.inputs:
                is_needed = name in method.needs
                self.fields[name] = WhoAnswers(choices[name], endpoints, required=is_needed)
                continue
            if name == "endpoint":  # asked with the parent
                continue
            self.fields[name] = _Choice(
                queryset=choices[name],
                label=methods.INPUTS[name],
                required=name in method.needs,
                initial=choices[name].first() if name in method.needs else None,
                empty_label=None if name in method.needs and choices[name].exists() else _("none"),
            )
        self.fields["seed"] = forms.IntegerField(
            label=_("Seed"),
            min_value=0,
            max_value=2**31 - 1,
            initial=0,
            help_text=_("The same seed and inputs give the same result."),
        )
        self.fields["priority"] = forms.TypedChoiceField(
            label=_("Priority"),
            choices=Run.Priority.choices,
            coerce=int,
            required=False,
            empty_value=Run.Priority.NORMAL,  # type: ignore[arg-type]
            initial=Run.Priority.NORMAL,
            help_text=_("A free worker takes the highest first, among equals the oldest."),
        )

    def given(self) -> dict[str, Any]:
        """The chosen inputs, of a valid form."""
        asked = {name: self.cleaned_data[name] for name in methods.INPUTS if name in self.fields}
        return by_kind(asked)

    def first(self) -> methods.Inputs:
        """What the form would begin with, to say what a run would cost."""
        found = {}
        for name in methods.INPUTS:
            if (field := self.fields.get(name)) is None:
                continue
            value = self.initial.get(name) or field.initial
            key = getattr(value, "pk", value)
            if isinstance(field, WhoAnswers):
                found[name] = field.offered.get(str(key))
            elif key is not None:
                found[name] = field.queryset.filter(pk=key).first()  # type: ignore[attr-defined]
        return methods.Inputs(**by_kind(found))


def by_kind(found: Mapping[str, Any]) -> dict[str, Any]:
    """What was chosen, an endpoint under its own name; what was not is left out."""
    return {
        "endpoint" if isinstance(value, Endpoint) else name: value
        for name, value in found.items()
        if value is not None
    }


class PushForm(forms.Form):
    """Where a snapshot is put on the hub, and the token for it, which is never shown again."""

    repository = forms.CharField(
        label=_("Repository"),
        max_length=200,
        widget=forms.TextInput(attrs={"placeholder": "owner/name", "autocomplete": "off", "dir": "ltr"}),
        help_text=_("A data set repository; it is made if it is not there."),
    )
    private = forms.TypedChoiceField(
        label=_("Who may read it"),
        choices=[("yes", _("private: only who the hub lets in")), ("no", _("public: everybody"))],
        coerce=lambda value: value == "yes",
        initial="yes",
        widget=forms.RadioSelect,
        help_text=_("What is public cannot be taken back."),
    )
    token = forms.CharField(
        label=_("Token of the hub"),
        max_length=512,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "dir": "ltr"}),
        help_text=_(
            "With the right to write there. It is kept encrypted until the upload is over, then deleted."
        ),
    )


class RunFilterForm(forms.Form):
    """Which runs a list shows; a value that there is not shows none of it and says so."""

    campaign = forms.ModelChoiceField(
        label=_("Campaign"), queryset=Campaign.objects.none(), to_field_name="slug", required=False
    )
    method = forms.ChoiceField(label=_("Method"), required=False)
    status = forms.ChoiceField(label=_("State"), required=False)
    kind = forms.ChoiceField(label=_("Kind of learning"), required=False)

    def __init__(self, *args: Any, campaigns: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        everything = ("", _("all"))
        self.fields["campaign"].queryset = campaigns  # type: ignore[attr-defined]
        self.fields["campaign"].empty_label = _("all")  # type: ignore[attr-defined]
        known = [(name, m.label) for name, m in methods.all_methods().items()]
        self.fields["method"].choices = [everything, *known]  # type: ignore[attr-defined]
        self.fields["status"].choices = [everything, *Run.Status.choices]  # type: ignore[attr-defined]
        self.fields["kind"].choices = [everything, *_kinds()]  # type: ignore[attr-defined]

    def apply(self, runs: Any) -> Any:
        chosen = {name: value for name, value in self._chosen().items() if value}
        kind = chosen.pop("kind", "")
        runs = runs.filter(**chosen)
        return runs.filter(pk__in=_of_kind(runs, *kind.split(":"))) if kind else runs

    def query(self) -> str:
        """What the links to other pages of the list carry along."""
        chosen = self._chosen()
        return urlencode({n: getattr(v, "slug", v) for n, v in chosen.items() if v})

    def _chosen(self) -> dict[str, Any]:
        self.is_valid()
        return self.cleaned_data


def _kinds() -> list[tuple[Any, list[tuple[str, Any]]]]:
    """The survey's attributes with the values that any method may have, as groups of a select."""
    found: dict[str, dict[str, None]] = {name: {} for name in LABELS}
    for method in methods.all_methods().values():
        for name, value in method.attributes.codes().items():
            if value != NOT_ASKED:
                found[name][value] = None
    found["feedback"] |= dict.fromkeys(("ai", "human and ai", "simulated", "none"))
    found["reward"] |= dict.fromkeys(("stated", "verifiable"))
    return [
        (LABELS[name], [(f"{name}:{value}", WORDS.get(value, value)) for value in values])
        for name, values in found.items()
    ]


def _of_kind(runs: Any, name: str, value: str) -> list[Any]:
    """Those of a list of runs that have this attribute: it follows from each run's settings, so each is looked at."""
    whole = (
        Run.objects.filter(pk__in=runs.order_by().values("pk"))
        .select_related("snapshot", "reward_model__run__snapshot")
        .only(
            "method", "config", "endpoint_id", "snapshot__manifest", "reward_model__run__snapshot__manifest"
        )
    )
    return [run.pk for run in whole if methods.attributes_of(run).codes()[name] == value]


class _Choice(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return label_of(obj)


def label_of(obj: Any) -> str:
    if isinstance(obj, Snapshot):
        count = obj.manifest["counts"]["feedback"] if obj.manifest else None
        return f"{obj.short} · {obj.get_status_display()}" if count is None else f"{obj.short} · {count:,}"
    if isinstance(obj, Round):
        return str(obj.number)
    return f"{obj.name} · {obj.short}" if obj.sha256 else str(obj.name)


class TextForm(forms.Form):
    """A text to look at with a reward model."""

    prompt = forms.CharField(
        label=_("Prompt"), max_length=20_000, widget=forms.Textarea(attrs={"rows": 2, "dir": "auto"})
    )
    text = forms.CharField(
        label=_("Response"),
        max_length=20_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 5, "dir": "auto"}),
        help_text=_("The reward of every word of it is shown in colour."),
    )
