"""One question, two answers of one token: the optimum of every method is known by hand."""

import math

import torch

from minillm.config import ModelConfig
from minillm.model.transformer import Transformer
from minillm.posttraining.online import PromptData

GAP = 1.0  # how much more the answer 1 is worth than the answer 0
DATA = PromptData([[0]], lambda prompts, answers: torch.tensor([GAP * answer[0] for answer in answers]))


def bandit(seed: int) -> Transformer:
    torch.manual_seed(seed)
    model = Transformer(ModelConfig(vocab_size=2, d_model=8, n_layers=1, n_heads=1, max_seq_len=4))
    with torch.no_grad():
        model.head.weight.mul_(20)  # a reference that is not one half
    return model


def probability(model: Transformer) -> float:
    """Of the better answer."""
    with torch.no_grad():
        return model(torch.tensor([[0]]))[0, -1].softmax(-1)[1].item()


def optimum(p: float, kl_coef: float) -> float:
    """Of E[reward] - kl_coef KL(policy, reference): p(a) exp(reward(a) / kl_coef), made to sum to 1."""
    better = p * math.exp(GAP / kl_coef)
    return better / (better + 1 - p)
