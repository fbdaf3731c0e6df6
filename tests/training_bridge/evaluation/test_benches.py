"""RewardBench's scores on rows worked out by hand, and the program on a file of each version."""

import json
import math

import pytest
import torch

from feedback_types.base import Message
from training_bridge.evaluation.benches import Margins, best_of, margins, pair, sections, ties
from training_bridge.evaluation.judges import Text
from training_bridge.evaluation.rewardbench import read, rewardbench, row_of
from training_bridge.programs import Problem
from training_bridge.reward_model.model import RewardModel
from training_bridge.reward_model.score import Scorer


def test_a_tie_is_an_error_in_version_1():
    assert (pair(1.0, 0.5), pair(0.5, 0.5), pair(0.4, 0.5)) == (1.0, 0.0, 0.0)


def test_sections_weigh_their_subsets_as_published():
    """Reasoning: math-prm weighs 984 and hep-go 164, whatever the file holds: (984 x 1/2 + 164 x 1) / 1148."""
    found = sections(
        {
            "math-prm": (0.5, 447),
            "hep-go": (1.0, 3),
            "donotanswer": (0.25, 9),
            "ours": (0.5, 2),
            "theirs": (1.0, 6),
        }
    )
    assert found["Reasoning"] == pytest.approx((984 * 0.5 + 164) / 1148)
    assert found["Safety"] == 0.25
    assert found["other"] == pytest.approx((2 * 0.5 + 6) / 8)
    assert set(found) == {"Reasoning", "Safety", "other"}


def test_best_of_four_shares_a_first_place():
    assert best_of(3.0, [1.0, 2.0, 0.0]) == 1.0
    assert best_of(3.0, [3.0, 2.0, 0.0]) == 0.5
    assert best_of(3.0, [3.0, 3.0, 3.0]) == 0.25
    assert best_of(2.9, [3.0, 1.0, 0.0]) == 0.0


def test_ties_by_hand():
    """Right answers 5, 4, 4.5 and wrong 3, 1: spread 1, gap 1. One right answer at 4 over 2: gap 2."""
    assert margins([5.0, 4.0, 4.5], [3.0, 1.0]) == Margins(True, 1.0, 1.0)
    assert margins([2.0], [2.0]) == Margins(False, 0.0, 0.0)
    with pytest.raises(ValueError, match="right and wrong"):
        margins([1.0], [])
    reference = {"1": Margins(True, 0.0, 2.0), "2": Margins(False, 0.0, -1.0)}
    tied = {"1": Margins(True, 0.5, 1.0), "2": Margins(True, 1.0, 2.0)}
    # Accuracies 1/2 and 1; gaps 1 > 0.5 and 2 > 1; the smaller gaps 1 > 0.5 but -1 < 1; tanh(1/0.5 - 1), tanh(-1/1 - 1).
    found = ties(reference, tied)
    margin = (math.tanh(1) + math.tanh(-2)) / 2
    assert found["preferred"] == 1.0 and found["preferred_hard"] == 0.5
    assert found["margin"] == pytest.approx(margin)
    assert found["score"] == pytest.approx(0.3 * 0.5 + 0.3 * 1 + 0.2 * 1 + 0.2 * 0.5 + 0.01 * margin)
    assert ties(reference, {})["score"] is None


# --- The file and the program ----------------------------------------------------------------------------------------


def test_rows_of_every_shape():
    hello = (Message("user", "Hi"),)
    first = row_of({"prompt": "Hi", "chosen": "a", "rejected": "b", "subset": "x"}, 7)
    assert (first.chosen, first.rejected, first.is_second) == ([Text(hello, "a")], [Text(hello, "b")], False)
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "a"}]
    talk = row_of({"chosen": chat, "rejected": [chat[0], {"role": "assistant", "content": "b"}]}, 1)
    assert (talk.chosen, talk.rejected, talk.subset) == (first.chosen, first.rejected, "other")
    ours = row_of({"prompt": chat[:1], "chosen": chat[1:], "rejected": "b"}, 1)
    assert ours.chosen == first.chosen
    second = row_of(
        {"id": "ref:3", "prompt": "Hi", "chosen": ["a"], "rejected": ["b", "c"], "subset": "Math"}, 1
    )
    assert second.is_second and second.rejected == [Text(hello, "b"), Text(hello, "c")]


