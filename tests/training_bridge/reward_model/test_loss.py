"""The joint likelihood against numbers worked out by hand, and what it says about labelers nobody has met."""

import ast
import math
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import training_bridge.reward_model as package
from feedback_types import registry
from feedback_types.base import Event, Message, Screen, ShownResponse
from feedback_types.likelihoods import Likelihood, Parameter, Point
from training_bridge.reward_model.config import TrainParameters
from training_bridge.reward_model.data import Observation, build
from training_bridge.reward_model.encoding import Encoder
from training_bridge.reward_model.loss import Objective

SCREEN = Screen((Message("user", "Hi"),), (ShownResponse(1, "Yes."), ShownResponse(2, "No.")))


@dataclass(frozen=True)
class Sided:
    """The smallest law there is: left or right, with a side that a labeler leans to and a threshold of the question."""

    left: bool


class SidedLikelihood(Likelihood):
    parameters = (Parameter("lean", "labeler", 0.0, 0.5), Parameter("cuts", "question", (0.0, 1.0), 2.0))

    def points(self, event):
        return [Point(r.text) for r in event.screen.responses]

    def collate(self, events):
        return {"sign": torch.tensor([1.0 if e.payload.left else -1.0 for e in events])}

    def log_likelihood(self, values, batch, beta, parameters):
        d = beta * (values[:, 0] - values[:, 1]) + parameters["lean"] + parameters["cuts"][:, 0]
        return F.logsigmoid(batch["sign"] * d)

    def log_uniform(self, batch):
        return torch.full_like(batch["sign"], 0.5).log()

    def alternatives(self, event):
        raise NotImplementedError


LAWS = {"sided": SidedLikelihood(), "other": SidedLikelihood()}


def event(number, labeler="a", kind="sided", left=True, question="q", campaign=1, submission=""):
    return Event(
        str(number),
        kind,
        labeler,
        question,
        SCREEN,
        None,
        Sided(left),
        None,
        {},
        submission,
        "item",
        {"campaign": campaign},
    )


def objective(events, **settings):
    return Objective.for_observations(LAWS, [Observation(e, ()) for e in events], TrainParameters(**settings))


def logit(p):
    return math.log(p / (1 - p))


def test_rationality_and_lapse_by_hand():
    events = [event(1, "a"), event(2, "b", left=False), event(3, "b", kind="other")]
    model = objective(events, anchor="sided")
    with torch.no_grad():
        model.rationality[:] = torch.tensor([0.9, 0.1])  # centred: 0.4 and -0.4
        model.type_rationality[:] = torch.tensor(
            [math.log(3), 7.0]
        )  # kinds are sorted: other, sided; the anchor's counts for 0
        model.lapse[:] = torch.tensor([logit(0.2), logit(0.5)])
    values = torch.tensor([[2.0, 1.0]])

    def expected(beta, lapse, left):
        p = 1 / (1 + math.exp(-beta if left else beta))
        return math.log((1 - lapse) * p + lapse / 2)

    said = [model.log_likelihood(e.type, [e], values)[0].item() for e in events]
    assert said[0] == pytest.approx(expected(math.exp(0.4), 0.2, True), abs=1e-6)
    assert said[1] == pytest.approx(expected(math.exp(-0.4), 0.5, False), abs=1e-6)
    assert said[2] == pytest.approx(expected(3 * math.exp(-0.4), 0.5, True), abs=1e-6)


def test_priors_by_hand():
    model = objective([event(1, "a"), event(2, "b")], rationality_sd=2.0, lapse=0.1, lapse_sd=0.5)
    assert model.log_prior().item() == 0.0
    with torch.no_grad():
        model.rationality[:] = torch.tensor([1.0, -3.0])
        model.lapse[0] += 1.0
        model.extra["sided/lean"][1] = 0.25
        model.extra["sided/cuts"][0] = torch.tensor([4.0, 1.0])
        model.type_rationality[0] = 5.0  # the only type is the anchor, whose own does not count
    by_hand = -0.5 * (0.25 + 2.25 + 4.0 + 0.25 + 4.0)
    assert model.log_prior().item() == pytest.approx(by_hand)


def test_scopes_and_strangers():
    events = [
        event(1, "a", question="q"),
        event(2, "b", question="r"),
        event(3, "a", question="q", campaign=2),
    ]
    model = objective(events)
    assert model.questions["sided"] == ["1/q", "1/r", "2/q"]
    with torch.no_grad():
        model.rationality[:] = torch.tensor([2.0, 0.0])
        model.extra["sided/lean"][:] = torch.tensor([0.1, 0.2])
        model.extra["sided/cuts"][:] = torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    stranger = event(4, "nobody", question="new")
    values = model.parameters_for("sided", [*events, stranger])
    assert torch.allclose(values["lean"], torch.tensor([0.1, 0.2, 0.1, 0.0]))
    assert torch.equal(values["cuts"], torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [0.0, 1.0]]))
    assert torch.allclose(model.beta("sided", [*events, stranger]).log(), torch.tensor([1.0, -1.0, 1.0, 0.0]))
    assert model.lapses()[-1].item() == pytest.approx(0.05)


def test_the_report_gives_the_same_likelihood_back():
    events = [
        event(i, "ab"[i % 2], ("sided", "other")[i % 3 == 0], bool(i % 2), "qr"[i % 2]) for i in range(12)
    ]
    model = objective(events)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    again = Objective.from_report(LAWS, model.report())
    values = torch.randn(1, 2)
    for e in events:
        ours, theirs = (m.log_likelihood(e.type, [e], values)[0].item() for m in (model, again))
        assert theirs == pytest.approx(ours, abs=1e-6)
    for name, entry in model.report()["labelers"].items():
        assert again.report()["labelers"][name] == pytest.approx(entry, abs=1e-6)


def test_the_baseline_has_no_labelers():
    model = Objective.for_observations(LAWS, [Observation(event(1), ())], TrainParameters(), learned=False)
    assert model.log_likelihood("sided", [event(1)], torch.tensor([[1.0, 0.0]]))[0].item() == pytest.approx(
        math.log(1 / (1 + math.exp(-1)))
    )
    assert [p for p in (model.rationality, model.lapse, model.type_rationality) if p.requires_grad] == []


def test_the_anchor_is_a_type_that_compares():
    settings = TrainParameters()
    real = {slug: registry.get(slug) for slug in registry.folders()}
    comparing = [s for s, t in real.items() if t.target == "set" and "preference" in t.views]
    other = [s for s in real if s not in comparing and real[s].likelihood is not None]
    if not comparing or not other:
        pytest.fail("needs one type that compares and one that does not")
    laws = {s: real[s].likelihood for s in (*comparing, *other)}
    events = [event(i, kind=other[0]) for i in range(5)] + [event(9, kind=comparing[0])]
    assert (
        Objective.for_observations(laws, [Observation(e, ()) for e in events], settings).anchor
        == comparing[0]
    )


def test_labels_of_one_read_are_tempered_by_the_design_effect(tokenizer):
    events = [
        event(1, submission="s"),
        event(2, submission="s"),
        event(3, submission="s"),
        event(4, submission="t"),
    ]
    data = build(events, LAWS, Encoder(tokenizer), correlation=0.5)
    assert [o.weight for o in data.observations] == [0.5, 0.5, 0.5, 1.0]  # 1 / (1 + 2 x 0.5)


def test_no_type_is_named_outside_its_folder():
    slugs = set(registry.folders())
    for path in Path(package.__path__[0]).glob("*.py"):
        constants = {n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant)}
        assert not slugs & {c for c in constants if isinstance(c, str)}, path.name
