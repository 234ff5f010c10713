"""A task that a small model learns in a second, for the tests of training: after a number comes the next one."""

import torch
from helpers import small_config

from minillm import Transformer
from minillm.data.batches import PackedBatches, pack_documents, whole_documents
from minillm.training.pretraining import TextData
from minillm.training.settings import TrainConfig

END = 0
COUNTING = [[1 + (start + n) % 40 for n in range(12)] for start in range(40)]  # each number is followed by the next


def text_data() -> TextData:
    return TextData(PackedBatches(pack_documents(COUNTING, END, 24), 4, 0, END), whole_documents(COUNTING[::7], END))


def new_model(seed: int = 0, **changes) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(small_config(**changes))


def settings(**changes) -> TrainConfig:
    return TrainConfig(
        **{**dict(steps=60, warmup_steps=5, log_every=1, eval_every=20, save_every=20, bf16=False), **changes}
    )
