"""The tasks that point applications to a model's champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import task

from include.config.files import read_model_files
from model_import_dag.account import connection_of
from model_import_dag.clients import aws_clients, clients_of
from model_import_dag.model_files import MODELS_FOLDER
from model_import_dag.runs import plan_of, require_owner, run_name
from model_import_dag.skipping import skip
from model_import_dag.timeouts import QUICK

if TYPE_CHECKING:
    from include.run.plan import ImportPlan
    from include.steps.publish import PublishedModel

TASK = "publish_champion"
#: A cold champion is asked for up to 15 minutes, and twice.
TIMEOUT = 4 * QUICK


@task(task_id=TASK, execution_timeout=TIMEOUT, trigger_rule="none_failed")
def publish_after_run(**context: Any) -> dict[str, Any]:
    """Point applications to the champion: it has to answer, then the model's parameter names it."""
    from include.steps.publish import publish_champion

    plan = plan_of(context)
    clients = clients_of(plan)
    model = published_model(plan)
    require_owner(context, clients.sagemaker)
    return publish_champion(model, clients, run_name(context)).model_dump(mode="json")


def published_model(plan: ImportPlan) -> PublishedModel:
    """Return the model of a run; skips the task if its file publishes nothing."""
    from include.registry.leases import lease_beside
    from include.steps.publish import PublishedModel

    config = plan.config
    if config.publish is None:
        skip("the model's file publishes nothing")
    lease = lease_beside(plan.s3_uri, config.model_name)
    return PublishedModel(config.model_name, config.publish, config.evaluation, lease)


@task(task_id=TASK, execution_timeout=TIMEOUT)
def publish_after_roll_back(**context: Any) -> dict[str, Any]:
    """Point applications to the champion: it has to answer, then the model's parameter names it."""
    from include.steps.publish import PublishedModel, publish_champion

    name = context["params"]["model_name"]
    file = read_model_files(MODELS_FOLDER).configs.get(name)
    if file is None or file.publish is None:
        skip("the model's file publishes nothing")
    model = PublishedModel(name, file.publish, file.evaluation, None)
    clients = aws_clients(*connection_of(file))
    return publish_champion(model, clients, run_name(context), at_once=True).model_dump(mode="json")
