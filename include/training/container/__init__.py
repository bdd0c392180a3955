"""The training script: what a SageMaker training job runs, and what a person runs on a machine with GPUs.

This folder alone is shipped into the job, so its modules import nothing of the project but each other.
"""
