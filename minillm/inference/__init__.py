"""From logits to text.

sampling      temperature, top-k, top-p, min-p: choose one token
generate      the autoregressive loop
decode        the fast step of a model: in C where that works, else with fewer operations of PyTorch
native        the step in C, compiled by `compile_native` or at first use (native_library, native_weights: its library
              and weights; native.c: the step, to be read; native_kernels.h: its products, for each processor)
snapshot      whether a model is still what its fast step was made from
text          tokens to text, piece by piece
engine        continuous batching: requests join and leave between two steps
turns         the turns of a chat that fit into the context
prefixes      reuse of the keys and values of texts that begin alike
scoring       log-probabilities of given texts, and the choice among given answers
speculative   a draft model proposes several tokens, one pass checks them
"""
