"""Check a checkpoint against what Amazon Bedrock and transformers 4.51.3 read."""
