"""The reward model: a causal transformer whose `score` head reads every prefix, and further heads beside it.

Composition, not a subclass: the backbone is `AutoModelForSequenceClassification` with `num_labels=1`, so what is saved is a
plain directory that any program can load; further heads (attributes, span categories, …) are in a file of their own.

    reward-model/
        model.safetensors  config.json  tokenizer.json …    AutoModelForSequenceClassification.from_pretrained(dir)
        feedback_heads.safetensors                          "attribute/honesty.weight": (1, hidden), "….bias": (1,)
                                                            "ensemble.weight": (members, hidden), if there are several
        nuisance.json  whetstone.json                       reliabilities; lineage, mean and sd of the reward

The score of a prefix is v_t = w . h_t; the final reward is R = v_EOS, the reward of a step v_b - v_a, and from the empty
prefix on they add up to R exactly.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from training_bridge.programs import Problem, write_json
from training_bridge.reward_model import packing
from training_bridge.reward_model.encoding import Encoded, Encoder

log = logging.getLogger("whetstone")

REWARD = "reward"  # the name of the scalar head; every other name is a head of its own
HEADS_FILE = "feedback_heads.safetensors"
MEMBERS = "ensemble.weight"  # the tensor with a row for each member
TOLERANCE = (
    1e-3  # packed against padded on random tokens at load, relative; bfloat16 gets thirty times as much
)


@dataclass(frozen=True)
class Place:
    """One score that is wanted: of which sequence, at which of its tokens, by which head."""

    sequence: int
    position: int
    head: str = REWARD


class RewardModel(nn.Module):
    """Scores of many prefixes of many texts in one forward pass."""

    def __init__(
        self,
        backbone: nn.Module,
        encoder: Encoder,
        heads: Iterable[str] = (),
        *,
        packed: bool = True,
        share_prompts: bool = True,
    ):
        super().__init__()
        self.backbone: Any = backbone
        self.encoder, self.share_prompts = encoder, share_prompts
        self.heads = nn.ModuleDict()
        self.members: nn.Parameter | None = None  # (members, hidden); the reward is read by their mean
        self.packed = packed
        for name in sorted(set(heads)):
            self.add_head(name)

    # The parts of the backbone

    @property
    def classifier(self) -> Any:
        """The plain sequence classifier, also inside LoRA."""
        return self.backbone.get_base_model() if hasattr(self.backbone, "get_base_model") else self.backbone

    @property
    def body(self) -> nn.Module:
        return getattr(self.classifier, self.classifier.base_model_prefix)

    @property
    def device(self) -> torch.device:
        return next(self.backbone.parameters()).device

    @property
    def head_names(self) -> list[str]:
        return [name.replace("%2E", ".") for name in self.heads]

    def add_head(self, name: str) -> None:
        """A linear head with a bias, if there is none of that name; small random weights from torch's generator."""
        key = name.replace(".", "%2E")  # a module's name holds no dot
        if name != REWARD and key not in self.heads:
            head = nn.Linear(self.classifier.config.get_text_config().hidden_size, 1)
            nn.init.normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)
            self.heads[key] = head.to(self.device)

    @property
    def size(self) -> int:
        """Members of the ensemble; 1 for a single head."""
        return 1 if self.members is None else len(self.members)

    def make_ensemble(self, size: int) -> None:
        """Several reward heads in place of the one, near it but each started elsewhere, from torch's generator.

        An ensemble of the same size is left as it is. The score head of the plain classifier rests until `save`, which
        puts the mean of the members there: heads are linear, so that is the mean of their rewards.
        """
        if size > 1 and self.size != size:
            start = next(self.classifier.score.parameters()).detach().float()
            self.members = nn.Parameter(start + 0.02 * torch.randn(size, start.shape[1]).to(self.device))
        if self.members is not None:
            for parameter in self.classifier.score.parameters():
                parameter.requires_grad_(False)

    # Scores

    def forward(self, sequences: Sequence[Encoded], places: Sequence[Place]) -> Tensor:
        """Scores at the places, (len(places),) float32, in their order."""
        if not places:
            return torch.zeros(0, device=self.device)
        hidden, rows = self._packed(sequences, places) if self.packed else self._padded(sequences, places)
        groups: dict[str, list[int]] = {}
        for i, place in enumerate(places):
            groups.setdefault(place.head, []).append(i)
        # Heads run in their own precision: a score in bfloat16 would have steps of 1/128.
        with torch.autocast(hidden.device.type, enabled=False):
            scores = [self._head(name, hidden[rows[members]]) for name, members in groups.items()]
        order = torch.tensor([i for members in groups.values() for i in members], device=hidden.device)
        return torch.cat(scores)[order.argsort()]

    def hidden_at(self, sequences: Sequence[Encoded], places: Sequence[Place]) -> Tensor:
        """(len(places), hidden) last hidden states at the places, in the arithmetic that suits the device."""
        with self._compute():
            hidden, rows = self._packed(sequences, places) if self.packed else self._padded(sequences, places)
        return hidden[rows]

    def forward_members(self, sequences: Sequence[Encoded], places: Sequence[Place]) -> Tensor:
        """(members, len(places)) float32: as `forward`, the reward by each member; other heads are the same for all."""
        hidden, rows = self._packed(sequences, places) if self.packed else self._padded(sequences, places)
        named = [place.head for place in places]
        others = [i for i, name in enumerate(named) if name != REWARD]
        with torch.autocast(hidden.device.type, enabled=False):
            chosen = hidden[rows]
            scores = F.linear(chosen.float(), self._members()).T
            if others:
                at = torch.tensor(others, device=hidden.device)
                told = torch.cat([self._head(named[i], chosen[i : i + 1]) for i in others])
                scores = scores.index_copy(1, at, told.expand(self.size, -1))
        return scores

    def _members(self) -> Tensor:
        if self.members is not None:
            return self.members
        score: Tensor = next(self.classifier.score.parameters())
        return score.float()

    def _head(self, name: str, hidden: Tensor) -> Tensor:
        if name == REWARD and self.members is not None:
            return F.linear(hidden.float(), self.members.mean(dim=0, keepdim=True)).squeeze(-1)
        head = self.classifier.score if name == REWARD else self.heads[name.replace(".", "%2E")]
        weight = next(head.parameters())
        return head(hidden.to(weight.dtype)).squeeze(-1).float()

    def _packed(self, sequences: Sequence[Encoded], places: Sequence[Place]) -> tuple[Tensor, Tensor]:
        layout = packing.layout(sequences, share_prompts=self.share_prompts, device=self.device)
        hidden = self.body(
            input_ids=layout.ids[None], position_ids=layout.positions[None], use_cache=False, segments=layout
        ).last_hidden_state[0]
        rows = [layout.row(p.sequence, p.position) for p in places]
        return hidden, torch.tensor(rows, device=hidden.device)

    def _padded(self, sequences: Sequence[Encoded], places: Sequence[Place]) -> tuple[Tensor, Tensor]:
        longest = max(map(len, sequences))
        ids = torch.full((len(sequences), longest), self.encoder.tokenizer.pad_token_id, dtype=torch.long)
        for row, sequence in zip(ids, sequences, strict=True):
            row[: len(sequence)] = torch.tensor(sequence.ids)
        mask = torch.arange(longest)[None] < torch.tensor([len(s) for s in sequences])[:, None]
        hidden = self.body(
            input_ids=ids.to(self.device), attention_mask=mask.long().to(self.device), use_cache=False
        ).last_hidden_state
        rows = [p.sequence * longest + p.position for p in places]
        return hidden.flatten(0, 1), torch.tensor(rows, device=hidden.device)

    def tokens_run(self, sequences: Sequence[Encoded]) -> int:
        """Tokens that one forward over these sequences works on, padding included."""
        if self.packed:
            return packing.tokens_run(sequences, share_prompts=self.share_prompts)
        return len(sequences) * max(map(len, sequences), default=0)

    # Packing or padding

    def choose_packing(self, wanted: bool = True) -> None:
        """Pack if the architecture allows it, which is tried on random tokens; otherwise pad."""
        self._use(packed=wanted)
        if wanted and (fault := self._packing_fault()):
            log.warning(
                "This architecture cannot be packed (%s); sequences are padded instead, which is slower.",
                fault,
            )
            self._use(packed=False)

    def _use(self, *, packed: bool) -> None:
        self.packed = packed
        self.classifier.set_attn_implementation(packing.NAME if packed else "sdpa")

    @torch.no_grad()
    def _packing_fault(self) -> str:
        """Why packing is wrong here, or nothing: three random sequences, two with one prompt, scored both ways."""
        generator = torch.Generator().manual_seed(0)
        vocabulary = self.classifier.config.get_text_config().vocab_size
        pad = self.encoder.tokenizer.pad_token_id

        def some(n: int) -> tuple[int, ...]:
            ids: list[int] = torch.randint(0, vocabulary, (n,), generator=generator).tolist()
            return tuple(i if i != pad else (i + 1) % vocabulary for i in ids)

        prompt = some(7)
        sequences = [
            Encoded(prompt, some(5), ()),
            Encoded(some(3), some(9), ()),
            Encoded(prompt, some(4), ()),
        ]
        places = [Place(i, p) for i, s in enumerate(sequences) for p in (2, len(s) - 1)]
        training = self.training
        self.eval()
        try:
            with self._compute():
                hidden, rows = self._packed(sequences, places)
                ours = hidden[rows].float()
                self._use(packed=False)
                hidden, rows = self._padded(sequences, places)
                theirs = hidden[rows].float()
        except (ValueError, TypeError, AttributeError, NotImplementedError, RuntimeError) as error:
            return str(error).splitlines()[0]
        finally:
            self.train(training)
            self._use(packed=True)
        tolerance = TOLERANCE * (30 if self.device.type == "cuda" else 1)
        difference = ((ours - theirs).norm() / theirs.norm().clamp_min(1e-9)).item()
        return f"hidden states differ by {difference:.1e}" if not difference < tolerance else ""

    def _compute(self) -> torch.autocast:
        """bfloat16 arithmetic on a GPU, plain on a CPU."""
        return torch.autocast("cuda", dtype=torch.bfloat16, enabled=self.device.type == "cuda")

    def compute(self, sequences: Sequence[Encoded], places: Sequence[Place]) -> Tensor:
        """`forward` in the arithmetic that suits the device."""
        with self._compute():
            return self.forward(sequences, places)

    def compute_members(self, sequences: Sequence[Encoded], places: Sequence[Place]) -> Tensor:
        """`forward_members` in the arithmetic that suits the device."""
        with self._compute():
            return self.forward_members(sequences, places)

    # On disk

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        heads: Iterable[str] = (),
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        max_length: int = 2048,
        packed: bool = True,
        share_prompts: bool = True,
    ) -> RewardModel:
        """A reward model, or the start of one from a policy (its score head is then new: seed torch first).

        Of a soft prompt the policy that it belongs to is taken. Only safetensors are read and no code of the directory is
        run. Raises Problem when the directory does not suit.
        """
        from training_bridge.policy.adapters import base_of, is_soft_prompt

        if is_soft_prompt(path):
            path = base_of(path)
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
        from transformers.utils import logging as hub_logging

        hub_logging.disable_progress_bar()
        verbosity = hub_logging.get_verbosity()
        hub_logging.set_verbosity_error()  # it alarms about a new score head; what is missing is looked at below
        try:
            tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
            backbone, told = AutoModelForSequenceClassification.from_pretrained(
                path,
                num_labels=1,
                dtype=dtype,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise Problem(
                f"{path} cannot be loaded as a model: {str(error).splitlines()[0]}",
                "Name a transformers model directory.",
            ) from error
        finally:
            hub_logging.set_verbosity(verbosity)
        if not isinstance(getattr(backbone, "score", None), nn.Linear):
            raise Problem(
                f"{path} has no score head on its last layer.",
                "Name a causal language model, or a reward model made from one.",
            )
        if missing := sorted(set(told["missing_keys"]) - {"score.weight"}):
            raise Problem(
                f"{path} lacks weights: {', '.join(missing[:3])}.", "Its files are incomplete; save it again."
            )
        limit = getattr(backbone.config.get_text_config(), "max_position_embeddings", None) or max_length
        encoder = Encoder(tokenizer, min(max_length, limit))
        if len(tokenizer) > backbone.get_input_embeddings().weight.shape[0]:
            raise Problem(
                f"{path}: the tokenizer knows more tokens than the model.",
                "Save the model and its tokenizer together.",
            )
        backbone.config.pad_token_id = backbone.config.get_text_config().pad_token_id = tokenizer.pad_token_id
        backbone.config.use_cache = False
        stored = load_file(Path(path) / HEADS_FILE) if (Path(path) / HEADS_FILE).is_file() else {}
        members = stored.pop(MEMBERS, None)
        named = {name.rpartition(".")[0] for name in stored}
        model = cls(backbone.to(device), encoder, [*named, *heads], share_prompts=share_prompts)
        for name in named:
            model.heads[name.replace(".", "%2E")].load_state_dict(
                {part: stored[f"{name}.{part}"] for part in ("weight", "bias")}
            )
        if members is not None:
            model.members = nn.Parameter(members.float().to(device))
            model.make_ensemble(len(members))
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        model.choose_packing(packed)
        return model.eval()

    def add_adapters(self, rank: int) -> None:
        """Freeze the backbone and put LoRA adapters on its linear layers; the score head is trained whole."""
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            task_type="SEQ_CLS",
            r=rank,
            lora_alpha=2 * rank,
            lora_dropout=0.0,
            target_modules="all-linear",
            modules_to_save=["score"],
        )
        self.backbone = get_peft_model(self.classifier, config)

    def merge(self) -> None:
        """Fold adapters into the weights; from then on the model is a plain one."""
        if hasattr(self.backbone, "merge_and_unload"):
            self.backbone = self.backbone.merge_and_unload()

    def save(
        self, path: Path, *, whetstone: Mapping[str, Any], nuisance: Mapping[str, Any] | None = None
    ) -> None:
        """Write the directory described above; adapters are merged first."""
        self.merge()
        if self.members is not None:
            with torch.no_grad():
                self.classifier.score.weight.copy_(self.members.mean(dim=0, keepdim=True))
        self.classifier.save_pretrained(path)
        self.encoder.tokenizer.save_pretrained(path)
        tensors = {
            f"{name}.{part}": tensor.detach().cpu().contiguous()
            for name, head in zip(self.head_names, self.heads.values(), strict=True)
            for part, tensor in head.state_dict().items()
        }
        if self.members is not None:
            tensors[MEMBERS] = self.members.detach().cpu().contiguous()
        save_file(tensors, path / HEADS_FILE)
        if nuisance is not None:
            write_json(path / "nuisance.json", nuisance)
        write_json(
            path / "whetstone.json",
            {
                "kind": "reward_model",
                "format": 1,
                "heads": self.head_names,
                "ensemble": self.size,
                **self.encoder.fingerprint(),
                **whetstone,
            },
        )
