"""Watch S3 and SageMaker through an SQS queue: an asset event for each model artifact that has landed completely."""
