"""Register an evaluated model, and record the answer of its approval."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC
from functools import partial
from typing import Any, NamedTuple

from include.aws.calls import find_imported_model
from include.aws.clients import AwsClients
from include.aws.tags import MODEL_SOURCE_TAG
from include.errors import ModelImportError
from include.evaluation.answer_marks import add_marks, marked_answers
from include.evaluation.metrics import scores_named
from include.promotion.decision import compared_metrics
from include.registry.champions import check_champion, find_champion
from include.registry.errors import ChampionChangedError, VersionUnknownError
from include.registry.imported import check_imported
from include.registry.leases import changing_versions, lease_beside
from include.registry.model_card import model_card
from include.registry.sagemaker import SageMakerRegistry, metadata_value
from include.registry.versions import (
    DECIDED_AT,
    DECIDED_BY,
    LANDED_AT,
    REPORT_HTML_URI,
    ApprovalStatus,
    Candidate,
    ModelVersion,
)
from include.run.plan import ImportPlan
from include.run.report_place import report_html_uri
from include.service.pricing import model_cost
from include.steps.decide import decide_again
from include.steps.merge_proof import merge_proof
from include.steps.results import (
    Answer,
    AnswerResult,
    DecisionResult,
    EvaluationResult,
    ImportResult,
    RegistrationResult,
    WarmUpResult,
)
from include.steps.stored_evaluations import records_of, stored_report
from include.steps.usual_duration import CHECKPOINT_BYTES, IMPORT_SECONDS

#: A model package holds 50 properties: so many are left for scores and intervals. The compared scores have both.
MOST_SCORES, MOST_COMPARED = 12, 6

log = logging.getLogger(__name__)


class ImportedModelGoneError(ModelImportError):
    """The run's imported model was deleted before its version was registered."""

    def __init__(self, imported_model_arn: str) -> None:
        super().__init__(
            "The imported model of this run does not exist any more",
            imported_model_arn,
            "the model that this run imported and evaluated",
            "it was deleted meanwhile",
            "Clear the run's task create_import_job with all downstream tasks: it imports the checkpoint again.",
        )


class EvaluatedImport(NamedTuple):
    """An imported model: its import, its first answer and its evaluation."""

    imported: ImportResult
    warm_up: WarmUpResult
    evaluation: EvaluationResult


def _provenance(plan: ImportPlan, model: EvaluatedImport, run_url: str) -> dict[str, str]:
    imported, warm_up, evaluation = model
    return {
        **{key: value for key, value in plan.tags.items() if key != MODEL_SOURCE_TAG},  # it repeats s3_uri
        "dag_run_url": run_url,
        "job_arn": imported.job_arn,
        "imported_model_name": imported.imported_model_name,
        "s3_uri": plan.s3_uri,
        REPORT_HTML_URI: report_html_uri(plan.bucket, plan.evaluation_prefix),
        "base": plan.config.base,
        "adapter": plan.config.adapter or "",
        "licence": plan.config.licence,
        "comment": plan.config.comment,
        LANDED_AT: plan.landed_at.isoformat() if plan.landed_at else "",
        "dataset": plan.config.evaluation.dataset,
        "body_format": evaluation.body_format,
        "answers_in": warm_up.body_format or "",
        "converse": str(warm_up.converse).lower() if warm_up.body_format else "",  # else as it was registered
        IMPORT_SECONDS: str(imported.seconds or ""),
        CHECKPOINT_BYTES: str(plan.checkpoint_bytes),
        "region_name": plan.region_name,
    }


def served_as(imported_model_arn: str, region_name: str, bedrock: Any) -> dict[str, str]:
    """Return how the imported model is served: what applications need to call it, and its cost.

    Raises:
        ImportedModelGoneError: it was deleted.
    """
    model = find_imported_model(bedrock, imported_model_arn)
    if model is None:
        raise ImportedModelGoneError(imported_model_arn)
    cost = model_cost(model.get("customModelUnits"), region_name)
    return {
        "architecture": model.get("modelArchitecture", ""),
        "custom_model_units": "" if cost.units_per_copy is None else str(cost.units_per_copy),
        "cost": cost.summary(),
    }


