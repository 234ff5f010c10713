"""The course's recipes by the commands that use them and the names of their data (`registered_recipe`)."""

from minillm.course.recipes.chat import WORLD_SFT
from minillm.course.recipes.preferences import DPO, REWARD
from minillm.course.recipes.prompts import WORLD_GRPO, WORLD_PPO, WorldPrompts
from minillm.course.recipes.reasoning import REASONING, REASONING_GRPO, WorldProblems

COMMANDS = {
    ("sft", "world"): WORLD_SFT,
    ("sft", "problems"): REASONING,
    ("reward", "world"): REWARD,
    ("dpo", "world"): DPO,
    ("ppo", "world"): WorldPrompts(WORLD_PPO),
    ("grpo", "world"): WorldPrompts(WORLD_GRPO),
    ("grpo", "problems"): WorldProblems(REASONING_GRPO),
}
