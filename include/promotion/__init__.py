"""Decide whether a model may replace the champion."""
