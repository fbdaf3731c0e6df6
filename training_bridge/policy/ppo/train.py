"""Refresh a policy by proximal policy optimisation: policy, reference, reward and a value network.

    python -m training_bridge.policy.ppo DIR

DIR/config.json: {"parent": {…}, "reward_model": {…}, "snapshot": {…}, "seed": 1, "parameters": {…}}
(`config.PPOParameters`). Prompts and rewards are those of `rewards.py`. A step answers prompts with the policy as it is,
gives every token its reward (`advantages.py`), and learns from them in a few clipped updates (`losses.py`).

The value network is a copy of the policy's body with a head of its own, not a head on the policy: what values want of the
body would otherwise be learned into the text. It costs the memory of a second model (the reference is a third).
Everything random follows from the seed and the step, so a run that was killed ends with the same bits.

Under torchrun, or accelerate's launcher, processes share the work: each answers some of the prompts and runs some of every
update. The draws of an answer follow from its key, advantages are brought to mean 0 and sd 1 over all of them, and a mean is
over the tokens of all, so several processes take the steps of one, up to the order in which floats are added.
"""

from __future__ import annotations

import training_bridge.policy.environment  # noqa: F401  first: torch and the hub read it

# isort: split

import copy
import logging
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from training_bridge.policy import held_out
from training_bridge.policy.adapters import peft_config
from training_bridge.policy.chat import prompt_ids
from training_bridge.policy.config import parameters
from training_bridge.policy.generation import Generated, Request, Sampler, Sampling
from training_bridge.policy.logprobs import Pair, answer_logits
from training_bridge.policy.ppo.advantages import advantages, controlled, token_rewards, whitened
from training_bridge.policy.ppo.config import PPOParameters
from training_bridge.policy.ppo.losses import policy_loss, value_loss
from training_bridge.policy.ppo.scores import Scores
from training_bridge.policy.ppo.values import ValueNetwork
from training_bridge.policy.rewards import Conversation, in_turn, prompts_of, reward_function
from training_bridge.policy.trl_runs import default_rate, load_parent, write_policy
from training_bridge.policy.watch import watch_of
from training_bridge.programs import Problem, RunDirectory, read_json, write_json
from training_bridge.reward_model.distributed import Processes
from training_bridge.reward_model.sharding import is_asked_for

log = logging.getLogger("whetstone")

RATES = (1e-4, 2e-6, 1e-6, 2e-5)  # below 50 M weights, below 2 G, above; adapters
AT_ONCE = 64  # answers written at once, and run at once without a gradient


@dataclass
class Rollout:
    """One answer of a round, with what PPO learns from it; every list has an entry for each token."""

    text: Pair
    reward: float  # of the whole answer, as the reward gave it
    logprobs: list[float]
    values: list[float]
    advantages: list[float]
    returns: list[float]
    divergence: float  # of the answer from the reference, in nats


