"""Train a reward model on a snapshot: every type of feedback in one batch.

    python -m training_bridge.reward_model.train DIR

`config.py` says what DIR/config.json holds. Leaves `result/` (a reward model directory) and `metrics.json` (counts of the
training, and `evaluation` as in evaluate.py). The same seed, data and thread count give the same bits on a CPU, also when
the program was killed and started again on the way.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import math
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from feedback_types.base import Event
from feedback_types.likelihoods import Likelihood
from training_bridge.programs import Problem, RunDirectory, execute, read_json, sha256_of, write_json
from training_bridge.reward_model import sharding
from training_bridge.reward_model.augment import augmented, share_weights
from training_bridge.reward_model.config import TrainParameters, parameters, source
from training_bridge.reward_model.data import Dataset, Pack, build
from training_bridge.reward_model.distributed import Processes
from training_bridge.reward_model.evaluate import (
    Rewards,
    evaluate,
    likelihood_table,
    likelihoods_of,
    load_events,
    standard_errors,
)
from training_bridge.reward_model.loss import Objective
from training_bridge.reward_model.model import Place, RewardModel
from training_bridge.reward_model.pairs import (
    VIEW,
    BradleyTerry,
    Preference,
    as_events,
    preferences,
    statistics,
)
from training_bridge.reward_model.score import scores_at

log = logging.getLogger("whetstone")

PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "peft", "whetstone")
BETAS = (0.9, 0.95)


class Trainer:
    """One optimiser step at a time. `model` gives scores, `objective` says how probable the answers are under them."""

    def __init__(
        self,
        model: RewardModel,
        objective: Objective,
        data: Dataset,
        settings: TrainParameters,
        *,
        seed: int,
        processes: Processes | None = None,
    ):
        self.model, self.objective, self.data, self.settings = model, objective, data, settings
        self.seed, self.processes = seed, processes or Processes()
        self.total_weight = sum(o.weight for o in data.observations)
        self.per_epoch = len(data.steps(settings.batch_items, seed, 0))
        self.steps = max(1, round(self.per_epoch * settings.epochs))
        self.done = 0

        self.member_weights = member_weights(data, model.size, seed)

        self.network = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.nuisances = {n: p for n, p in objective.named_parameters() if p.requires_grad}
        self.rate = settings.learning_rate or default_rate(model, settings)
        self.nuisance_rate = settings.nuisance_rate or max(10 * self.rate, 0.05)
        matrices = [p for p in self.network.values() if p.ndim > 1]
        vectors = [p for p in self.network.values() if p.ndim <= 1]
        self.groups = [
            {"params": matrices, "weight_decay": settings.weight_decay, "rate": self.rate},
            {"params": vectors, "weight_decay": 0.0, "rate": self.rate},
            {"params": list(self.nuisances.values()), "weight_decay": 0.0, "rate": self.nuisance_rate},
        ]
        self.groups = [g for g in self.groups if g["params"]]
        self.is_spread = any(map(sharding.is_spread, self.network.values()))
        # torch's fused step takes no weights of which some are spread over processes and others whole.
        how = {"foreach": False} if self.is_spread else {"fused": True}
        self.optimizer = torch.optim.AdamW(self.groups, lr=self.rate, betas=BETAS, **how)

    def items_of(self, step: int) -> list[int]:
        """Items of a step, counted from 0 over all epochs."""
        epoch, inside = divmod(step, self.per_epoch)
        return self.data.steps(self.settings.batch_items, self.seed, epoch)[inside]

    def step(self, items: Sequence[int] | None = None) -> dict[str, Any]:
        """One optimiser step, on the next items of the plan unless others are given. Raises Problem when a number breaks."""
        started = time.perf_counter()
        self.model.train()
        items = self.items_of(self.done) if items is None else items
        packs = list(self.data.packs(items, self.pack_tokens(items), share_prompts=self.model.share_prompts))
        sizes = [self.model.tokens_run(pack.sequences) for pack in packs]
        weight = sum(o.weight for pack in packs for members in pack.observations.values() for o in members)
        sequences = sum(len(pack.sequences) for pack in packs)

        for parameter in (*self.network.values(), *self.nuisances.values()):
            parameter.grad = torch.zeros_like(parameter)
        counts = Counter(o.kind for pack in packs for members in pack.observations.values() for o in members)
        kinds = sorted(counts)
        totals = torch.zeros(
            len(kinds) + 2, dtype=torch.float64, device=self.model.device
        )  # nats by kind, loss, centring
        shares = self.processes.shares(packs, sizes)
        mine = shares[self.processes.rank]
        for pack in mine:
            loss, centring = self.model_loss(pack, kinds, weight, sequences, totals)
            (loss + centring).backward()
            totals[-2] += loss.detach()
            totals[-1] += centring.detach()
        if self.is_spread:
            # The others wait for this process's part of the weights, as often as they run a pack.
            smallest = packs[sizes.index(min(sizes))]
            for _ in range(max(map(len, shares)) - len(mine)):
                (0.0 * self.model.compute(smallest.sequences, smallest.places).sum()).backward()
        prior = torch.zeros(())
        if self.processes.rank == 0 and self.nuisances:
            prior = -self.objective.log_prior() / self.total_weight
            prior.backward()
        self.processes.add_up(totals)
        self.processes.add_up_gradients(
            [p for p in (*self.network.values(), *self.nuisances.values()) if not sharding.is_spread(p)]
        )
        clip = sharding.clip if self.is_spread else torch.nn.utils.clip_grad_norm_
        norm = clip(self.network.values(), self.settings.clip)
        sums = totals.tolist()
        self.check(dict(zip(kinds, sums, strict=False)), sums[-2], norm.item())

        factor = schedule(self.done, self.steps, self.settings.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * factor
        self.optimizer.step()
        self.done += 1
        return {
            "loss": sums[-2],
            **{f"nll/{kind}": sums[i] / counts[kind] for i, kind in enumerate(kinds)},
            "centring": sums[-1],
            "prior": prior.item(),
            "gradient_norm": norm.item(),
            "learning_rate": self.rate * factor,
            "tokens": sum(sizes),
            "tokens_per_s": sum(sizes) / (time.perf_counter() - started),
        }

    def model_loss(
        self, pack: Pack, kinds: Sequence[str], weight: float, sequences: int, totals: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A pack's share of the loss of a step, and of its centring; adds nats by kind to `totals`.

        Of an ensemble it is the mean over the members, each with weights of its own for the answers.
        """
        share = self.settings.center * len(pack.sequences) / sequences
        if not self.member_weights:
            scores = self.model.compute(pack.sequences, pack.places)
            said = self.objective(scores, pack)
            loss = scores.new_zeros(())
            for kind, members in pack.observations.items():
                weights = torch.tensor([o.weight for o in members], device=scores.device)
                loss = loss - (weights * said[kind]).sum() / weight
                totals[kinds.index(kind)] -= said[kind].detach().sum()
            return loss, share * scores[: len(pack.sequences)].mean().square()
        every = self.model.compute_members(pack.sequences, pack.places)
        loss = every.new_zeros(())
        for number, scores in enumerate(every):
            said = self.objective(scores, pack)
            for kind, members in pack.observations.items():
                drawn = torch.tensor(
                    [o.weight * self.member_weights[id(o)][number] for o in members], device=scores.device
                )
                loss = loss - (drawn * said[kind]).sum() / weight / len(every)
                totals[kinds.index(kind)] -= said[kind].detach().sum() / len(every)
        return loss, share * every[:, : len(pack.sequences)].mean(dim=1).square().mean()

    def pack_tokens(self, items: Sequence[int]) -> int:
        """So that every process has something to do, and no pack is larger than it may be."""
        if self.processes.count == 1:
            return self.settings.pack_tokens
        every = {s for i in items for o in self.data.items[i] for s in self.data.observations[o].sequences}
        tokens = self.model.tokens_run([self.data.sequences[s] for s in every])
        return min(self.settings.pack_tokens, -(-tokens // self.processes.count))

    def check(self, nats: dict[str, float], loss: float, norm: float) -> None:
        if math.isfinite(loss) and math.isfinite(norm):
            return
        broken = [kind for kind, value in nats.items() if not math.isfinite(value)]
        cause = f"in the answers of type {', '.join(broken)}" if broken else "in the gradients"
        raise Problem(
            f"Training broke at step {self.done + 1} of {self.steps}: a number became infinite or undefined {cause}.",
            f"Lower the learning rate (it was {self.rate:.1g}), or start from a model whose weights are whole.",
        )

    # Checkpoints

    def fingerprint(self) -> dict[str, Any]:
        """What must be the same for a checkpoint to be gone on from."""
        return {
            "parameters": self.settings.model_dump(),
            "seed": self.seed,
            "observations": len(self.data.observations),
        }

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """What is trained, by its name in a checkpoint."""
        return {f"network.{n}": p for n, p in self.network.items()} | {
            f"nuisance.{n}": p for n, p in self.nuisances.items()
        }

    def save(self, run: RunDirectory) -> None:
        """Write a checkpoint from which `restore` goes on as if nothing had happened; every process takes part."""
        need = 3 * sum(p.numel() * p.element_size() for p in self.parameters().values())
        tensors = {name: sharding.whole(p).contiguous() for name, p in self.parameters().items()}
        state = sharding.whole_states(self.optimizer.state_dict())
        with run.checkpoint(self.done, need_bytes=need) as folder:
            if run.writes:
                save_file(tensors, folder / "trainable.safetensors")
                torch.save(state, folder / "optimizer.pt")
                write_json(folder / "state.json", {"step": self.done, **self.fingerprint()})

    def restore(self, folder: Path) -> None:
        """Go on from a checkpoint, the files of which were checked. Raises Problem if it belongs to another training."""
        state = read_json(folder / "state.json")
        if {key: state.get(key) for key in self.fingerprint()} != self.fingerprint():
            raise Problem(
                f"Checkpoint {folder.name} belongs to a training with other parameters or data.",
                "Start without resume_from.",
            )
        stored = load_file(folder / "trainable.safetensors", device=str(self.model.device))
        with torch.no_grad():
            for name, parameter in self.parameters().items():
                parameter.copy_(sharding.part(stored[name], parameter))
        moments = torch.load(folder / "optimizer.pt", weights_only=True, map_location=self.model.device)
        trained = [p for group in self.optimizer.param_groups for p in group["params"]]
        how = [{name: group[name] for name in ("fused", "foreach")} for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(sharding.own_states(moments, trained))
        for group, own in zip(self.optimizer.param_groups, how, strict=True):
            group.update(own)  # the checkpoint may be of another number of processes
        self.done = int(state["step"])


def member_weights(data: Dataset, members: int, seed: int) -> dict[int, list[float]]:
    """id of an observation -> its weight for each member of an ensemble; empty for a single head.

    All answers about one item share their weights: exponential with mean 1, the Bayesian bootstrap (Rubin 1981), in which
    no item is left out altogether.
    """
    if members == 1:
        return {}
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.empty(len(data.items), members).exponential_(generator=generator).tolist()
    return {id(data.observations[o]): drawn[i] for i, item in enumerate(data.items) for o in item}


def schedule(step: int, steps: int, warmup: float) -> float:
    """Share of the full rate at a step: rises linearly over the first `warmup` of the steps, then falls as a cosine to 0."""
    rising = max(1, round(steps * warmup))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def default_rate(model: RewardModel, settings: TrainParameters) -> float:
    """By the number of weights; what is said in TrainParameters.learning_rate."""
    if settings.adapter == "lora":
        return 2e-4
    weights = sum(p.numel() for p in model.parameters())
    return 2e-3 if weights < 10e6 else 5e-4 if weights < 50e6 else 5e-5 if weights < 500e6 else 1e-5


# --- What is there to learn from -------------------------------------------------------------------------------------


def observations_of(
    events: Sequence[Event], model: RewardModel, settings: TrainParameters, seed: int = 0
) -> tuple[Dataset, dict[str, Likelihood]]:
    """The data set and the observation models that read it. Raises Problem when there is too little to learn from."""
    found = likelihoods_of(sorted({e.type for e in events}))
    readers: dict[str, Likelihood] = dict(found)
    if settings.objective == "bradley_terry":
        readers = {VIEW: BradleyTerry(settings.use_margin)}

    def read(of: Sequence[Event]) -> Dataset:
        if settings.objective == "bradley_terry":
            return build(as_events(preferences(of, statistics(of))), readers, model.encoder)
        return build(of, readers, model.encoder, correlation=settings.correlation)

    data = read(events)
    refuse_too_little(data, settings, "preference pairs" if VIEW in readers else "usable answers")
    said = [o.event for o in data.observations]
    refuse_one_answer([e for p in said for e in p.payload.events] if VIEW in readers else said, found)
    if settings.augment:
        data = read(augmented(events, model, seed))
        share_weights(data)
    return data, readers


def refuse_too_little(data: Dataset, settings: TrainParameters, what: str) -> None:
    have = len(data.observations)
    if have < settings.min_events:
        left_out = "; ".join(f"{n} {reason}" for reason, n in sorted(data.dropped.items()))
        raise Problem(
            f"Not enough data: need {settings.min_events} {what} to train on, have {have}."
            + (f" Left out: {left_out}." if left_out else ""),
            "Collect more feedback, or take a snapshot with wider filters.",
        )


def refuse_one_answer(events: Sequence[Event], likelihoods: dict[str, Likelihood]) -> None:
    """Raise Problem when everybody always gave the same answer (all ties, one class): there is nothing to tell apart."""
    for kind in sorted({e.type for e in events} & set(likelihoods)):
        batch = likelihoods[kind].collate([e for e in events if e.type == kind])
        if any((t != t[:1]).any() for t in batch.values()):
            return
    raise Problem(
        "Not enough data: need 2 different answers, have 1.",
        "Every answer says the same; ask about more varied responses.",
    )


# --- The program -----------------------------------------------------------------------------------------------------


def train(run: RunDirectory) -> dict[str, Any]:
    processes = Processes()
    settings = parameters(TrainParameters, run.config)
    with processes.together():
        deterministic = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(processes.device.type == "cpu")
        try:
            return _train(run, settings, processes)
        finally:
            torch.use_deterministic_algorithms(deterministic)


def _train(run: RunDirectory, settings: TrainParameters, processes: Processes) -> dict[str, Any]:
    started = time.monotonic()
    seed = int(run.config.get("seed") or 0)
    parent, _ = source(run.config, "parent")
    run.report(step=0, steps=1, stage="read")
    read = load_events(run)
    events, held_out = read("train"), read("test")

    torch.manual_seed(seed)
    model = load(parent, settings, processes)
    data, likelihoods = observations_of(events, model, settings, seed)
    prepare(model, data, settings)
    if sharding.is_asked_for():
        sharding.shard(model.body)
    joint = settings.objective == "joint"
    objective = Objective.for_observations(likelihoods, data.observations, settings, learned=joint).to(
        processes.device
    )
    if joint and (parent / "nuisance.json").is_file():
        objective.start_from(read_json(parent / "nuisance.json"))
    trainer = Trainer(model, objective, data, settings, seed=seed, processes=processes)
    log.info(
        "%d answers on %d items by %d labelers; %d distinct texts; %d steps at a rate of %.1g; left out: %s",
        len(data.observations), len(data.items), len(objective.labelers), len(data.sequences), trainer.steps, trainer.rate,
        dict(data.dropped) or "nothing",
    )  # fmt: skip
    if (checkpoint := run.newest_checkpoint()) is not None:
        trainer.restore(checkpoint)
        log.info("Goes on from step %d.", trainer.done)
    losses = follow(
        run, trainer, Watch(model, objective, held_out, settings) if settings.evaluate_epochs else None
    )
    if trainer.is_spread:
        tensors = {name: sharding.whole(t) for name, t in model.state_dict().items()}
    if not run.writes:
        return {}
    if trainer.is_spread:  # one process evaluates and writes, with all of the weights
        trainer.model = load(parent, settings, processes)
        prepare(trainer.model, data, settings)
        trainer.model.load_state_dict(tensors)
    return conclude(run, trainer, events, held_out, {"losses": losses, "seconds": time.monotonic() - started})


def load(parent: Path, settings: TrainParameters, processes: Processes) -> RewardModel:
    half = settings.dtype == "bfloat16" or (
        settings.dtype == "auto" and settings.adapter == "lora" and processes.device.type == "cuda"
    )
    return RewardModel.load(
        parent,
        device=processes.device,
        dtype=torch.bfloat16 if half else torch.float32,
        max_length=settings.max_length,
        share_prompts=settings.share_prompts,
    )


def prepare(model: RewardModel, data: Dataset, settings: TrainParameters) -> None:
    """Everything that is trained beside or inside a loaded model; random weights from torch's generator."""
    for head in data.heads:
        model.add_head(head)
    if settings.adapter == "lora":
        model.add_adapters(settings.lora_rank)
    model.make_ensemble(settings.ensemble)
    if settings.activation_checkpointing:
        model.classifier.activation_checkpointing_enable({"use_reentrant": False})


class Watch:
    """What held-out data say while training goes on: for the eye, nothing is chosen by it."""

    def __init__(
        self, model: RewardModel, objective: Objective, held_out: Sequence[Event], settings: TrainParameters
    ):
        self.model, self.objective, self.settings = model, objective, settings
        self.data = build(held_out, objective.likelihoods, model.encoder)
        self.pairs: list[Preference] = list(preferences(held_out))

    def look(self) -> dict[str, Any]:
        self.model.eval()
        table = likelihood_table(self.model, self.objective, self.data, self.settings.pack_tokens)
        metrics: dict[str, Any] = {f"held_out_nll/{kind}": row["nll"] for kind, row in table.items()}
        rewards = Rewards(self.model, self.settings.pack_tokens)
        rewards.learn([(p.prompt, text) for p in self.pairs for text in (p.chosen, p.rejected)])
        both = [(rewards.of(p.prompt, p.chosen), rewards.of(p.prompt, p.rejected)) for p in self.pairs]
        right = [0.5 if a == b else float(a > b) for a, b in both if a is not None and b is not None]
        if right:
            metrics["held_out_accuracy"] = sum(right) / len(right)
        return metrics


def follow(run: RunDirectory, trainer: Trainer, watch: Watch | None) -> list[float]:
    """All remaining steps, with reports and checkpoints; returns their losses. Raises Stopped after saving when asked to."""
    losses = []
    while trainer.done < trainer.steps:
        metrics = trainer.step()
        losses.append(metrics["loss"])
        if watch is not None and (trainer.done % trainer.per_epoch == 0 or trainer.done == trainer.steps):
            metrics |= watch.look()
        run.report(step=trainer.done, steps=trainer.steps, stage="train", metrics=metrics)
        run.stopping = trainer.processes.anybody(run.stopping)
        run.stop_if_asked(lambda: trainer.save(run))
        if trainer.done % trainer.settings.checkpoint_steps == 0 and trainer.done < trainer.steps:
            trainer.save(run)
    return losses


def conclude(
    run: RunDirectory,
    trainer: Trainer,
    events: Sequence[Event],
    held_out: Sequence[Event],
    told: dict[str, Any],
) -> dict[str, Any]:
    """Evaluate and write the result."""
    model, objective, data, settings = trainer.model, trainer.objective, trainer.data, trainer.settings
    run.report(step=trainer.done, steps=trainer.steps, stage="evaluate")
    trainable = sum(p.numel() for p in trainer.network.values())
    model.merge()
    model.eval()
    ends = [Place(i, len(s) - 1) for i, s in enumerate(data.sequences)]
    rewards = scores_at(model, data.sequences, ends, settings.pack_tokens)
    if not torch.isfinite(rewards).all():
        raise Problem("The trained model gives rewards that are no numbers.", "Lower the learning rate.")
    mean, sd = rewards.mean().item(), max(rewards.std(correction=0).item(), 1e-8)
    errors = standard_errors(model, objective, data, settings.pack_tokens) if objective.learned else {}
    nuisance = objective.report(errors)
    metrics = {
        "steps": trainer.steps,
        "answers": len(data.observations),
        "answers_by_type": dict(sorted(data.kinds.items())),
        "items": len(data.items),
        "labelers": len(objective.labelers),
        "texts": len(data.sequences),
        "tokens": sum(map(len, data.sequences)),
        "left_out": dict(sorted(data.dropped.items())),
        "trained_weights": trainable,
        "packed": model.packed,
        "ensemble": model.size,
        "loss_first": told["losses"][0] if told["losses"] else None,
        "loss_last": told["losses"][-1] if told["losses"] else None,
        "seconds": told["seconds"],
        "reward_mean": mean,
        "reward_sd": sd,
        "evaluation": evaluate(
            model, objective, held_out, events, pack_tokens=settings.pack_tokens, report=nuisance
        ),
    }
    need = sum(p.numel() * p.element_size() for p in model.parameters())
    with run.result(need_bytes=need) as folder:
        model.save(
            folder,
            nuisance=nuisance,
            whetstone={"reward": {"mean": mean, "sd": sd}, "lineage": lineage(run, settings)},
        )
    return metrics


def lineage(run: RunDirectory, settings: TrainParameters) -> dict[str, Any]:
    """Where a model comes from: everything needed to make it again."""
    parent, parent_sha256 = source(run.config, "parent")
    snapshot, _ = source(run.config, "snapshot")
    note = parent / "whetstone.json"
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "method": run.config.get("method"),
        "snapshot": {"sha256": sha256_of(snapshot / "manifest.json")},
        "parent": {
            "path": str(parent),
            "sha256": parent_sha256,
            "lineage": json.loads(note.read_text(encoding="utf-8")).get("lineage")
            if note.is_file()
            else None,
        },
        "seed": int(run.config.get("seed") or 0),
        "parameters": settings.model_dump(),
        "code_revision": run.config.get("code_revision"),
        "versions": versions,
    }


if __name__ == "__main__":
    execute(train)