def _candidate(
    plan: ImportPlan, decision: DecisionResult, model: EvaluatedImport, details: Mapping[str, str], s3: Any
) -> Candidate:
    report_uri = model.evaluation.report_uri
    report = stored_report(s3, report_uri)
    compared = scores_named(compared_metrics(plan.config), report.scores)[:MOST_COMPARED]
    others = [name for name in report.scores if name not in compared][: MOST_SCORES - 2 * len(compared)]
    return Candidate(
        group=plan.config.model_name,
        description=plan.config.description,
        fingerprint=plan.fingerprint,
        imported_model_arn=model.imported.imported_model_arn,
        scores={name: report.scores[name] for name in (*compared, *others)},
        intervals={name: (report.metrics[name].low, report.metrics[name].high) for name in compared},
        dataset_digest=report.dataset_digest,
        report_uri=report_uri,
        status=decision.status,
        provenance={**details, "decision": "; ".join(decision.reasons)},
        approval_description="; ".join(decision.reasons),
        model_card=model_card(plan.config.description, report, decision.reasons, details, plan.s3_uri),
    )


def register(
    plan: ImportPlan, decision: DecisionResult, model: EvaluatedImport, run_url: str, clients: AwsClients
) -> RegistrationResult:
    """Record the imported model as a version, or find it; return its number, ARN, status, cost and the champion now.

    A decision holds against the champion with which it compared: when another version has become the champion since,
    the decision is taken again. ``decided_again`` is that decision, else None; ``promoted`` says whether this run made
    the version the champion. Looking at the champion and writing happen under the model's lease; deciding again, which
    may ask the champion's model, happens outside of it.

    Args:
        plan: what was imported.
        decision: what ``decide`` returned.
        model: the imported model, and what was measured of it.
        run_url: the page of this run.
        clients: S3, SageMaker and Bedrock are asked, and the champion's model if it has changed.

    Raises:
        ImportedModelGoneError: the model was deleted meanwhile.
        LeaseError: other processes are changing the model's versions.
    """
    served = served_as(model.imported.imported_model_arn, plan.region_name, clients.bedrock)
    log.info("%s", served["cost"])
    details = {**_provenance(plan, model, run_url), **served, "merge_proof": merge_proof(plan, clients.s3)}
    version, final = _register_as_decided(plan, decision, model, details, clients)
    return RegistrationResult(
        **_registered(version, final.champion, plan.config.model_name, clients) | served,
        report_uri=model.evaluation.report_uri,
        converse=version.metadata.get("converse") == "true",  # a registered version is not warmed up again
        decided_again=None if final is decision else final,
    )


def _register_as_decided(
    plan: ImportPlan, decision: DecisionResult, model: EvaluatedImport, details: Mapping[str, str], clients: AwsClients
) -> tuple[ModelVersion, DecisionResult]:
    """Return the registered version and the decision that it was registered with.

    Every further round is due to another version that became the champion meanwhile, so the rounds end.
    """
    while True:
        candidate = _candidate(plan, decision, model, details, clients.s3)
        check = partial(_check_decision, candidate, decision.champion, clients)
        try:
            with _changing(plan, clients, "register_version") as registry:
                return registry.register(candidate, check), decision
        except ChampionChangedError as error:
            log.warning("%s, expected %s; found %s: decide again", error.what, error.expected, error.found)
        decision = decide_again(plan, model.evaluation, clients, decision.evaluation_job)


def _changing(plan: ImportPlan, clients: AwsClients, task: str) -> AbstractContextManager[SageMakerRegistry]:
    """Return the registry under the model's lease, in the name of one of the run's tasks."""
    group, tags = plan.config.model_name, plan.tags
    owner = f"{task} of {tags.get('dag_id', 'a DAG')}, run {tags.get('dag_run_id', 'unknown')}"
    return changing_versions(clients, group, lease_beside(plan.s3_uri, group), owner)


