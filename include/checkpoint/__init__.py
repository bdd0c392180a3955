"""Represent checkpoints as lists of byte ranges: inspect, convert, merge, normalise, validate, materialise."""
