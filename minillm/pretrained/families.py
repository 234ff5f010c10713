"""The families of models in Hugging Face's directories: what they call our tensors and settings.

    model_type   what sets it apart                                               class in transformers
    gpt2         learned positions, LayerNorm, GELU, biases everywhere            GPT2LMHeadModel
    llama        rotary positions (plain, linear, llama3), RMSNorm, SwiGLU        LlamaForCausalLM
    mistral      a Llama without biases, with a sliding window or without         MistralForCausalLM
    qwen2        a Llama with biases on query, key and value                      Qwen2ForCausalLM
    qwen3        a Llama with normalized queries and keys                         Qwen3ForCausalLM

All but GPT-2 have the same names. Rotary positions need no reordering: these files pair the two halves of a head, as
`rotate` does (GGUF files pair neighbors). GPT-2 uses a layer of its own, which stores its matrix as (in, out), and
query, key and value are one such matrix.

`family_config` translates their settings.
"""

import re
from collections.abc import Collection

from minillm.pretrained.weights import Transposed

LLAMA = {
    "embedding": "model.embed_tokens",
    "position": "model.embed_positions",
    "blocks.*.attention_norm": "model.layers.*.input_layernorm",
    "blocks.*.attention.query": "model.layers.*.self_attn.q_proj",
    "blocks.*.attention.key": "model.layers.*.self_attn.k_proj",
    "blocks.*.attention.value": "model.layers.*.self_attn.v_proj",
    "blocks.*.attention.output": "model.layers.*.self_attn.o_proj",
    "blocks.*.attention.query_norm": "model.layers.*.self_attn.q_norm",
    "blocks.*.attention.key_norm": "model.layers.*.self_attn.k_norm",
    "blocks.*.feedforward_norm": "model.layers.*.post_attention_layernorm",
    "blocks.*.feedforward.gate": "model.layers.*.mlp.gate_proj",
    "blocks.*.feedforward.up": "model.layers.*.mlp.up_proj",
    "blocks.*.feedforward.down": "model.layers.*.mlp.down_proj",
    "final_norm": "model.norm",
    "head": "lm_head",
}
GPT2 = {
    "embedding": "transformer.wte",
    "position": "transformer.wpe",
    "blocks.*.attention_norm": "transformer.h.*.ln_1",
    "blocks.*.attention.query": Transposed("transformer.h.*.attn.c_attn"),
    "blocks.*.attention.key": Transposed("transformer.h.*.attn.c_attn"),
    "blocks.*.attention.value": Transposed("transformer.h.*.attn.c_attn"),
    "blocks.*.attention.output": Transposed("transformer.h.*.attn.c_proj"),
    "blocks.*.feedforward_norm": "transformer.h.*.ln_2",
    "blocks.*.feedforward.up": Transposed("transformer.h.*.mlp.c_fc"),
    "blocks.*.feedforward.down": Transposed("transformer.h.*.mlp.c_proj"),
    "final_norm": "transformer.ln_f",
    "head": "lm_head",
}
ARCHITECTURES = {
    "gpt2": "GPT2LMHeadModel",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
# Older files hold tables that follow from the configuration: the causal mask, and the rotary frequencies.
CONSTANTS = re.compile(
    r"(transformer\.)?h\.\d+\.attn\.(masked_)?bias|model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq"
)


def names_of(model_type: object, listed: Collection[str] = ()) -> dict[str, str]:
    """What a file of this family calls our modules.

    Some files of GPT-2 leave out "transformer.", as the names that are `listed` in them show.

    >>> names_of("qwen2")["head"], names_of("gpt2")["embedding"], names_of("gpt2", ["wte.weight"])["embedding"]
    ('lm_head', 'transformer.wte', 'wte')
    """
    names = GPT2 if model_type == "gpt2" else LLAMA
    if model_type == "gpt2" and "wte.weight" in listed:
        names = {ours: type(name)(name.removeprefix("transformer.")) for ours, name in names.items()}
    return names
