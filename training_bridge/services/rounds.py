"""The loop: two buttons on a round's page, each starting a chain of runs that advances by their outcomes.

    Train reward model:   snapshot ──▶ reward_model run
    Refresh policy:       refresh run (dpo, rloo, …) ──▶ sample run of the new policy ─┐
                                              └────────▶ sample run of the old policy ─┴─▶ items of the next round
                                              └────────▶ evaluate_policy run ──▶ evidence

`on_run_finished` is called in the transaction that records an outcome, so each step follows exactly once, whatever is
killed when.
The next round's labelers see both policies' responses side by side, blind and in random order.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.db.models import Max, Q
from django.utils.translation import gettext as _

from annotation.campaigns.models import Campaign
from annotation.errors import Conflict, Invalid
from annotation.items.models import Item, Prompt, Purpose
from annotation.items.services import NewItem, NewResponse, add_items
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.transactions import in_transaction
from annotation.webhooks.events import emit
from feedback_types.protocol import arity
from training_bridge import methods
from training_bridge.methods.base import Method
from training_bridge.models import Checkpoint, Round, Run
from training_bridge.services.checkpoints import live_promotion, promote
from training_bridge.services.runs import start_run
from training_bridge.services.snapshots import take_snapshot

USUAL_REFRESH = "dpo"
ITEMS_A_ROUND = 200


@in_transaction
def open_round(*, campaign: Campaign, actor: User | None, policy: Checkpoint | None = None) -> Round:
    """The next round of a campaign; `policy` wrote (or will write) its responses. New items get its number."""
    campaign = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    last = campaign.rounds.aggregate(last=Max("number"))["last"]
    number = campaign.round_number if last is None else last + 1
    opened = Round.objects.create(campaign=campaign, number=number, policy=policy)
    Campaign.objects.filter(pk=campaign.pk).update(round_number=number)
    record_audit(
        actor=actor,
        campaign=campaign,
        action="round.open",
        target=f"round {number}",
        after={"policy": policy and policy.pk},
    )
    emit("round.opened", campaign.pk, round=number)
    return opened


def current_round(campaign: Campaign, actor: User | None) -> Round:
    """The newest round; a campaign that never had one gets its first."""
    return campaign.rounds.order_by("-number").first() or open_round(
        campaign=campaign, actor=actor, policy=default_policy()
    )


def default_policy() -> Checkpoint | None:
    """The policy of the setting WHETSTONE_POLICY, once `manage.py prepare_policy` has made it."""
    return Checkpoint.objects.filter(kind=Checkpoint.Kind.POLICY, campaign=None).order_by("-pk").first()


def policy_of(round_: Round) -> Checkpoint:
    """Who wrote the round's responses, else the live policy, else the default. Raises Invalid when there is none."""
    if round_.policy is not None:
        return round_.policy
    live = live_promotion(round_.campaign)
    policy = live.policy if live else default_policy()
    if policy is None:
        raise Invalid(
            _("There is no policy yet. An operator makes the default one with: manage.py prepare_policy"),
            code="no_policy",
        )
    return policy


@in_transaction
def train_reward(*, round_: Round, actor: User | None, config: Mapping[str, Any] | None = None) -> Round:
    """Button one: a snapshot of all that was said, and a reward model from it. Raises Conflict while one is under way."""
    round_ = _locked(round_)
    if round_.reward_run is not None and not round_.reward_run.is_finished:
        raise Conflict(_("A reward model of this round is being trained already."))
    round_.snapshot = take_snapshot(campaign=round_.campaign, actor=actor, is_own_act=False)
    round_.reward_run = start_run(
        campaign=round_.campaign,
        actor=actor,
        method="reward_model",
        config=config,
        seed=round_.number,
        is_own_act=False,
        snapshot=round_.snapshot,
        parent=policy_of(round_),
    )
    round_.save(update_fields=["snapshot", "reward_run"])
    _record(actor, round_, "round.train_reward", round_.reward_run)
    return round_


