"""How a model learns: `loop` drives, `optim` steps, `schedule` sets the pace, `checkpoint` remembers."""
