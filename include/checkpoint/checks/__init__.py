"""Check a checkpoint against what Amazon Bedrock and its transformers read."""
