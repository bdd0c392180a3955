"""The permissions that the import role and the caller need, as data for IAM's policy simulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from include.aws.imported_models import OWN_TAGS
from include.aws.s3_uri import S3Uri
from include.publishing.pointer import PARAMETER
from include.publishing.publishers import EVENT_SOURCE
from include.registry.leases import LEASE_NAME

BEDROCK_PRINCIPAL = "bedrock.amazonaws.com"
_PROBE_ID = "preflight000"


@dataclass(frozen=True)
class Need:
    """Actions needed on one resource.

    ``probe`` is the simulated ARN and ``context`` the request's condition keys; ``resource`` and ``condition`` are
    those of the statement that would allow it.
    """

    purpose: str
    actions: tuple[str, ...]
    resource: str
    probe: str = ""
    context: Mapping[str, str] = field(default_factory=dict)
    condition: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def statement(self, actions: tuple[str, ...]) -> dict[str, Any]:
        """Return the policy statement that allows these of the actions."""
        statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": self.resource}
        return statement | ({"Condition": dict(self.condition)} if self.condition else {})


@dataclass(frozen=True)
class Place:
    """The bucket, account and region of a run, from which ARNs are built. ``prefix`` has no slashes at its ends."""

    partition: str
    region_name: str
    account_id: str
    bucket: str
    prefix: str
    model_name: str
    role_arn: str

    @property
    def bucket_arn(self) -> str:
        """The bucket's ARN."""
        return f"arn:{self.partition}:s3:::{self.bucket}"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in the region and account."""
        return f"arn:{self.partition}:{service}:{self.region_name}:{self.account_id}:{resource}"


@dataclass(frozen=True)
class Target(Place):
    """The place of an import, and what of the account it uses."""

    kms_key_arn: str | None
    deletes_checkpoints: bool
    topic_arn: str | None = None
    metrics_namespace: str | None = None
    publishes: bool = False
    sends_events: bool = False
    judge_arns: tuple[str, ...] = ()
    counts_calls: bool = False
    guardrails: tuple[str, ...] = ()  # ids or ARNs
    evaluation_role_arn: str | None = None
    evaluator_arns: tuple[str, ...] = ()
    workspace: S3Uri | None = None  # of a workspace in S3

    @property
    def objects(self) -> str:
        """The ARN pattern of everything under the prefix."""
        return f"{self.bucket_arn}/{self.prefix}/*" if self.prefix else f"{self.bucket_arn}/*"

    @property
    def key_prefix(self) -> str:
        """A key prefix of this model's checkpoints."""
        return "/".join(part for part in (self.prefix, self.model_name, _PROBE_ID, "checkpoint/") if part)


def trust_statement(target: Target, jobs: str = "model-import-job") -> dict[str, Any]:
    """Return the trust statement that lets only this account's jobs of one kind assume the role.

    ``jobs`` is the kind's name in the jobs' ARNs.
    """
    return {
        "Effect": "Allow",
        "Principal": {"Service": BEDROCK_PRINCIPAL},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": target.account_id},
            "ArnLike": {"aws:SourceArn": target.arn("bedrock", f"{jobs}/*")},
        },
    }


def passing_role(what: str, role_arn: str, principal: str) -> Need:
    """Return the permission to hand a role to a service."""
    passed = {"iam:PassedToService": principal}
    return Need(what, ("iam:PassRole",), role_arn, context=passed, condition={"StringEquals": passed})


def needs_of_role(target: Target) -> tuple[Need, ...]:
    """Return the permissions that the import role needs."""
    owned = {"aws:ResourceAccount": target.account_id}
    under = {"StringLike": {"s3:prefix": [target.prefix, f"{target.prefix}/*"]}} if target.prefix else {}
    needs = (
        Need(
            "list the checkpoint",
            ("s3:ListBucket",),
            target.bucket_arn,
            context={**owned, "s3:prefix": target.key_prefix},
            condition={"StringEquals": owned, **under},
        ),
        Need(
            "read the checkpoint",
            ("s3:GetObject",),
            target.objects,
            probe=f"{target.bucket_arn}/{target.key_prefix}config.json",
            context=owned,
            condition={"StringEquals": owned},
        ),
    )
    if target.kms_key_arn is None:
        return needs
    decrypt = Need(
        "decrypt the checkpoint",
        ("kms:Decrypt", "kms:DescribeKey"),
        target.kms_key_arn,
        context=owned,
        condition={"StringEquals": owned},
    )
    return (*needs, decrypt)


