"""SageMaker training jobs that run their entrypoint as a process of this machine."""
