"""What a model costs, from its configuration alone: parameters, floating-point operations, memory.

Formulas, so that a model can be priced before anybody builds it. Tests hold each of them against the real thing.
"""

from minillm.config import ModelConfig


def count_parameters(config: ModelConfig) -> int:
    """How many numbers the model learns, from the formula; tests hold it against `Transformer` itself.

    >>> count_parameters(ModelConfig.preset("gpt2"))
    124439808
    """
    c = config
    qkv_width = (c.n_heads + 2 * c.n_kv_heads) * c.d_head
    attention = c.d_model * (qkv_width + c.n_heads * c.d_head) + (2 * c.d_head if c.qk_norm else 0)
    feedforward = c.d_model * c.d_ff * (3 if c.activation == "swiglu" else 2)
    norm = c.d_model * (2 if c.norm == "layernorm" and c.bias else 1)
    biases = 0
    if c.bias:
        biases = qkv_width + c.d_model + c.d_ff * (2 if c.activation == "swiglu" else 1) + c.d_model
    tables = c.vocab_size * c.d_model * (1 if c.tie_embeddings else 2)
    positions = c.max_seq_len * c.d_model if c.position == "learned" else 0
    return tables + positions + c.n_layers * (attention + feedforward + biases + 2 * norm) + norm


def count_flops(config: ModelConfig, n_tokens: int) -> int:
    """Floating-point operations of one forward pass over a sequence of `n_tokens`, a multiply-add counted as 2.

    Every weight that multiplies costs 2 per token (the embedding look-up costs none, the head does). Attention
    adds 4 C per pair of query and key it looks at: half of all pairs when causal, which is what is counted here
    although a plain kernel computes them all. Training costs three times this (Kaplan et al. 2020, section 2.1).

    >>> count_flops(ModelConfig.preset("gpt3"), n_tokens=1) / 1e9        # about 2 x 175 billion
    349.1...
    """
    c = config
    attention = c.d_model * c.d_head * (2 * c.n_heads + 2 * c.n_kv_heads)
    feedforward = c.d_model * c.d_ff * (3 if c.activation == "swiglu" else 2)
    weights = c.n_layers * (attention + feedforward) + c.vocab_size * c.d_model
    pairs = n_tokens * (n_tokens + 1) // 2 if c.causal else n_tokens**2
    return 2 * weights * n_tokens + 4 * c.n_layers * c.n_heads * c.d_head * pairs
