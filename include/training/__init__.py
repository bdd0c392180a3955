"""Training data: read, compared with the evaluation, split, and turned into tokens; `container/` trains on it."""
