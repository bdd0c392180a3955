"""The page "Imported models": models with their scores, running imports, costs and retention."""