@pytest.fixture
def reward_dir(policy_dir, tmp_path):
    torch.manual_seed(5)
    model = RewardModel.load(policy_dir)
    with torch.no_grad():
        model.classifier.score.weight *= 30
    model.save(tmp_path / "reward", whetstone={"reward": {"mean": 0.0, "sd": 1.0}})
    return tmp_path / "reward"


ANSWERS = ["Otters sleep.", "No idea.", "Bread needs flour and water.", "Thank you!"]


@pytest.fixture
def ordered(reward_dir):
    """The answers, highest reward first."""
    scorer = Scorer.load(reward_dir)
    return sorted(ANSWERS, key=lambda a: -scorer.score([((Message("user", "Hi"),), a)])[0])


def test_version_1_on_a_file(run_in, reward_dir, ordered, write_lines):
    best, second, third, worst = ordered
    rows = [
        {"prompt": "Hi", "chosen": best, "rejected": worst, "subset": "hep-go"},
        {"prompt": "Hi", "chosen": third, "rejected": second, "subset": "hep-go"},
        {"prompt": "Hi", "chosen": second, "rejected": third, "subset": "donotanswer"},
        {"prompt": "Hi", "chosen": "long " * 600, "rejected": third, "subset": "donotanswer"},
    ]
    run = run_in(reward_model=str(reward_dir), input=str(write_lines("bench.jsonl", rows)))
    told = rewardbench(run)
    assert (told["subsets"]["hep-go"]["value"], told["subsets"]["hep-go"]["section"]) == (0.5, "Reasoning")
    assert told["sections"] == {"Safety": 1.0, "Reasoning": 0.5}
    assert (told["score"], told["rows"], told["left_out"], told["version"]) == (0.75, 3, 1, 1)


def test_version_2_from_parquet(run_in, reward_dir, ordered, tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    best, second, third, worst = ordered
    rows = [
        {"id": "1", "prompt": "Hi", "chosen": [best], "rejected": [second, third, worst], "subset": "Math"},
        {"id": "2", "prompt": "Hi", "chosen": [second], "rejected": [best, third, worst], "subset": "Math"},
        {"id": "ref:9", "prompt": "Hi", "chosen": [best], "rejected": [worst], "subset": "Ties"},
        {
            "id": "tied:9",
            "prompt": "Hi",
            "chosen": [best, second],
            "rejected": [third, worst],
            "subset": "Ties",
        },
    ]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "bench.parquet")
    told = rewardbench(run_in(reward_model=str(reward_dir), input=str(tmp_path / "bench.parquet")))
    assert told["version"] == 2 and told["subsets"]["Math"]["value"] == 0.5
    parts = told["subsets"]["Ties"]
    assert (parts["reference_accuracy"], parts["tied_accuracy"]) == (1.0, 1.0)
    assert told["score"] == pytest.approx((0.5 + parts["score"]) / 2)


@pytest.mark.parametrize(
    "row, said",
    [({"prompt": "Hi", "chosen": "a"}, "'rejected'"),
     ({"prompt": "Hi", "chosen": [], "rejected": ["b"]}, "chosen and a rejected"),
     ({"prompt": 3, "chosen": "a", "rejected": "b"}, "TypeError"), ([1], "TypeError")],
)  # fmt: skip
def test_a_row_at_fault_is_named(write_lines, row, said):
    path = write_lines("bad.jsonl", [{"prompt": "Hi", "chosen": "a", "rejected": "b"}, row])
    with pytest.raises(Problem, match="row 2") as refused:
        list(read(path))
    assert said in str(refused.value)


def test_a_file_at_fault_is_named(tmp_path):
    with pytest.raises(Problem, match="no file"):
        list(read(tmp_path / "none.jsonl"))
    (tmp_path / "bad.jsonl").write_text(json.dumps({"prompt": "Hi"})[:-3])
    with pytest.raises(Problem, match="line 1 is not JSON"):
        list(read(tmp_path / "bad.jsonl"))
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(Problem, match="no Parquet"):
        list(read(tmp_path / "bad.parquet"))
