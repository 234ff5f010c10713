"""Assignment 03: RoPE angles in bfloat16, a rotation that mixes two layouts, weights of the other layout, and tokens
that leave a cache."""