def needs_of_caller(target: Target) -> tuple[Need, ...]:
    """Return the permissions that the run's credentials need."""
    return (
        passing_role("hand the import role to Bedrock", target.role_arn, BEDROCK_PRINCIPAL),
        *_bedrock_needs(target),
        *_storage_needs(target),
        *_registry_needs(target),
        *_monitoring_needs(target),
        *_publishing_needs(target),
        *invoking("ask the judge", target.judge_arns),
        *_guardrail_needs(target),
    )


def _bedrock_needs(target: Target) -> tuple[Need, ...]:
    models, jobs = target.arn("bedrock", "imported-model/"), target.arn("bedrock", "model-import-job/")
    requested, carried = tags_of("aws:RequestTag", target), tags_of("aws:ResourceTag", target)
    tagged: dict[str, Any] = {"context": requested, "condition": present(requested)}
    return (
        Need("find imports", ("bedrock:ListModelImportJobs", "bedrock:ListImportedModels"), "*"),
        Need("start import jobs", ("bedrock:CreateModelImportJob",), "*", **tagged),
        Need("tag new import jobs", ("bedrock:TagResource",), f"{jobs}*", **tagged),
        Need("tag new imported models", ("bedrock:TagResource",), f"{models}*", **tagged),
        Need(
            "follow import jobs",
            ("bedrock:GetModelImportJob", "bedrock:ListTagsForResource"),
            f"{jobs}*",
            probe=f"{jobs}{_PROBE_ID}",
        ),
        Need(
            "look at imported models",
            ("bedrock:GetImportedModel", "bedrock:ListTagsForResource"),
            f"{models}*",
            probe=f"{models}{_PROBE_ID}",
        ),
        Need(
            "use and retire imported models",
            ("bedrock:InvokeModel", "bedrock:TagResource", "bedrock:DeleteImportedModel"),
            f"{models}*",
            probe=f"{models}{_PROBE_ID}",
            context=carried,
            condition=present(carried),
        ),
    )


def tags_of(key: str, target: Target) -> dict[str, str]:
    """Return the condition keys of the tags that everything has that this project imports."""
    values = dict.fromkeys(sorted(OWN_TAGS), _PROBE_ID) | {"model_name": target.model_name}
    return {f"{key}/{tag}": value for tag, value in values.items()}


