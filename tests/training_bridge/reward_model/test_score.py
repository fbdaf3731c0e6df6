"""Rewards of texts, alone, by token, for TRL, and as a program."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from feedback_types.base import Message
from tests.training_bridge.reward_model import world
from training_bridge.evaluation.hidden import embeddings
from training_bridge.evaluation.judges import Text
from training_bridge.programs import DONE, PROBLEM, Problem, main
from training_bridge.reward_model.model import Place, RewardModel
from training_bridge.reward_model.score import RewardFunction, Scorer, score, scores_at

PROMPT = (Message("user", "Tell me about otters."),)
TEXTS = [
    "Otters sleep afloat.",
    "No.",
    "你好 👋🏽 x",
    "",
    "Otters hold hands when they sleep, and that is the best of all.",
]


@pytest.fixture(scope="module")
def model_dir(policy_dir, tmp_path_factory):
    torch.manual_seed(5)
    folder = tmp_path_factory.mktemp("rm")
    RewardModel.load(policy_dir).save(folder, whetstone={"reward": {"mean": 0.25, "sd": 2.0}})
    return folder


@pytest.fixture
def scorer(model_dir):
    return Scorer.load(model_dir, device="cpu")


def test_rewards_do_not_depend_on_company(scorer):
    together = scorer.score([(PROMPT, t) for t in TEXTS])
    apart = [scorer.score([(PROMPT, t)])[0] for t in TEXTS]
    assert together == pytest.approx(apart, abs=1e-6)
    scorer.pack_tokens = 20
    assert scorer.score([(PROMPT, t) for t in TEXTS]) == pytest.approx(apart, abs=1e-6)
    assert scorer.score([]) == []


def test_normalised_rewards_use_the_stored_mean_and_sd(scorer):
    [raw], [normal] = scorer.score([(PROMPT, "No.")]), scorer.score([(PROMPT, "No.")], normalise=True)
    assert normal == pytest.approx((raw - 0.25) / 2.0)


def test_token_rewards_add_up_and_cover_the_text(scorer):
    for text in TEXTS:
        tokens = scorer.token_rewards(PROMPT, text)
        assert "".join(t.text for t in tokens) == text
        assert [(t.start, t.end) for t in tokens][-1] == (len(text), len(text))
        for before, after in pairwise(tokens):
            assert before.end == after.start and before.end > before.start
        sequence = scorer.model.encoder.sequence(PROMPT, text)
        [empty] = scores_at(scorer.model, [sequence], [Place(0, len(sequence.prompt) - 1)]).tolist()
        assert sum(t.reward for t in tokens) == pytest.approx(
            scorer.score([(PROMPT, text)])[0] - empty, abs=1e-5
        )


def test_a_padded_model_scores_the_same(scorer):
    packed = scorer.score([(PROMPT, t) for t in TEXTS])
    scorer.model.choose_packing(False)
    assert scorer.score([(PROMPT, t) for t in TEXTS]) == pytest.approx(packed, abs=1e-5)


def test_the_reward_function_speaks_as_trl_asks(scorer):
    function = RewardFunction(scorer, normalise=False)
    prompts = [[{"role": "user", "content": "Tell me about otters."}]] * 2
    completions = [[{"role": "assistant", "content": t}] for t in TEXTS[:2]]
    expected = scorer.score([(PROMPT, t) for t in TEXTS[:2]])
    assert function(
        prompts=prompts, completions=completions, item_id=[1, 2], trainer_state=None
    ) == pytest.approx(expected)
    assert function(prompts=["Tell me about otters."] * 2, completions=TEXTS[:2]) == pytest.approx(expected)
    assert function.__name__ == "reward_model"


def test_grpo_trains_on_the_reward_function(scorer, policy_dir, tmp_path):
    """One step of TRL's GRPO: it calls the function as it likes, and logs the rewards under its name."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    arguments = GRPOConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=4, num_generations=4, max_completion_length=8, max_steps=1,
        logging_steps=1, report_to="none", use_cpu=True, bf16=False, save_strategy="no", disable_tqdm=True, beta=0.04,
        activation_checkpointing=False,
    )  # fmt: skip
    rows = [{"prompt": [{"role": "user", "content": f"Say {n}."}], "item_id": n} for n in range(4)]
    trainer = GRPOTrainer(
        model=str(policy_dir),
        reward_funcs=RewardFunction(scorer),
        args=arguments,
        train_dataset=Dataset.from_list(rows),
    )
    trainer.train()
    [logged] = [entry for entry in trainer.state.log_history if "rewards/reward_model/mean" in entry]
    assert abs(logged["rewards/reward_model/mean"]) < 10


