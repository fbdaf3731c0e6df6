"""The stages of the closed loop, in order; each leaves its figures in the result that the report is made of.

    people answer ─▶ snapshot ─▶ reward model ─▶ refreshed policy ─▶ both policies answer ─▶ people answer again, blind

Beside it, reward models learned from parts of the same answers at equal labeler-seconds, against the known truth.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.utils.text import slugify

from annotation.campaigns.models import Campaign
from annotation.campaigns.services import create_campaign, open_campaign
from annotation.items.models import Item, Response
from annotation.people.models import Role, User
from annotation.people.services import grant_role
from annotation.submissions.models import Feedback
from training_bridge.loop.arms import compare_arms
from training_bridge.loop.figures import bootstrap, difference
from training_bridge.loop.people import ITEM, Person, crowd, work
from training_bridge.models import Round, Run
from training_bridge.policy.tastes import TASTES
from training_bridge.services.default_policy import fill_with_answers, prepare_default_policy
from training_bridge.services.rounds import next_round, refresh_policy, train_reward

__all__ = ["ITEM", "Plan", "run_loop"]

Say = Callable[[str], None]
Live = Callable[[str], None]
COMPARE, GRADE, STOP, EDIT = "better", "grade", "stop", "edit"
PROTOCOL = [
    {"key": STOP, "type": "e_stop", "title": "Stop it when it goes wrong", "required": False},
    {"key": COMPARE, "type": "comparison", "title": "Which is better?"},
    {"key": GRADE, "type": "critique", "title": "How good is it?", "settings": {"criteria": ["overall"]}},
    {"key": EDIT, "type": "improvement", "title": "Make one better", "required": False},
]
# Which questions each reward model of the comparison learns from; all get the same labeler-seconds.
ARMS = {
    "comparisons alone": (COMPARE,),
    "comparison and grades": (COMPARE, GRADE),
    "all four types": (COMPARE, GRADE, STOP, EDIT),
}


class LoopFailed(RuntimeError):
    """A stage did not end well; the message says which and why."""


@dataclass(frozen=True)
class Plan:
    """taste: what the people like. optional: share of screens on which they also stop and edit. arms: compare parts."""

    taste: str = "warm"
    people: int = 8
    careless: int = 1
    optional: float = 0.25
    overlap: int = 2
    refresh: str = "dpo"
    seed: int = 1
    arms: bool = True


@dataclass
class Result:
    """Everything the report says, as plain numbers."""

    plan: Mapping[str, Any]
    stages: list[dict[str, Any]] = field(default_factory=list)
    rounds: list[dict[str, Any]] = field(default_factory=list)
    arms: list[dict[str, Any]] = field(default_factory=list)
    reliability: list[dict[str, Any]] = field(default_factory=list)
    evidence: Mapping[str, Any] | None = None
    judged: Mapping[str, Any] | None = None
    tastes: dict[str, Any] = field(default_factory=dict)
    samples: list[dict[str, str]] = field(default_factory=list)


def run_loop(url: str, plan: Plan, *, say: Say, live: Live) -> Result:
    """Runs every stage against the site at `url`, whose workers do the training. Raises LoopFailed."""
    result = Result(plan=vars(plan))
    begun = time.monotonic()

    def stage(name: str, note: str = "") -> None:
        nonlocal begun
        seconds = time.monotonic() - begun
        result.stages.append({"stage": name, "seconds": round(seconds, 1), "note": note})
        say(f"{name}: {seconds:.0f} s{' – ' + note if note else ''}")
        begun = time.monotonic()

    policy = prepare_default_policy(say=live)
    stage("default policy", policy.name)
    people = crowd(
        plan.taste,
        plan.people,
        seed=plan.seed,
        careless=plan.careless,
        optional=plan.optional,
        password=f"synthetic {plan.seed}",
    )
    admin = _account("loop-admin", User.Kind.HUMAN, "")
    campaign = _campaign(plan, people, admin)
    n = fill_with_answers(campaign=campaign, policy=policy, say=live, seed=plan.seed)
    stage("first answers of the policy", f"{n} items")

    first = _round(campaign, 1)
    log = _answer(people, url, campaign, live)
    result.rounds.append(_round_figures(first, people, log))
    stage("people answer", f"{len(log)} screens through HTTP")

    train_reward(round_=first, actor=admin)
    first.refresh_from_db()
    _wait(first.reward_run, live)
    result.rounds[0]["reward_model"] = _accuracy(first.reward_run)
    result.reliability = _reliability(first.reward_run, people, campaign)
    stage("snapshot and reward model", _in_words(result.rounds[0]["reward_model"]))

    if plan.arms:
        result.arms = compare_arms(
            campaign, admin, log, policy, ARMS, taste=plan.taste, seed=plan.seed, wait=_wait, live=live
        )
        stage("reward models at equal labeler-seconds", f"{len(result.arms)} models")

    refresh_policy(round_=_round(campaign, 1), actor=admin, method=plan.refresh)
    second = _wait_for_next(first, live)
    first.refresh_from_db()
    result.evidence = first.evidence
    stage("refreshed policy, answers of both, comparison", plan.refresh)

    campaign.refresh_from_db()
    log = _answer(people, url, campaign, live)
    result.rounds.append(_round_figures(second, people, log))
    result.judged = _judged(second)
    result.tastes = _tastes(campaign, plan)
    result.samples = _samples(second)
    stage("people answer again, blind", f"{len(log)} screens through HTTP")

    train_reward(round_=second, actor=admin)
    second.refresh_from_db()
    _wait(second.reward_run, live)
    result.rounds[1]["reward_model"] = _accuracy(second.reward_run)
    stage("second snapshot and reward model", _in_words(result.rounds[1]["reward_model"]))
    return result


# --- People ----------------------------------------------------------------------------------------------------------


def _account(username: str, kind: str, password: str) -> User:
    user, _made = User.objects.get_or_create(username=username, defaults={"kind": kind})
    if password:
        user.set_password(password)
    else:
        user.set_unusable_password()
    user.save(update_fields=["password"])
    return user


def _campaign(plan: Plan, people: Sequence[Person], admin: User) -> Campaign:
    """A campaign of its own for this run of the loop, with the people as its labelers."""
    name = f"Loop {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%S}"
    campaign = create_campaign(
        actor=admin,
        name=name,
        slug=slugify(name),
        overlap=plan.overlap,
        guidelines=f"You like answers that are {TASTES[plan.taste].label}.",
        protocol=PROTOCOL,
    )
    for person in people:
        account = _account(person.username, User.Kind.SIMULATED, person.password)
        grant_role(actor=admin, user=account, campaign=campaign, role=Role.LABELER)
    grant_role(actor=admin, user=admin, campaign=campaign, role=Role.RESEARCHER)
    return open_campaign(actor=admin, campaign=campaign)


def _answer(people: Sequence[Person], url: str, campaign: Campaign, live: Live) -> list[Mapping[str, float]]:
    """Everybody takes turns until nothing is left; the seconds of each screen by question, in the order of arrival."""
    path = f"/campaigns/{campaign.slug}/label/"
    wanted = sum(Item.objects.filter(campaign=campaign).values_list("overlap", flat=True))
    log: list[Mapping[str, float]] = []
    at_work: list[Iterator[Mapping[str, float]]] = [work(person, url, path) for person in people]
    while at_work:
        for worker in list(at_work):
            spent = next(worker, None)
            if spent is None:
                at_work.remove(worker)
            else:
                log.append(spent)
        live(f"{len(log)} of at most {wanted} screens answered")
    return log


# --- Runs ------------------------------------------------------------------------------------------------------------


def _wait(run: Run | None, live: Live) -> Run:
    """Follows a run to its end. Raises LoopFailed with its error and advice."""
    if run is None:
        raise LoopFailed("A run that should have been started is missing.")
    while True:
        run.refresh_from_db()
        if run.is_finished:
            break
        at = run.progress or {}
        steps = f" {at['step']}/{at['steps']}" if at.get("steps") else ""
        live(f"{run.method}: {run.status} {at.get('stage', '')}{steps}")
        time.sleep(0.5)
    if run.status != Run.Status.SUCCEEDED:
        raise LoopFailed(f"{run.method}: {run.status}. {run.error} {run.advice}".strip())
    return run


def _wait_for_next(first: Round, live: Live) -> Round:
    """Follows the chain of a refresh until the next round is there and the evidence is recorded."""
    for name in ("refresh_run", "sample_run", "baseline_run", "evaluate_run"):
        first.refresh_from_db()
        _wait(getattr(first, name), live)
    second = next_round(first)
    if second is None:
        raise LoopFailed("The refresh ended, but no next round was opened.")
    return second


def _round(campaign: Campaign, number: int) -> Round:
    return Round.objects.get(campaign=campaign, number=number)


# --- Figures ---------------------------------------------------------------------------------------------------------


def _round_figures(
    round_: Round, people: Sequence[Person], log: Sequence[Mapping[str, float]]
) -> dict[str, Any]:
    answers = Feedback.objects.filter(
        submission__item__round_number=round_.number, submission__campaign=round_.campaign
    )
    return {
        "round": round_.number,
        "screens": len(log),
        "answers": dict(sorted(Counter(answers.values_list("type", flat=True)).items())),
        "labeler_seconds": round(sum(sum(spent.values()) for spent in log)),
        "people": len(people),
    }


def _accuracy(run: Run | None) -> dict[str, Any]:
    """Held-out pair accuracy with its interval, beside length alone and how well people agree."""
    pairs = _evaluation(run).get("pairs", {})
    return {
        "accuracy": pairs.get("accuracy"),
        "length": pairs.get("length_baseline"),
        "humans": pairs.get("humans"),
    }


def _evaluation(run: Run | None) -> dict[str, Any]:
    """What the reward training program measured on held-out prompts."""
    return ((run and run.metrics) or {}).get("evaluation", {})


def _in_words(figures: Mapping[str, Any]) -> str:
    accuracy = figures["accuracy"] or {}
    if accuracy.get("value") is None:
        return "no held-out pairs"
    return f"held-out accuracy {accuracy['value']:.2f} [{accuracy['low']:.2f}, {accuracy['high']:.2f}]"


def _reliability(run: Run | None, people: Sequence[Person], campaign: Campaign) -> list[dict[str, Any]]:
    """What the reward model thinks of each labeler, beside what they are."""
    estimated = _evaluation(run).get("labelers", {})
    names = {
        u.username: u.pseudonym(campaign.pk)
        for u in User.objects.filter(username__in=[p.username for p in people])
    }
    rows = []
    for person in people:
        entry = estimated.get(names.get(person.username, ""), {})
        rows.append(
            {
                "labeler": person.username,
                "careless": person.is_careless,
                "true_beta": round(person.law.beta, 2),
                "beta": entry.get("beta"),
                "lapse": entry.get("lapse"),
            }
        )
    return rows


def _judged(second: Round) -> dict[str, Any]:
    """How often people preferred the new policy's answer, blind; ties count half; bootstrap over items, 95 %."""
    new = second.policy_id
    by_item: dict[int, list[float]] = {}
    rows = Feedback.objects.filter(
        submission__campaign=second.campaign,
        submission__item__round_number=second.number,
        submission__superseded_by=None,
        question=COMPARE,
    ).values_list("submission__item_id", "payload")
    sources = dict(
        Response.objects.filter(
            items__round_number=second.number, items__campaign=second.campaign
        ).values_list("pk", "checkpoint_id")
    )
    for item_id, payload in rows:
        ours = next(i for i, response in enumerate(payload["items"]) if sources[response] == new)
        mine, other = payload["ranks"][ours], payload["ranks"][1 - ours]
        by_item.setdefault(item_id, []).append(0.5 if mine == other else float(mine < other))
    means = np.array([np.mean(values) for values in by_item.values()])
    return {"items": len(means), "answers": sum(map(len, by_item.values())), **bootstrap(means)}


