"""From a model that goes on with any text to one that answers: `sft` teaches by example, `lora` by little."""
