"""From a model that goes on with any text to one that answers: by example (`sft`, `lora`, `adapter`), by what people
prefer of two answers (`reward`, `dpo`, `best_of_n`), and by a reward for answers of its own (`rollout`, `ppo`, `grpo`).
"""
