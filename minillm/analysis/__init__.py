"""Measurements on trained models.

compression   lossless compression of text with a language model
tracing       record the intermediate values of a forward pass
lens          the logit lens: predictions after each block
surgery       replace or remove parts of a model, and let it write
probes        linear probes, and how well groups of vectors separate
geometry      nearest neighbors, analogies and PCA
analogies     word pairs of ten relations, and where their sums land
scaling       fit a scaling law and predict the loss of a larger run
alignment     accuracy, reward and KL of a chat model's answers
calibration   whether a reward model's probabilities match the true ones
evaluation    experiments on the synthetic world, and checks of the documents that a model writes
"""
