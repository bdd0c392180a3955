"""The HTML report of a model version: what it says, how it is drawn, where it lies."""
