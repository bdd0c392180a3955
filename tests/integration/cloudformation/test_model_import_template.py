from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError
from cfnlint.api import lint
from cfnlint.decode.cfn_yaml import loads

from include.aws.s3_uri import S3Uri
from include.config.account import AccountConfig
from include.config.names import ROLE_ARN
from include.judging.evaluation_job import (
    EvaluationJobPlace,
    EvaluationJobSettings,
    answers_to_evaluate,
    job_request,
)
from include.judging.evaluation_job_scores import read_written_scores
from include.local_aws.request_validation import validate_input
from tests.support.judging import results_of
from tests.support.local_aws_process import OWN_HEADERS
from tests.support.stacks import ACCOUNT, ALARMS, IMPORT, REGION, Aws

TEMPLATE = IMPORT.read_text(encoding="utf-8")
KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
JUDGE_ARN = f"arn:aws:bedrock:{REGION}::foundation-model/amazon.nova-pro-v1:0"
#: What a managed policy may hold, not counting blanks.
MOST_CHARACTERS = 6144


def by_sid(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {statement["Sid"]: statement for statement in statements}


def resource_properties(name: str) -> dict[str, Any]:
    return loads(TEMPLATE)["Resources"][name]["Properties"]


def parameter_pattern(name: str) -> str:
    return loads(TEMPLATE)["Parameters"][name]["AllowedPattern"]


@pytest.mark.parametrize("template", [IMPORT, ALARMS], ids=lambda path: path.stem)
def test_cfn_lint_finds_nothing_wrong(template: Path) -> None:
    assert [str(match) for match in lint(template.read_text(encoding="utf-8"))] == []


def test_an_output_for_airflow_names_the_variable_that_it_fills() -> None:
    described = [output["Description"] for output in loads(TEMPLATE)["Outputs"].values()]
    named = [text for text in described if text.startswith("Airflow Variable ")]
    variables = {text.removeprefix("Airflow Variable model_import_") for text in named}
    assert len(variables) == len(named)
    assert variables <= {*AccountConfig.model_fields, "event_queue_url", "training_role_arn"}


def test_a_stack_without_parameters_gives_a_bucket_and_a_role_that_the_configuration_accepts(aws: Aws) -> None:
    outputs = aws.deploy(TEMPLATE)
    assert "KmsKeyArn" not in outputs
    assert outputs["Prefix"] == "models"
    assert outputs["Region"] == REGION
    assert ROLE_ARN.fullmatch(outputs["ImportRoleArn"])
    assert aws.client("s3").head_bucket(Bucket=outputs["BucketName"])


def test_the_bucket_gets_the_name_asked_for(aws: Aws) -> None:
    assert aws.deploy(TEMPLATE, BucketName="teams-models")["BucketName"] == "teams-models"


def test_only_bedrock_import_jobs_of_this_account_and_region_may_take_the_role(aws: Aws) -> None:
    role_name = aws.deploy(TEMPLATE)["ImportRoleArn"].rpartition("/")[2]
    [statement] = aws.client("iam").get_role(RoleName=role_name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Principal"] == {"Service": "bedrock.amazonaws.com"}
    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:bedrock:{REGION}:{ACCOUNT}:model-import-job/*"},
    }


def test_the_role_may_list_and_read_the_prefix_and_nothing_else(aws: Aws) -> None:
    outputs = aws.deploy(TEMPLATE, BucketName="team-models", Prefix="llm/imports")
    statements = by_sid(aws.role_statements(outputs["ImportRoleArn"]))
    own_account = {"aws:ResourceAccount": ACCOUNT}
    assert {sid: (statement["Action"], statement["Resource"]) for sid, statement in statements.items()} == {
        "ListTheCheckpoints": ("s3:ListBucket", "arn:aws:s3:::team-models"),
        "ReadTheCheckpoints": ("s3:GetObject", "arn:aws:s3:::team-models/llm/imports/*"),
    }
    assert statements["ReadTheCheckpoints"]["Condition"] == {"StringEquals": own_account}
    assert statements["ListTheCheckpoints"]["Condition"] == {
        "StringEquals": own_account,
        "StringLike": {"s3:prefix": ["llm/imports", "llm/imports/*"]},
    }


def test_a_kms_key_encrypts_the_bucket_and_the_role_may_decrypt_with_it(aws: Aws) -> None:
    outputs = aws.deploy(TEMPLATE, KmsKeyArn=KEY_ARN)
    assert outputs["KmsKeyArn"] == KEY_ARN
    statement = by_sid(aws.role_statements(outputs["ImportRoleArn"]))["DecryptTheCheckpoints"]
    assert (statement["Action"], statement["Resource"]) == (["kms:Decrypt", "kms:DescribeKey"], KEY_ARN)
    assert encryption_of(aws, outputs["BucketName"]) == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY_ARN}


def test_without_a_key_the_bucket_encrypts_with_s3s_own(aws: Aws) -> None:
    assert encryption_of(aws, aws.deploy(TEMPLATE)["BucketName"]) == {"SSEAlgorithm": "AES256"}


def encryption_of(aws: Aws, bucket: str) -> dict[str, str]:
    [rule] = aws.client("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    return rule["ApplyServerSideEncryptionByDefault"]


@pytest.mark.parametrize("prefix", ["/models", "models/", "a//b", "a=b", "a b", ""])
def test_a_prefix_that_bedrock_would_refuse_later_does_not_fit_its_parameter(prefix: str) -> None:
    assert re.fullmatch(parameter_pattern("Prefix"), prefix) is None


def test_a_new_key_is_made_on_demand_and_used(aws: Aws) -> None:
    outputs = aws.deploy(TEMPLATE, KmsKeyArn="new")
    assert aws.client("kms").get_key_rotation_status(KeyId=outputs["KmsKeyArn"])["KeyRotationEnabled"]
    assert encryption_of(aws, outputs["BucketName"])["KMSMasterKeyID"] == outputs["KmsKeyArn"]
    assert by_sid(aws.policy_statements(outputs["RunnerPolicyArn"]))["UseTheKey"]["Resource"] == outputs["KmsKeyArn"]


def test_a_key_is_given_by_its_arn_since_policies_do_not_follow_aliases() -> None:
    assert re.fullmatch(parameter_pattern("KmsKeyArn"), KEY_ARN)
    assert re.fullmatch(parameter_pattern("KmsKeyArn"), KEY_ARN.replace(":key/", ":alias/")) is None


# moto's CloudFormation leaves these parts of a bucket out, so they are read from the template.


def test_the_bucket_is_private_and_owned_by_its_account_alone() -> None:
    properties = resource_properties("Bucket")
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_abandoned_uploads_are_removed_after_a_week() -> None:
    [rule] = [
        rule
        for rule in resource_properties("Bucket")["LifecycleConfiguration"]["Rules"]
        if rule["Id"] == "abort-abandoned-uploads"
    ]
    assert rule["Status"] == "Enabled"
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


def test_requests_without_tls_are_denied_on_the_bucket_and_its_objects() -> None:
    policy = resource_properties("BucketPolicy")["PolicyDocument"]
    [statement] = policy["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert [next(iter(resource.values())) for resource in statement["Resource"]] == [
        "arn:${AWS::Partition}:s3:::${Bucket}",
        "arn:${AWS::Partition}:s3:::${Bucket}/*",
    ]


@pytest.mark.parametrize("queue", ["Queue", "DeadLetterQueue"])
def test_requests_without_tls_are_denied_on_the_queues(queue: str) -> None:
    [denied] = [
        statement
        for statement in resource_properties(f"{queue}Policy")["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
    ]
    assert (denied["Principal"], denied["Action"]) == ("*", "sqs:*")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_bucket_keeps_what_was_deleted_for_a_month() -> None:
    bucket = resource_properties("Bucket")
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["expire-old-versions"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rules["expire-old-versions"]["ExpiredObjectDeleteMarker"] is True


def test_a_workspace_in_the_bucket_is_the_runners_to_write_and_nobody_elses_to_read(aws: Aws) -> None:
    outputs = aws.deploy(TEMPLATE, BucketName="workers-models", WorkspaceInS3="true")
    assert outputs["Workspace"] == "s3://workers-models/model-import-workspace"
    assert AccountConfig(workspace=outputs["Workspace"])
    written = by_sid(aws.policy_statements(outputs["RunnerPolicyArn"]))["WriteCheckpoints"]
    assert written["Resource"] == [
        "arn:aws:s3:::workers-models/models/*",
        "arn:aws:s3:::workers-models/model-import-workspace/*",
    ]
    assert "model-import-workspace" not in str(aws.role_statements(outputs["ImportRoleArn"]))


def test_without_one_the_workspace_is_a_folder_and_the_runner_writes_checkpoints_only(aws: Aws) -> None:
    outputs = aws.deploy(TEMPLATE, BucketName="one-machines-models")
    assert "Workspace" not in outputs
    assert "model-import-workspace" not in str(aws.policy_statements(outputs["RunnerPolicyArn"]))


@pytest.mark.parametrize(("in_s3", "status"), [("true", "Enabled"), ("false", "Disabled")])
def test_what_runs_leave_in_the_workspace_is_cleared_after_a_week(aws: Aws, in_s3: str, status: str) -> None:
    bucket = aws.deploy(TEMPLATE, WorkspaceInS3=in_s3)["BucketName"]
    rules = aws.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    [rule] = [rule for rule in rules if rule["ID"] == "clear-workspace"]
    assert (rule["Status"], rule["Filter"]["Prefix"]) == (status, "model-import-workspace/")
    assert (rule["Expiration"], rule["NoncurrentVersionExpiration"]) == ({"Days": 7}, {"NoncurrentDays": 1})


@pytest.mark.parametrize("parameter", ["Prefix", "FineTunesPrefix"])
def test_nothing_that_is_to_last_can_be_where_the_workspace_is_cleared(parameter: str) -> None:
    taken = ["model-import-workspace", "model-import-workspace/models"]
    assert not any(re.fullmatch(parameter_pattern(parameter), prefix) for prefix in taken)
    assert re.fullmatch(parameter_pattern(parameter), "model-import-workspaces/models")


@pytest.mark.parametrize("template", [IMPORT, ALARMS], ids=lambda path: path.stem)
def test_arns_are_of_the_partition_that_the_stack_is_in(template: Path) -> None:
    text = template.read_text()
    assert text.count("arn:aws:") == text.count("arn:aws-us-gov:")  # only beside a condition for the other partition


def test_every_statement_of_the_import_role_is_bound_to_this_account(aws: Aws) -> None:
    outputs = aws.deploy(TEMPLATE, KmsKeyArn="new")
    for statement in aws.role_statements(outputs["ImportRoleArn"]):
        assert statement["Condition"]["StringEquals"]["aws:ResourceAccount"] == ACCOUNT, statement["Sid"]


def test_fine_tunes_and_completed_training_jobs_reach_the_queue_and_nothing_else_does(aws: Aws) -> None:
    outputs = aws.deploy(TEMPLATE)
    s3, sqs = aws.client("s3"), aws.client("sqs")
    for key in ("fine-tunes/capitals/1/adapter_config.json", "models/capitals/config.json"):
        s3.put_object(Bucket=outputs["BucketName"], Key=key, Body=b"{}")
    for status in ("InProgress", "Completed"):
        event = {"Source": "aws.sagemaker", "DetailType": "SageMaker Training Job State Change"}
        aws.client("events").put_events(Entries=[event | {"Detail": f'{{"TrainingJobStatus": "{status}"}}'}])
    received = sqs.receive_message(QueueUrl=outputs["EventQueueUrl"], MaxNumberOfMessages=10)["Messages"]
    bodies = [message["Body"] for message in received if "s3:TestEvent" not in message["Body"]]
    assert len(bodies) == 2
    assert sum("adapter_config.json" in body for body in bodies) == 1
    assert sum("TrainingJobStatus" in body and "Completed" in body for body in bodies) == 1


def test_the_runners_policies_fit_into_what_iam_takes_and_are_given_to_whom_the_stack_names(aws: Aws) -> None:
    aws.client("iam").create_user(UserName="runs-airflow")
    buckets = ",".join(f"a-bucket-of-somebody-{number}" for number in range(10))
    parameters = {"KmsKeyArn": KEY_ARN, "SourceBuckets": buckets, "FineTuning": "true", "JudgeModelArns": JUDGE_ARN}
    parameters["EvaluatorModelArns"] = JUDGE_ARN
    outputs = aws.deploy(TEMPLATE, RunnerUserName="runs-airflow", **parameters)
    arns = {outputs[f"{kind}PolicyArn"] for kind in ("Runner", "Preflight", "Training", "Judge", "Evaluation")}
    for arn in arns:
        text = re.sub(r"\s", "", str(aws.policy_statements(arn)))
        assert len(text) < MOST_CHARACTERS
    attached = aws.client("iam").list_attached_user_policies(UserName="runs-airflow")["AttachedPolicies"]
    assert {policy["PolicyArn"] for policy in attached} == arns


def test_the_runner_may_ask_the_judges_that_the_stack_names_and_no_other_foundation_model(aws: Aws) -> None:
    profile = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/us.amazon.nova-pro-v1:0"
    outputs = aws.deploy(TEMPLATE, JudgeModelArns=f"{profile},{JUDGE_ARN}")
    [statement] = aws.policy_statements(outputs["JudgePolicyArn"])
    assert statement["Resource"] == [profile, JUDGE_ARN]
    assert "bedrock:InvokeModel" in statement["Action"]
    assert "JudgePolicyArn" not in aws.deploy(TEMPLATE)


def test_evaluation_jobs_get_a_role_for_the_named_evaluators_and_the_answers_below_the_prefix(aws: Aws) -> None:
    assert not {name for name in aws.deploy(TEMPLATE) if "Evaluat" in name}
    outputs = aws.deploy(TEMPLATE, EvaluatorModelArns=JUDGE_ARN, BucketName="evaluated", KmsKeyArn=KEY_ARN)
    role = aws.client("iam").get_role(RoleName=outputs["EvaluationRoleArn"].rpartition("/")[2])["Role"]
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:bedrock:{REGION}:{ACCOUNT}:evaluation-job/*"},
    }
    statements = by_sid(aws.role_statements(outputs["EvaluationRoleArn"]))
    assert statements["AskTheEvaluator"]["Resource"] == [JUDGE_ARN]
    assert statements["UseTheKey"]["Resource"] == KEY_ARN
    place = statements["ReadTheAnswersAndWriteTheScores"]
    assert place["Resource"] == "arn:aws:s3:::evaluated/models/*/evaluations/*"
    runner = by_sid(aws.policy_statements(outputs["EvaluationPolicyArn"]))
    assert runner["PassTheEvaluationRole"]["Resource"] == outputs["EvaluationRoleArn"]
    assert runner["StartEvaluationJobs"]["Condition"] == {
        "Null": {"aws:RequestTag/model_name": "false", "aws:RequestTag/fingerprint": "false"}
    }


def test_a_runner_with_the_stacks_policies_starts_a_job_that_the_stacks_role_completes(aws: Aws) -> None:
    iam, name = aws.client("iam"), "evaluates-answers"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    outputs = aws.deploy(TEMPLATE, RunnerUserName=name, EvaluatorModelArns=JUDGE_ARN)
    script = {"model": JUDGE_ARN.rpartition("/")[2]}
    url = f"{aws.endpoint_url}/_local_aws/bedrock/judge"
    requests.post(url, json=script, headers=OWN_HEADERS, timeout=10).raise_for_status()
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    bedrock, s3 = aws.client("bedrock", **keys), aws.client("s3", **keys)

    settings = EvaluationJobSettings(script["model"], ("Correctness",))
    place = EvaluationJobPlace(f"s3://{outputs['BucketName']}/models/m/0123456789ab/evaluations/one.bedrock-1.json")
    answers = answers_to_evaluate(results_of(["Lima"]), "evaluation", "served", 9, seed=0)
    s3.put_object(**S3Uri.parse(place.data_set_uri).arguments, Body=answers.body)
    asked = job_request("m-1", outputs["EvaluationRoleArn"], answers, settings, place)
    with pytest.raises(ClientError, match="CreateEvaluationJob"):
        bedrock.create_evaluation_job(**asked)
    asked["jobTags"] = [{"key": tag, "value": "m"} for tag in ("model_name", "fingerprint")]
    job_arn = bedrock.create_evaluation_job(**asked)["jobArn"]
    while (job := bedrock.get_evaluation_job(jobIdentifier=job_arn))["status"] == "InProgress":
        time.sleep(0.1)
    assert job["status"] == "Completed", job.get("failureMessages")
    assert read_written_scores(s3, place.output_uri, "m-1").by_metric == {"Correctness": (1.0,)}


def test_bedrock_would_take_the_guardrail_and_its_version() -> None:
    """The stand-in makes no guardrails; CloudFormation's properties are the API's members in another case."""
    properties = resource_properties("Guardrail")
    asked = as_api_members({**properties, "Name": "model-import-1a2b3c4d"})
    assert validate_input("bedrock", "CreateGuardrail", asked) == []
    filters = {one["type"]: one for one in asked["contentPolicyConfig"]["filtersConfig"]}
    assert {"HATE", "SEXUAL", "VIOLENCE", "MISCONDUCT", "INSULTS", "PROMPT_ATTACK"} == filters.keys()
    assert filters["PROMPT_ATTACK"]["outputStrength"] == "NONE"  # the API refuses another


def as_api_members(value: Any) -> Any:
    """The same with each key as the API writes it: ContentPolicyConfig is contentPolicyConfig."""
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: as_api_members(item) for key, item in value.items()}
    return [as_api_members(item) for item in value] if isinstance(value, list) else value


def test_a_stack_without_a_guardrail_has_none_and_one_with_it_is_refused_by_the_stand_in(aws: Aws) -> None:
    assert not {name for name in aws.deploy(TEMPLATE) if "Guardrail" in name}
    with pytest.raises(ClientError, match=r"does not emulate Guardrail: AWS::Bedrock::Guardrail"):
        aws.deploy(TEMPLATE, ContentGuardrail="true")


@pytest.mark.parametrize(("only_new", "ending"), [("false", "/*"), ("true", "/${*}")])
def test_tags_of_existing_imports_are_left_to_their_owners_on_request(only_new: str, ending: str, aws: Aws) -> None:
    outputs = aws.deploy(TEMPLATE, TagOnlyNewImports=only_new)
    tagging = by_sid(aws.policy_statements(outputs["RunnerPolicyArn"]))["TagNewImports"]
    endings = {re.sub(r".*:(imported-model|model-import-job)", "", resource) for resource in tagging["Resource"]}
    assert endings == {ending}


def test_the_runner_writes_versions_of_the_named_models_only(aws: Aws) -> None:
    outputs = aws.deploy(TEMPLATE, ModelNames="imports-*")
    statements = by_sid(aws.policy_statements(outputs["RunnerPolicyArn"]))
    for sid in ("KeepRegistryGroups", "RegisterVersions", "DecideVersions"):
        assert re.search(r":model-package(-group)?/imports-\*(/\*)?$", statements[sid]["Resource"]), sid


def test_other_buckets_may_be_read_when_they_are_named_only(aws: Aws) -> None:
    def statements(**parameters: str) -> dict[str, Any]:
        return by_sid(aws.policy_statements(aws.deploy(TEMPLATE, **parameters)["RunnerPolicyArn"]))

    assert "ReadSources" not in statements()
    named = statements(SourceBuckets="base-models,sagemaker-output")["ReadSources"]
    assert named["Resource"] == [
        *(f"arn:aws:s3:::{name}" for name in ("base-models", "sagemaker-output")),
        *(f"arn:aws:s3:::{name}/*" for name in ("base-models", "sagemaker-output")),
    ]


def test_the_alarms_tell_the_topic_of_the_imports_stack(aws: Aws) -> None:
    outputs = aws.deploy(TEMPLATE, NotificationEmail="ops@example.org")
    topic = outputs["TopicArn"]
    aws.deploy(ALARMS.read_text(), TopicArn=topic, DeadLetterQueueName=outputs["DeadLetterQueueName"])
    made = [alarm for alarm in aws.client("cloudwatch").describe_alarms()["MetricAlarms"] if alarm["AlarmActions"]]
    watched = {alarm["AlarmName"].split("-")[3]: alarm for alarm in made if alarm["AlarmActions"] == [topic]}
    assert set(watched) == {
        "InvocationThrottles", "InvocationClientErrors", "InvocationServerErrors", "InvocationLatency", "CopiesOfModel",
        "RunFailed", "SlowImport", "ModelSlotsNearlyUsed", "MessagesPutAside",
    }  # fmt: skip
    [budget] = aws.client("budgets").describe_budgets(AccountId=ACCOUNT)["Budgets"]
    assert (budget["BudgetLimit"]["Amount"], budget["CostFilters"]) == ("500", {"Service": ["Amazon Bedrock"]})
    [email] = aws.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (email["Protocol"], email["Endpoint"]) == ("email", "ops@example.org")
