"""Check region, bucket, encryption, import role and the caller's permissions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from include.aws.clients import AwsClients
from include.aws.s3_uri import S3Uri, is_s3_uri
from include.aws.transient import NO_ANSWER, error_code, is_unreachable, transient_cause
from include.config.account import AccountConfig
from include.config.model import ModelConfig
from include.config.publish import EVENT
from include.preflight.asking import Check, guarded
from include.preflight.caller import Identity, connection_in_use, identify, policy_source_arn
from include.preflight.encryption_checks import check_encryption
from include.preflight.evaluation_checks import ROLE, check_evaluation_role, check_evaluator
from include.preflight.evaluation_permissions import needs_of_evaluation_caller
from include.preflight.findings import Finding
from include.preflight.judge_checks import check_judge
from include.preflight.permissions import Need, Target, needs_of_caller, needs_of_role
from include.preflight.role_checks import check_role
from include.preflight.simulation import Subject, check_needs
from include.service.limits import load_limits


def unset_setting(field: str, in_file: str = "") -> Finding:
    """Return the error for a missing account setting; ``in_file`` is where the model's file may have it instead."""
    remedy = f"Set the Airflow Variable model_import_{field}, or {in_file or f'account.{field}'} in the model's file."
    return Finding("error", "account setting", field, "it is not set", remedy)


def required_settings(account: AccountConfig) -> Iterator[Finding]:
    """Yield an error for each missing account setting that an import needs."""
    yield from (unset_setting(field) for field in ("bucket", "role_arn") if not getattr(account, field))


def check_region(region_name: str) -> Iterator[Finding]:
    """Yield an error if Bedrock does not import models in the region."""
    regions = load_limits().regions
    if region_name not in regions.names:
        known = ", ".join(regions.names)
        found = f"Custom Model Import was offered in {known} (as of {regions.as_of})"
        remedy = "Choose one of these regions for the connection, or update include/service/limits.yaml."
        yield Finding("error", "region", region_name, found, remedy)


def check_bucket(s3: Any, bucket: str, region_name: str, account_id: str) -> Check[bool]:
    """Yield problems of the bucket (missing, wrong region, wrong account); return whether it exists."""
    try:
        head = s3.head_bucket(Bucket=bucket)
    except s3.exceptions.ClientError as error:
        if error_code(error) not in ("404", "NoSuchBucket"):
            raise
        yield Finding("error", "bucket", bucket, "there is no such bucket", "Create it, or correct its name.")
        return False
    found = head.get("BucketRegion", region_name)
    if found != region_name:
        moved = f"it is in {found}, the import runs in {region_name}"
        yield Finding("error", "bucket", bucket, moved, f"Use a bucket in {region_name}, or import in {found}.")
    try:
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account_id)
    except s3.exceptions.ClientError as error:
        if transient_cause(error):
            raise
        found = f"it does not belong to the run's account {account_id}"
        yield Finding("error", "bucket", bucket, found, "Use a bucket of this account.")
    return True


def resource_policies(clients: AwsClients, bucket: str, key_arn: str | None) -> Check[str]:
    """Return the policies of bucket and key as one text; unreadable policies count as empty."""
    yield from ()
    policies = [_policy(clients.s3.get_bucket_policy, Bucket=bucket)]
    if key_arn:
        try:
            policies.append(_policy(clients.kms.get_key_policy, KeyId=key_arn, PolicyName="default"))
        except NO_ANSWER as error:
            if not is_unreachable(error):
                raise
    return "\n".join(policies)


def _policy(call: Callable[..., dict[str, Any]], **arguments: str) -> str:
    from botocore.exceptions import ClientError

    try:
        return str(call(**arguments)["Policy"])
    except ClientError as error:
        if transient_cause(error):
            raise
        return ""


def check_caller(clients: AwsClients, identity: Identity, policies: str, needs: Iterable[Need]) -> Check[None]:
    """Yield what the caller's policies lack; ``policies`` are those of the bucket and the key."""
    check = "caller permissions"
    if identity.is_root:
        found = "the account's root user may do everything, so there is nothing to check"
        yield Finding("info", check, identity.arn, found, "Use a role with fewer rights for anything but a trial.")
        return
    source = policy_source_arn(clients, identity)
    if source is None:
        found = "not checked: IAM holds no policies of this kind of caller"
        yield Finding("warning", check, identity.arn, found, "Use the credentials of a role or a user.")
        return
    yield from check_needs(clients.iam, Subject(check, source, policies), needs)


