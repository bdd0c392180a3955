"""Wait for the imported model's first answer, unless nothing will be asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bedrock_import.sensors import BedrockImportedModelReadySensor
from model_import_dag.clients import clients_of
from model_import_dag.runs import plan_of
from model_import_dag.skipping import skip

if TYPE_CHECKING:
    from airflow.sdk import Context


class WarmUpSensor(BedrockImportedModelReadySensor):
    """Skipped for a version that is registered and fully measured: a cold model takes minutes and money."""

    def execute(self, context: Context) -> Any:
        """Wait, unless the version is registered and measured."""
        from include.registry.sagemaker import SageMakerRegistry
        from include.steps.evaluate import is_measured

        plan = plan_of(context)
        clients = clients_of(plan)
        known = SageMakerRegistry(clients.sagemaker).find(plan.config.model_name, plan.fingerprint)
        if known and is_measured(plan, self.imported_model_arn, clients):
            skip(f"version {known.number} is registered and its answers are there: the model is asked nothing")
        return super().execute(context)
