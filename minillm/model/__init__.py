"""The decoder-only transformer.

transformer       the trunk, and the language model on it: start here
context           what one forward pass knows of its tokens: positions, mask, cache
embedding         tokens to vectors
position          learned, sinusoidal, rotary, ALiBi
attention         scores, weights, weighted mean; three equal forms
feedforward       GELU, squared ReLU, SwiGLU
norm              RMSNorm, LayerNorm
segments          several texts, or padding, in one row
kv_cache          the keys and values of earlier tokens, for generation
prefix_cache      the same where gradients must flow through them
quantized_linear  weights in 8 and 4 bits
accounting        parameters, FLOPs and memory of a config
"""
