"""Assignment 06: parameters of a mixture of experts, folded norms, a deeper model, attribution to heads."""
