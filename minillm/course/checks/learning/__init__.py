"""Assignment 00b: KL divergence, a wrong gradient step, gradients through a broadcast, and an autograd."""
