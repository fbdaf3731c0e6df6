"""What is trained of a policy: all weights, low-rank adapters that are merged when done, or a soft prompt.

A soft prompt (Lester et al. 2021) is k vectors that stand before the embeddings of every text. It cannot be merged into the
weights, so a policy tuned by one is a small directory of peft's,

    adapter_config.json  adapter_model.safetensors  whetstone.json {"base": {"sha256": "77aa…"}}  tokenizer.json …

and the policy that it belongs to is found by its hash: beside it in the same folder, where checkpoints are kept under their
hashes, or at the place that peft's config names. With any other policy it would mean nothing, so it is refused with both
hashes.

`soft_prompt.attach` makes the two one model. Nothing here imports torch: whoever keeps checkpoints asks `base_of` too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training_bridge.policy.config import LearningParameters
from training_bridge.programs import Problem, directory_sha256

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


def peft_config(settings: LearningParameters) -> Any:
    """What peft is told, or None for all weights."""
    if settings.adapter == "full":
        return None
    if settings.adapter == "prompt":
        from peft import PromptTuningConfig

        return PromptTuningConfig(
            task_type="CAUSAL_LM",
            num_virtual_tokens=settings.prompt_tokens,
            prompt_tuning_init="SAMPLE_VOCAB",
        )
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.lora_rank,
        lora_alpha=2 * settings.lora_rank,
        target_modules="all-linear",
        use_dora=settings.adapter == "dora",
    )


def is_soft_prompt(place: str | Path) -> bool:
    return (Path(place) / CONFIG).is_file()


def base_sha256(place: str | Path) -> str:
    """The hash of the policy that a soft prompt belongs to; empty for what is none, or belongs to one of a hub."""
    about = Path(place) / "whetstone.json"
    if not is_soft_prompt(place) or not about.is_file():
        return ""
    return str((_read(about).get("base") or {}).get("sha256") or "")


def base_of(place: str | Path) -> str:
    """Where the policy is that a soft prompt belongs to: a directory or a hub id. Raises Problem when it is not there, or
    is another one."""
    folder = Path(place)
    named = _read(folder / CONFIG).get("base_model_name_or_path") or ""
    sha256 = (_read(folder / "whetstone.json").get("base") or {}).get("sha256") or ""
    if not sha256:
        return str(named)  # a hub id has no hash
    beside = folder.resolve().parent / sha256
    found = beside if beside.is_dir() else Path(named)
    if not found.is_dir():
        raise Problem(
            f"The soft prompt {folder.name} belongs to the policy {sha256}, which is not here.",
            "Bring that policy back: it is looked for beside the soft prompt, in a folder named by its hash.",
        )
    if (actual := directory_sha256(found)) != sha256:
        raise Problem(
            f"The soft prompt {folder.name} belongs to the policy {sha256}, and {found.name} is {actual}.",
            "Use it with the policy it was trained on, or train it again on this one.",
        )
    return str(found)


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(f"{path} cannot be read: {error}.", "Bring it back from a backup.") from error
    return value if isinstance(value, dict) else {}
