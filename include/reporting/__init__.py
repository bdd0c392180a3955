"""The HTML report of a model version: contents, figures, page."""
