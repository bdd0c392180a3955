"""Wait for jobs of AWS services in Airflow: what the plugins for imports and for training jobs share."""
