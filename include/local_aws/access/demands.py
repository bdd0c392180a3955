"""What the operations of moto's services need to be allowed, as the Service Authorization Reference has it.

An operation that is not listed needs the action with the same name on every resource ("*"). S3's and Bedrock's are in
modules of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.sagemaker.models import sagemaker_backends
from moto.utilities.utils import get_partition

from include.local_aws.access.decisions import Demand
from include.local_aws.bedrock.s3_source import key_arn

Params = Mapping[str, Any]

#: IAM's name of a service where boto3 has another one.
PREFIXES = {"service-quotas": "servicequotas"}
#: What SQS does for several messages is allowed by the action for one.
BATCH = "Batch"
#: Everybody may do this.
FREE = frozenset({("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")})


class Place(NamedTuple):
    """Where a request goes: what an ARN is made of."""

    region: str
    account_id: str

    @property
    def partition(self) -> str:
        """``aws``, ``aws-cn`` …"""
        return str(get_partition(self.region))

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of this region and account."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"


Resource = Callable[[Place, Params], str]
#: Returns the condition keys of a request.
Context = Callable[[Place, Params], Mapping[str, str]]


def demands_of(service: str, operation: str, params: Params, place: Place) -> list[Demand]:
    """Return what the operation needs to be allowed."""
    if (service, operation) in FREE:
        return []
    resource = RESOURCES.get((service, operation))
    context = CONTEXTS.get((service, operation))
    return [
        *_passed_roles(service, operation, params),
        *_tags_of_new_jobs(service, operation, params, place),
        Demand(
            f"{PREFIXES.get(service, service)}:{operation.removesuffix(BATCH) if service == 'sqs' else operation}",
            resource(place, params) if resource else "*",
            context(place, params) if context else {},
        ),
    ]


def _passed_roles(service: str, operation: str, params: Params) -> list[Demand]:
    """Return what is needed to hand a role to a service."""
    if (service, operation) != ("sagemaker", "CreateTrainingJob"):
        return []
    return [Demand("iam:PassRole", str(params["RoleArn"]), {"iam:PassedToService": "sagemaker.amazonaws.com"})]


def _tags_of_new_jobs(service: str, operation: str, params: Params, place: Place) -> list[Demand]:
    """Return what is needed to tag what the operation makes."""
    if (service, operation) != ("sagemaker", "CreateTrainingJob") or not params.get("Tags"):
        return []
    context = {"sagemaker:TaggingAction": operation} | _request_tags(place, params)
    return [Demand("sagemaker:AddTags", _training_job(place, params), context)]


def _named(service: str, kind: str, member: str, rest: str = "") -> Resource:
    """The resource that a member names, by ARN or by name."""

    def resource(place: Place, params: Params) -> str:
        name = str(params.get(member, ""))
        return name if name.startswith("arn:") else place.arn(service, f"{kind}{name}{rest}")

    return resource


def _version(place: Place, params: Params) -> str:
    """The version of the registry that is made; its number is not known yet."""
    return place.arn("sagemaker", f"model-package/{params.get('ModelPackageGroupName', '')}/*")


def _version_request(params: Params) -> dict[str, str]:
    """Return the condition keys of what a request writes into a version of the registry."""
    status = params.get("ModelApprovalStatus")
    known = {"sagemaker:ModelApprovalStatus": str(status)} if status else {}
    return known | _metadata("sagemaker:CustomerMetadataProperties", params.get("CustomerMetadataProperties"))


def _version_now(place: Place, params: Params) -> dict[str, str]:
    """Return the condition keys of the metadata that a version has before the request."""
    package = sagemaker_backends[place.account_id][place.region].model_packages.get(params["ModelPackageArn"])
    held = package.customer_metadata_properties if package else None
    return _metadata("sagemaker:CurrentCustomerMetadataProperties", held)


def _metadata(key: str, properties: Mapping[str, str] | None) -> dict[str, str]:
    return {f"{key}/{name}": str(value) for name, value in (properties or {}).items()}


def _event(entry: Params) -> dict[str, str]:
    return {"events:source": str(entry.get("Source", "")), "events:detail-type": str(entry.get("DetailType", ""))}


def _request_tags(_: Place, params: Params) -> dict[str, str]:
    return {f"aws:RequestTag/{tag['Key']}": str(tag["Value"]) for tag in params.get("Tags") or ()}


def _training_job_tags(place: Place, params: Params) -> dict[str, str]:
    """Return the condition keys of the tags that a training job has."""
    job = sagemaker_backends[place.account_id][place.region].training_jobs.get(params["TrainingJobName"])
    return {f"aws:ResourceTag/{tag['Key']}": str(tag["Value"]) for tag in (job.tags if job else ())}


def _role(place: Place, params: Params) -> str:
    """A role's ARN holds its path, which a request does not."""
    try:
        return str(iam_backends[place.account_id][place.partition].get_role(params["RoleName"]).arn)
    except NotFoundException:
        return f"arn:{place.partition}:iam::{place.account_id}:role/{params['RoleName']}"


