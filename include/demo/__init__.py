"""The demo's model: a small Mistral base, two LoRA adapters, their questions, and what made them."""
