"""Build the HTML report of a model version: content, figures, page."""