def _check_decision(candidate: Candidate, seen: int | None, clients: AwsClients) -> None:
    """Check that the imported model exists and that the champion is the one that was compared with."""
    if find_imported_model(clients.bedrock, candidate.imported_model_arn) is None:
        raise ImportedModelGoneError(candidate.imported_model_arn)
    _check_champion(candidate.group, seen, candidate, clients)


def _check_champion(group: str, seen: int | None, subject: Candidate | ModelVersion, clients: AwsClients) -> None:
    check_champion(group, find_champion(group, clients.sagemaker, clients.bedrock), seen, subject)


def _registered(version: ModelVersion, champion_before: int | None, group: str, clients: AwsClients) -> dict[str, Any]:
    now = find_champion(group, clients.sagemaker, clients.bedrock).number
    if version.status == "Approved" and now != version.number:
        log.warning("version %s is approved, but version %s is newer and stays the champion", version.number, now)
        log.warning("run the DAG roll_back_model with version %s to make it the champion", version.number)
    return {
        "version": version.number,
        "arn": version.arn,
        "status": version.status,
        "imported_model_arn": version.imported_model_arn,
        "champion": now,
        "promoted": now == version.number and now != champion_before,
    }


def record_answer(
    plan: ImportPlan, answer: Answer, registered: RegistrationResult, decision: DecisionResult, clients: AwsClients
) -> AnswerResult:
    """Set the version's status to the answer of a person, or of the deadline.

    Only a person's answer is kept against later runs: what the deadline decided, the next run decides again. Marks of
    single answers are stored beside the evaluation, whatever becomes of the approval.

    Args:
        plan: what was imported.
        answer: what was chosen.
        registered: what ``register`` returned.
        decision: the decision that left it to a person.
        clients: S3, SageMaker and Bedrock are asked.

    Raises:
        MarksInvalidError: a mark is of a record that was not asked.
        VersionUnknownError: the version is gone.
        VersionNotImportedError: it is to be approved, but its imported model was deleted.
        ChampionChangedError: it is to be approved, but another version has become the champion since the decision.
        LeaseError: other processes are changing the model's versions.
    """
    group = plan.config.model_name
    keep_marks = _marks_to_keep(answer, registered.report_uri, clients.s3)
    with _changing(plan, clients, "record_answer") as registry:
        version = registry.find(group, plan.fingerprint)
        if version is None:
            raise VersionUnknownError(group, f"version {registered.version}", ())
        keep_marks()
        if _counts(version, answer):
            version = _answered(group, version, answer, decision.champion, registry, clients)
    return AnswerResult(**_registered(version, decision.champion, group, clients), reason=answer.reason)


def _marks_to_keep(answer: Answer, report_uri: str, s3: Any) -> Callable[[], None]:
    """Return what stores the answer's marks; raises MarksInvalidError if one is of a record that was not asked."""
    if not answer.marks:
        return lambda: None
    report = stored_report(s3, report_uri)
    marked = marked_answers(answer.marks, records_of(s3, report), answer.by, answer.at)
    return lambda: add_marks(s3, report, marked)


def _status(answer: Answer) -> ApprovalStatus:
    return "Approved" if answer.approved else "Rejected"


def _counts(version: ModelVersion, answer: Answer) -> bool:
    """Return whether the answer is still to be written: an earlier attempt may have, or a person decided otherwise."""
    if version.status == _status(answer) and version.metadata.get("decision") == metadata_value(answer.reason):
        return False
    if not answer.by and version.status != "PendingManualApproval":
        log.warning("version %s is %s by now: the deadline changes nothing", version.number, version.status)
        return False
    return True


def _answered(
    group: str,
    version: ModelVersion,
    answer: Answer,
    seen: int | None,
    registry: SageMakerRegistry,
    clients: AwsClients,
) -> ModelVersion:
    noted = {"decision": answer.reason}
    if answer.by:
        noted |= {DECIDED_BY: answer.by, DECIDED_AT: answer.at.astimezone(UTC).isoformat(timespec="seconds")}
    if answer.approved:
        check_imported(group, version, clients.bedrock)
        _check_champion(group, seen, version, clients)
    return registry.set_status(version, _status(answer), answer.reason, noted)