def _tastes(campaign: Campaign, plan: Plan) -> dict[str, Any]:
    """Every taste of the old and the new policy's answers in the second round's items: what moved, and what did not."""
    old = _round(campaign, 1).policy_id
    texts: dict[bool, list[str]] = {True: [], False: []}
    for text, checkpoint in Response.objects.filter(
        items__campaign=campaign, items__round_number=2
    ).values_list("text", "checkpoint_id"):
        texts[checkpoint == old].append(text)
    figures = {}
    for name, taste in TASTES.items():
        before, after = (np.array([taste.score(t) for t in texts[is_old]]) for is_old in (True, False))
        figures[name] = {
            "label": taste.label,
            "wanted": name == plan.taste,
            "before": bootstrap(before),
            "after": bootstrap(after),
            "moved": difference(before, after),
        }
    return figures


def _samples(second: Round, n: int = 8) -> list[dict[str, str]]:
    """Answers of both policies to the same prompts, side by side."""
    samples = []
    for item in (
        Item.objects.filter(campaign=second.campaign, round_number=second.number)
        .select_related("prompt")
        .order_by("pk")[:n]
    ):
        answers = {r.checkpoint_id == second.policy_id: r.text for r in item.responses.all()}
        samples.append(
            {
                "prompt": item.prompt.messages[-1]["content"],
                "old": answers.get(False, ""),
                "new": answers.get(True, ""),
            }
        )
    return samples
