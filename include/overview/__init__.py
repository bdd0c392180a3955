"""Data of the page "Imported models", read from AWS in few calls and cached for seconds."""