def present(keys: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the condition that a request has these keys."""
    return {"Null": dict.fromkeys(keys, "false")}


def _storage_needs(target: Target) -> tuple[Need, ...]:
    deletes = ("s3:DeleteObject",) if target.deletes_checkpoints else ()
    objects = Need(
        "write the checkpoint",
        ("s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", *deletes),
        target.objects,
        probe=f"{target.bucket_arn}/{target.key_prefix}config.json",
        context={"aws:ResourceAccount": target.account_id},
    )
    bucket = Need(
        "list the bucket",
        ("s3:ListBucket", "s3:ListBucketMultipartUploads"),
        target.bucket_arn,
        context={"aws:ResourceAccount": target.account_id, "s3:prefix": target.key_prefix},
    )
    lease = Need(
        "release the lease of the model's versions",
        ("s3:DeleteObject",),
        f"{target.bucket_arn}/{'/'.join(filter(None, (target.prefix, target.model_name, LEASE_NAME)))}",
        context={"aws:ResourceAccount": target.account_id},
    )
    needs = (bucket, objects, lease, *_workspace_needs(target))
    if target.kms_key_arn is None:
        return needs
    return (*needs, Need("encrypt the checkpoint", ("kms:GenerateDataKey", "kms:Decrypt"), target.kms_key_arn))


def _workspace_needs(target: Target) -> Iterator[Need]:
    if target.workspace is None:
        return
    arn = f"arn:{target.partition}:s3:::{target.workspace.bucket}"
    yield Need(
        "keep a run's files in the workspace",
        (
            "s3:PutObject",
            "s3:GetObject",
            "s3:DeleteObject",
            "s3:AbortMultipartUpload",
            "s3:ListMultipartUploadParts",
        ),
        f"{arn}/{target.workspace.key}/*",
        probe=f"{arn}/{target.workspace.key}/{_PROBE_ID}",
        context={"aws:ResourceAccount": target.account_id},
    )
    if target.workspace.bucket != target.bucket:
        yield Need(
            "list the workspace's bucket",
            ("s3:ListBucket", "s3:ListBucketMultipartUploads"),
            arn,
            context={"aws:ResourceAccount": target.account_id, "s3:prefix": f"{target.workspace.key}/{_PROBE_ID}"},
        )


def _registry_needs(target: Target) -> tuple[Need, ...]:
    group = target.arn("sagemaker", f"model-package-group/{target.model_name}")
    versions = target.arn("sagemaker", f"model-package/{target.model_name}/")
    return (
        Need("search the registry", ("sagemaker:ListModelPackageGroups", "sagemaker:Search"), "*"),
        Need("keep a registry group", ("sagemaker:CreateModelPackageGroup",), group),
        Need(
            "read registered versions",
            ("sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages"),
            f"{versions}*",
            probe=f"{versions}1",
        ),
        _registry_write(target, "register versions", "CreateModelPackage", "CustomerMetadataProperties"),
        _registry_write(target, "decide versions", "UpdateModelPackage", "CurrentCustomerMetadataProperties"),
    )


def _registry_write(target: Target, purpose: str, operation: str, metadata: str) -> Need:
    """Return the need to write versions that name an imported model of this account."""
    versions = target.arn("sagemaker", f"model-package/{target.model_name}/")
    models = target.arn("bedrock", "imported-model/")
    key = f"sagemaker:{metadata}/imported_model_arn"
    return Need(
        purpose,
        (f"sagemaker:{operation}",),
        f"{versions}*",
        probe=f"{versions}1",
        context={key: f"{models}{_PROBE_ID}"},
        condition={"ArnLike": {key: f"{models}*"}},
    )


def _monitoring_needs(target: Target) -> tuple[Need, ...]:
    namespace = {"cloudwatch:namespace": str(target.metrics_namespace)}
    metrics = Need(
        "put metrics",
        ("cloudwatch:PutMetricData",),
        "*",
        context=namespace,
        condition={"StringEquals": namespace},
    )
    topic = Need("publish to the topic", ("sns:Publish",), str(target.topic_arn))
    return (*((metrics,) if target.metrics_namespace else ()), *((topic,) if target.topic_arn else ()))


def _publishing_needs(target: Target) -> tuple[Need, ...]:
    parameter = Need(
        "point applications to the champion",
        ("ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"),
        target.arn("ssm", f"parameter{PARAMETER.format(model_name=target.model_name)}"),
    )
    sent = {"events:source": EVENT_SOURCE}
    event = Need(
        "announce a new champion",
        ("events:PutEvents",),
        target.arn("events", "event-bus/default"),
        context=sent,
        condition={"StringEquals": sent},
    )
    calls = Need("count the calls of a canary", ("cloudwatch:GetMetricData",), "*")
    wanted = ((parameter, target.publishes), (event, target.sends_events), (calls, target.counts_calls))
    return tuple(need for need, is_needed in wanted if is_needed)


def invoking(purpose: str, arns: tuple[str, ...]) -> tuple[Need, ...]:
    """Return the needs to invoke a model by its ARN, or an inference profile by its own and those of its models.

    An inference profile comes before its models; a call through it is decided on each of them, see
    https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html.
    """
    through = {"bedrock:InferenceProfileArn": arns[0]} if len(arns) > 1 else {}
    return tuple(Need(purpose, ("bedrock:InvokeModel",), arn, context=through) for arn in arns)


def _guardrail_needs(target: Target) -> Iterator[Need]:
    """See https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-permissions-id.html."""
    for guardrail in target.guardrails:
        arn = guardrail if guardrail.startswith("arn:") else target.arn("bedrock", f"guardrail/{guardrail}")
        yield Need("ask through the guardrail", ("bedrock:ApplyGuardrail",), arn)