@in_transaction
def refresh_policy(
    *, round_: Round, actor: User | None, method: str = USUAL_REFRESH, config: Mapping[str, Any] | None = None
) -> Round:
    """Button two: a new policy from the feedback; then both policies answer, and the next round opens with that."""
    round_ = _locked(round_)
    if is_refreshing(round_):
        raise Conflict(_("The policy of this round is being refreshed already."))
    if next_round(round_) is not None:
        raise Conflict(_("This round has a next one already; refresh the policy there."))
    offered = refresh_methods()
    if method not in offered:
        raise Invalid(
            _("This method makes no policy."),
            fields={"method": [_("Choose one of: %(names)s.") % {"names": ", ".join(offered)}]},
        )
    takes_reward = "reward_model" in offered[method].inputs
    reward_model = reward_model_of(round_) if takes_reward else None
    if takes_reward and reward_model is None:
        raise Invalid(
            _("%(method)s needs a reward model. Train it first, with the other button.")
            % {"method": offered[method].label},
            code="no_reward_model",
        )
    if round_.snapshot is None or round_.snapshot.status == "failed" or not takes_reward:
        round_.snapshot = take_snapshot(campaign=round_.campaign, actor=actor, is_own_act=False)
    round_.refresh_run = start_run(
        campaign=round_.campaign,
        actor=actor,
        method=method,
        config=config,
        seed=round_.number,
        is_own_act=False,
        snapshot=round_.snapshot,
        parent=policy_of(round_),
        reward_model=reward_model,
    )
    round_.sample_run = round_.baseline_run = round_.evaluate_run = round_.evidence = None
    round_.save(
        update_fields=["snapshot", "refresh_run", "sample_run", "baseline_run", "evaluate_run", "evidence"]
    )
    _record(actor, round_, "round.refresh_policy", round_.refresh_run)
    return round_


def refresh_methods() -> dict[str, Method]:
    """The methods that make a policy from a round's feedback, by their names; the usual one first."""
    found = {
        name: method
        for name, method in methods.all_methods().items()
        if method.is_listed and method.makes == Checkpoint.Kind.POLICY and "snapshot" in method.needs
    }
    return {name: found[name] for name in sorted(found, key=lambda name: name != USUAL_REFRESH)}


def reward_model_of(round_: Round) -> Checkpoint | None:
    """The reward model trained in this round, if there is one."""
    return _made(round_.reward_run)


def new_policy_of(round_: Round) -> Checkpoint | None:
    """The policy that this round's refresh made, if it is done."""
    return _made(round_.refresh_run)


def next_round(round_: Round) -> Round | None:
    return Round.objects.filter(campaign_id=round_.campaign_id, number=round_.number + 1).first()


def is_refreshing(round_: Round) -> bool:
    """Whether any run of the refresh chain is still to finish."""
    runs = (round_.refresh_run, round_.sample_run, round_.baseline_run, round_.evaluate_run)
    return any(run is not None and not run.is_finished for run in runs)


def on_run_finished(run: Run) -> None:
    """What follows from an outcome; called in the transaction that records it. Only success leads on."""
    if run.status != Run.Status.SUCCEEDED:
        return
    mine = Q(refresh_run=run) | Q(sample_run=run) | Q(baseline_run=run) | Q(evaluate_run=run)
    for round_ in Round.objects.select_for_update(of=("self",)).filter(mine):
        if round_.refresh_run_id == run.pk and round_.sample_run_id is None:
            _compare(round_, run)
        if run.pk in (round_.sample_run_id, round_.baseline_run_id):
            _open_next(round_)
        if round_.evaluate_run_id == run.pk:
            evidence = {k: v for k, v in (run.metrics or {}).items() if k != "machine"}
            Round.objects.filter(pk=round_.pk).update(evidence=evidence)


def _compare(round_: Round, refresh: Run) -> None:
    """Both policies answer the campaign's prompts, and are compared on prompts they were not trained on."""
    new, old = _made(refresh), refresh.parent
    common: dict[str, Any] = {"campaign": round_.campaign, "actor": refresh.created_by}
    round_.sample_run = start_run(
        **common, method="sample", seed=2 * round_.number, parent=new, prompts_from=round_
    )
    round_.baseline_run = start_run(
        **common, method="sample", seed=2 * round_.number + 1, parent=old, prompts_from=round_
    )
    round_.evaluate_run = start_run(
        **common,
        method="evaluate_policy",
        seed=round_.number,
        parent=new,
        baseline=old,
        snapshot=refresh.snapshot,
        reward_model=reward_model_of(round_) or latest_reward_model(round_.campaign),
    )
    round_.save(update_fields=["sample_run", "baseline_run", "evaluate_run"])