def check_account(clients: AwsClients, config: ModelConfig) -> Check[None]:
    """Yield every finding about the account's region, bucket, keys, role and caller."""
    account = config.account
    yield from required_settings(account)
    if config.bedrock_evaluation and not account.evaluation_role_arn:
        yield unset_setting("evaluation_role_arn")
    connected = region_in_use(clients)
    region_name = yield from guarded("connection", account.aws_conn_id, "a region", connected)
    if region_name is None:
        return
    yield from check_region(region_name)
    asked = check_credentials(clients, account.aws_conn_id)
    identity = yield from guarded("credentials", account.aws_conn_id, "sts:GetCallerIdentity", asked)
    if identity is not None:
        yield from _check_as(identity, clients, config)


def region_in_use(clients: AwsClients) -> Check[str]:
    """Return the region of the clients, which asks the connection for one."""
    yield from ()
    return clients.region_name


def check_credentials(clients: AwsClients, aws_conn_id: str) -> Check[Identity]:
    """Yield who the caller is; return it too."""
    identity = identify(clients)
    yield connection_in_use(clients, aws_conn_id, identity)
    return identity


def _check_as(identity: Identity, clients: AwsClients, config: ModelConfig) -> Check[None]:
    account, bucket_found = config.account, None
    if account.bucket:
        bucket = check_bucket(clients.s3, account.bucket, clients.region_name, identity.account_id)
        bucket_found = yield from guarded("bucket", account.bucket, "s3:ListBucket on it", bucket)
    workspace = _workspace(account)
    if workspace and workspace.bucket != account.bucket:
        bucket = check_bucket(clients.s3, workspace.bucket, clients.region_name, identity.account_id)
        yield from guarded("bucket", workspace.bucket, "s3:ListBucket on it", bucket)
    key_arn = None
    if bucket_found is not False:
        key_arn = yield from check_encryption(clients, account.bucket, account.kms_key_id)
    judge_arns = yield from check_judge(clients, config, identity)
    evaluator_arns = yield from check_evaluator(clients, config, identity)
    if account.bucket and account.role_arn:
        target = _target(identity, clients.region_name, config, key_arn)
        target = replace(target, judge_arns=judge_arns, evaluator_arns=evaluator_arns)
        yield from _check_permissions(identity, clients, target, bucket_found is not False)


def _workspace(account: AccountConfig) -> S3Uri | None:
    """Return the bucket and prefix of a workspace in S3."""
    return S3Uri.parse(account.workspace.rstrip("/")) if is_s3_uri(account.workspace) else None


def _target(identity: Identity, region_name: str, config: ModelConfig, key_arn: str | None) -> Target:
    account = config.account
    return Target(
        partition=identity.partition,
        region_name=region_name,
        account_id=identity.account_id,
        bucket=str(account.bucket),
        prefix=account.prefix.strip("/"),
        model_name=config.model_name,
        role_arn=str(account.role_arn),
        kms_key_arn=key_arn,
        deletes_checkpoints=config.retention.delete_checkpoint,
        topic_arn=account.topic_arn,
        metrics_namespace=account.metrics_namespace,
        publishes=config.publish is not None,
        sends_events=config.publish is not None and EVENT in config.publish.publishers,
        counts_calls=config.publish is not None and config.publish.canary is not None,
        evaluation_role_arn=account.evaluation_role_arn if config.bedrock_evaluation else None,
        workspace=_workspace(account),
        guardrails=tuple(dict.fromkeys(suite.guardrail_id for suite in config.suites if suite.guardrail_id)),
    )


def _check_permissions(identity: Identity, clients: AwsClients, target: Target, bucket_found: bool) -> Check[None]:
    """Check role and caller, except for what is already reported as missing or in another account."""
    asked = resource_policies(clients, target.bucket, target.kms_key_arn)
    policies = yield from guarded("resource policies", target.bucket, "s3:GetBucketPolicy, kms:GetKeyPolicy", asked)
    if policies is None:
        return  # what these policies may allow would be taken for missing
    wrong: tuple[str, ...] = () if bucket_found else (target.bucket_arn,)
    subject = Subject("role permissions", target.role_arn, policies)
    role = check_role(clients.iam, target, subject, _without(needs_of_role(target), wrong))
    role_found = yield from guarded("import role", target.role_arn, "iam:GetRole", role)
    wrong += (target.role_arn,) if role_found is False else ()
    if target.evaluation_role_arn:
        evaluates = check_evaluation_role(clients.iam, target, policies)
        found = yield from guarded(ROLE, target.evaluation_role_arn, "iam:GetRole", evaluates)
        wrong += (target.evaluation_role_arn,) if found is False else ()
    needs = (*needs_of_caller(target), *needs_of_evaluation_caller(target))
    caller = check_caller(clients, identity, policies, _without(needs, wrong))
    yield from guarded("caller permissions", identity.arn, "iam:SimulatePrincipalPolicy", caller)


def _without(needs: Iterable[Need], resources: tuple[str, ...]) -> Iterator[Need]:
    return (need for need in needs if not need.resource.startswith(resources))
