"""Publish which imported model is a model's champion."""
