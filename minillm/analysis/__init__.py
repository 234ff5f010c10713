"""What can be measured on a finished model.

compression   how few bits it needs to store a text without loss
tracing       everything that one forward pass computes and throws away
lens          what it would say after each block
ablation      what it can no longer do without a part, at equal damage to the loss
probes        what can be read from its vectors, and how clearly groups of them stand apart
geometry      neighbours, analogies, and the cloud on paper
scaling       what loss a larger run would end at, and how sure that is
alignment     what its answers to instructions are worth, and how far it has gone from a reference
calibration   whether the chances that a reward model states come true
evaluation    how well it knows Ottermere, and whether what it writes could stand there
"""
