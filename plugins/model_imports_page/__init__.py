"""The page "Imported models": what is imported, how good, what runs and waits, what it costs, what would be deleted."""