def _key(place: Place, params: Params) -> str:
    asked = str(params["KeyId"])
    return key_arn(asked, place.account_id, place.region) or _named("kms", "key/", "KeyId")(place, params)


def _queue(place: Place, params: Params) -> str:
    return place.arn("sqs", str(params["QueueUrl"]).rpartition("/")[2])


def _topic(place: Place, params: Params) -> str:
    return str(params.get("TopicArn") or params.get("TargetArn") or "*")


def _parameter(place: Place, params: Params) -> str:
    return place.arn("ssm", f"parameter/{str(params['Name']).lstrip('/')}")


def _bus(place: Place, params: Params) -> str:
    """The bus of the first event; this project sends one at a time."""
    name = str(params["Entries"][0].get("EventBusName", "default"))
    return name if name.startswith("arn:") else place.arn("events", f"event-bus/{name}")


def _quota(place: Place, params: Params) -> str:
    return place.arn("servicequotas", f"{params['ServiceCode']}/{params['QuotaCode']}")


_training_job = _named("sagemaker", "training-job/", "TrainingJobName")

RESOURCES: Mapping[tuple[str, str], Resource] = {
    ("iam", "GetRole"): _role,
    ("iam", "SimulatePrincipalPolicy"): lambda _, params: str(params["PolicySourceArn"]),
    ("kms", "DescribeKey"): _key,
    ("kms", "GetKeyPolicy"): _key,
    ("sagemaker", "CreateModelPackageGroup"): _named("sagemaker", "model-package-group/", "ModelPackageGroupName"),
    ("sagemaker", "CreateModelPackage"): _version,
    ("sagemaker", "DescribeModelPackage"): _named("sagemaker", "model-package/", "ModelPackageName"),
    ("sagemaker", "DescribeModelPackageGroup"): _named("sagemaker", "model-package-group/", "ModelPackageGroupName"),
    ("sagemaker", "DeleteModelPackage"): _named("sagemaker", "model-package/", "ModelPackageName"),
    ("sagemaker", "DescribeModel"): _named("sagemaker", "model/", "ModelName"),
    ("sagemaker", "CreateTrainingJob"): _training_job,
    ("sagemaker", "StopTrainingJob"): _training_job,
    ("sagemaker", "DescribeTrainingJob"): _training_job,
    ("sagemaker", "ListModelPackages"): _named("sagemaker", "model-package/", "ModelPackageGroupName", "/*"),
    ("sagemaker", "UpdateModelPackage"): _named("sagemaker", "model-package/", "ModelPackageArn"),
    ("events", "PutEvents"): _bus,
    ("service-quotas", "GetServiceQuota"): _quota,
    **{("ssm", operation): _parameter for operation in ("DeleteParameter", "GetParameter", "PutParameter")},
    ("sns", "Publish"): _topic,
    **{
        ("sqs", operation): _queue
        for operation in (
            "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "DeleteMessage", "DeleteMessageBatch",
            "GetQueueAttributes", "PurgeQueue", "ReceiveMessage", "SendMessage", "SendMessageBatch",
        )
    },
    ("sts", "AssumeRole"): lambda _, params: str(params["RoleArn"]),
}  # fmt: skip

CONTEXTS: Mapping[tuple[str, str], Context] = {
    ("cloudwatch", "PutMetricData"): lambda _, params: {"cloudwatch:namespace": str(params.get("Namespace", ""))},
    ("events", "PutEvents"): lambda _, params: _event(params["Entries"][0]),
    ("sagemaker", "CreateModelPackage"): lambda _, params: _version_request(params),
    ("sagemaker", "CreateTrainingJob"): _request_tags,
    ("sagemaker", "StopTrainingJob"): _training_job_tags,
    ("sagemaker", "DescribeTrainingJob"): _training_job_tags,
    ("sagemaker", "UpdateModelPackage"): lambda place, params: _version_request(params) | _version_now(place, params),
}
