"""Training: the same steps as TRL, the same bits after a crash, a clear word when it cannot work."""

import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from feedback_types import registry
from feedback_types.base import Message
from tests.training_bridge.reward_model import tiny, world
from training_bridge.exports.reader import read_events
from training_bridge.programs import DONE, PROBLEM, STOPPED, RunDirectory, main
from training_bridge.reward_model.config import TrainParameters
from training_bridge.reward_model.loss import Objective
from training_bridge.reward_model.model import RewardModel
from training_bridge.reward_model.score import Scorer
from training_bridge.reward_model.train import BETAS, Trainer, observations_of, schedule, train

SPAM = "zz-spammer"


def make_snapshot(folder, questions, n, *, seed=0, overlap=1, test_share=0.25):
    made = world.World(seed)
    screens = made.screens(n)
    labelers = {f"l{i}": made.labeler(1.5) for i in range(4)} | {SPAM: made.labeler(0)}
    rows = world.answer(screens, labelers, questions, overlap=overlap, seed=seed, test_share=test_share)
    return made, world.write_snapshot(folder, screens, rows)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("s") / "snapshot"
    _, sha256 = make_snapshot(folder, [world.COMPARISON, world.RATING], 60)
    return folder, sha256


def start(folder, snapshot, policy_dir, **settings):
    path, sha256 = snapshot
    return RunDirectory(world.write_run(folder, path, policy_dir, sha256=sha256, **settings))


def trainer_on(events, policy_dir, seed=0, **values):
    torch.manual_seed(seed)
    settings = TrainParameters(**values)
    model = RewardModel.load(policy_dir)
    data, likelihoods = observations_of(events, model, settings)
    for head in data.heads:
        model.add_head(head)
    learned = settings.objective == "joint"
    objective = Objective.for_observations(likelihoods, data.observations, settings, learned=learned)
    return Trainer(model, objective, data, settings, seed=seed)


# The same as TRL


def test_step_losses_equal_trl_on_the_same_batches(snapshot, policy_dir, tmp_path):
    """Bradley-Terry on the same eight pairs a step from the same start: equal to 1e-5, step for step."""
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    steps, batch = 10, 8
    events = [e for e in read_events(snapshot[0]) if e.type == "comparison"][: steps * batch]
    while len(events) < steps * batch:
        events += events[: steps * batch - len(events)]
    trainer = trainer_on(
        events,
        policy_dir,
        objective="bradley_terry",
        center=0,
        weight_decay=0,
        learning_rate=3e-3,
        batch_items=batch,
    )
    trainer.steps = steps
    trainer.model.classifier.save_pretrained(tmp_path / "start")
    trainer.model.encoder.tokenizer.save_pretrained(tmp_path / "start")

    observations = trainer.data.observations
    assert len(observations) == steps * batch
    rows = [{"chosen_ids": s[0], "rejected_ids": s[1]} for o in observations
            for s in [[list(trainer.data.sequences[p.sequence].ids) for p in o.places]]]  # fmt: skip
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "start", num_labels=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=BETAS, weight_decay=0)
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule(step, steps, 0.1))
    arguments = RewardConfig(
        output_dir=str(tmp_path / "trl"), per_device_train_batch_size=batch, max_steps=steps, logging_steps=1,
        report_to="none", use_cpu=True, bf16=False, gradient_checkpointing=False, save_strategy="no",
        disable_tqdm=True, max_length=None,
        train_sampling_strategy="sequential", max_grad_norm=1.0,
    )  # fmt: skip
    theirs = RewardTrainer(
        model=model, args=arguments, train_dataset=Dataset.from_list(rows), processing_class=trainer.model.encoder.tokenizer,
        optimizers=(optimizer, rates),
    )  # fmt: skip
    theirs.train()
    expected = [entry["loss"] for entry in theirs.state.log_history if "loss" in entry]

    ours = []
    for k in range(steps):
        trainer.data.items = [[i] for i in range(len(observations))]  # a pair is an item of its own
        ours.append(trainer.step(range(k * batch, (k + 1) * batch))["loss"])
    assert ours == pytest.approx(expected, abs=1e-5)
    assert ours[-1] < ours[0]


