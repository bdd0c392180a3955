"""Training data as tokens, the request for the job that trains on it (`container/` is its script), and its record."""