def _open_next(round_: Round) -> None:
    """When both policies have answered: the next round, whose items pair their responses."""
    ours, theirs = round_.sample_run, round_.baseline_run
    if (
        ours is None
        or theirs is None
        or {ours.status, theirs.status} != {Run.Status.SUCCEEDED}
        or next_round(round_)
    ):
        return
    policy = new_policy_of(round_)
    opened = open_round(campaign=round_.campaign, actor=ours.created_by, policy=policy)
    items = paired_items(ours, theirs, seed=opened.number)
    add_items(campaign=opened.campaign, items=items, round_number=opened.number, actor=ours.created_by)
    if policy is not None:
        promote(campaign=round_.campaign, policy=policy, actor=ours.created_by)


def paired_items(ours: Run, theirs: Run, *, seed: int) -> Iterator[NewItem]:
    """An item for each prompt to which the policies say different things: one response of each, in random order.

    Where the protocol asks about a single response, the new policy's is shown.
    """
    _fewest, most = arity(ours.campaign.protocol.questions) if ours.campaign.protocol else (2, 2)
    prompts = Prompt.objects.filter(campaign=ours.campaign).in_bulk()
    old = sampled(theirs)
    rng = random.Random(seed)
    for name, candidates in sampled(ours).items():
        prompt = prompts.get(int(name))
        pair = next(((a, b) for a in candidates for b in old.get(name, []) if a["text"] != b["text"]), None)
        if prompt is None or pair is None:
            continue
        responses = [new_response(pair[0], ours.parent), new_response(pair[1], theirs.parent)][:most]
        rng.shuffle(responses)
        yield NewItem(prompt, responses)


def new_response(row: Mapping[str, Any], policy: Checkpoint | None) -> NewResponse:
    """A line of responses.jsonl as a response that says who wrote it, and how."""
    how = {name: row[name] for name in ("tokens", "logprob", "finish") if name in row}
    return NewResponse(
        row["text"],
        source_name=policy.name if policy else "",
        checkpoint_id=policy.pk if policy else None,
        sampling={**(row.get("sampling") or {}), **how},
    )


def sampled(run: Run) -> dict[str, list[dict[str, Any]]]:
    """The candidates for each prompt, as the sample program wrote them."""
    found: dict[str, list[dict[str, Any]]] = {}
    with open(run.attempt_directory / "result" / "responses.jsonl", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            found.setdefault(str(row["id"]), []).append(row)
    return found


def write_prompts(run: Run, directory: Path) -> dict[str, Any]:
    """prompts.jsonl for a program that samples: the prompts of the round's items, in the order of their ids."""
    assert run.prompts_from is not None
    items = Item.objects.filter(
        campaign=run.campaign, round_number=run.prompts_from.number, purpose=Purpose.WORK, withdrawn_at=None
    )
    prompts = Prompt.objects.filter(pk__in=items.values("prompt")).order_by("pk")[:ITEMS_A_ROUND]
    with open(directory / "prompts.jsonl", "w", encoding="utf-8") as file:
        for prompt in prompts:
            file.write(
                json.dumps({"id": str(prompt.pk), "messages": prompt.messages}, ensure_ascii=False) + "\n"
            )
    return {"input": "prompts.jsonl"}


def latest_reward_model(campaign: Campaign) -> Checkpoint | None:
    return campaign.checkpoints.filter(kind=Checkpoint.Kind.REWARD_MODEL).order_by("-pk").first()


def _made(run: Run | None) -> Checkpoint | None:
    return (
        run.checkpoints.order_by("-pk").first()
        if run is not None and run.status == Run.Status.SUCCEEDED
        else None
    )


def _record(actor: User | None, round_: Round, action: str, run: Run) -> None:
    """One button, one row in the history: the snapshot and the run that it led to."""
    record_audit(
        actor=actor,
        campaign=round_.campaign,
        action=action,
        target=f"round {round_.number}",
        after={
            "snapshot": str(round_.snapshot_id),
            "run": str(run.pk),
            "method": run.method,
            "seed": run.seed,
            "config": run.config,
        },
    )


def _locked(round_: Round) -> Round:
    return Round.objects.select_for_update(of=("self",)).select_related("campaign").get(pk=round_.pk)
