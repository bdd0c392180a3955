"""Decide on a measured model and record it in the registry."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from include.costs import model_cost
from include.plan import ImportPlan
from include.registry.decision import PromotionDecision, decide_promotion
from include.registry.durations import CHECKPOINT_BYTES, IMPORT_SECONDS
from include.registry.sagemaker import SageMakerRegistry
from include.registry.versions import LANDED_AT, Candidate

log = logging.getLogger(__name__)


def decide(plan: ImportPlan, evaluation: Mapping[str, Any], sagemaker: Any) -> dict[str, Any]:
    """Return the approval status for the measured model, the reasons, and the champion it was compared with."""
    champion = SageMakerRegistry(sagemaker).champion(plan.config.model_name)
    decision = decide_promotion(
        fingerprint=plan.fingerprint,
        scores=evaluation["scores"],
        dataset_digest=evaluation["dataset_digest"],
        thresholds=plan.config.evaluation.thresholds,
        champion=champion,
        promotion=plan.config.promotion,
        landed_at=plan.landed_at,
    )
    log.info("%s: %s", decision.status, "; ".join(decision.reasons))
    return {**decision.model_dump(mode="json"), "champion": champion.number if champion else None}


def _provenance(plan: ImportPlan, results: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    imported = results["wait_for_import"]
    return {
        **plan.tags,
        "job_arn": imported["job_arn"],
        "imported_model_name": imported["imported_model_name"],
        "s3_uri": plan.s3_uri,
        "base": plan.config.base,
        "adapter": plan.config.adapter or "",
        "licence": plan.config.licence,
        LANDED_AT: plan.landed_at.isoformat() if plan.landed_at else "",
        "dataset": plan.config.evaluation.dataset,
        "body_format": results["evaluate_model"]["body_format"],
        "answers_in": results["warm_up"]["body_format"] or "",
        "converse": str(results["warm_up"]["converse"]).lower(),
        IMPORT_SECONDS: str(imported["seconds"] or ""),
        CHECKPOINT_BYTES: str(plan.checkpoint_bytes),
        "region_name": plan.region_name,
    }


def _served(imported_model_arn: str, region_name: str, bedrock: Any) -> dict[str, str]:
    """Return what an application and whoever pays need to know of the imported model."""
    model = bedrock.get_imported_model(modelIdentifier=imported_model_arn)
    return {
        "architecture": model.get("modelArchitecture", ""),
        "cost": model_cost(model.get("customModelUnits"), region_name).summary(),
    }


def register(
    plan: ImportPlan,
    decision: Mapping[str, Any],
    results: Mapping[str, Mapping[str, Any]],
    sagemaker: Any,
    bedrock: Any,
) -> dict[str, Any]:
    """Record the imported model as a version, or find it; return its number, ARN, approval status and what it costs.

    Args:
        plan: what was imported.
        decision: what ``decide`` returned.
        results: what wait_for_import, warm_up and evaluate_model returned, by task.
        sagemaker: a SageMaker client.
        bedrock: a Bedrock client.
    """
    served = _served(results["wait_for_import"]["imported_model_arn"], plan.region_name, bedrock)
    log.info("%s", served["cost"])
    evaluation = results["evaluate_model"]
    candidate = Candidate(
        group=plan.config.model_name,
        description=plan.config.description,
        fingerprint=plan.fingerprint,
        imported_model_arn=results["wait_for_import"]["imported_model_arn"],
        scores=evaluation["scores"],
        dataset_digest=evaluation["dataset_digest"],
        report_uri=evaluation["report_uri"],
        status=PromotionDecision.model_validate(decision).status,
        provenance={**_provenance(plan, results), **served},
    )
    version = SageMakerRegistry(sagemaker).register(candidate)
    return {"version": version.number, "arn": version.arn, "status": version.status, **served}
