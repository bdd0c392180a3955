"""Who may do what: requests with a key that IAM gave out are held to that user's or role's policies."""
