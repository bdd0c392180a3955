"""Amazon Bedrock Custom Model Import and its runtime, as far as imported models need them; see ../COVERAGE.md."""
