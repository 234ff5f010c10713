"""What the course's models are trained on, and with which settings: the world's instructions, preferences, problems.

chat         SFT
preferences  the reward model and DPO
prompts      PPO and GRPO with a reward model
reasoning    GRPO, REINFORCE and rejection sampling with a verifier
commands     which of them a command uses, for data with a name
"""