# The same again


def losses_of(run):
    return {line["step"]: line["metrics"]["loss"] for line in run.statuses() if line["stage"] == "train"}


def steps_told(run):
    """Lines of the status file, without reading them: whoever waits must not slow down what is waited for."""
    path = run.path / "status.jsonl"
    return path.read_bytes().count(b"\n") if path.is_file() else 0


@pytest.mark.slow
def test_kill_and_stop_and_resume_equal_an_uninterrupted_run(snapshot, policy_dir, tmp_path):
    """SIGTERM, then kill -9, then a third start: every loss and every bit of the model as if nothing had happened."""
    settings = {
        "epochs": 12,
        "batch_items": 4,
        "checkpoint_steps": 10,
        "evaluate_epochs": False,
        "learning_rate": 1e-3,
    }
    straight = start(tmp_path / "straight", snapshot, policy_dir, **settings)
    assert main(train, [str(straight.path)]) == DONE

    broken = start(tmp_path / "broken", snapshot, policy_dir, **settings)

    def when_told(lines, action, alive=lambda: True):
        deadline = time.monotonic() + 120
        while steps_told(broken) < lines:
            assert alive() and time.monotonic() < deadline
            time.sleep(0.005)
        action()

    stopper = threading.Thread(target=when_told, args=(10, lambda: os.kill(os.getpid(), signal.SIGTERM)))
    stopper.start()
    assert main(train, [str(broken.path)]) == STOPPED
    stopper.join()
    stopped_at = int(broken.newest_checkpoint().name[5:])

    command = [sys.executable, "-m", "training_bridge.reward_model.train", str(broken.path)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, **quiet) as process:
        try:
            when_told(steps_told(broken) + 24, process.kill, lambda: process.poll() is None)
            assert process.wait(timeout=60) == -signal.SIGKILL
        finally:
            process.kill()
    assert not broken.is_done
    seen = len(broken.statuses())
    assert main(train, [str(broken.path)]) == DONE
    again = [line["step"] for line in broken.statuses()[seen:] if line["stage"] == "train"]
    assert again[0] > stopped_at  # the second start's own checkpoints count, too

    expected = losses_of(straight)
    assert losses_of(broken).keys() == expected.keys()
    for line in broken.statuses():  # the steps that were taken twice, too
        assert line["stage"] != "train" or line["metrics"]["loss"] == expected[line["step"]]
    assert len(expected) == 12 * round(len({e.item for e in read_events(snapshot[0], split="train")}) / 4)
    for name in ("model.safetensors", "feedback_heads.safetensors", "nuisance.json"):
        assert (broken.path / "result" / name).read_bytes() == (
            straight.path / "result" / name
        ).read_bytes(), name
    metrics = [json.loads((r.path / "metrics.json").read_text()) for r in (straight, broken)]
    assert metrics[0]["evaluation"] == metrics[1]["evaluation"]


def test_a_truncated_checkpoint_gives_way_to_the_one_before_it(snapshot, policy_dir, tmp_path):
    settings = {"epochs": 2, "batch_items": 8, "checkpoint_steps": 2, "evaluate_epochs": False}
    straight = start(tmp_path / "straight", snapshot, policy_dir, **settings)
    assert main(train, [str(straight.path)]) == DONE
    newest = straight.newest_checkpoint()
    (newest / "optimizer.pt").write_bytes((newest / "optimizer.pt").read_bytes()[:-20])
    later = start(tmp_path / "later", snapshot, policy_dir, **settings)
    config = json.loads((later.path / "config.json").read_text())
    (later.path / "config.json").write_text(json.dumps(config | {"resume_from": str(straight.path)}))
    later = RunDirectory(later.path)
    assert int(later.newest_checkpoint().name[5:]) < int(newest.name[5:])
    assert main(train, [str(later.path)]) == DONE
    assert losses_of(later).items() <= losses_of(straight).items()


