"""What a method is that a researcher chooses a run from: a declaration, and a program; nothing else knows its name.

    method = Method(name="dpo", program="training_bridge.policy.dpo", parameters=DPOParameters,
                    needs=("snapshot", "parent"), makes="policy", ...)

`parameters` is the pydantic model that the program itself reads its config with: its ranges and sentences make the form.
Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import BaseModel, ValidationError

from annotation.endpoints.models import Endpoint
from annotation.errors import Invalid
from training_bridge.methods.attributes import Attributes
from training_bridge.models import Checkpoint, Round, Run, Snapshot

# What a run may be given, in the order in which the form asks for it.
INPUTS: Mapping[str, Any] = {
    "snapshot": gettext_lazy("Snapshot"),
    "parent": gettext_lazy("Policy to start from"),
    "baseline": gettext_lazy("Policy to compare with"),
    "reward_model": gettext_lazy("Reward model"),
    "compared_with": gettext_lazy("Reward model to compare with"),
    "prompts_from": gettext_lazy("Prompts of round"),
    "endpoint": gettext_lazy("Endpoint that answers"),
}
STANDS_IN: Mapping[str, str] = {
    "endpoint": "parent"
}  # the first takes the place of the second, where a method takes it


@dataclass(frozen=True)
class Inputs:
    """What a run is given."""

    snapshot: Snapshot | None = None
    parent: Checkpoint | None = None
    baseline: Checkpoint | None = None
    reward_model: Checkpoint | None = None
    compared_with: Checkpoint | None = None
    prompts_from: Round | None = None
    endpoint: Endpoint | None = None  # answers in the place of the parent

    @classmethod
    def of(cls, run: Run) -> Inputs:
        return cls(**{name: getattr(run, name) for name in INPUTS})


@dataclass(frozen=True)
class Preset:
    """Settings that go together, and what they are for."""

    name: str
    label: Any
    purpose: Any
    values: Mapping[str, Any] = field(default_factory=dict)  # of settings that differ from the defaults


@dataclass(frozen=True)
class Method:
    name: str
    label: Any
    purpose: Any  # one or two sentences: what it does, when to choose it
    program: str  # a module: python -m <program> RUN_DIRECTORY
    parameters: type[BaseModel]
    needs: Sequence[str] = ()  # names of INPUTS
    may_take: Sequence[str] = ()
    makes: str = ""  # the kind of checkpoint that its result/ is, if any
    attributes: Attributes = field(default_factory=Attributes)  # with the defaults; for the overview
    # From settings, inputs and the usual attributes to those of one run.
    derive: Callable[[Any, Inputs, Attributes], Attributes] = lambda parameters, inputs, usual: usual
    presets: Sequence[Preset] = ()  # the first is the usual one; none: the defaults are all there is
    is_listed: bool = True  # offered in the form; others are started by pages and chains
    order: int = 50  # where it stands in the list; equal ones by name
    # Sentences that say what is missing: need N, have M.
    check: Callable[[BaseModel, Inputs], Iterable[str]] = lambda parameters, inputs: ()
    # Further files beside config.json; what it returns is added to config.json.
    write_inputs: Callable[[Run, Path], Mapping[str, Any]] = lambda run, directory: {}
    # From the directory of a finished attempt to numbers that are kept with the metrics.
    collect: Callable[[Run, Path], Mapping[str, Any]] = lambda run, directory: {}

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(name for name in INPUTS if name in self.needs or name in self.may_take)

    @property
    def unserved(self) -> str:
        """Why no endpoint can answer for the policy that this method trains; empty where one can, or none answers."""
        if not self.makes or self.attributes.sampling != "on" or "endpoint" in self.inputs:
            return ""
        return _(
            "%(method)s learns from what the policy answers, and the policy changes at every step; an endpoint would go on "
            "answering with the old weights. So the policy answers on this machine."
        ) % {"method": self.label}

    def attributes_for(self, config: Mapping[str, Any], inputs: Inputs) -> Attributes:
        """What kind of learning a run with these settings and inputs is; the usual where the settings are of a version
        that this one does not read."""
        try:
            return self.derive(self.parameters.model_validate(dict(config)), inputs, self.attributes)
        except ValidationError:
            return self.attributes

    def preset(self, name: str) -> Preset | None:
        """The preset of this name, else the usual one; None for a method without."""
        return next((p for p in self.presets if p.name == name), self.presets[0] if self.presets else None)

    def read(self, raw: Mapping[str, Any] | None) -> BaseModel:
        """Hyper-parameters from a form or an API call. Raises Invalid naming each that is wrong."""
        try:
            return self.parameters.model_validate(dict(raw or {}))
        except ValidationError as error:
            fields: dict[str, list[str]] = {}
            for e in error.errors(include_url=False, include_context=False, include_input=False):
                fields.setdefault(".".join(str(part) for part in e["loc"]) or "config", []).append(e["msg"])
            raise Invalid(_("These settings cannot be used."), fields=fields) from error

    def check_inputs(self, parameters: BaseModel, inputs: Inputs) -> None:
        """Raises Invalid when an input is missing or there is not enough data for the method."""
        fields: dict[str, list[str]] = {}
        given = {name for name in INPUTS if getattr(inputs, name) is not None}
        there = given | {STANDS_IN[name] for name in given & STANDS_IN.keys()}
        for name in INPUTS:
            if name in self.needs and name not in there:
                fields[name] = [_("%(method)s needs this.") % {"method": self.label}]
            if name not in self.inputs and name in given:
                unused = _("%(method)s does not use this; leave it empty.") % {"method": self.label}
                fields[name] = [(name == "endpoint" and self.unserved) or unused]
        if {"endpoint", "parent"} <= given and not fields:
            fields["endpoint"] = [_("Choose a policy of this machine or an endpoint, not both.")]
        if fields:
            raise Invalid(_("Something is missing for this run."), fields=fields)
        if (
            self.makes == Checkpoint.Kind.POLICY
            and inputs.parent is not None
            and inputs.parent.is_soft_prompt
        ):
            said = _(
                "This is a soft prompt, which nothing can be trained on. Start from the policy it belongs to."
            )
            raise Invalid(said, fields={"parent": [said]})
        if faults := list(self.check(parameters, inputs)):
            raise Invalid(" ".join(faults), code="not_enough_data")
        from training_bridge.methods.estimates import fault  # which knows what inputs are

        if too_much := fault(parameters, inputs):
            raise Invalid(too_much, code="not_enough_memory")


def attributes_of(run: Run) -> Attributes:
    """What kind of learning a run is; all questions open for a method that is there no more."""
    from training_bridge.methods.registry import all_methods  # which lists modules that import this one

    method = all_methods().get(run.method)
    return method.attributes_for(run.config, Inputs.of(run)) if method else Attributes()
