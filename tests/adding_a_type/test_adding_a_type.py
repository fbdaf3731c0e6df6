"""A new folder is a new type: written here in a temporary place, and taken from the screen to the export.

The walk itself is `walk.py`; it runs in a process of its own, whose WHETSTONE_TYPES_PATH names the temporary place.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FILES = {
    "schema.py": """
from feedback_types.base import Payload, Settings


class ThumbPayload(Payload):
    up: bool


class ThumbSettings(Settings):
    pass
""",
    "likelihood.py": '''
import math
from dataclasses import replace

import torch
from torch.nn import functional as F

from feedback_types.likelihoods import Likelihood, Point


class ThumbLikelihood(Likelihood):
    """P(up) = s(beta R)."""

    def points(self, event):
        return [Point(event.screen.response(event.target).text)]

    def collate(self, events):
        return {"sign": torch.tensor([1.0 if e.payload.up else -1.0 for e in events])}

    def log_likelihood(self, values, batch, beta, parameters):
        return F.logsigmoid(batch["sign"] * beta * values[:, 0])

    def log_uniform(self, batch):
        return torch.full_like(batch["sign"], -math.log(2))

    def alternatives(self, event):
        return [replace(event, payload=type(event.payload)(up=up)) for up in (False, True)]


likelihood = ThumbLikelihood()
''',
    "__init__.py": """
import math

from django import forms
from django.utils.translation import gettext_lazy as _

from feedback_types.base import (
    AnswerForm, Attributes, Example, FeedbackType, Key, Message, Screen, ShownResponse, Target, chat, completion,
)
from feedback_types.thumb.schema import ThumbPayload, ThumbSettings

SCREEN = Screen((Message("user", "Hello?"),), (ShownResponse(1, "Hello."), ShownResponse(2, "What?")))


class ThumbForm(AnswerForm):
    up = forms.ChoiceField(choices=[("yes", _("Up")), ("no", _("Down"))], widget=forms.RadioSelect, required=False)


class Thumb(FeedbackType):
    slug, label, version, category = "thumb", _("Thumb"), 1, "primary"
    description = _("Labelers say yes or no to each response. Choose it when nothing finer is needed.")
    attributes = Attributes("-", "Observed", "Single", "-", "Evaluative", "Explicit")
    reference = "arXiv:2001.06781"
    target, arity = Target.EACH, (1, 9)
    payload_class, settings_class, form_class = ThumbPayload, ThumbSettings, ThumbForm
    views = {"unpaired": _("Nothing is lost.")}
    valid = [
        Example(SCREEN, {"up": up}, target=target, pressed=["1" if up else "2"])
        for target in (1, 2) for up in (True, False)
    ]
    invalid = [Example(SCREEN, {"up": 1}, target=1, at_fault="up"), Example(SCREEN, {}, target=1, at_fault="up")]

    def keys(self, settings):
        return [Key("1", _("up")), Key("2", _("down"))]

    def parse(self, cleaned_data, screen, settings, target):
        up = cleaned_data["up"]
        return ThumbPayload(up=up == "yes") if up else None

    def to_form(self, payload, screen, settings):
        return {"up": "yes" if payload.up else "no"}

    def summary(self, payload, screen, settings):
        return str(_("Up")) if payload.up else str(_("Down"))

    def choice_set(self, screen, settings, payload=None):
        return {"options": [False, True]}

    def distance(self, a, b):
        return float(a.up != b.up)

    def consensus(self, payloads):
        return ThumbPayload(up=2 * sum(p.up for p in payloads) >= len(payloads))

    def simulate(self, screen, settings, labeler, rng):
        answers = []
        for r in screen.responses:
            up = 1 / (1 + math.exp(-labeler.beta * labeler.value(screen.prompt, r.text, None, "reward")))
            up = (1 - labeler.lapse) * up + labeler.lapse / 2
            answers.append((r.id, ThumbPayload(up=bool(rng.random() < up))))
        return answers

    def records(self, events, statistics=None):
        for e in events:
            text = e.screen.response(e.target).text
            yield "unpaired", {"prompt": chat(e.screen.prompt), "completion": completion(text), "label": e.payload.up}


feedback_type = Thumb()
""",
    "templates/feedback_types/thumb/widget.html": """
{% for form in forms %}<fieldset><legend>{{ form.target }}</legend>{{ form.up }}</fieldset>{% endfor %}
""",
    "static/feedback_types/thumb/widget.css": """
.thumb { display: flex; }
""",
    "static/feedback_types/thumb/widget.js": """
Whetstone.widget("thumb", (question) => {
  const open = () => question.responses.find(({ id }) => !question.value("up", id));
  return {
    key(event) {
      const value = { 1: "yes", 2: "no" }[event.key];
      if (!value || !open()) return false;
      question.set("up", value, open().id);
      return true;
    },
    answered: () => !open(),
    summary: () => question.responses.map(({ id }) => question.value("up", id)).join(" "),
  };
});
""",
}


def test_a_new_folder_goes_from_the_screen_to_the_export(tmp_path):
    for name, text in FILES.items():
        file = tmp_path / "types" / "thumb" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.lstrip())
    environment = os.environ | {"WHETSTONE_TYPES_PATH": str(tmp_path / "types")}
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_ADDOPTS", "WHETSTONE_DATA_DIR"):
        environment.pop(name, None)
    walk = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
         "tests/adding_a_type/walk.py", "tests/feedback_types/test_contract.py", "-k", "thumb"],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert walk.returncode == 0, walk.stdout[-6000:] + walk.stderr[-2000:]