def test_a_checkpoint_of_another_training_is_refused(snapshot, policy_dir, tmp_path):
    first = start(
        tmp_path / "first", snapshot, policy_dir, epochs=2, checkpoint_steps=1, evaluate_epochs=False
    )
    assert main(train, [str(first.path)]) == DONE
    other = start(
        tmp_path / "other", snapshot, policy_dir, epochs=3, checkpoint_steps=1, evaluate_epochs=False
    )
    config = json.loads((other.path / "config.json").read_text())
    (other.path / "config.json").write_text(json.dumps(config | {"resume_from": str(first.path)}))
    assert main(train, [str(other.path)]) == PROBLEM
    assert "other parameters" in json.loads((other.path / "failure.json").read_text())["error"]


# What comes out


def test_lora_trains_and_leaves_a_plain_model(snapshot, policy_dir, tmp_path):
    run = start(
        tmp_path / "run", snapshot, policy_dir, adapter="lora", lora_rank=4, epochs=2, learning_rate=5e-3
    )
    assert main(train, [str(run.path)]) == DONE
    metrics = json.loads((run.path / "metrics.json").read_text())
    assert metrics["trained_weights"] < sum(p.numel() for p in RewardModel.load(policy_dir).parameters())
    assert metrics["loss_last"] < metrics["loss_first"]
    scorer = Scorer.load(run.path / "result", device="cpu")
    plain, told = AutoModelForSequenceClassification.from_pretrained(
        run.path / "result", output_loading_info=True
    )
    assert not told["missing_keys"] and not told["unexpected_keys"]
    prompt = (Message("user", "Say something about soap, number 3."),)
    ids = torch.tensor([scorer.model.encoder.sequence(prompt, "good soap.").ids])
    assert plain(input_ids=ids).logits.item() == pytest.approx(
        scorer.score([(prompt, "good soap.")])[0], abs=1e-5
    )


def test_the_result_says_where_it_comes_from(snapshot, policy_dir, tmp_path):
    run = start(tmp_path / "run", snapshot, policy_dir, epochs=1)
    assert main(train, [str(run.path)]) == DONE
    note = json.loads((run.path / "result/whetstone.json").read_text())
    lineage = note["lineage"]
    assert lineage["snapshot"]["sha256"] == snapshot[1]
    assert (lineage["seed"], lineage["code_revision"], lineage["parameters"]["epochs"]) == (0, "test", 1.0)
    assert lineage["versions"]["torch"] == importlib.metadata.version("torch")
    metrics = json.loads((run.path / "metrics.json").read_text())
    scorer = Scorer.load(run.path / "result", device="cpu")
    assert (scorer.mean, scorer.sd) == (metrics["reward_mean"], metrics["reward_sd"])
    rewards = scorer.score(
        [
            (e.screen.prompt, r.text)
            for e in read_events(snapshot[0], split="train")
            for r in e.screen.responses
        ]
    )
    distinct = torch.tensor(rewards).unique()
    assert distinct.mean().item() == pytest.approx(scorer.mean, abs=1e-3)

    later = start(tmp_path / "later", snapshot, run.path / "result", epochs=1)
    assert main(train, [str(later.path)]) == DONE  # goes on from a reward model, its labelers included
    first, second = (
        json.loads((r.path / "status.jsonl").read_text().splitlines()[1])["metrics"] for r in (run, later)
    )
    assert second["nll/comparison"] < first["nll/comparison"]


def test_activation_checkpointing_changes_no_number(snapshot, policy_dir):
    events = list(read_events(snapshot[0]))
    plain, saving = trainer_on(events, policy_dir), trainer_on(events, policy_dir)
    saving.model.classifier.activation_checkpointing_enable({"use_reentrant": False})
    assert [plain.step()["loss"] for _ in range(3)] == pytest.approx(
        [saving.step()["loss"] for _ in range(3)], abs=1e-6
    )


def test_the_schedule_rises_and_falls():
    assert [schedule(s, 10, 0.2) for s in (0, 1, 2)] == [0.5, 1.0, 1.0]
    assert schedule(6, 10, 0.2) == pytest.approx(0.5)
    assert 0 < schedule(9, 10, 0.2) < 0.05


# Every type there is


