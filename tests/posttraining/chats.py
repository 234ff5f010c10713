"""A tiny school for tests of post-training: after a digit is named, the answer is the next one."""

from minillm.data.chat import chat_tokenizer
from minillm.data.corpora import SPECIAL_TOKENS
from minillm.posttraining.sft import ChatData, encode_conversations
from minillm.tokenizer import Tokenizer

ROW = 24


def school_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.train(["user assistant\n" * 9], 259 + 20, SPECIAL_TOKENS)
    tokenizer.bos_token = tokenizer.eos_token = SPECIAL_TOKENS[0]
    return chat_tokenizer(tokenizer)


TOKENIZER = school_tokenizer()
LESSONS = [
    [{"role": "user", "content": str(n)}, {"role": "assistant", "content": str((n + 1) % 10)}] for n in range(10)
]


def chat_data(batch_size: int = 4, seed: int = 0) -> ChatData:
    examples = encode_conversations(TOKENIZER, LESSONS)
    return ChatData.from_examples(examples, examples[::3], TOKENIZER.eos_id, ROW, batch_size, seed)
