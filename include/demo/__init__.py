"""The demo: a small Mistral base, LoRA adapters and questions, and the code that made them."""
