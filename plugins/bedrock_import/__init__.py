"""Amazon Bedrock Custom Model Import for Airflow, in the form of the amazon provider's own modules."""
