"""A policy whose every probability is known: after any text it ends with one probability and says "a" with the other."""

import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from tests.training_bridge.reward_model import tiny


class TwoTokens(LlamaForCausalLM):
    """The end token with probability `end`, the token "a" otherwise, whatever came before."""

    @classmethod
    def with_tokenizer(cls, end):
        tokenizer = tiny.make_tokenizer()
        tokenizer.padding_side = "left"
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            max_position_embeddings=64,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
        model = cls(config).eval()
        model.known = torch.full((len(tokenizer),), -torch.inf)
        model.known[tokenizer.eos_token_id] = torch.tensor(end).log()
        model.known[tokenizer.convert_tokens_to_ids("a")] = torch.tensor(1 - end).log()
        return model, tokenizer

    def forward(self, input_ids=None, past_key_values=None, logits_to_keep=0, use_cache=False, **kwargs):
        cache = past_key_values if past_key_values is not None else DynamicCache()
        output = super().forward(
            input_ids=input_ids,
            past_key_values=cache if use_cache else None,
            logits_to_keep=logits_to_keep,
            use_cache=use_cache,
            **kwargs,
        )
        output.logits = self.known.expand_as(output.logits)
        return output
