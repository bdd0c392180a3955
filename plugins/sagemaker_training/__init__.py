"""Amazon SageMaker training jobs for Airflow, in the form of the amazon provider's own modules."""
