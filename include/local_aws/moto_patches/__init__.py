"""Corrections of moto, each with its reason. `apply` installs them all, once per process."""

from __future__ import annotations

from include.local_aws.moto_patches import (
    bucket_policies,
    bucket_templates,
    change_sets,
    model_registry,
    monitoring_templates,
    policy_simulator,
    policy_templates,
    requests,
    resource_policy_templates,
    service_quotas,
    template_values,
    training_events,
)
from include.local_aws.s3 import moto_storage, responses
from include.local_aws.s3.stored_bytes import ByteStore
from include.local_aws.settings import Settings

#: moto's CloudFormation finds resource types among the classes that exist.
RESOURCE_TYPES = (
    monitoring_templates.Alarm,
    monitoring_templates.Budget,
    resource_policy_templates.BucketPolicy,
    resource_policy_templates.QueuePolicy,
    resource_policy_templates.TopicPolicy,
)


def apply(byte_store: ByteStore, settings: Settings) -> None:
    """Correct moto in this process. Objects of S3 keep their bytes in the store."""
    requests.install()
    model_registry.install()
    template_values.install()
    bucket_templates.install()
    change_sets.install()
    bucket_policies.install()
    policy_templates.install()
    policy_simulator.install()
    service_quotas.install(settings.max_imported_models, settings.max_running_jobs)
    training_events.install()
    moto_storage.install(byte_store)
    responses.install()