@pytest.mark.parametrize(
    "feedback_type", [t for t in registry.all_types() if t.likelihood], ids=lambda t: t.slug
)
def test_every_type_is_learned_from(feedback_type, policy_dir, tmp_path):
    """Through the contract alone: what its synthetic labelers say becomes more probable."""
    made = world.World(7)
    few = max(2, feedback_type.arity_under(feedback_type.settings())[0])
    screens = made.screens(80, responses=few, sentences=2)
    labelers = {name: made.labeler(3.0) for name in "abc"}
    rows = world.answer(screens, labelers, [world.Question("q", feedback_type.slug)], test_share=0)
    sha256 = world.write_snapshot(tmp_path / "s", screens, rows)
    run = start(
        tmp_path / "run",
        (tmp_path / "s", sha256),
        policy_dir,
        # Distances between vectors that all start near 0 hardly move at first.
        **(
            {"epochs": 20, "learning_rate": 1e-2}
            if feedback_type.category == "representation"
            else {"epochs": 12, "learning_rate": 3e-3}
        ),
        evaluate_epochs=False,
    )
    assert main(train, [str(run.path)]) == DONE
    told = [
        line["metrics"][f"nll/{feedback_type.slug}"] for line in run.statuses() if line["stage"] == "train"
    ]
    quarter = len(told) // 4
    assert sum(told[-quarter:]) < 0.98 * sum(told[:quarter])


# What is learned


def rank(values):
    return torch.tensor(values).argsort().argsort().float()


def correlation(made, trainer):
    """Spearman's, of the learned with the true reward, on texts and prompts nobody has seen."""
    texts = [(s.prompt, r.text) for s in made.screens(100, first=5000) for r in s.responses]
    learned = Scorer(trainer.model).score(texts)
    true = [made.value(None, text, None, "reward") for _, text in texts]
    return torch.corrcoef(torch.stack([rank(learned), rank(true)]))[0, 1].item()


def test_ratings_on_the_same_screen_help_and_a_spammer_is_found(tmp_path):
    """150 screens in two worlds: comparing and grading teaches more than comparing alone; who guesses is told apart."""
    policy = tiny.save_policy(tmp_path / "policy")
    gains = []
    for seed in range(2):
        folder = tmp_path / str(seed)
        made, _ = make_snapshot(folder, [world.COMPARISON, world.RATING], 150, seed=seed, test_share=0)
        events = list(read_events(folder))
        found = {}
        for name, chosen in {"alone": [e for e in events if e.type == "comparison"], "joint": events}.items():
            trainer = trainer_on(chosen, policy, seed=seed, epochs=8, learning_rate=3e-3, weight_decay=0.3)
            for _ in range(trainer.steps):
                trainer.step()
            found[name] = correlation(made, trainer)
        gains.append(found["joint"] - found["alone"])
        labelers = trainer.objective.report()["labelers"]
        spammer = labelers.pop(SPAM)
        assert spammer["beta"] < min(entry["beta"] for entry in labelers.values())
        assert spammer["lapse"] > max(entry["lapse"] for entry in labelers.values())
    assert min(gains) > 0 and sum(gains) / len(gains) > 0.05, gains


# What cannot work


def failure(run):
    assert main(train, [str(run.path)]) == PROBLEM
    assert not run.is_done and not (run.path / "result").exists()
    return json.loads((run.path / "failure.json").read_text())


def test_too_little_data_is_refused(policy_dir, tmp_path):
    _, sha256 = make_snapshot(tmp_path / "s", [world.COMPARISON], 15, test_share=0)
    said = failure(start(tmp_path / "run", (tmp_path / "s", sha256), policy_dir))
    assert said["error"] == "Not enough data: need 20 usable answers to train on, have 15."
    said = failure(start(tmp_path / "bt", (tmp_path / "s", sha256), policy_dir, objective="bradley_terry"))
    assert said["error"] == "Not enough data: need 20 preference pairs to train on, have 15."


@pytest.mark.parametrize("objective", ["joint", "bradley_terry"])
def test_answers_that_all_say_the_same_are_refused(policy_dir, tmp_path, objective):
    made = world.World()
    screens = made.screens(30)
    rows = world.answer(screens, {"a": made.labeler()}, [world.COMPARISON], test_share=0)
    for row in rows:
        row["payload"] |= {"items": row["responses"], "ranks": [1, 2], "strength": 1}
    sha256 = world.write_snapshot(tmp_path / "s", screens, rows)
    said = failure(start(tmp_path / "run", (tmp_path / "s", sha256), policy_dir, objective=objective))
    assert said["error"] == "Not enough data: need 2 different answers, have 1."