class Trainer:
    def __init__(
        self,
        run: RunDirectory,
        settings: PPOParameters,
        model: Any,
        tokenizer: Any,
        scores: Scores,
        processes: Processes | None = None,
    ):
        self.run, self.settings, self.tokenizer, self.scores = run, settings, tokenizer, scores
        self.processes = processes or Processes()
        self.seed = int(run.config.get("seed") or 0)
        self.reference = copy.deepcopy(model).eval().requires_grad_(False)
        self.value = ValueNetwork(copy.deepcopy(model.base_model)).eval().to(model.device)
        self.value.body.requires_grad_(True)
        self.rate = default_rate(model, settings, RATES)
        whole = settings.model_copy(update={"adapter": "full", "learning_rate": 0.0})
        self.value_rate = settings.value_rate or default_rate(model, whole, RATES)
        if (adapter := peft_config(settings)) is not None:
            from peft import get_peft_model

            torch.manual_seed(self.seed)
            model = get_peft_model(model, adapter)
        self.model = model.eval()  # no dropout: ratios are of the same network
        if settings.activation_checkpointing:
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
            self.model.train()
        self.policy_weights = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.policy_weights, lr=self.rate, weight_decay=0.0)
        self.value_optimizer = torch.optim.AdamW(
            self.value.parameters(), lr=self.value_rate, weight_decay=0.0
        )
        self.beta, self.done = settings.beta, 0
        self.history: list[dict[str, float]] = []  # what each step told, those before a resumption included

    # One step

    def step(self, prompts: Sequence[Conversation]) -> dict[str, float]:
        rounds = self.rollouts(prompts)
        factor = schedule(self.done, self.settings.steps, self.settings.warmup)
        for optimizer, rate in ((self.optimizer, self.rate), (self.value_optimizer, self.value_rate)):
            for group in optimizer.param_groups:
                group["lr"] = factor * rate
        told = self.learn(rounds)
        divergence = sum(r.divergence for r in rounds) / len(rounds)
        used = self.beta
        if self.settings.control == "adaptive":
            self.beta = controlled(self.beta, divergence, self.settings.target)
        self.done += 1
        rewards = [r.reward for r in rounds]
        mean = sum(rewards) / len(rewards)
        metrics = {
            **told,
            "reward": mean,
            "reward_sd": math.sqrt(sum((r - mean) ** 2 for r in rewards) / len(rewards)),
            "kl": divergence,
            "tokens": sum(len(r.logprobs) for r in rounds) / len(rounds),
            "beta": used,
            "learning_rate": factor * self.rate,
        }
        self.history.append(metrics)
        return metrics

    def rollouts(self, prompts: Sequence[Conversation]) -> list[Rollout]:
        """Fresh answers of all processes, with everything that is learned from them."""
        found = self.processes.dealt_out(self.answered(prompts))
        if self.settings.whiten:
            for rollout, row in zip(found, whitened([r.advantages for r in found]), strict=True):
                rollout.advantages = row
        return found

    @torch.no_grad()
    def answered(self, prompts: Sequence[Conversation]) -> list[Rollout]:
        """This process's answers of a step: every so many-th of them."""
        settings = self.settings
        chosen = in_turn(len(prompts), settings.prompts, self.seed, self.done)
        sampler = Sampler(
            self.model,
            self.tokenizer,
            Sampling(temperature=settings.temperature, max_tokens=settings.max_tokens),
        )
        asked = self.processes.every_nth([(i, k) for i in chosen for k in range(settings.answers)])
        said: list[Generated] = []
        for start in range(0, len(asked), AT_ONCE):
            part = [Request(f"{self.done}/{i}/{k}", prompts[i]) for i, k in asked[start : start + AT_ONCE]]
            said += sampler.sample(part, seed=self.seed)
        texts = [
            (tuple(prompt_ids(self.tokenizer, prompts[i])), tuple(answer.ids))
            for (i, _), answer in zip(asked, said, strict=True)
        ]
        scored = self.scores.of([prompts[i] for i, _ in asked], said)
        found = []
        for start in range(0, len(texts), AT_ONCE):
            part_texts = texts[start : start + AT_ONCE]
            ours, theirs = self.logprobs(self.model, part_texts), self.logprobs(self.reference, part_texts)
            values = list(self.value(part_texts))
            for text, p, q, v, given in zip(
                part_texts, ours, theirs, values, scored[start : start + AT_ONCE], strict=True
            ):
                new, old, value = p.tolist(), q.tolist(), v.tolist()
                rewards = token_rewards(new, old, given, self.beta)
                gained = advantages(rewards, value, discount=settings.discount, trace=settings.trace)
                found.append(
                    Rollout(
                        text=text,
                        reward=sum(given),
                        logprobs=new,
                        values=value,
                        advantages=gained,
                        returns=[a + b for a, b in zip(gained, value, strict=True)],
                        divergence=sum(new) - sum(old),
                    )
                )
        return found

    def learn(self, rounds: list[Rollout]) -> dict[str, float]:
        """The updates of a round; their numbers, averaged over tokens and updates."""
        settings = self.settings
        sums = dict.fromkeys(("loss", "value_loss", "clip_share", "entropy", "gradient_norm"), 0.0)
        updates = 0
        for number in range(settings.passes):
            order = list(range(len(rounds)))
            random.Random(f"{self.seed}/{self.done}/{number}").shuffle(order)
            parts = min(settings.minibatches, len(order))
            for k in range(parts):
                part = [rounds[i] for i in order[len(order) * k // parts : len(order) * (k + 1) // parts]]
                for name, value in self.update(part).items():
                    sums[name] += value
                updates += 1
        return {name: value / updates for name, value in sums.items()}

    def update(self, part: list[Rollout]) -> dict[str, float]:
        """One optimiser step of each network, on this process's share of the answers and everybody's gradients."""
        count = sum(len(r.logprobs) for r in part)
        told = torch.zeros(4, dtype=torch.float64, device=self.value.head.weight.device)
        for optimizer in (self.optimizer, self.value_optimizer):
            optimizer.zero_grad(set_to_none=True)
        if ours := self.processes.every_nth(part):
            told += self.backward(ours, count)
        loss, of_values, clipped, entropy = self.processes.add_up(told).tolist()
        norm = self.descend(self.optimizer, self.policy_weights, loss)
        self.descend(self.value_optimizer, list(self.value.parameters()), of_values)
        return {
            "loss": loss,
            "value_loss": of_values,
            "clip_share": clipped,
            "entropy": entropy,
            "gradient_norm": norm,
        }

    def backward(self, part: list[Rollout], count: int) -> Tensor:
        """Gradients of these answers' share of both losses, which are means over `count` tokens.

        Returns: (4,) the share of the losses, of the clipped tokens and of the entropy.
        """
        texts = [r.text for r in part]
        device = self.value.head.weight.device

        def column(name: str) -> Tensor:
            return torch.tensor([v for r in part for v in getattr(r, name)], device=device)

        logits = [row / self.settings.temperature for row in answer_logits(self.model, texts)]
        all_logprobs = [row.log_softmax(dim=-1) for row in logits]
        logprobs = torch.cat(
            [
                row.gather(1, torch.tensor(text[1], device=device)[:, None])[:, 0]
                for row, text in zip(all_logprobs, texts, strict=True)
            ]
        )
        losses, clipped = policy_loss(logprobs, column("logprobs"), column("advantages"), self.settings.clip)
        loss = losses.sum() / count
        values = torch.cat(list(self.value(texts)))
        of_values = (
            value_loss(values, column("values"), column("returns"), self.settings.value_clip).sum() / count
        )
        loss.backward()
        of_values.backward()
        with torch.no_grad():
            entropy = torch.cat([-(row.exp() * row).nan_to_num().sum(dim=-1) for row in all_logprobs])
            return torch.stack([loss, of_values, clipped.sum() / count, entropy.sum() / count]).detach()

    def descend(self, optimizer: Any, weights: Sequence[torch.nn.Parameter], loss: float) -> float:
        """One step down a loss; returns the norm of its gradient. Raises Problem before a number that is none is learned."""
        for weight in weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        self.processes.add_up_gradients(weights)
        norm = torch.nn.utils.clip_grad_norm_(weights, 1.0).item()
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise Problem(
                f"Training broke at step {self.done + 1} of {self.settings.steps}: the loss is {loss}.",
                "Lower the learning rate, or raise beta; the last checkpoint is from before.",
            )
        optimizer.step()
        return norm

    def logprobs(self, model: Any, texts: Sequence[Pair]) -> list[Tensor]:
        """(tokens,) of each answer at the temperature of sampling, in nats."""
        return [
            (row / self.settings.temperature)
            .log_softmax(dim=-1)
            .gather(1, torch.tensor(text[1], device=row.device)[:, None])[:, 0]
            for row, text in zip(answer_logits(model, texts), texts, strict=True)
        ]

    # Checkpoints

    def tensors(self) -> dict[str, Tensor]:
        policy = {f"policy.{n}": p for n, p in self.model.named_parameters() if p.requires_grad}
        value = {f"value.{n}": p for n, p in self.value.named_parameters()}
        return {name: p.detach().cpu().contiguous() for name, p in (policy | value).items()}

    def save(self) -> None:
        tensors = self.tensors()
        need = 3 * sum(t.numel() * t.element_size() for t in tensors.values())
        with self.run.checkpoint(self.done, need_bytes=need) as folder:
            if not self.run.writes:
                return
            save_file({name: t.clone() for name, t in tensors.items()}, folder / "trainable.safetensors")
            states = {"policy": self.optimizer.state_dict(), "value": self.value_optimizer.state_dict()}
            torch.save(states, folder / "optimizers.pt")
            state = {"step": self.done, "beta": self.beta, "seed": self.seed, "history": self.history}
            write_json(folder / "state.json", {**state, "parameters": self.settings.model_dump(mode="json")})

    def restore(self, folder: Path) -> None:
        """Go on from a checkpoint whose files were checked. Raises Problem if it belongs to another training."""
        state = read_json(folder / "state.json")
        if (state["parameters"], state["seed"]) != (self.settings.model_dump(mode="json"), self.seed):
            raise Problem(
                f"Checkpoint {folder.name} belongs to a training with other parameters.",
                "Start anew without it.",
            )
        stored = load_file(folder / "trainable.safetensors")
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                if parameter.requires_grad:
                    parameter.copy_(stored[f"policy.{name}"])
            for name, parameter in self.value.named_parameters():
                parameter.copy_(stored[f"value.{name}"])
        device = self.value.head.weight.device
        states = torch.load(folder / "optimizers.pt", weights_only=True, map_location=device)
        self.optimizer.load_state_dict(states["policy"])
        self.value_optimizer.load_state_dict(states["value"])
        self.done, self.beta = int(state["step"]), float(state["beta"])
        self.history = list(state.get("history") or [])


def schedule(step: int, steps: int, warmup: float) -> float:
    """Share of the full rate: rises over the first `warmup` of the steps, then falls straight to 0."""
    rising = max(1, math.ceil(steps * warmup))
    if step < rising:
        return (step + 1) / rising
    return (steps - step) / max(1, steps - rising)


def ppo(run: RunDirectory) -> dict[str, Any]:
    if is_asked_for():
        raise Problem(
            "PPO holds three models whole in every process and spreads none of them (FSDP).",
            "Start it without --use_fsdp: the processes then share the work. Or train low-rank adapters.",
        )
    processes = Processes()
    with processes.together():
        return _ppo(run, processes)


def _ppo(run: RunDirectory, processes: Processes) -> dict[str, Any]:
    settings = parameters(PPOParameters, run.config)
    scores = Scores(reward_function(run, settings), settings.token_rewards)
    model, tokenizer, dtype = load_parent(run, settings)
    scores.tokenizer = tokenizer
    asked = prompts_of(run, settings, tokenizer, model)
    prompts, tests = asked.learned_on, asked.held_out
    seed = int(run.config.get("seed") or 0)
    ask = {"n": 2, "max_tokens": settings.max_tokens, "seed": seed}
    before = held_out.answers(model, tokenizer, tests, **ask)
    trainer = Trainer(run, settings, model, tokenizer, scores, processes)
    if (newest := run.newest_checkpoint()) is not None:
        trainer.restore(newest)
        log.info("Going on from %s", newest.name)
    watch = watch_of(run, settings, tokenizer, model, scores.reward, max_tokens=settings.max_tokens)
    while trainer.done < settings.steps:
        watch.look(trainer.model, trainer.done)
        metrics = trainer.step(prompts)
        run.report(step=trainer.done, steps=settings.steps, stage="ppo", metrics=metrics)
        run.stopping = processes.anybody(run.stopping)
        run.stop_if_asked(trainer.save)
        if trainer.done % settings.checkpoint_steps == 0 and trainer.done < settings.steps:
            trainer.save()
    policy = trainer.model.merge_and_unload() if settings.adapter != "full" else trainer.model
    watch.look(policy, trainer.done, is_last=True)
    policy = write_policy(policy, None, tokenizer, run, settings, dtype)
    after = held_out.answers(policy, tokenizer, tests, **ask)
    history, tenth = trainer.history, max(1, len(trainer.history) // 10)
    return {
        "prompts": len(prompts),
        "prompts_left_out": asked.left_out,
        "steps": settings.steps,
        "answers": settings.steps * min(settings.prompts, len(prompts)) * settings.answers,
        "learning_rate": trainer.rate,
        **{
            name: {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}
            for name, rows in (("first", history[:tenth]), ("last", history[-tenth:]))
            if rows
        },
        "held_out": held_out.rewards(scores.reward, tests, before, after, seed),
    }
