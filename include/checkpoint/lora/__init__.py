"""Merge LoRA adapters into their base model."""