def test_a_text_that_is_too_long_and_a_broken_model_are_refused(scorer):
    with pytest.raises(Problem, match="this model reads 512"):
        scorer.score([(PROMPT, "word " * 600)])
    with torch.no_grad():
        scorer.model.classifier.score.weight[0, 0] = float("nan")
    with pytest.raises(Problem, match="no number"):
        scorer.score([(PROMPT, "No.")])


def test_the_program_scores_a_file(scorer, model_dir, tmp_path):
    lines = [
        {"id": i, "messages": [{"role": "user", "content": "Tell me about otters."}], "text": t}
        for i, t in enumerate(TEXTS)
    ]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = {
        "reward_model": {"path": str(model_dir)},
        "input": "texts.jsonl",
        "parameters": {"tokens": True},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert main(score, [str(tmp_path)]) == DONE
    rows = [json.loads(line) for line in (tmp_path / "result/scores.jsonl").read_text().splitlines()]
    expected = scorer.score([(PROMPT, t) for t in TEXTS])
    assert [r["id"] for r in rows] == list(range(len(TEXTS)))
    assert [r["reward"] for r in rows] == pytest.approx(expected, abs=1e-6)
    assert len(rows[1]["tokens"]) == len(scorer.token_rewards(PROMPT, "No."))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["mean"] == pytest.approx(sum(expected) / len(expected))


def test_a_fused_reward_is_a_mean_with_near_texts_of_the_snapshot(scorer, model_dir, tmp_path):
    made = world.World()
    [screen] = made.screens(1)
    first, *rest = screen.responses
    screen = replace(screen, responses=(replace(first, text=TEXTS[0]), *rest))
    rows = world.answer([screen], {"a": made.labeler()}, [world.COMPARISON], test_share=0)
    sha256 = world.write_snapshot(tmp_path / "s", [screen], rows)
    (tmp_path / "texts.jsonl").write_text(
        json.dumps(
            {
                "id": 1,
                "messages": [{"role": m.role, "content": m.content} for m in screen.prompt],
                "text": TEXTS[0],
            }
        )
        + "\n"
    )
    (tmp_path / "config.json").write_text(
        json.dumps(
            {
                "reward_model": str(model_dir),
                "snapshot": {"path": str(tmp_path / "s"), "sha256": sha256},
                "input": "texts.jsonl",
                "parameters": {"fusion": True},
            }
        )
    )
    assert main(score, [str(tmp_path)]) == DONE
    near = [Text(screen.prompt, r.text) for r in screen.responses]
    own = Text(screen.prompt, TEXTS[0])
    one, *others = scorer.score([own, *near])
    likeness = (embeddings(scorer, [own]) @ embeddings(scorer, near).T)[0].tolist()
    kept = [(c, r) for c, r in zip(likeness, others, strict=True) if c >= 0.9]
    expected = (one + sum(c * r for c, r in kept)) / (1 + sum(c for c, _ in kept))
    [row] = [json.loads(line) for line in (tmp_path / "result/scores.jsonl").read_text().splitlines()]
    assert kept and row["reward"] == pytest.approx(expected, abs=1e-5)


def test_a_bad_line_is_named(model_dir, tmp_path):
    (tmp_path / "texts.jsonl").write_text('{"id": 1, "messages": "Hi", "text": "ok"}\n{"id": 2}\n')
    (tmp_path / "config.json").write_text(
        json.dumps({"reward_model": str(model_dir), "input": "texts.jsonl"})
    )
    assert main(score, [str(tmp_path)]) == PROBLEM
    assert "line 2" in json.loads((tmp_path / "failure.json").read_text())["error"]
    assert not (tmp_path / "result").exists()
