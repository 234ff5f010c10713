"""What `test_engine.py` runs in a process of its own: pretraining, SFT, DPO, GRPO and saving on the engine alone."""

import importlib
import sys
from pathlib import Path

import minillm
from minillm.data.chat import chat_tokenizer
from minillm.data.conversations import hold_out
from minillm.data.pairs import PairBatches, PairData, encode_preferences, hold_out_preferences
from minillm.data.preferences import Preference
from minillm.posttraining.online import PromptData
from minillm.posttraining.sft import ChatData, encode_conversations
from minillm.posttraining.verifiers import Verifier
from minillm.training.recipes import BaseRecipe, make


def main() -> None:
    engine = Path(sys.argv[1])
    assert Path(minillm.__file__).is_relative_to(engine), minillm.__file__
    for path in sorted(engine.rglob("*.py")):
        if path.name != "__main__.py":
            parts = path.relative_to(engine).with_suffix("").parts
            importlib.import_module(".".join(part for part in parts if part != "__init__"))

    # pretrain on a text file
    Path("mine.txt").write_text(
        "\n\n".join(f"user: {n} and 1? assistant: {n + 1}." for n in range(60)), encoding="utf-8"
    )
    shape = minillm.ModelConfig(vocab_size=300, d_model=16, n_layers=1, n_heads=2, max_seq_len=64)
    short = minillm.TrainConfig(steps=4, warmup_steps=1)
    recipe = BaseRecipe("mine.txt", config=shape, training=short, batch_size=2)
    model, history = make(recipe, "base")
    assert "val_loss" in history[-1]
    assert (model.config.vocab_size, history[-1]["step"]) == (300, 4)
    model, tokenizer = minillm.load("base")

    # SFT on own conversations
    tokenizer = chat_tokenizer(tokenizer)
    asked = [[{"role": "user", "content": f"{n} and 1?"}] for n in range(12)]
    chats = [[*question, {"role": "assistant", "content": f"{n + 1}."}] for n, question in enumerate(asked)]
    train, held_out = (encode_conversations(tokenizer, part) for part in hold_out(chats))
    data = ChatData.from_examples(train, held_out, tokenizer.end_id, 64, 2, seed=0)
    model, history = minillm.sft(model, data, short)
    assert history[-1]["step"] == 4

    # DPO on own pairs
    pairs = [Preference(tuple(question), f"{n + 1}.", "No.", rater="Ada") for n, question in enumerate(asked)]
    train, held_out = (encode_preferences(tokenizer, part, 64).pairs for part in hold_out_preferences(pairs))
    model, history = minillm.dpo(model, PairData(PairBatches(train, 2, seed=0), held_out), minillm.DPOConfig(steps=3))
    assert history[-1]["step"] == 3

    # GRPO with a reward of one's own
    verifier = Verifier(tokenizer, [(question, lambda answer: "1" in answer) for question in asked])
    config = minillm.GRPOConfig(steps=1, prompts_per_step=2, answers_per_prompt=2, max_new_tokens=4)
    model, history = minillm.grpo(model, PromptData(verifier.prompts, verifier, [tokenizer.end_id]), config)
    assert len(history) == 1

    # generate and save
    ids = minillm.generate(model, tokenizer.encode("user: 7"), max_new_tokens=4, temperature=0)
    minillm.save(model, tokenizer, "chat")
    again, _ = minillm.load("chat")
    assert minillm.generate(again, tokenizer.encode("user: 7"), max_new_tokens=4, temperature=0) == ids

    course = ("world", "analysis", "viz", "course")
    assert not [name for name in sys.modules if name.startswith(tuple(f"minillm.{part}" for part in course))]
    print("all of it without the course")


if __name__ == "__main__":
    main()
