"""What the page of imported models shows: read from AWS in few calls, kept for seconds."""
