"""Find out, before anything is prepared, which parts of a run would do nothing."""

from __future__ import annotations

from include.aws.clients import AwsClients
from include.registry.champions import find_champion
from include.registry.versions import ModelVersion
from include.run.plan import ImportPlan
from include.run.report_place import report_html_uri
from include.steps.baseline import stored_baseline
from include.steps.evaluate import stored_evaluation
from include.steps.publish import PublishedModel, is_published
from include.steps.report import is_reported
from include.steps.results import UnchangedResult

#: The tasks that a checkpoint in S3 makes unnecessary, and the one that only adapters need.
PREPARATION, MERGE = ("convert_to_hf", "merge_lora", "validate_checkpoint"), "merge_lora"


def find_unchanged(plan: ImportPlan, clients: AwsClients) -> UnchangedResult | None:
    """Return the champion if the run would import, measure, report and publish what is there already, else None.

    That is so when the champion holds this content, every suite's answers and scores are stored, its report was written
    for this very configuration, and the model's parameter names it. Nothing is asked of a model.

    Args:
        plan: what the run would import.
        clients: SageMaker, Bedrock, S3 and SSM are asked.
    """
    if not plan.delivered:
        return None
    champion = find_champion(plan.config.model_name, clients.sagemaker, clients.bedrock).champion
    if champion is None or champion.fingerprint != plan.fingerprint:
        return None
    evaluation = stored_evaluation(plan, champion.imported_model_arn, clients)
    if evaluation is None or not is_reported(plan, evaluation, clients.s3):
        return None
    if not (_published(plan, champion, clients) and _baseline_asked(plan, clients)):
        return None
    return UnchangedResult(
        version=champion.number,
        status=champion.status,
        s3_uri=plan.s3_uri,
        job_arn=champion.metadata.get("job_arn", ""),
        imported_model_arn=champion.imported_model_arn,
        report_html_uri=report_html_uri(plan.bucket, plan.evaluation_prefix),
        scores=evaluation.scores,
    )


def _published(plan: ImportPlan, champion: ModelVersion, clients: AwsClients) -> bool:
    config = plan.config
    if config.publish is None:
        return True
    return is_published(PublishedModel(config.model_name, config.publish, config.evaluation, None), champion, clients)


def _baseline_asked(plan: ImportPlan, clients: AwsClients) -> bool:
    return plan.config.comparison.baseline is None or stored_baseline(plan, clients) is not None


def unnecessary_tasks(plan: ImportPlan) -> tuple[str, ...]:
    """Return the ids of the tasks of a needed run that are known to do nothing."""
    if plan.delivered:
        return PREPARATION
    return () if plan.config.adapter else (MERGE,)