def test_a_broken_number_stops_training_with_cause_and_advice(snapshot, policy_dir, tmp_path):
    shutil.copytree(policy_dir, tmp_path / "policy")
    weights = load_file(tmp_path / "policy/model.safetensors")
    weights["model.layers.0.mlp.up_proj.weight"][0, 0] = float("nan")
    save_file(weights, tmp_path / "policy/model.safetensors", metadata={"format": "pt"})
    said = failure(start(tmp_path / "run", snapshot, tmp_path / "policy"))
    assert said["error"].startswith("Training broke at step 1 of ")
    assert "comparison, critique" in said["error"]
    assert "learning rate" in said["advice"]


def test_wrong_parameters_and_places_are_named(snapshot, policy_dir, tmp_path):
    said = failure(start(tmp_path / "a", snapshot, policy_dir, epochs=-1, colour="red"))
    assert (
        "epochs: Input should be greater than 0" in said["error"] and "colour: Extra inputs" in said["error"]
    )
    said = failure(start(tmp_path / "b", (tmp_path / "nowhere", ""), policy_dir))
    assert said["error"].startswith("There is no snapshot at")
    said = failure(start(tmp_path / "c", (snapshot[0], "f" * 64), policy_dir))
    assert "was asked for" in said["error"]


@pytest.mark.slow
def test_a_worker_without_the_webs_environment_names_the_bad_row(policy_dir, tmp_path):
    """No settings, no secrets: the sentences of a type are still there to say what is wrong."""
    made = world.World()
    screens = made.screens(30)
    rows = world.answer(screens, {"a": made.labeler()}, [world.COMPARISON], test_share=0)
    rows[3]["payload"]["ranks"] = [1, 3]
    sha256 = world.write_snapshot(tmp_path / "s", screens, rows)
    run = start(tmp_path / "run", (tmp_path / "s", sha256), policy_dir)
    command = [sys.executable, "-m", "training_bridge.reward_model.train", str(run.path)]
    bare = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    assert subprocess.run(command, env=bare, capture_output=True, timeout=120).returncode == PROBLEM
    said = json.loads((run.path / "failure.json").read_text())["error"]
    assert "line 4" in said and "Ranks count up from 1" in said


# Several processes


@pytest.mark.slow
@pytest.mark.parametrize("fsdp", ["false", "true"], ids=["each all weights", "each a part of the weights"])
def test_two_processes_take_the_same_steps_as_one(fsdp, snapshot, policy_dir, tmp_path):
    """torchrun over gloo: each process runs half of a step's packs; losses equal the single process's to 1e-5. What it
    leaves behind is whole either way: one process goes on from a checkpoint of two."""
    settings = {
        "epochs": 2, "batch_items": 8, "evaluate_epochs": False, "center": 0, "ensemble": 2, "checkpoint_steps": 2,
    }  # fmt: skip
    alone = start(tmp_path / "alone", snapshot, policy_dir, **settings)
    assert main(train, [str(alone.path)]) == DONE
    pair = start(tmp_path / "pair", snapshot, policy_dir, **settings)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*torchrun, "-m", "training_bridge.reward_model.train", str(pair.path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_FSDP": fsdp}
    done = subprocess.run(command, env=environment, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = losses_of(alone), losses_of(pair)
    assert list(two) == list(one)
    assert list(two.values()) == pytest.approx(list(one.values()), abs=1e-5)
    assert load_file(pair.path / "result/model.safetensors").keys() == (
        load_file(alone.path / "result/model.safetensors").keys()
    )
    later = start(tmp_path / "later", snapshot, policy_dir, **settings)
    shutil.copytree(pair.path / "checkpoints", later.path / "checkpoints")
    assert main(train, [str(later.path)]) == DONE
    rest = losses_of(later)
    assert 0 < len(rest) < len(one)
    assert list(rest.values()) == pytest.approx([one[step] for step in rest], abs=1e-5)
