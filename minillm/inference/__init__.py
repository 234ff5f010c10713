"""From logits to text.

sampling      temperature, top-k, top-p, min-p: choose one token
generate      the autoregressive loop
decode        a fast decoding step for quantized models
native        the same step in C, compiled at first use (native_library, native_weights: its library and weights)
text          tokens to text, piece by piece
engine        continuous batching: requests join and leave between two steps
turns         the turns of a chat that fit into the context
prefixes      reuse of the keys and values of texts that begin alike
scoring       log-probabilities of given texts, and the choice among given answers
speculative   a draft model proposes several tokens, one pass checks them
"""
