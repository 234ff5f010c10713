"""From a base model to an assistant: by examples (`sft`, `lora`, `adapter`), by preferences between answers (`reward`,
`dpo`, `best_of_n`), and by a reward for sampled answers (`rollout`, `ppo`, `grpo`).
"""
