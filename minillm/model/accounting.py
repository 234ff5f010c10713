"""What a model costs, from its configuration alone: parameters, floating-point operations, memory.

These are formulas, so the cost is known before the model is built. Tests compare each of them with a measurement.
"""

from minillm.config import ModelConfig
from minillm.errors import UserError


def count_parameters(config: ModelConfig) -> int:
    """How many parameters the model has.

    >>> count_parameters(ModelConfig.preset("gpt2"))
    124439808
    """
    c = config
    qkv_width = (c.n_heads + 2 * c.n_kv_heads) * c.d_head
    attention = c.d_model * (qkv_width + c.n_heads * c.d_head) + (2 * c.d_head if c.qk_norm else 0)
    feedforward = c.d_model * c.d_ff * (3 if c.activation == "swiglu" else 2)
    norm = c.d_model * (2 if c.norm == "layernorm" and c.bias is True else 1)
    biases = qkv_width if c.bias else 0
    if c.bias in (True, "attention"):
        biases += c.d_model
    if c.bias is True:
        biases += c.d_ff * (2 if c.activation == "swiglu" else 1) + c.d_model
    tables = c.vocab_size * c.d_model * (1 if c.tie_embeddings else 2)
    positions = c.max_seq_len * c.d_model if c.position == "learned" else 0
    return tables + positions + c.n_layers * (attention + feedforward + biases + 2 * norm) + norm


def count_flops(config: ModelConfig, n_tokens: int) -> int:
    """Floating-point operations of one forward pass over a sequence of `n_tokens`, a multiply-add counted as 2.

    Every weight that multiplies costs 2 per token (the embedding look-up costs none, the head does). Attention adds 4 H
    D per layer and visible pair of query and key (4 C where H D is C): half of all pairs when causal, which is what is
    counted here although a plain kernel computes them all. Only matrix products count; norms, softmax, rotations and
    ALiBi's bias are left out. Training costs three times this (Kaplan et al. 2020, section 2.1).

    >>> count_flops(ModelConfig.preset("gpt3"), n_tokens=1) / 1e9        # about 2 x 175 billion
    349.1...
    """
    c = config
    attention = c.d_model * c.d_head * (2 * c.n_heads + 2 * c.n_kv_heads)
    feedforward = c.d_model * c.d_ff * (3 if c.activation == "swiglu" else 2)
    weights = c.n_layers * (attention + feedforward) + c.vocab_size * c.d_model
    window = min(c.sliding_window or n_tokens, n_tokens)  # the first tokens see fewer
    pairs = window * (window + 1) // 2 + (n_tokens - window) * window if c.causal else n_tokens**2
    return 2 * weights * n_tokens + 4 * c.n_layers * c.n_heads * c.d_head * pairs


def training_memory(config: ModelConfig, batch_size: int, n_tokens: int) -> dict[str, int]:
    """Bytes that one update in float32 with AdamW needs, by purpose; `n_tokens` is the length of a row.

    - `weights` and `gradients`: one number per parameter each
    - `optimizer`: two per parameter, the running means of gradients and of their squares
    - `activations`: what the forward pass keeps for the backward pass, with fused attention; no T x T weights

    The first three do not depend on the batch; for a small model the last one is far larger. Temporary memory comes on
    top, at most as much as all logits (4 B T V). The loss is the plain `next_token_loss`; that of the training loop
    keeps C numbers per token instead of V, and V C in all. Where matrix products run in bfloat16, many activations take
    half, and on a CPU the T x T weights come on top (`model.attention.attention`). Counted for these layers on a CPU;
    another kernel may keep one copy more or less. Raises `UserError` for an empty batch.

    >>> training_memory(ModelConfig.preset("tiny"), batch_size=16, n_tokens=256)
    {'weights': 5511680, 'gradients': 5511680, 'optimizer': 11023360, 'activations': 266944512}
    """
    _require_tokens(batch_size, n_tokens)
    parameters = 4 * count_parameters(config)
    activations = 4 * (batch_size * n_tokens * _kept_per_token(config) + _kept_per_row_length(config, n_tokens))
    return {"weights": parameters, "gradients": parameters, "optimizer": 2 * parameters, "activations": activations}


def _kept_per_token(config: ModelConfig) -> int:
    """How many numbers per token are kept for the backward pass."""
    c = config
    norm = 3 * c.d_model + 1  # its input, the normalized vector, that vector scaled, and one factor
    query_width, key_width = c.n_heads * c.d_head, c.n_kv_heads * c.d_head
    attention = 2 * query_width + 2 * key_width + c.n_heads  # queries, keys, values, result, and a log-sum-exp per head
    if c.qk_norm:  # the same three as for any norm; the third is the query or key itself
        attention += 2 * (query_width + key_width) + c.n_heads + c.n_kv_heads
    if c.position == "rotary":  # queries and result lie in memory head by head; joining the heads copies it
        attention += query_width
    feedforward = c.d_ff * (4 if c.activation == "swiglu" else 2)  # before and after the activation, and the factors
    return c.n_layers * (2 * norm + attention + feedforward) + norm + c.vocab_size  # the loss keeps log-probabilities


def _kept_per_row_length(config: ModelConfig, n_tokens: int) -> int:
    """How many numbers are kept once for all rows of the batch: tables of positions."""
    if config.position == "rotary":
        return n_tokens * config.d_head  # cosines and sines
    if config.position == "alibi":  # one table; joined with the causal mask, one per layer
        return config.n_heads * n_tokens**2 * (config.n_layers if config.causal and n_tokens > 1 else 1)
    return 0


def inference_memory(
    config: ModelConfig, batch_size: int, n_tokens: int, bytes_per_weight: float = 4, bytes_per_cached: float = 4
) -> dict[str, int]:
    """Bytes that generation needs: the weights, and the KV cache for `batch_size` texts of `n_tokens` each.

    The cache holds 2 L K D numbers per token, so its size is proportional to K (Ainslie et al. 2023). Numbers take 4
    bytes in float32, 2 in bfloat16, about 0.6 as int4 with a scale and a zero per group of 32.
    Raises `UserError` for an empty batch.

    >>> inference_memory(ModelConfig.preset("smollm2-135m"), batch_size=1, n_tokens=8192)
    {'weights': 538060032, 'kv_cache': 377487360}
    """
    _require_tokens(batch_size, n_tokens)
    cached = 2 * config.n_layers * config.n_kv_heads * config.d_head * batch_size * n_tokens
    return {"weights": round(count_parameters(config) * bytes_per_weight), "kv_cache": round(cached * bytes_per_cached)}


def _require_tokens(batch_size: int, n_tokens: int) -> None:
    if batch_size < 1 or n_tokens < 1:
        raise UserError(f"batch_size is {batch_size} and n_tokens {n_tokens}; both must be at least 1")
